"""Subtasks, as the task that has them sees them: `submit`, `using`, `ask`, `wait`, and the handles that these return.

They travel by the channel of the messages between agents. A task that waits for subtasks leaves its agent's place in
the pool to others meanwhile. Subtasks belong to this attempt of the task: what it has not waited for when it ends, or
dies, is cancelled.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from engine.procs import mail, tasks
from engine.procs.agent import APPLY
from engine.wire import frames, values
from engine.wire.memory import Parcel

FIRST_COMPLETED: Final = "FIRST_COMPLETED"
ALL_COMPLETED: Final = "ALL_COMPLETED"

_TOGETHER: Final = 1_000
"""Calls that travel in one message at the most."""
_NAME_MAX: Final = 200
_KIND_MAX: Final = 60
_OPTIONS_MAX: Final = 2048
"""Bytes; all of a message but its column must fit what is left for it."""
_WHAT: Final = "submit, using, ask and wait are"


class Subtask:
    """A call that a task has submitted while it runs: its handle, which belongs to that task alone."""

    def __init__(self, desk: _Desk, number: int, task: tuple[int, int]) -> None:
        self._desk = desk
        self._number = number
        self._task = task
        self._over = False
        self._kept = False
        self._failure: frames.Failure | None = None
        self._item: Any = None
        self._parcels: list[Parcel] = []

    def __repr__(self) -> str:
        return f"<Subtask {self._number}, {'over' if self.done() else 'not over'}>"

    def __reduce__(self) -> Any:
        raise TypeError("the handle of a subtask can't be sent anywhere: only the task that submitted it waits for it")

    def kept(self) -> bool:
        """Whether its result is large, and has not been fetched."""
        return self._kept

    def done(self) -> bool:
        """Whether it is over: done, failed or cancelled."""
        if not self._over:
            self._desk.look()
        return self._over

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.done() and self._failure is not None and self._failure.kind == "cancelled"

    def result(self, timeout: float | None = None) -> Any:
        """What it returned, waiting for it if need be; meanwhile another agent may work in this one's place.

        Raises what it raised, and as a future of an `Engine` does: `TaskPoisoned`, `TaskTimeout`, `RemoteError`,
        CancelledError, BrokenProcessPool where its pool can't start; RecursionError where nobody could ever run it,
        because all wait; TimeoutError after `timeout` seconds; RuntimeError in another task than its own, unless the
        result is here.
        """
        error = self.exception(timeout)
        if error is not None:
            try:
                raise error
            finally:
                del self, error  # else an exception would hold the frame that holds it
        self._desk.fetch(self)
        return values.unwrap(self._item, self._parcels)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What it raised, None if it returned. Raises TimeoutError after `timeout` seconds."""
        if not self._over and not self._desk.wait([self], 1, timeout):
            raise TimeoutError(f"the subtask is not over after {timeout:g} s")
        if self._failure is None:
            return None
        from engine.procs.errors import exception_for, exception_of  # late: they load what few agents need

        failure = self._failure
        return exception_of(failure) if failure.type else exception_for(failure.kind, failure.message)

    def cancel(self) -> bool:
        """Cancel it, and end the agent that runs it, if one does. False if it is over."""
        if self.done():
            return False
        self._desk.withdraw(self)
        self._desk.wait([self], 1, None)
        return self.cancelled()


class Waited(NamedTuple):
    """What `wait` found."""

    done: set[Subtask]
    not_done: set[Subtask]


class Subtasks:
    """Submits subtasks of one kind: with the same options, to the same pool."""

    def __init__(self, pool: str, kind: str, options: frames.SubtaskOptions) -> None:
        self._pool = pool
        self._kind = kind
        self._options = options

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Subtask:
        """Have ``fn(*args, **kwargs)`` run by another agent. Raises what pickling it raises, and `NoAgent` outside of a
        task."""
        return _desk().submit(self._pool, self._kind, self._options, fn, [(args, kwargs)])[0]

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Results of ``fn`` over the items, in order. All items are taken at once."""
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [(args, {}) for args in zip(*iterables, strict=False)]
        made = _desk().submit(self._pool, self._kind, self._options, fn, calls)
        return _results(made)


def _results(made: list[Subtask]) -> Iterator[Any]:
    for at, one in enumerate(made):
        made[at] = None  # type: ignore[call-overload]  # a large result need not outlive its reader
        yield one.result()
        del one


def _here() -> None:
    """One thread reads what comes for the task, or one would take another's answer and leave it waiting."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("subtasks are for the thread that runs the task, and not for others that it starts")


class _Desk:
    """The subtasks of this agent's tasks: what was submitted, and what came of it."""

    def __init__(self, box: mail.Mailbox) -> None:
        self._box = box
        self._count = 0
        self._open: WeakValueDictionary[int, Subtask] = WeakValueDictionary()
        box.answered = self._answered

    def submit(
        self, pool: str, kind: str, options: frames.SubtaskOptions, fn: Callable[..., Any],
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]],
    ) -> list[Subtask]:  # fmt: skip
        """Submit so many calls of one function."""
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        if pool and pool not in self._box.pools:
            raise ValueError(f"no pool {pool!r}; there are {', '.join(self._box.pools)}")
        task = self._task()
        reference = values.by_reference(fn)
        if reference is None:
            reference, calls = APPLY, [((fn, *args), kwargs) for args, kwargs in calls]
        name = str(getattr(fn, "__qualname__", type(fn).__qualname__))[:_NAME_MAX]
        held = [values.hold(call) for call in calls]
        made: list[Subtask] = []
        for at in range(0, len(held), _TOGETHER):
            made += self._send(task, pool, kind, reference, name, options, held[at : at + _TOGETHER])
        return made

    def _send(
        self, task: tuple[int, int], pool: str, kind: str, reference: str, name: str, options: frames.SubtaskOptions,
        held: list[Any],
    ) -> list[Subtask]:  # fmt: skip
        if sum(type(one) is Parcel for one in held) > values.PARCELS_SENT and len(held) > 1:
            half = len(held) // 2
            left = self._send(task, pool, kind, reference, name, options, held[:half])
            return left + self._send(task, pool, kind, reference, name, options, held[half:])
        parcels: list[Parcel] = []
        column = values.fit(values.write_column(held, parcels), parcels, frames.FRAME_MAX - 4096)
        first, self._count = self._count + 1, self._count + len(held)
        made = [Subtask(self, number, task) for number in range(first, self._count + 1)]
        self._open.update((one._number, one) for one in made)
        frame = frames.Submitted(
            *self._box.agent, *task, first, pool, kind, reference, name, msgspec.Raw(column), options
        )
        self._box.say(frames.encode(frame), parcels)
        return made

    def _task(self) -> tuple[int, int]:
        _here()
        task = tasks.current()
        if task is None:
            raise mail.NoAgent(f"{_WHAT} for tasks: none runs in this process")
        return task

    def wait(self, wanted: list[Subtask], need: int, timeout: float | None) -> bool:
        """Wait until so many of them are over; False if they are not in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        task = self._task()  # first: a fork of a task must not read what is its parent's
        self.look()
        left = [one for one in wanted if not one._over]
        need -= len(wanted) - len(left)
        if need <= 0:
            return True
        if any(one._task != task for one in left):
            raise RuntimeError(
                "a subtask that was not waited for is cancelled when its task ends: this is another task"
            )
        agent, waits = self._box.agent, True
        try:
            awaits = frames.Awaits(*agent, *task, [one._number for one in left], need)
            self._box.say(frames.encode(awaits), [])
            while waits and self._box.hear(deadline):
                waits = sum(one._over for one in left) < need
        finally:
            if waits:
                self._box.say(frames.encode(frames.Awaits(*agent, *task, [], 0)), [])
        return not waits

    def look(self) -> None:
        """Take in what has come."""
        _here()
        while self._box.hear(0.0):
            pass

    def fetch(self, one: Subtask) -> None:
        """See that its result is here."""
        if one.kept():
            if one._task != self._task():
                raise RuntimeError("a large result that was not fetched is gone when its task ends: this is another")
            self._box.say(frames.encode(frames.Withdrawn(*self._box.agent, [one._number], True)), [])
            while one.kept():
                self._box.hear(None)
            if one._failure is not None:
                raise RuntimeError(one._failure.message)

    def withdraw(self, one: Subtask) -> None:
        """Have it cancelled."""
        self._box.say(frames.encode(frames.Withdrawn(*self._box.agent, [one._number])), [])

    def _answered(self, frame: frames.Answered, parcels: list[Parcel]) -> None:
        failures, kept = dict(frame.failures), frozenset(frame.kept)
        for number, item in enumerate(values.open_column(frame.column, parcels), frame.first):
            one = self._open.get(number)
            if one is not None and (one._kept or not one._over):  # else it is here, and was only asked for twice
                one._failure, one._kept = failures.get(number), number in kept
                one._item, one._parcels, one._over = item, parcels, True


_made: tuple[mail.Mailbox, _Desk] | None = None


def _desk() -> _Desk:
    global _made
    box = mail.box(_WHAT)
    if _made is None or _made[0] is not box:
        _made = box, _Desk(box)
    return _made[1]


def using(
    *,
    pool: str | None = None,
    kind: str | None = None,
    timeout: float | None = None,
    soft_timeout: float | None = None,
    retries: int = 0,
    retry_on: Iterable[type[BaseException] | str] | type[BaseException] | str = (),
    crash_limit: int = 5,
) -> Subtasks:
    """What submits subtasks of the task that runs, with ``submit`` and ``map``.

    Args:
        pool: which is to run them; None for the pool of the task itself, or the one that answers requests of the kind.
        kind: of the request that they are, to the team whose pool that is: KERNEL, QUESTION, BLOCKER, INTEGRATION, or
            another one that the plan names.
        timeout: seconds that one may take before its agent is killed, None for no limit.
        soft_timeout: seconds after which `SoftTimeout` is raised in one.
        retries: how often one that raised is tried again.
        retry_on: exceptions, as classes or names, that are worth a retry; empty for all.
        crash_limit: how many agents one may kill before it is given up.

    Raises ValueError for numbers out of range.
    """
    for name, seconds in (("timeout", timeout), ("soft_timeout", soft_timeout)):
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError(f"{name} must be a number of seconds above 0, not {seconds!r}")
    for name, number, least in (("retries", retries, 0), ("crash_limit", crash_limit, 1)):
        if type(number) is not int or number < least:
            raise ValueError(f"{name} must be a whole number from {least} on, not {number!r}")
    if kind is not None and not 0 < len(kind) <= _KIND_MAX:
        raise ValueError(f"kind must be the name of a request, {_KIND_MAX} characters at the most")
    several = [retry_on] if isinstance(retry_on, str | type) else list(retry_on)
    names = [one if isinstance(one, str) else f"{one.__module__}.{one.__qualname__}" for one in several]
    options = frames.SubtaskOptions(timeout, soft_timeout, retries, names, crash_limit)
    if len(frames.encode(options)) > _OPTIONS_MAX:
        raise ValueError("retry_on has names that are too long, or too many of them")
    return Subtasks(pool or "", kind or "", options)


_PLAIN: Final = Subtasks("", "", frames.SubtaskOptions())


def submit(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Subtask:
    """Have another agent of the same pool run ``fn(*args, **kwargs)`` for the task that runs; `using` has more to say
    of how. Raises what pickling it raises, and `NoAgent` outside of a task."""
    return _PLAIN.submit(fn, *args, **kwargs)


def ask(kind: str, fn: Callable[..., Any], /, *args: Any, to: str | None = None, **kwargs: Any) -> Subtask:
    """A request to another team: have ``fn(*args, **kwargs)`` run in its pool, as ``using(kind=kind, pool=to)`` does.

    Args:
        kind: KERNEL, QUESTION, BLOCKER, INTEGRATION, or another one that the plan names.
        to: the pool. None: the one that is called as the owner who answers such requests by the plan, if there is one,
            else the pool of the task itself.
    """
    return using(kind=kind, pool=to).submit(fn, *args, **kwargs)


def wait(
    subtasks: Iterable[Subtask], timeout: float | None = None,
    return_when: Literal["FIRST_COMPLETED", "ALL_COMPLETED"] = ALL_COMPLETED,
) -> Waited:  # fmt: skip
    """Wait for several subtasks at once, for `timeout` seconds at the most: those that are over, and those that are
    not. Meanwhile another agent may work in this one's place. Raises ValueError for another `return_when`."""
    if return_when not in (FIRST_COMPLETED, ALL_COMPLETED):
        raise ValueError(f"return_when must be {FIRST_COMPLETED} or {ALL_COMPLETED}, not {return_when!r}")
    wanted = list(dict.fromkeys(subtasks))
    if wanted:
        _desk().wait(wanted, 1 if return_when == FIRST_COMPLETED else len(wanted), timeout)
    done = {one for one in wanted if one._over}
    return Waited(done, set(wanted) - done)
