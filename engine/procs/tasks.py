"""How an agent runs the tasks of a batch: one after the other, each timed, each outcome written at once.

Only outcomes of functions that are known to be trivial are grouped, for about a millisecond: so a slow task holds back
few of its finished neighbours, and a killed agent's finished work is nearly all there. If a trivial function turns out
to be slow once, the host sees in the agent's row that outcomes wait behind it, and asks for them by a signal.
"""

from __future__ import annotations

import os
import signal
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Any, Final

from engine.procs import system
from engine.procs.failures import SoftTimeout, failure
from engine.procs.outlet import Outlet
from engine.procs.scoreboard import (
    ASK,
    ASK_FLUSH,
    ASK_REST,
    ASK_SOFT,
    CELLS,
    HELD,
    OFFSET,
    START,
    Scoreboard,
    asking,
)  # fmt: skip
from engine.wire import frames, values
from engine.wire.memory import Parcel

SIGNAL: Final = int(signal.SIGURG)
"""What the host sends an agent that it asks for something: by default it is ignored, and hardly anybody uses it."""

_GROUP_NS: Final = 1_000_000
"""Outcomes of trivial tasks are written together once this has passed; a task is trivial below it."""
_GROUP_BYTES: Final = 48 << 10
_GROUP_TASKS: Final = 2500
_PROVEN: Final = 32
"""Tasks of a function that must all have been trivial before its outcomes are grouped."""
_SLOW_SHARE: Final = 0.05
"""Share of slow tasks up to which a function counts as trivial."""

# What a signal may do now.
_NOTHING: Final = 0
"""The agent's own code runs."""
_FLUSH: Final = 1
"""User code runs, but no task that could be interrupted: outcomes may be written."""
_ANYTHING: Final = 2

_clock = time.monotonic_ns
_Ext = values.Ext


class _Unknown:
    """A kind of result that no task has."""


class Function:
    """A function that this agent was told of."""

    __slots__ = ("call", "interruptible", "seen", "slow")

    def __init__(self, call: Callable[..., Any], interruptible: bool = True) -> None:
        """`interruptible`: whether `SoftTimeout` may be raised in it."""
        self.call = call
        self.interruptible = interruptible
        self.seen = 0
        self.slow = 1.0
        """Smoothed share of its tasks that were not trivial. One in hundreds may have been interrupted, not slow."""

    @property
    def trivial(self) -> bool:
        """Whether its outcomes may be grouped."""
        return self.seen >= _PROVEN and self.slow < _SLOW_SHARE

    def learn(self, count: int, slow: int) -> None:
        """Of `count` tasks `slow` took longer than a trivial one."""
        self.seen += count
        kept = 0.5 ** (count / 8)
        self.slow = kept * self.slow + (1 - kept) * slow / count


class Tasks:
    """Runs batches, in the main thread."""

    def __init__(self, board: Scoreboard, row: int, outlet: Outlet) -> None:
        self._cells = board.cells
        self._base = row * CELLS
        self._outlet = outlet
        self._level = _NOTHING
        self._forked = False
        self._items: list[Any] = []
        """The batch's, as far as it has not been given back."""
        self._source = enumerate(self._items, 1)
        """What they are fetched from, numbered."""
        self._told = 0
        """How many there are for all that the host knows."""
        # The group: what has finished and is not written yet. A task is finished by its end being added, the last of
        # its traces, so whatever interrupts the loop sees whole tasks.
        self._batch = 0
        self._first = 0
        self._results: list[Any] = []
        self._errors: list[frames.Failure] = []
        self._ends: list[int] = []
        """When each ended, and the next one began."""
        self._began = 0
        """When its first task began."""
        self._plain = True
        """No result of the batch has needed more than to be written down."""
        self._soft_ns = 0
        self._told_soft = (0, 0)
        """(batch, offset + 1) of the task that was last told of its soft timeout."""
        self._handler = self._asked

    def after_fork(self) -> None:
        """A task has forked. If the child comes back from the task it finds that there is nothing more to do."""
        self._forked = True
        self._items.clear()

    def current(self) -> tuple[int, int] | None:
        """Batch and offset of the task that runs; None between tasks, and in a fork of one."""
        offset = int(self._cells[self._base + OFFSET])
        return None if self._forked or not offset else (self._batch, offset - 1)

    def listen(self) -> None:
        """Answer the host's signal, though a task may have taken it for itself: what it did ends with its batch."""
        global _mine
        _mine = self
        if system.handler(SIGNAL) is not self._handler:
            system.handle(SIGNAL, self._handler)

    def run(
        self, work: frames.Work, function: Function, items: list[Any], parcels: Sequence[Parcel], wrapped: bool = True
    ) -> None:
        """Run a batch and write its outcomes. `items` is used up; `wrapped`: some of them may have to be unwrapped."""
        cells, base = self._cells, self._base
        offset_at, start_at, held_at = base + OFFSET, base + START, base + HELD
        call, star, trivial, count = function.call, work.star, function.trivial, len(items)
        results, ends = self._results, self._ends
        add, add_end, clock = results.append, ends.append, _clock
        ext, short = _Ext, values.SHORT
        bare = trivial and not wrapped and not star
        self._items, self._batch, self._first, self._told = items, work.batch, 0, count
        self._plain = True
        self._soft_ns = int(work.soft_timeout * 1e9) if function.interruptible else 0
        self.listen()
        slow = size = place = 0
        now = self._began = clock()
        limit = now + _GROUP_NS if trivial else 0
        known: type = _Unknown  # a kind of result that needs no look
        source = self._source = enumerate(items, 1)
        item = value = None
        while True:
            cells[start_at] = now
            if trivial:
                cells[held_at] = self._first + 1
            kind = "exception"
            try:
                self._level = _ANYTHING
                fetched: Iterator[tuple[int, Any]] = source if count <= _GROUP_TASKS else islice(source, _GROUP_TASKS)
                if bare:  # the loop below, without what such tasks do not need: it takes longer than they do
                    for cells[offset_at], item in fetched:
                        value = call(item)
                        if type(value) is not known:
                            if type(value) in short:
                                known = type(value)
                            else:
                                kind = "result"
                                value, more = self._held(value)
                                kind = "exception"
                                size += more
                                if size > _GROUP_BYTES:
                                    limit = 0
                        add(value)
                        now = clock()
                        add_end(now)
                        if now > limit:
                            break
                    place, fetched = self._fetched(), iter(())
                for place, item in fetched:
                    cells[offset_at] = place
                    if type(item) is ext:
                        kind = "arguments"
                        items[place - 1] = None  # a large argument must not outlive its task
                        item = values.unwrap(item, parcels)
                        kind = "exception"
                    if star:
                        args, kwargs = item
                        item = None
                        value = call(*args, **kwargs)
                        args = kwargs = None
                    else:
                        value = call(item)
                    if type(value) is not known:
                        if type(value) in short:
                            known = type(value)
                        else:
                            kind = "result"
                            item = None  # it may be large, and so may be what is made now
                            value, more = self._held(value)
                            kind = "exception"
                            size += more
                            if size > _GROUP_BYTES:
                                limit = 0
                    add(value)
                    now = clock()
                    add_end(now)
                    if now > limit:
                        break
                self._level = _FLUSH
            except BaseException as error:
                self._level = _FLUSH
                place = self._fetched() if bare else place
                # If the task is over, this came too late for it, and from no task: a signal's handler raised it.
                if self._first + len(ends) < place and not self._forked:
                    failed = failure(place - 1, kind, error)
                    size += len(failed.traceback) + len(failed.exception)
                    self._errors.append(failed)
                    del results[len(ends) :]
                    add(None)
                    now = clock()
                    add_end(now)
                del error
            item = value = args = kwargs = None
            if self._forked:  # a task's own fork has come back from it: it is no agent, and must not go on as one
                os._exit(0)
            self._level = _NOTHING
            count = len(items)  # what comes after these may have been given back
            # Only the last can have been slow: it ends the group.
            if ends and ends[-1] - (ends[-2] if len(ends) > 1 else self._began) >= _GROUP_NS:
                slow += 1
            if place >= count or now > limit or size > _GROUP_BYTES or len(ends) >= _GROUP_TASKS:
                self._emit(last=place >= count)
                if place >= count:
                    break
                size = 0
                now = self._began = clock()
                limit = now + _GROUP_NS if trivial else 0
        cells[held_at] = 0
        function.learn(count, slow)

    def _emit(self, last: bool = False) -> None:
        """Write the outcomes of the group's finished tasks; `last`: of the batch."""
        ends, results, errors = self._ends, self._results, self._errors
        count = len(ends)
        if not count:
            return
        if len(self._items) < self._told:
            self._tell_rest()
        end = self._first + count
        if len(results) > count or (errors and errors[-1].offset >= end):  # interrupted before the last one's end
            results, errors = results[:count], [error for error in errors if error.offset < end]
        self._outlet.emit(self._batch, self._first, results, array("Q", ends), errors, self._began, last, self._plain)
        self._first = end
        del self._results[:count], self._errors[: len(errors)]
        ends.clear()

    def _fetched(self) -> int:
        """How many tasks have begun. The enumerator alone knows: the row lags behind between two steps of the loop."""
        return int(self._source.__reduce__()[1][1]) - 1

    def _held(self, value: object) -> tuple[object, int]:
        """What a result that is not short waits as, and about how many bytes that takes; raises what pickling does."""
        if type(value) in values.PLAIN:
            return value, 4 * len(value)  # type: ignore[arg-type]
        self._plain = False
        value = values.hold(value)
        return value, values.size(value) if type(value) is _Ext else _GROUP_BYTES + 1

    def _give_rest(self) -> None:
        """Give back the tasks that have not begun, and see that one more outcome is still to come."""
        keep = max(self._fetched(), self._first + 1)
        if keep < len(self._items):
            del self._items[keep:]  # in one step: what is gone will be told of, before the next outcomes if not now
            self._tell_rest()

    def _tell_rest(self) -> None:
        size = len(self._items)
        self._outlet.give_back(self._batch, size, _clock() - (self._ends[-1] if self._ends else self._began))
        self._told = size

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """The host's signal: write what has finished, tell the task of its soft timeout."""
        level, cells, base = self._level, self._cells, self._base
        if level == _NOTHING or self._forked:
            return
        late = False
        task = self._batch, cells[base + OFFSET]
        try:
            if cells[base + ASK] & ASK_FLUSH:
                self._level = _NOTHING
                began = self._ends[-1] if self._ends else self._began
                self._emit()
                self._began = began
                cells[base + HELD] = self._first + 1
                self._level = level
            if cells[base + ASK] == asking(cells[base + ASK] & 0xFF | ASK_REST, self._batch):
                self._level = _NOTHING
                self._give_rest()
                self._level = level
            # Read anew: a signal that came meanwhile found us busy.
            if cells[base + ASK] & ASK_SOFT and level == _ANYTHING and self._soft_ns and task != self._told_soft:
                # By the time that the host has judged by: it may be another task that runs now.
                late = _clock() - cells[base + START] >= self._soft_ns
        except RecursionError:
            pass  # the task has used the stack up: the host asks again, and the engine drops what comes twice
        finally:
            self._level = level
        if late:
            self._told_soft = task
            raise SoftTimeout(f"the task has run for its soft timeout of {self._soft_ns / 1e9:g} s")


_mine: Tasks | None = None
"""Those of this process, if it is an agent."""


def current() -> tuple[int, int] | None:
    """Batch and offset of the task that runs in this process; None where none does."""
    return None if _mine is None else _mine.current()


def silence() -> None:
    """Be no agent any more: leave the signal, and forks, to whoever comes."""
    global _mine
    _mine = None
    system.handle(SIGNAL, None)


def _forked() -> None:
    if _mine is not None:
        _mine.after_fork()


os.register_at_fork(after_in_child=_forked)
