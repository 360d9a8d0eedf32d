"""What agents run in tests of claims and lanes. The kernel is the judge: a lock on a file is held by a process until it
is dead, so two who hold the same claim at once, or one too many in a lane, are found out and fail."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.core.claims import Claim

Wish = tuple[str, bool]
"""A name, and whether it is shared."""


@contextmanager
def held(folder: str, name: str, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a name; RuntimeError if somebody else does."""
    fd = os.open(f"{folder}/{name.replace('/', '-')}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{name} is held by two at once") from None
        yield
    finally:
        os.close(fd)


def note(folder: str, text: str) -> None:
    """Add a line to this process's own file, at once."""
    fd = os.open(f"{folder}/{os.getpid()}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, f"{text}\n".encode())
    finally:
        os.close(fd)


def hold(folder: str, wishes: list[Wish], seconds: float = 0.0, number: int = 0) -> int:
    """Hold all of these for a while. The process that does it."""
    if not wishes:
        note(folder, f"{number} {time.monotonic_ns()}")
        time.sleep(seconds)
        return os.getpid()
    with held(folder, *wishes[0]):
        return hold(folder, wishes[1:], seconds, number)


def in_lane(folder: str, lane: str, limit: int, seconds: float, number: int = 0) -> int:
    """Take one of so many places for a while; RuntimeError if there is none. The process that does it."""
    for place in range(limit):
        try:
            with held(folder, f"{lane}-{place}"):
                began = time.monotonic_ns()
                time.sleep(seconds)
                note(folder, f"{number} {began} {time.monotonic_ns()}")
                return os.getpid()
        except RuntimeError:
            continue
    raise RuntimeError(f"more than {limit} are in lane {lane}")


def wait_holding(folder: str, wishes: list[Wish], number: int = 0) -> int:
    """Hold these until a file is there, or for ever."""
    if wishes:
        with held(folder, *wishes[0]):
            return wait_holding(folder, wishes[1:], number)
    note(folder, f"{number} waits")
    while not Path(folder, f"go-{number}").exists():
        time.sleep(0.005)
    return os.getpid()


def dies_once(folder: str, wishes: list[Wish], number: int) -> int:
    """Kills itself the first time, in the midst of holding these."""
    with held(folder, *wishes[0]):
        mark = Path(folder, f"died-{number}")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return number


# -- in the test itself


def claims_of(folder: str, wishes: list[Wish], *rest: object) -> list[Claim]:
    """What a call of `claimed_functions` claims, by its arguments."""
    return [Claim(name, shared) for name, shared in wishes]


def pid_at(folder: Path, number: int) -> int:
    """The process of a task that waits; 0 before it does."""
    for file in folder.glob("*.log"):
        if f"{number} waits" in file.read_text().splitlines():
            return int(file.stem)
    return 0
