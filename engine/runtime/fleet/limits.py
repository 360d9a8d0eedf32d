"""How many agents fit this machine.

Asked before anything is started, so that the answer is a sentence and not a crash.
"""

from __future__ import annotations

import os
import resource
from typing import Final

from engine.runtime.fleet import memory

AGENT_BYTES: Final = 1 << 20
"""Memory of an idle agent's own, roughly: 0.3 MB bare, 1 MB with numba loaded."""
_HOST_FDS: Final = 3
"""Descriptors of a host for each agent: its channel, the agent's end of it, its pidfd."""


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


class TooMany(ValueError):
    """More agents than fit. The text says how many would fit, what keeps more from it, and what to do about that."""


def _processes_left() -> tuple[int, str]:
    """Processes that may still be started by this user on this machine, and the limit that keeps more from it."""
    running = sum(name.isdigit() for name in os.listdir("/proc"))
    rooms = [((memory.number("/proc/sys/kernel/pid_max") or 32768) - 300 - running, "kernel.pid_max")]
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:
        rooms.append((soft - running, "ulimit -u"))
    threads = memory.number("/proc/sys/kernel/threads-max")
    if threads is not None:
        rooms.append((threads - running, "kernel.threads-max"))
    for folder in memory.cgroups():
        limit, now = memory.number(f"{folder}/pids.max"), memory.number(f"{folder}/pids.current")
        if limit is not None:
            rooms.append((limit - (now or 0), f"{folder}/pids.max"))
    room, name = min(rooms)
    return max(0, room), name


def check(agents: int, shards: int) -> None:
    """Raise `TooMany` unless so many agents on so many hosts fit descriptors, processes and memory."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    each = agents if hard == resource.RLIM_INFINITY else shards * max(0, (hard - 32) // _HOST_FDS)
    processes, limit = _processes_left()
    free = memory.left()
    room, why = min(
        (each, f"a process may open {hard:,} files. Raise that (ulimit -n), have more shards"),
        (processes - shards - 3, f"{processes:,} more processes may be started. Raise {limit}, end others"),
        (int(free * 0.9) // AGENT_BYTES, f"{free / 2**30:.1f} GiB of memory are free. End what needs it"),
    )
    if agents > room:
        who = "1 agent does" if agents == 1 else f"{agents:,} agents do"
        fitting = f" ({room:,} would)" if room > 0 else ""
        raise TooMany(f"{who} not fit{fitting}: {why}, or ask for fewer agents")


def spare(agents: int) -> int:
    """Rows of the scoreboard that a pool of at most so many agents keeps, should it ever be given more."""
    return max(64, min(agents, 1024))


_AGENTS_A_HOST: Final = 128
"""A fork costs its host's number of descriptors twice, to copy and to close: four times more agents a host take four
times as long each. 3,435 on 8 hosts: 20 s; on 27: 5.4 s."""


def default_shards(agents: int) -> int:
    """Hosts for a pool: one for few agents, then enough that they fork in parallel and none has many descriptors."""
    if agents <= 32:
        return 1
    return max(2, -(-agents // _AGENTS_A_HOST))
