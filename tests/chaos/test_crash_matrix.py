"""Every way for a task to fail, at every moment: the pool goes on, and only the guilty task hears of it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from typing import Any

import pytest
from processes import scaled

from engine.runtime.calls.executor import Engine
from shoal import TaskPoisoned

LIMIT = 400 << 20
"""Resident bytes that an agent may have."""


def fail(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "_exit":
        os._exit(3)
    elif how == "exit":
        sys.exit(3)
    elif how == "exception":
        raise ValueError("as asked")
    elif how == "recursion":
        fail(how)
    elif how == "recursion in C":
        nested: list[Any] = []
        for _ in range(100_000):
            nested = [nested]
        repr(nested)
    elif how == "memory":
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 33, hard))
        try:
            bytearray(1 << 34)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    elif how == "memory limit":
        held: list[bytes] = []
        while len(held) < 40:
            held.append(b"x" * (LIMIT // 8))
        time.sleep(60)  # it is not alive that long


class OnRead:
    """Fails where it is unpickled, unless that is this very process."""

    def __init__(self, how: str, spared: int) -> None:
        self.how, self.spared = how, spared

    def __reduce__(self) -> tuple[Any, ...]:
        return _read, (self.how, self.spared)


def _read(how: str, spared: int) -> str:
    if os.getpid() != spared:
        fail(how)
    return how


class OnWrite:
    """Fails where it is pickled."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> tuple[Any, ...]:
        fail(self.how)
        return OnWrite, (self.how,)


def run(item: Any) -> Any:
    """Return a number as it is; else fail as a pair asks for."""
    if not isinstance(item, tuple):
        return item
    moment, how, pid = item
    if moment == "running":
        fail(how)
    if moment == "result":
        return OnWrite(how)
    if moment == "caller":
        return OnRead(how, os.getpid())
    return pid


EXPECTED: dict[str, type[BaseException]] = {
    "kill": TaskPoisoned,
    "segfault": TaskPoisoned,
    "_exit": TaskPoisoned,
    "exit": SystemExit,
    "exception": ValueError,
    "recursion": RecursionError,
    "recursion in C": RecursionError,
    "memory": MemoryError,
    "memory limit": TaskPoisoned,
}


def guilty(moment: str, how: str) -> Any:
    return OnRead(how, os.getpid()) if moment == "arguments" else (moment, how, os.getpid())


def check(error: BaseException, moment: str, how: str) -> None:
    assert type(error) is EXPECTED[how]
    if EXPECTED[how] is TaskPoisoned:
        assert {"kill": "SIGKILL", "segfault": "SIGSEGV", "_exit": "code 3", "memory limit": "its limit"}[how] in str(
            error
        )
    elif how != "memory":
        assert str(error)


cells = [(moment, how) for moment in ("arguments", "running", "result") for how in EXPECTED]
cells += [("caller", how) for how in ("exception", "exit", "recursion")]


@pytest.mark.parametrize(("moment", "how"), cells)
def test_only_the_guilty_task_fails(moment: str, how: str) -> None:
    neighbours = scaled(20)
    with Engine(1, crash_limit=2, memory_limit=LIMIT, attachable=False) as engine:
        assert list(engine.map(run, range(scaled(500)))) == list(range(scaled(500)))
        before = [engine.submit(run, n) for n in range(neighbours)]
        bad = engine.submit(run, guilty(moment, how))
        after = [engine.submit(run, n) for n in range(neighbours)]
        error = bad.exception(60)
        assert error is not None
        check(error, moment, how)
        assert [future.result(60) for future in before + after] == [*range(neighbours), *range(neighbours)]
        results = engine.map(run, [*range(neighbours), guilty(moment, how), *range(neighbours)])
        assert [next(results) for _ in range(neighbours)] == list(range(neighbours))
        with pytest.raises(EXPECTED[how]) as raised:
            next(results)
        check(raised.value, moment, how)
        assert engine.submit(run, 7).result(60) == 7
        assert list(engine.map(run, range(scaled(100)))) == list(range(scaled(100)))
