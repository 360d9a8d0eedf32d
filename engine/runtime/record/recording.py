"""What a run tells its recorder, so that a commit never holds up the loop; and who waits until it is written."""

from __future__ import annotations

import json
import os
import pickle
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.runtime.fleet.gate import Gate
from engine.runtime.fleet.jobs import Group
from engine.runtime.fleet.limits import cores
from engine.runtime.fleet.loop import Loop
from engine.runtime.record.bounds import short
from engine.runtime.record.gathering import Gathered, small
from engine.runtime.record.line import DATAGRAM, Line, Say
from engine.runtime.record.moments import Moments
from engine.runtime.record.told import Told
from engine.runtime.results import as_json, plain_value, to_json
from engine.settings.types import Durability
from engine.store import messages
from engine.store.liveness import Life, identity
from engine.stream.types import Event
from engine.wire import frames, values
from engine.wire.memory import Parcel, pack, stowed

_CROWDED: Final = 16 << 20
"""Bytes that may wait for the database before no more tasks are begun."""
_CROWDED_LARGE: Final = 64 << 20
"""The same for large results, which have memory of their own: no less than the largest that is kept by default, so that
agents need not stand still for one.
"""
_TASK_BYTES: Final = 128
"""What a task that waits counts for beside its message: about what Python takes for it. So some 100,000 trivial ones
may wait, which are written within a second or three.
"""
_GATHERED_BYTES: Final = _TASK_BYTES + 20
"""What a task counts for whose outcome is gathered with others, with its message."""
_PATIENCE: Final = 1.0
"""Seconds that it may be behind before that is told."""
_ITEMS_BYTES: Final = 64 << 20
"""Of items of a stream that are kept; with more the run can't be resumed."""
_TEXT_BYTES: Final = 32 << 10
"""Of a result that is recorded as text; a longer one stays a pickle."""


_OUTPUT: Final = frozenset({"agent.stdout", "agent.stderr"})
_BESIDE: Final = ["pieces", b""]
"""A large result, which comes beside the message."""
_LEFT_OUT: Final = ["large", b""]
"""One that is too large to be kept."""


def machine() -> dict[str, Any]:
    """What this machine is, for the record."""
    return {
        "cores": cores(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "host": platform.node(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


class Recording:
    """What happens to one run, as messages to its recorder.

    Attributes:
        line: to the recorder.
        samples_dropped: how many were not recorded because the recorder was behind.
        moments: what is recorded for a replay.
        keeps_moments: whether that is to be.
        output_dropped: lines of agents' output likewise.
    """

    def __init__(self, loop: Loop, database: Path, durability: Durability, say: Say, largest: int) -> None:
        """Start the recorder. `largest`: bytes of a large result that is kept, at the most. Raises `StartError`."""
        self._largest = largest
        self.line = Line(loop, database, durability, say)
        self._database = database
        self._life: Life | None = None
        """The lock of the run."""
        self.gate = Gate(self.line) if durability != "off" else None
        """What sinks are told passes here; None: at once."""
        self.samples_dropped = self.output_dropped = 0
        self._output_told = 0
        """How many of the latter were told."""
        self.moments = Moments()
        self.keeps_moments = True
        self.exact: set[int] = set()
        """Jobs whose results are needed again as what they were."""
        self._gathered: dict[int, tuple[Gathered, Told | None]] = {}
        """By row of the agent, the last of its groups that were gathered."""
        self._items_bytes = 0
        self._say = say
        self._offset = time.time_ns() - time.monotonic_ns()
        self._crowded = False
        self._crowded_since = 0.0
        self._told_crowded = False
        self._dropping = False
        self._total: int | None = None
        self.line.on_safe = self._safe

    def live(self, run: str, resumed: int) -> str:
        """Hold the lock of the run from here on. Returns what tells this process from others (`RunBegan.process`)."""
        self._life = Life(self._database, run, resumed)
        return identity(os.getpid(), self._life.held)

    def close(self, given_up: bool) -> None:
        """End the recorder, as `Line.close` does."""
        self.line.close(given_up)
        if self._life is not None:
            self._life.close()

    def _safe(self) -> None:
        if self.gate is not None:
            if self.line.lost is not None:
                self.gate.open()
            else:
                self.gate.look()

    def settle(self, give_up: Callable[[], bool]) -> bool:
        """Wait until all that was told by now is safe, and whoever is to hear of it has; or until `give_up` says so:
        then they are told without. False if it was given up.
        """
        line, until = self.line, self.line.told
        line.push()
        while line.safe < until and line.lost is None:
            if give_up():
                if self.gate is not None:
                    self.gate.open()
                return False
            self.line.loop.step(0.5 if line.due is None else max(0.0, min(0.5, line.due - time.monotonic())))
            line.tick()
        self._tell_output()
        return True

    @property
    def crowded(self) -> bool:
        """It has fallen behind: no new work should be admitted until half of what waits is written."""
        held, large = self.line.bytes, self.line.large + (0 if self.gate is None else self.gate.bytes)
        if self._crowded:
            self._crowded = held > _CROWDED // 2 or large > _CROWDED_LARGE // 2
        elif held > _CROWDED or large > _CROWDED_LARGE:
            self._crowded, self._crowded_since = True, time.monotonic()
        return self._crowded

    def backlog(self) -> float:
        """What waits to be recorded, as a share of what may."""
        large = self.line.large + (0 if self.gate is None else self.gate.bytes)
        return max(self.line.bytes / _CROWDED, large / _CROWDED_LARGE)

    @property
    def due(self) -> float | None:
        """When `tick` is to be called, by the monotonic clock; None: it need not."""
        told = self._crowded_since + _PATIENCE if self._crowded and not self._told_crowded else None
        return min((at for at in (self.line.due, told) if at is not None), default=None)

    def tick(self, hurry: bool) -> None:
        """Do what is due, and tell of what lasts. `hurry`: agents may be idle until somebody hears of results."""
        line = self.line
        if hurry:
            line.push()
        line.tick()
        line.speak()
        self._tell_output()
        if not self.crowded:
            if self._told_crowded:
                self._told_crowded = False
                self._say("info", "recorder.caught_up", "the database has caught up: tasks are begun again", {})
        elif not self._told_crowded and time.monotonic() - self._crowded_since > _PATIENCE:
            self._told_crowded = True
            text = "the database does not keep up: no tasks are begun until it has"
            self._say("warning", "recorder.behind", text, {"bytes": line.bytes + line.large})

    def sample(self, message: messages.ToRecorder) -> bool:
        """Record a sample; they are what is left out first where the recorder is behind: then it returns False."""
        line = self.line
        if line.held or not line.ready or self.crowded:
            self.samples_dropped += 1
            self._dropping = True
            return False
        if self._dropping:
            self._dropping = False
            text = f"{self.samples_dropped:,} samples were left out so far, while the database was behind"
            self._say("info", "samples.dropped", text, {"dropped": self.samples_dropped})
        line.tell(message)
        return True

    def total(self, tasks: int) -> None:
        """How many tasks the run has: told where it was not known, or was another number."""
        if tasks != self._total:
            self._total = tasks
            self.line.tell(messages.Total(tasks))

    def event(self, event: Event) -> None:
        """Record an event. What agents write is left out where the recorder is behind: that alone goes on coming while
        no tasks are begun.
        """
        if event.kind in _OUTPUT and (self.line.held or self.crowded):
            self.output_dropped += 1
            return
        self.line.tell(messages.Happened([event]))

    def _tell_output(self) -> None:
        """How much of it was left out, once the recorder has caught up."""
        count = self.output_dropped - self._output_told
        if count and not self.crowded and not self.line.held:
            self._output_told += count
            text = f"{count:,} lines of output were not recorded, for the database was behind"
            self._say("warning", "output.dropped", text, {"lines": count})

    def outcomes(self, job: int, base: int, group: Group) -> int:
        """Record a group of outcomes of a job, of which the range's first task has the index `base`. Returns how many
        bytes of its parcels are kept until they are written.
        """
        if small(group):
            self._gather(job, base, group)
            return 0
        results = group.items
        parcels: list[Parcel] = []
        if not group.plain:
            exact = job in self.exact
            results = [_storable(item, exact) for item in results]
            if group.parcels:
                parcels = self._large(group, results)
        failures = [
            messages.Failed(base + index, found.kind, found.type, found.message, found.traceback, _detail(found))
            for index, found in group.failures.items()
        ]
        started = (group.started + self._offset) / 1e9
        attempts = {base + index: attempt for index, attempt in group.attempts.items()}
        skipped = [base + index for index in (*group.retried, *group.gone)]
        message = messages.Finished(
            job, base + group.first, group.row, started, group.nanoseconds.tobytes(), results, failures, skipped,
            attempts,
        )  # fmt: skip
        before = self.line.large
        self._finished(message, parcels)
        return self.line.large - before

    def _gather(self, job: int, base: int, group: Group) -> None:
        """Record a group together with those before it, where it follows them."""
        weight = _GATHERED_BYTES * len(group.items)
        gathered, told = self._gathered.get(group.row, (None, None))
        if gathered is not None and told is not None and gathered.continues(job, base, group):
            gathered.add(group)
            self.line.grow(told, weight)
            return
        gathered = Gathered(job, base, group, self._offset)
        told = self.line.hold(gathered.encoded, weight)
        self._gathered[group.row] = gathered, told

    def _large(self, group: Group, results: list[Any]) -> list[Parcel]:
        """Say of the large results of a group that they come beside the message, but for those that are too large to
        be kept; the parcels of these.
        """
        found = []
        for at, item in enumerate(group.items):
            index = group.first + at
            if type(item) is not values.Ext or item.code != values.PARCEL:
                continue
            if index in group.failures or index in group.retried or index in group.gone:
                continue
            number = int.from_bytes(item.data, "little")
            if number < len(group.parcels) and (parcel := self._kept(group.parcels[number])) is not None:
                results[at] = _BESIDE
                found.append(parcel)
        return found

    def _kept(self, parcel: Parcel) -> Parcel | None:
        """What is to be sent of a large result; None: it is not kept."""
        if parcel.size() > self._largest:
            return None
        if self.gate is not None:
            return parcel
        try:
            return parcel.twin()  # its reader is told at once, and may write to it before it is sent again
        except OSError:
            return None

    def items(self, first: int, items: list[str]) -> bool:
        """Record items of a stream, or its end where there are none. False from when there is no room for them on."""
        if self._items_bytes > _ITEMS_BYTES:
            return False
        data = messages.encode(messages.ItemsRead(first, items))
        if len(data) > DATAGRAM and len(items) > 1:
            half = len(items) // 2
            return self.items(first, items[:half]) and self.items(first + half, items[half:])
        self._items_bytes += len(data)
        if len(data) > DATAGRAM or self._items_bytes > _ITEMS_BYTES:
            self._items_bytes = _ITEMS_BYTES + 1
            self.line.tell(messages.ItemsRead(-1, []))
            return False
        self.line.send(data, len(data))
        return True

    def _finished(self, message: messages.Finished, parcels: list[Parcel]) -> None:
        """Send a group of outcomes, in as many messages as it takes: each has a limit. `parcels`: of its large results,
        in their order.
        """
        data = messages.encode(message)
        count = len(message.results)
        if len(data) <= DATAGRAM and len(parcels) <= values.PARCELS_SENT:
            self.line.send(data, len(data) + _TASK_BYTES * count, parcels)
            return
        if count == 1:
            results, parcels = self._apart(message.results)
            failures = [messages.Failed(f.index, f.kind, short(f.type), short(f.message), "") for f in message.failures]
            data = messages.encode(msgspec.structs.replace(message, results=results, failures=failures))
            self.line.send(data, len(data) + _TASK_BYTES, parcels)
            return
        half = count // 2
        apart = sum(result == _BESIDE for result in message.results[:half])
        self._finished(_part(message, 0, half), parcels[:apart])
        self._finished(_part(message, half, count), parcels[apart:])

    def _apart(self, results: list[Any]) -> tuple[list[Any], list[Parcel]]:
        """One result that is too long for a message: where agents have no descriptors left, they pass it on as it is,
        and it gets memory of its own here.
        """
        match results:
            case [["pickle", data]] if len(data) <= self._largest:
                try:
                    return [_BESIDE], [pack(data, [])]
                except OSError:
                    return [_BESIDE], [stowed(data)]
        return [_LEFT_OUT], []


def _part(message: messages.Finished, at: int, stop: int) -> messages.Finished:
    """Tasks at..stop-1 of a group, as a group."""
    times = memoryview(message.nanoseconds).cast("Q")
    first, last = message.first + at, message.first + stop
    return messages.Finished(
        message.job, first, message.row, message.started + sum(times[:at]) / 1e9, bytes(times[at:stop]),
        message.results[at:stop], [f for f in message.failures if first <= f.index < last],
        [i for i in message.skipped if first <= i < last],
        {i: n for i, n in message.attempts.items() if first <= i < last},
    )  # fmt: skip


def _storable(item: Any, exact: bool) -> Any:
    if type(item) is not values.Ext:
        return item
    if item.code != values.PICKLE:
        return _LEFT_OUT
    try:
        value = plain_value(item)
        text = as_json(value)
    except pickle.UnpicklingError:
        return ["pickle", item.data]
    if text is None or len(text) > _TEXT_BYTES or (exact and not _same(value, text)):
        return ["pickle", item.data]
    return ["json", text]


def _same(value: Any, text: str) -> bool:
    """Whether JSON brings a value back as what it was: no tuple as a list, no number as a key's text."""
    try:
        return repr(json.loads(text)) == repr(value)
    except (ValueError, RecursionError):
        return False


def _detail(failure: frames.Failure) -> str:
    return to_json(failure.detail) if failure.detail else ""
