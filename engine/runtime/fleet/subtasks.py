"""Subtasks at the engine: what tasks that run have submitted, who waits for it, and what is told to whom.

A parent is the attempt of a task: the agent of a row, with the batch and the offset at which it is. Once that is over,
in whatever way, what is left of its subtasks is cancelled, and nobody is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from engine.core.aside import Awaited
from engine.core.tasks import FINAL, Options, Parent
from engine.runtime.fleet.jobs import Group, Items, Job
from engine.wire import frames, values
from engine.wire.memory import Parcel

if TYPE_CHECKING:
    from engine.runtime.fleet.fleet import Fleet

KINDS: Final = ("KERNEL", "QUESTION", "BLOCKER", "INTEGRATION")
"""Requests that every run knows, as every plan does."""
_TOGETHER: Final = 64 << 10
"""Bytes of results in one message to a parent, about."""
_ENDED: Final = 50
"""Subtasks that were ended for one reason, in one message."""
_TEXT_MAX: Final = 1_000

Send = Callable[[int, bytes, list[Parcel]], None]


@dataclass(slots=True, eq=False)
class _Parent:
    """A task that runs and has subtasks."""

    row: int
    generation: int
    batch: int
    offset: int
    task: Parent
    name: str
    """What it is called in the record; of a subtask, what the task at the top is called."""
    ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Its subtasks that are not over: number of the first, and how many, by range."""
    places: dict[int, Awaited] = field(default_factory=dict)
    """Range and index of those that are not over, by number."""
    kinds: dict[int, str] = field(default_factory=dict)
    """Which requests its ranges are."""
    kept: dict[int, tuple[Any, list[Parcel]]] = field(default_factory=dict)
    """Large results that nobody has asked for, by number."""
    awaited: set[int] = field(default_factory=set)
    """What it waits for."""
    need: int = 0
    """How many more of those."""


class SubtaskDesk:
    """Between agents whose tasks have subtasks, and the core.

    Attributes:
        parents: tasks that have subtasks, by the row of the agent that runs them.
        answers: kinds of requests, and the pool that answers them, "" for the asking task's own.
        place: gives where so many subtasks go in the record: by name, call, pool and number.
        asked: requests so far, by kind.
        ever: whether any task has had subtasks.
    """

    def __init__(self, fleet: Fleet, send: Send) -> None:
        """`send` takes a row, a frame for the host of that row's agent, and the frame's parcels."""
        self._fleet = fleet
        self._send = send
        self.parents: dict[int, _Parent] = {}
        self.answers: dict[str, str] = dict.fromkeys(KINDS, "")
        self.asked: dict[str, int] = {}
        self.ever = False
        self.place: Callable[[str, str, int, int], tuple[int, int]] = lambda name, call, pool, count: (0, 0)

    # -- what agents say ----------------------------------------------------------------------------------------------

    def heard(self, frame: frames.FromSubtasks, parcels: list[Parcel]) -> None:
        """An agent says something. Raises ValueError where it names a row that there is not, or what can't be read."""
        core = self._fleet.core
        if not 0 <= frame.row < len(core.agents):
            raise ValueError(f"no row {frame.row}")
        if core.agents[frame.row].generation != frame.generation:
            return  # it has died meanwhile
        match frame:
            case frames.Submitted():
                self._submitted(frame, parcels)
            case frames.Awaits():
                self._awaits(frame)
            case frames.Withdrawn():
                self._withdrawn(frame)

    def _parent(self, frame: frames.Submitted | frames.Awaits) -> _Parent | None:
        """Who speaks; None where it is over, for all that is known here."""
        core, known = self._fleet.core, self.parents.get(frame.row)
        task = core.parent(frame.row, frame.batch, frame.offset)
        if known is not None:
            if task is not None and (known.batch, known.offset) == (frame.batch, frame.offset):
                return known
            self._close(known)  # it was cancelled; or its agent is at another task: that is how it is known to be over
        if task is None:
            return None
        job = self._fleet.job(task.range)
        name = "task" if job is None else job.name if job.parent is None else job.name.partition("/")[0]
        found = _Parent(frame.row, frame.generation, frame.batch, frame.offset, task, name)
        self.parents[frame.row] = found
        self.ever = True
        return found

    def _submitted(self, frame: frames.Submitted, parcels: list[Parcel]) -> None:
        items = values.open_column(frame.column, parcels)
        parent = self._parent(frame)
        if parent is None:
            self._refuse(frame, len(items), "cancelled", "the task that submitted it is over")
            return
        fleet = self._fleet
        pool, why = self._pool(frame, parent)
        if why:
            self._refuse(frame, len(items), "request", why)
            return
        held = [_held(item, parcels) for item in items]
        function = fleet.functions.define(frame.reference)
        asked = frame.options
        options = Options(
            retries=asked.retries, crash_limit=asked.crash_limit, timeout=asked.timeout, retry_on=tuple(asked.retry_on),
            soft_timeout=asked.soft_timeout, batch_max=fleet.begun_with.batch_max_size,
            item_bytes=values.mean_size(held),
        )  # fmt: skip
        source, name = Items(held), f"{parent.name}/{frame.kind or frame.name}"
        sink = _Sink(self, parent, frame.first)
        job = Job(function, len(held), source, sink, name, True, pool, options, parent=parent.task)
        call = frame.reference if not frame.reference.startswith("!") else frame.name
        job.record = self.place(name, call, pool, len(held))
        if frame.kind:
            self.asked[frame.kind] = self.asked.get(frame.kind, 0) + len(held)
        number = sink.range = fleet.submit(job)
        parent.ranges[number] = frame.first, len(held)
        parent.kinds[number] = frame.kind
        for at in range(len(held)):
            parent.places[frame.first + at] = Awaited(number, at)

    def _pool(self, frame: frames.Submitted, parent: _Parent) -> tuple[int, str]:
        """Which pool is to run them; or why none can."""
        core = self._fleet.core
        numbers = {pool.name: pool.id for pool in core.pools}
        if frame.kind and frame.kind not in self.answers:
            return 0, f"no request {frame.kind!r}; there are {', '.join(self.answers)}"
        name = frame.pool or (self.answers[frame.kind] if frame.kind else "")
        if frame.pool and frame.pool not in numbers:
            return 0, f"no pool {frame.pool!r}; there are {', '.join(numbers)}"
        if name in numbers:
            return numbers[name], ""
        return core.shards[core.agents[parent.row].shard].pool, ""

    def _refuse(self, frame: frames.Submitted, count: int, kind: str, text: str) -> None:
        for at in range(0, count, _ENDED):
            some = min(_ENDED, count - at)
            failures = [(frame.first + at + one, _ended(kind, text)) for one in range(some)]
            self._answer(frame.row, frame.generation, frame.first + at, [None] * some, failures, [])

    def _awaits(self, frame: frames.Awaits) -> None:
        known = self.parents.get(frame.row)
        if not frame.numbers:
            if known is not None:
                self._go_on(known)
            return
        parent = self._parent(frame)
        if parent is None:  # else it would wait for ever
            for number in frame.numbers:
                told = [(number, _ended("cancelled", "the task that submitted it is over"))]
                self._answer(frame.row, frame.generation, number, [None], told, [])
            return
        left = {number for number in frame.numbers if number in parent.places}
        parent.awaited, parent.need = left, frame.need - (len(frame.numbers) - len(left))
        if parent.need > 0:
            awaited = tuple(parent.places[number] for number in sorted(left))
            self._fleet.core.step_aside(time.monotonic(), parent.row, parent.batch, parent.offset, awaited)

    def _withdrawn(self, frame: frames.Withdrawn) -> None:
        parent = self.parents.get(frame.row)
        for number in frame.numbers:
            if frame.fetch:  # answered in any case: it is waited for
                nothing: tuple[Any, list[Parcel]] = None, []
                item, parcels = nothing if parent is None else parent.kept.pop(number, nothing)
                failures = [] if parcels else [(number, _ended("request", "its result is not kept any more"))]
                column = values.encode([item])
                answer = frames.Answered(frame.row, frame.generation, number, msgspec.Raw(column), failures, [])
                self._send(frame.row, frames.encode(answer), parcels)
            elif parent is not None and (place := parent.places.get(number)) is not None:
                self._fleet.core.cancel(*place, running=True)

    def kinds_of(self, row: int, ranges: Iterable[int]) -> set[str]:
        """Which requests these subtasks of an agent's task are."""
        parent = self.parents.get(row)
        return set() if parent is None else {kind for number in ranges if (kind := parent.kinds.get(number))}

    # -- ends ---------------------------------------------------------------------------------------------------------

    def over(self, row: int) -> None:
        """The agent of a row has outcomes: the task that it was at may be over."""
        parent = self.parents.get(row)
        if parent is None:
            return
        batch = self._fleet.core.batches.get(parent.batch)
        if batch is None or batch.accepted > parent.offset:
            self._close(parent)

    def lost(self, rows: Iterable[int], generation: int | None = None) -> None:
        """The agents of these rows are gone; `generation`: if they are of that one."""
        if self.parents:
            for row in rows:
                parent = self.parents.get(row)
                if parent is not None and generation in (None, parent.generation):
                    self._close(parent)

    def _close(self, parent: _Parent) -> None:
        """A parent is over: nobody wants what is left of its subtasks."""
        del self.parents[parent.row]
        core = self._fleet.core
        core.step_back(parent.row)
        for number, (_, count) in list(parent.ranges.items()):
            core.cancel_rest(number)
            for index in range(count):
                found = core.ranges.get(number)
                if found is None:
                    break
                if found.state[index] not in FINAL:
                    core.cancel(number, index, running=True)

    def _go_on(self, parent: _Parent) -> None:
        """It waits no longer."""
        parent.awaited, parent.need = set(), 0
        self._fleet.core.step_back(parent.row)

    # -- what came of subtasks ----------------------------------------------------------------------------------------

    def _alive(self, parent: _Parent) -> bool:
        return self.parents.get(parent.row) is parent

    def outcomes(self, parent: _Parent, first: int, group: Group) -> None:
        """Subtasks have finished, or failed by themselves."""
        if not self._alive(parent):
            return
        column: list[Any] = []
        failures: list[tuple[int, frames.Failure]] = []
        kept: list[int] = []
        size, start = 0, first + group.first

        def tell(stop: int) -> None:
            nonlocal column, failures, kept, size, start
            if column:
                self._tell(parent, start, column, failures, kept)
            column, failures, kept, size, start = [], [], [], 0, stop

        for at, item in enumerate(group.items):
            index = group.first + at
            if index in group.retried or index in group.gone:
                tell(first + index + 1)
                continue
            failure = group.failures.get(index)
            if failure is not None:
                failures.append((first + index, failure))
                size += len(failure.traceback) + len(failure.exception) + len(failure.message)
                item = None
            elif type(item) is values.Ext and item.code == values.PARCEL:
                parcel = group.parcels[int.from_bytes(item.data, "little")]
                parent.kept[first + index] = values.Ext(values.PARCEL, bytes(4)), [parcel]
                kept.append(first + index)
                item = None
            column.append(item)
            size += values.size(item)
            if size > _TOGETHER:
                tell(first + index + 1)
        tell(0)

    def ended(self, parent: _Parent, first: int, count: int, kind: str, text: str) -> None:
        """The engine ended subtasks."""
        for at in range(first, first + count, _ENDED):
            some = range(at, min(at + _ENDED, first + count))
            if self._alive(parent):
                self._tell(parent, at, [None] * len(some), [(number, _ended(kind, text)) for number in some], [])

    def _tell(
        self,
        parent: _Parent,
        first: int,
        column: list[Any],
        failures: list[tuple[int, frames.Failure]],
        kept: list[int],
    ) -> None:
        for number in range(first, first + len(column)):
            parent.places.pop(number, None)
            if number in parent.awaited:
                parent.awaited.discard(number)
                parent.need -= 1
                if not parent.need:
                    self._go_on(parent)  # before it can know: what it says next must not find it waiting
        self._answer(parent.row, parent.generation, first, column, failures, kept)

    def _answer(
        self, row: int, generation: int, first: int, column: list[Any], failures: list[tuple[int, frames.Failure]],
        kept: list[int],
    ) -> None:  # fmt: skip
        parcels: list[Parcel] = []
        data = values.fit(values.encode(column), parcels, frames.FRAME_MAX // 2)
        answer = frames.Answered(row, generation, first, msgspec.Raw(data), failures, kept)
        self._send(row, frames.encode(answer), parcels)


class _Sink:
    """Hears of one range of subtasks."""

    __slots__ = ("_desk", "_first", "_parent", "range")

    def __init__(self, desk: SubtaskDesk, parent: _Parent, first: int) -> None:
        self._desk = desk
        self._parent = parent
        self._first = first
        self.range = 0

    def outcomes(self, group: Group) -> None:
        """As `jobs.Sink`."""
        self._desk.outcomes(self._parent, self._first, group)

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """As `jobs.Sink`."""
        self._desk.ended(self._parent, self._first + first, count, kind, text)

    def finished(self, failed: int) -> None:
        """As `jobs.Sink`."""
        self._parent.ranges.pop(self.range, None)
        self._parent.kinds.pop(self.range, None)


def _held(item: Any, parcels: list[Parcel]) -> Any:
    """An item of a column as it waits to be sent on."""
    if type(item) is values.Ext and item.code == values.PARCEL:
        return parcels[int.from_bytes(item.data, "little")]
    return item


def _ended(kind: str, text: str) -> frames.Failure:
    return frames.Failure(0, kind, "", text[:_TEXT_MAX], "", b"")
