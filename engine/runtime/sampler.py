"""Samples a fleet into frames: counts the scoreboard's states at once, whatever the number of agents."""

from __future__ import annotations

import time
from collections import deque
from functools import cached_property
from itertools import compress
from typing import Final

from engine.procs.scoreboard import MEMORY, STATE
from engine.procs.weight import together
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.gauges import Machine
from engine.stream.types import BUSY, CELLS_MAX, DEAD, DRAINING, IDLE, STARTING, Cells, Frame, PoolView, RunState

_WINDOW: Final = 2.0
"""Seconds over which the rate is taken."""
_LIVES: Final = bytes(state in (STARTING, IDLE, BUSY, DRAINING) for state in range(256))
"""By state, whether there is an agent."""


class Sampler:
    """Makes the frames of one run.

    Attributes:
        states: of all agents, one byte each in the order of the scoreboard, as they were at the last frame.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._began = time.monotonic()
        self._numbers = 0
        self._history: deque[tuple[float, int]] = deque()
        self._ended: float | None = None
        self.states = b""

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
    def _machine(self) -> Machine:
        return Machine()

    def frame(self, total: int | None, state: RunState | None = None) -> Frame:
        """The run now. `total`: tasks expected in all, None if unknown; `state`: None to tell by the fleet."""
        fleet, core = self._fleet, self._fleet.core
        self._numbers += 1
        states = self.states = fleet.board.low_bytes(STATE, 0, fleet.board.rows)
        pools = []
        for pool in core.pools:
            first, stop = pool.rows.start, pool.rows.start + pool.extent
            busy = states.count(BUSY, first, stop)
            pools.append(
                PoolView(
                    pool.name, first, pool.extent, states.count(STARTING, first, stop), states.count(IDLE, first, stop),
                    busy, states.count(DRAINING, first, stop), states.count(DEAD, first, stop),
                    pool.queued + pool.nested + max(0, pool.sent - busy), pool.done, pool.failed, pool.restarts,
                    pool.minimum, pool.maximum,
                )
            )  # fmt: skip
        rate = self.rate()
        over = core.over
        called_off = core.nested[2]  # subtasks that nobody wants any more: of those done, they are none
        total = None if total is None else total - called_off
        left = None if total is None else max(0, total + called_off - over)
        eta = left / rate if left is not None and rate > 0 else 0.0 if left == 0 else None
        return Frame(
            self._numbers, time.time(), self.elapsed, state or self._state(over), core.submitted, total, core.done,
            core.failed, sum(pool.queued for pool in pools), sum(pool.busy for pool in pools), rate, eta,
            self.delivered(), core.restarts, core.redelivered, tuple(pools), self._machine.view(),
        )  # fmt: skip

    def memory(self) -> list[int | None]:
        """Bytes of their own that the agents of each pool hold, of those that lived at the last frame and as they last
        told; None where none of them has told any.

        It is no part of a frame, for it costs more than all of that: 0.3 ms with thousands of agents.
        """
        board, found = self._fleet.board, []
        for pool in self._fleet.core.pools:
            first, stop = pool.rows.start, pool.rows.start + pool.extent
            lives = self.states[first:stop].translate(_LIVES)
            found.append(together(compress(board.column(MEMORY, first, stop), lives)) or None)
        return found

    def cells(self) -> list[Cells]:
        """The states of all agents at the last frame, as they travel."""
        states = self.states
        return [Cells(at, states[at : at + CELLS_MAX]) for at in range(0, len(states), CELLS_MAX)]

    def _state(self, over: int) -> RunState:
        core = self._fleet.core
        if core.draining:
            return "draining"
        if core.paused:
            return "paused"
        # A pool that is to have nobody before there is something to do waits for nobody.
        ready = self._fleet.phase == "running" and any(pool.up or not pool.wanted for pool in core.pools)
        return "running" if ready or over else "starting"

    def delivered(self) -> float:
        """Outcomes accepted, of tasks that are over: not the cancelled, nor those barred by what they come after."""
        core = self._fleet.core
        over = core.done + core.failed - core.barred
        return core.accepted / over if over else 1.0
