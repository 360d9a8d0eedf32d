"""A future that one thread waits for, and whatever else happens to it meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from types import FrameType
from typing import Any

import pytest
from processes import wait_for

from engine.runtime.calls.futures import FutureTasks, TaskFuture
from engine.runtime.fleet.jobs import Group


class Nobody:
    """An owner that runs nothing."""

    woken = False

    def retract(self, future: TaskFuture, running: bool) -> None:
        """It was sent to nobody."""


class Waiting:
    """A thread that waits for a future's result."""

    def __init__(self, future: TaskFuture) -> None:
        self._future = future
        self._found: Any = None
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        try:
            self._found = self._future.result(30)
        except BaseException as error:
            self._found = error

    def found(self) -> Any:
        """What it got, or was raised."""
        self._thread.join()
        return self._found


@pytest.fixture
def future() -> TaskFuture:
    return TaskFuture(Nobody())


def at_gate(future: TaskFuture) -> Waiting:
    """Somebody waits at the future's gate."""
    waiting = Waiting(future)
    wait_for(lambda: future._gate is not None)
    return waiting


def settled(future: TaskFuture) -> None:
    future.settle(1, None)


def delivered(future: TaskFuture) -> None:
    """As one of many in a range."""
    other = TaskFuture(Nobody())
    tasks = FutureTasks([0, 0], [future, other])
    ends = memoryview(bytes(16)).cast("Q")
    tasks.outcomes(Group(0, [1, 2], [], {}, {}, {}, 0, 0, ends, plain=True))
    assert other.result(0) == 2


@pytest.mark.parametrize("end", [settled, delivered])
def test_who_waits_is_told_and_its_owner_knows(future: TaskFuture, end: Callable[[TaskFuture], None]) -> None:
    waiting = at_gate(future)
    end(future)
    assert waiting.found() == 1
    assert future.owner.woken
    assert future.result(0) == 1
    assert not future._watched


def test_nobody_is_woken_where_nobody_waits(future: TaskFuture) -> None:
    future.settle(1, None)
    assert not future.owner.woken
    assert future.result() == 1


def test_what_a_task_raised_is_raised(future: TaskFuture) -> None:
    waiting = at_gate(future)
    future.settle(None, KeyError("no"))
    assert isinstance(waiting.found(), KeyError)


def test_somebody_begins_to_watch_it_meanwhile(future: TaskFuture) -> None:
    waiting = at_gate(future)
    told: list[Any] = []
    future.add_done_callback(lambda found: told.append(found.result()))
    others = [Waiting(future) for _ in range(3)]
    assert future.start()
    future.settle(1, None)
    assert [waiting.found(), *(other.found() for other in others), *told] == [1] * 5


def test_it_is_cancelled_meanwhile(future: TaskFuture) -> None:
    waiting = at_gate(future)
    assert future.cancel()
    assert isinstance(waiting.found(), CancelledError)


def test_it_is_cancelled_while_it_runs(future: TaskFuture) -> None:
    waiting = at_gate(future)
    assert future.start()
    assert future.cancel(running=True)
    assert isinstance(waiting.found(), CancelledError)
    future.settle(1, None)
    with pytest.raises(CancelledError):
        future.result(0)


def test_a_wait_that_was_too_short_is_no_hindrance_to_the_next(future: TaskFuture) -> None:
    for seconds in (-1, 0, 0.01):
        with pytest.raises(TimeoutError):
            future.result(seconds)
    waiting = Waiting(future)
    future.settle(1, None)
    assert waiting.found() == 1


def test_a_signal_may_look_at_what_it_interrupts_and_end_it(future: TaskFuture) -> None:
    """A handler asks for the result that the thread waits for which it runs in; then one raises."""

    def look(number: int, frame: FrameType | None) -> None:
        with pytest.raises(TimeoutError):
            future.result(0)

    def leave(number: int, frame: FrameType | None) -> None:
        raise InterruptedError

    def interrupt() -> None:
        wait_for(lambda: future._gate is not None)
        signal.pthread_kill(main, signal.SIGUSR1)
        wait_for(lambda: future._watched)
        signal.pthread_kill(main, signal.SIGUSR2)

    main = threading.get_ident()
    before = signal.signal(signal.SIGUSR1, look), signal.signal(signal.SIGUSR2, leave)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(InterruptedError):
            future.result(30)
        thread.join()
    finally:
        for number, handler in zip((signal.SIGUSR1, signal.SIGUSR2), before, strict=True):
            signal.signal(number, handler)
    future.settle(1, None)
    assert future.result(0) == 1
