"""What the machine does, read from /proc as cheaply as it can be: it is asked for while work goes on."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

from engine.runtime.fleet.limits import cores
from engine.stream.types import MachineView

_LEAST: Final = 0.25
"""Seconds between two looks: the kernel's own counters of time move in steps of 10 ms."""


class Machine:
    """The gauges of the machine, and of this process."""

    def __init__(self) -> None:
        self._cores = cores()
        self._looked = -_LEAST
        self._ticks = (0, 0)
        with contextlib.suppress(OSError):
            self._ticks = _ticks()
        self._view = MachineView(0.0, self._cores, 0, 0, 0.0, 0)

    def view(self) -> MachineView:
        """How it is now, or was a quarter of a second ago."""
        now = time.monotonic()
        if now - self._looked < _LEAST:
            return self._view
        self._looked = now
        with contextlib.suppress(OSError):  # this program has no descriptor left to look with: it is as it was
            (busy, total), before = _ticks(), self._ticks
            share = (busy - before[0]) / (total - before[1]) if total > before[1] else self._view.cpu
            used, memory = _memory()
            open_now = len(os.listdir("/proc/self/fd")) - 1
            self._ticks = busy, total
            self._view = MachineView(min(1.0, max(0.0, share)), self._cores, used, memory, os.getloadavg()[0], open_now)
        return self._view


def _ticks() -> tuple[int, int]:
    """Processor time of all cores that was used, and all there was, since the machine's start (proc_stat(5)).

    Raises OSError without a descriptor to look with.
    """
    try:
        with open("/proc/stat", "rb") as stat:
            numbers = [int(number) for number in stat.readline().split()[1:9]]
        return sum(numbers) - numbers[3] - numbers[4], sum(numbers)
    except (ValueError, IndexError):
        return 0, 0


def _memory() -> tuple[int, int]:
    """Bytes that can't be had without swapping, and all there are (proc_meminfo(5)). Raises as `_ticks`."""
    total = available = 0
    try:
        with open("/proc/meminfo", "rb") as meminfo:
            for line in meminfo:
                if line.startswith(b"MemTotal:"):
                    total = int(line.split()[1]) << 10
                elif line.startswith(b"MemAvailable:"):
                    available = int(line.split()[1]) << 10
                    break
    except (ValueError, IndexError):
        pass
    return total - available, total
