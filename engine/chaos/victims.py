"""Who may be hit: processes that descend from this one and carry its mark, found anew each time, held by a pidfd."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.chaos.storm import Role
from engine.procs.system import children

MARK: Final = "SHOAL_CHAOS_MARK"
"""Variable in the environment of everything that one chaos starts; its value is known to nobody else."""

_NAMES: Final[dict[str, Role]] = {
    "shoal-agent": "agent", "shoal-host": "host", "shoal-nursery": "nursery", "shoal-recorder": "recorder",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kin:
    """A process of ours."""

    pid: int
    role: Role | None
    """None for one that is none of these: a task's child, or one that is just being started."""


def family(mark: str, engine: int) -> list[Kin]:
    """Every living process below this one that has the mark. `engine`: the pid of the engine of the moment."""
    return [
        Kin(pid, "engine" if pid == engine else _NAMES.get(_name(pid)))
        for pid in _below(os.getpid()) if is_ours(pid, mark)
    ]  # fmt: skip


def _below(pid: int) -> Iterator[int]:
    for child in children(pid):
        yield child
        yield from _below(child)


def is_ours(pid: int, mark: str) -> bool:
    """Whether a process has the mark, and is alive."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in variables  # of a dead one it is empty


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def strays(mark: str) -> list[int]:
    """Processes with the mark, wherever they are by now."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and is_ours(int(entry), mark)]


@contextlib.contextmanager
def hold(pid: int, mark: str) -> Iterator[int | None]:
    """A pidfd of one of ours; None if it has ended, or is not ours: its number may be another's by now."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        yield None
        return
    try:
        # Looked at once it is held: what is signalled by the descriptor is what was looked at, or nothing.
        yield fd if is_ours(pid, mark) else None
    finally:
        os.close(fd)


def send(pid: int, mark: str, number: signal.Signals) -> bool:
    """Send a signal to one of ours. False if it is not there any more."""
    with hold(pid, mark) as fd:
        if fd is None:
            return False
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        return True


def limit(pid: int, mark: str, what: int, soft: int) -> tuple[int, int] | None:
    """Set a soft limit of one of ours; the limits it had before, None if it is not there any more."""
    with hold(pid, mark) as fd:
        if fd is None:
            return None
        try:
            before = resource.prlimit(pid, what)
            hard = before[1]
            soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
            return resource.prlimit(pid, what, (soft, hard))
        except (OSError, ValueError):
            return None


def descriptors(pid: int) -> int:
    """How many a process has open, 0 if it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def end_all(mark: str, seconds: float) -> None:
    """Kill whatever has the mark, until there is nothing or the time is over."""
    deadline = time.monotonic() + seconds
    while (left := strays(mark)) and time.monotonic() < deadline:
        for pid in left:
            send(pid, mark, signal.SIGKILL)
        reap()
        time.sleep(0.02)


def reap(spared: int = 0) -> None:
    """Take note of the ends of those that became our children when their parents died; not of `spared`, for whose end
    somebody else waits.
    """
    for pid in children(os.getpid()):
        if pid != spared:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
