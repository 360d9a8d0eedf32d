"""Samples a fleet into frames: reads the scoreboard's states at once, whatever the number of agents."""

from __future__ import annotations

import time
from collections import deque
from functools import cached_property
from typing import Any, Final

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
        self._cores = cores()
        self._ended: float | None = None
        self._seen: MachineView | None = None

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

    @cached_property
    def _psutil(self) -> Any:
        import psutil  # 25 ms, and only a run that is watched needs it

        psutil.cpu_percent(None)
        return psutil

    @cached_property
    def _process(self) -> Any:
        return self._psutil.Process()

    def frame(self, total: int | None, state: RunState | None = None) -> Frame:
        """The run now. `total`: tasks expected in all, None if unknown; `state`: None to tell by the fleet."""
        fleet, core = self._fleet, self._fleet.core
        self._numbers += 1
        states = bytes(fleet.board.column(STATE))
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
        try:
            memory = self._psutil.virtual_memory()
            self._seen = MachineView(
                self._psutil.cpu_percent(None) / 100, self._cores, memory.total - memory.available, memory.total,
                self._psutil.getloadavg()[0], self._process.num_fds(),
            )  # fmt: skip
        except (OSError, ImportError):  # this program has no descriptor left to look with: it is as it was
            pass
        return self._seen or MachineView(0.0, self._cores, 0, 0, 0.0, 0)
