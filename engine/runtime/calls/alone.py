"""Calls that come one at a time, each when the one before is over: whoever makes them waits for each, so all that the
engine does for one of them is in his way.

Where an agent is on loan, such a call is on its way before it is in the books, which are kept while it runs; and as
long as there is nothing but such calls, nothing else is looked at, for some milliseconds at the most.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from engine.core.tasks import Options
from engine.runtime.calls.futures import FutureTasks
from engine.runtime.fleet.jobs import Job
from engine.wire import frames, values
from engine.wire.memory import Parcel

if TYPE_CHECKING:
    from collections import deque
    from types import ModuleType

    from engine.runtime.calls.futures import TaskFuture
    from engine.runtime.calls.inbox import How, Thing
    from engine.runtime.calls.maps import MapChunk
    from engine.runtime.fleet.loans import Loan
    from engine.runtime.run import Run
    from engine.settings.types import Settings

_TOGETHER: Final = 0.010
"""Seconds after which all else is looked at, too."""
BREATH: Final = 0.001
"""Seconds that a caller who was told of a result is given to ask for more, before anything else is done that can wait
so long. He can't run as long as the engine's thread does, and most that is to be done then is done once for both."""
_SHORT: Final = 32 << 10
"""Bytes of arguments beyond which a call goes the usual way."""


class Owner(Protocol):
    """The thread that the run belongs to."""

    inbox: deque[Thing]
    signalled: bool
    woken: bool
    closing: bool
    in_hand: MapChunk | list[TaskFuture | None]


class _Known:
    """A function that was called before, and how."""

    __slots__ = ("call", "function", "how", "job", "module", "name", "number", "options", "settings", "star")

    def __init__(
        self, function: Callable[..., Any], star: bool, how: How, number: int, options: Options, settings: Settings
    ) -> None:
        """`number`: of a function that agents import by its name, by which it was found. `options`: `how`'s, within
        what the settings allow."""
        self.function, self.star, self.how = function, star, how
        self.number, self.options, self.settings = number, options, settings
        self.module: ModuleType = sys.modules[function.__module__]
        self.name = function.__qualname__
        self.call = f"{function.__module__}:{self.name}"
        self.job = function.__qualname__

    def holds(self, function: Callable[..., Any], star: bool, how: How, settings: Settings) -> bool:
        """Whether a call is of this kind, and other processes find the same function by its name still."""
        return (
            function is self.function
            and star is self.star
            and how is self.how
            and settings is self.settings
            and sys.modules.get(function.__module__) is self.module
            and self.module.__dict__.get(self.name) is function
        )


class Alone:
    """Sends them, and waits for what comes of them."""

    def __init__(self, run: Run, worker: Owner) -> None:
        self._run = run
        self._fleet = run.fleet
        self._worker = worker
        self._known: _Known | None = None

    def know(self, function: Callable[..., Any], star: bool, how: How, job: Job, number: int) -> None:
        """A call went the usual way, as this job, a range of that number: the next may be of the same kind."""
        known, settings = self._known, self._fleet.settings
        if known is not None and known.holds(function, star, how, settings):
            return
        self._known = None
        found = self._fleet.core.ranges.get(number)
        if found is None or found.needs is not None or how.each is not None or job.after or job.star is not star:
            return  # it needs more than an agent
        options = self._fleet.options_of(job)
        if options.timeout or options.soft_timeout or "." in getattr(function, "__qualname__", "."):
            return
        if values.by_reference(function) is not None:
            self._known = _Known(function, star, how, job.function, options, settings)

    def serve(self) -> None:
        """Send the call that the inbox has, if it is one alone and somebody is on loan for it; go on as long as there
        is nothing else to do."""
        fleet, worker = self._fleet, self._worker
        if not fleet.hosts.loans.out or self._known is None or self._run.recording is not None:
            return
        loop, inbox = fleet.loop, worker.inbox
        until = min(fleet.until, time.monotonic() + _TOGETHER)
        loop.stirred = False
        while len(inbox) == 1:
            loan = self._send(inbox[0])
            if loan is None:
                return
            wait = until - time.monotonic()
            if wait <= 0:
                return
            loop.step(wait)
            worker.signalled = worker.woken = False  # before the inbox is looked at: what comes after that wakes us
            if not inbox and not loan.batch and not loop.stirred:
                loop.step(BREATH)
                worker.signalled = False
            if loop.stirred:
                return

    def _send(self, thing: Thing) -> Loan | None:
        """Send what is first in the inbox, if it is a call. None: it is left there."""
        if not isinstance(thing, tuple):
            return None
        future, function, star, held, how, _ = thing
        known, fleet, worker = self._known, self._fleet, self._worker
        if known is None or not known.holds(function, star, how, fleet.settings) or worker.closing:
            return None
        core, loans = fleet.core, fleet.hosts.loans
        shard = core.place_for_one(how.pool)
        loan = None if shard is None else loans.take(shard.id)
        if shard is None or loan is None:
            return None
        meter = fleet.meter
        began = 0 if meter is None else time.monotonic_ns()
        parcels: list[Parcel] = []
        column = values.write_column((held,), parcels)
        if parcels or len(column) > _SHORT or not future.start():
            return None
        batch = core.next_batch()
        work = frames.Work(batch, known.number, star, 0.0, 0, 1, msgspec.Raw(column), 0.0, True)
        data = frames.encode(work)
        if known.number not in loan.known:
            loan.known.add(known.number)
            loan.outbox.put(*fleet.functions.message(known.number))
        if not loan.give(batch, known.number, data, parcels):
            loans.end(shard.id)
            return None
        worker.inbox.popleft()
        futures: list[Any] = [future]
        worker.in_hand = futures
        tasks = FutureTasks([held], futures)
        job = Job(known.number, 1, tasks, tasks, known.job, star, how.pool, how.options)
        job.record = self._run.books.place(known.call, how.pool, 1)
        sent = fleet.sent_one(job, known.options, shard, batch)
        tasks.range = sent.range
        worker.in_hand = []
        if meter is not None:
            meter.sent(sent, len(data), began, parcels)
        return loan
