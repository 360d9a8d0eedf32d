"""Memory of a process and all its descendants, read from /proc; and the watcher, a process that keeps their peaks.

PSS shares out what several processes map. What lies in a memfd that nobody maps is in no process's PSS: the machine's
shared memory shows it.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Final

from engine.procs import boot

EVERY: Final = 0.020
"""Seconds between two looks."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
"""Of the kernel's counts of time, in a second."""


def descendants(root: int) -> list[int]:
    """All processes below `root`, whichever of their parents' threads started them."""
    found: list[int] = []
    look = [root]
    while look:
        pid = look.pop()
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
                look.extend(int(child) for child in children)
                found.extend(int(child) for child in children)
        except OSError:  # it ended while we looked
            continue
    return found


def name(pid: int) -> str:
    """What ps calls it, "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def rollup(pid: int) -> dict[str, int]:
    """Bytes by kind (``Pss``, ``Private_Dirty``, ...) of a process, {} if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {key: int(rest.split()[0]) * 1024 for key, _, rest in (line.partition(":") for line in lines)}


def own(pid: int) -> int:
    """Bytes that nobody shares with it (USS)."""
    found = rollup(pid)
    return found.get("Private_Clean", 0) + found.get("Private_Dirty", 0)


def shared() -> int:
    """Bytes of shared memory on the whole machine, memfds included."""
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Shmem:"))


def processor_seconds(pid: int) -> float:
    """Processor time of another process, to the nanosecond. Raises OSError if it is gone."""
    return time.clock_gettime(~pid << 3 | 2)  # the number of its clock, as clock_getcpuclockid(3) makes it


def processor_seconds_with_own(processes: Iterable[int]) -> float:
    """Processor time of this process and of others. Raises OSError if one of them is gone."""
    return time.process_time() + sum(map(processor_seconds, processes))


def idle_seconds() -> float:
    """Time since the machine's start that the processors of this process had nothing to do, added up (proc_stat(5))."""
    names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    with open("/proc/stat") as file:
        told = [line.split() for line in file if line.startswith("cpu")]
    return sum(int(idle) + int(waiting) for name, *_, idle, waiting in (t[:6] for t in told) if name in names) / _TICKS


class Watcher:
    """The watcher process, as the one it watches sees it."""

    def __init__(self) -> None:
        """Start it; it has looked once when this returns."""
        argv = boot.argv("engine.bench.watch", str(os.getpid()))
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._out: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        self._out.readline()

    def stop(self) -> dict[str, Any]:
        """End it. Its ``peaks`` are [name, first PSS, peak PSS] by pid; ``shared`` is the rise of shared memory."""
        out, _ = self._process.communicate()
        found: dict[str, Any] = json.loads(out)
        return found


def main() -> None:
    """Be the watcher of the process given, until standard input ends."""
    root, me = int(sys.argv[0]), os.getpid()
    peaks: dict[int, list[Any]] = {}
    before = most = shared()
    looked = 0
    while True:
        for pid in [root, *descendants(root)]:
            if pid == me or not (pss := rollup(pid).get("Pss", 0)):
                continue
            seen = peaks.setdefault(pid, [name(pid), pss, pss])
            seen[2] = max(seen[2], pss)
        most = max(most, shared())
        if not looked:
            print(flush=True)
        looked += 1
        if select.select([0], [], [], EVERY)[0]:
            break
    print(json.dumps({"peaks": peaks, "shared": most - before, "looks": looked}), flush=True)
