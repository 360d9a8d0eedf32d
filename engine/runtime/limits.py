"""How many agents fit this machine.

Asked before anything is started, so that the answer is a sentence and not a crash.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

AGENT_BYTES: Final = 1 << 20
"""Memory of an idle agent's own, roughly: 0.3 MB bare, 1 MB with numba loaded."""
_HOST_FDS: Final = 3
"""Descriptors of a host for each agent: its channel, the agent's end of it, its pidfd."""


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


class TooMany(ValueError):
    """More agents than fit. The text says what runs out, and how many would fit."""


def _number(path: str) -> int | None:
    try:
        text = Path(path).read_text().split()[0]
        return int(text)
    except (OSError, ValueError, IndexError):  # absent, or "max"
        return None


def _processes_left() -> int:
    """Processes that may still be started by this user on this machine, by the tightest limit."""
    running = sum(name.isdigit() for name in os.listdir("/proc"))
    rooms = [(_number("/proc/sys/kernel/pid_max") or 32768) - 300 - running]
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:
        rooms.append(soft - running)
    threads = _number("/proc/sys/kernel/threads-max")
    if threads is not None:
        rooms.append(threads - running)
    for folder in _cgroups():
        limit, now = _number(f"{folder}/pids.max"), _number(f"{folder}/pids.current")
        if limit is not None:
            rooms.append(limit - (now or 0))
    return max(0, min(rooms))


def _cgroups() -> list[str]:
    """This process's cgroup (version 2) and those around it."""
    try:
        line = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))
    except (OSError, StopIteration):
        return []
    path = Path("/sys/fs/cgroup") / line[3:].strip("/")
    return [str(p) for p in (path, *path.parents) if str(p).startswith("/sys/fs/cgroup")]


def memory_left() -> int:
    """Bytes that can be had without swapping, by the machine and by the cgroups."""
    import psutil  # 25 ms

    rooms: list[int] = [psutil.virtual_memory().available]
    for folder in _cgroups():
        limit, now = _number(f"{folder}/memory.max"), _number(f"{folder}/memory.current")
        if limit is not None:
            rooms.append(limit - (now or 0))
    return max(0, min(rooms))


def check(agents: int, shards: int) -> None:
    """Raise `TooMany` unless so many agents on so many hosts fit descriptors, processes and memory."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    each = agents if hard == resource.RLIM_INFINITY else shards * max(0, (hard - 32) // _HOST_FDS)
    by_what = {
        f"descriptors (ulimit -n allows {hard} a process)": each,
        "process ids": _processes_left() - shards - 3,
        f"memory ({memory_left() / 2**30:.1f} GiB are free)": int(memory_left() * 0.9) // AGENT_BYTES,
    }
    what, room = min(by_what.items(), key=lambda item: item[1])
    if agents > room:
        raise TooMany(f"{agents:,} agents do not fit: {what} allow {max(room, 0):,}")


_AGENTS_A_HOST: Final = 128
"""A fork costs its host's number of descriptors twice, to copy and to close: four times more agents a host take four
times as long each. 3,435 on 8 hosts: 20 s; on 27: 5.4 s."""


def default_shards(agents: int) -> int:
    """Hosts for a pool: one for few agents, then enough that they fork in parallel and none has many descriptors."""
    if agents <= 32:
        return 1
    return max(2, -(-agents // _AGENTS_A_HOST))
