"""Samples a fleet into frames: reads the scoreboard's states at once, whatever the number of agents."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Final

from engine.procs.scoreboard import STATE
from engine.runtime.fleet import Fleet
from engine.runtime.limits import cores
from engine.stream.types import BUSY, DEAD, DRAINING, IDLE, STARTING, Frame, MachineView, PoolView, RunState

_WINDOW: Final = 2.0
"""Seconds over which the rate is taken."""


class Sampler:
    """Makes the frames of one run."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._began = time.monotonic()
        self._numbers = 0
        self._history: deque[tuple[float, int]] = deque()
        self._cpu = (0.0, 0.0)
        self._cores = cores()
        self._memory_total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._ended: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, until it ended."""
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    def end(self) -> None:
        """The run is over: its time stands still."""
        if self._ended is None:
            self._ended = time.monotonic()

    def rate(self) -> float:
        """Tasks finished per second over the last two seconds; over the whole run once it has ended."""
        now = time.monotonic()
        over = self._fleet.core.done + self._fleet.core.failed
        if self._ended is not None:
            return over / self.elapsed if self.elapsed > 0 else 0.0
        self._history.append((now, over))
        while len(self._history) > 2 and now - self._history[1][0] >= _WINDOW:
            self._history.popleft()
        then, before = self._history[0]
        return (over - before) / (now - then) if now > then else 0.0

    def frame(self, total: int | None, state: RunState | None = None) -> Frame:
        """The run now. `total`: tasks expected in all, None if unknown; `state`: None to tell by the fleet."""
        fleet, core = self._fleet, self._fleet.core
        self._numbers += 1
        states = bytes(fleet.board.column(STATE)) if fleet.phase != "closed" else bytes(fleet.board.rows)
        pools = []
        for pool in core.pools:
            slice_ = states[pool.rows.start : pool.rows.stop]
            busy = slice_.count(BUSY)
            pools.append(
                PoolView(
                    pool.name, pool.rows.start, len(pool.rows), slice_.count(STARTING), slice_.count(IDLE), busy,
                    slice_.count(DRAINING), slice_.count(DEAD), pool.queued + max(0, pool.sent - busy), pool.done,
                    pool.failed, pool.restarts,
                )
            )  # fmt: skip
        rate = self.rate()
        over = core.done + core.failed + core.cancelled
        left = None if total is None else max(0, total - over)
        eta = left / rate if left is not None and rate > 0 else 0.0 if left == 0 else None
        if state is None:
            ready = fleet.phase == "running" and any(pool.up for pool in core.pools)
            state = "draining" if core.draining else "running" if ready or over else "starting"
        return Frame(
            self._numbers, time.time(), self.elapsed, state, core.submitted, total, core.done, core.failed,
            sum(pool.queued for pool in pools), sum(pool.busy for pool in pools), rate, eta, self.delivered(),
            core.restarts, core.redelivered, tuple(pools), states, self._machine(),
        )  # fmt: skip

    def delivered(self) -> float:
        """Outcomes accepted / tasks that are over."""
        core = self._fleet.core
        over = core.done + core.failed + core.cancelled
        return core.accepted / over if over else 1.0

    def _machine(self) -> MachineView:
        busy, total, available = 0.0, 0.0, 0
        try:
            with open("/proc/stat") as stat:
                times = [float(x) for x in stat.readline().split()[1:9]]
            total, busy = sum(times), sum(times) - times[3] - times[4]
            with open("/proc/meminfo") as info:
                for line in info:
                    if line.startswith("MemAvailable:"):
                        available = int(line.split()[1]) * 1024
                        break
            fds = len(os.listdir("/proc/self/fd"))
        except OSError:  # no /proc: then these stay unknown
            fds = 0
        was_busy, was_total = self._cpu
        self._cpu = (busy, total)
        share = (busy - was_busy) / (total - was_total) if total > was_total and was_total else 0.0
        used = max(0, self._memory_total - available)
        return MachineView(share, self._cores, used, self._memory_total, os.getloadavg()[0], fds)
