"""The signals of a run, as rules ask for them: what the core counts at each look, what costs more once a second."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.alerts.types import NOTHING, Labels, Signals, labels
from engine.core.pools import Pool
from engine.procs.scoreboard import BATCH, OFFSET, START, STATE
from engine.runtime.alerting import machine
from engine.runtime.alerting.means import Mean
from engine.runtime.fleet import memory
from engine.runtime.fleet.fleet import Fleet
from engine.stream.types import BUSY, DRAINING

_SELDOM: Final = 1.0
"""Seconds between two looks at what costs more."""
_PLACED: Final = 30
"""Seconds over which shards are compared."""


class Readings:
    """All signals, measured again and again. `signals.SIGNALS` of the alerts says what each means."""

    def __init__(
        self, fleet: Fleet, ended: Sequence[int], files: Sequence[Path], backlog: Callable[[], float] | None
    ) -> None:
        """What is to be measured.

        Args:
            fleet: whose.
            ended: by pool, tasks that the engine itself has ended so far, without cancelled ones; read again each time.
            files: the database, and where results go: for the room on their file systems.
            backlog: how full the recorder's queue is, 0 to 1; None where nothing is recorded.
        """
        self._fleet = fleet
        self._ended = ended
        self._backlog = backlog
        self._files = files
        self._pools = [(pool, labels(pool=pool.name)) for pool in fleet.core.pools]
        self._idle = [Mean() for _ in self._pools]
        self._held = False
        """Nothing, or little, might be begun at the last look."""
        self._runnable = Mean()
        self._groups = memory.cgroups()
        self._cores = os.cpu_count() or 1
        self._placed = [_Placed(pool) for pool, _ in self._pools]
        self._debts = _Debts(fleet)
        self._disks: dict[Path, Labels] | None = None
        self._looked = float("-inf")
        self._seldom: dict[str, dict[Labels, float]] = {}

    def stalled(self, until: float) -> None:
        """The engine itself stood still until then: what agents have said meanwhile was not heard."""
        self._debts.heard_from = until
        self._looked = float("-inf")

    def take(self, now: float, loop_lag: float, alerts_lag: float) -> Signals:
        """How it is now. The two are the worst that was seen of how late the loop, and the rules, were."""
        if now - self._looked >= _SELDOM:
            self._looked = now
            self._look(now)
        names = ("pool_assigned", "pool_hits", "pool_idle_ratio", "pool_exhausted", "tasks_over", "tasks_failed",
                 "tasks_accepted", "queue_depth", "queue_per_agent")  # fmt: skip
        found: dict[str, dict[Labels, float]] = {name: {} for name in names}
        core, before = self._fleet.core, self._held
        # Agents are idle then, but no pool has any to spare. The look after that sees what had waited for it.
        self._held = core.holding or core.quota is not None
        held = self._held or before
        for (pool, name), ended, mean in zip(self._pools, self._ended, self._idle, strict=True):
            idle = sum(shard.up - shard.batches for shard in pool.shards if shard.up > shard.batches)
            ratio = mean.add(now, idle / pool.up if pool.up and not held else 0.0)
            # What was sent waits as well, but for one task of each batch that an agent can have begun.
            behind = max(0, pool.sent - pool.aside - min(pool.out, pool.up))
            waiting = pool.queued + pool.nested + behind
            over = pool.done + pool.failed
            values = (
                pool.hits + pool.waits + pool.colds, pool.hits, 0.0 if held else ratio,
                1.0 if pool.eager and not idle and not pool.room else 0.0, over, pool.failed, over - ended, waiting,
                (pool.eager + behind) / max(1, pool.up),  # more agents are no help to those that wait for claims
            )  # fmt: skip
            for at, value in zip(names, values, strict=True):
                found[at][name] = float(value)
        found["loop_lag_seconds"] = {NOTHING: loop_lag}
        found["alerts_lag_seconds"] = {NOTHING: alerts_lag}
        if self._backlog is not None:
            found["recorder_backlog_ratio"] = {NOTHING: min(1.0, self._backlog())}
        found.update(self._seldom)
        return found

    # -- once a second ------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        found: dict[str, dict[Labels, float]] = {}
        silent, longest = self._debts.take(now)
        for (pool, name), placed in zip(self._pools, self._placed, strict=True):
            imbalance = placed.take()
            if imbalance is not None:
                found.setdefault("shard_imbalance", {})[name] = imbalance[0]
                found.setdefault("shard_placed", {})[name] = imbalance[1]
            found.setdefault("agent_silent_seconds", {})[name] = silent[pool.id]
            found.setdefault("longest_running_seconds", {})[name] = longest[pool.id]
        held = memory.held(self._groups)
        if held is not None:
            found["memory_used_bytes"] = {NOTHING: float(held[0])}
            found["memory_used_ratio"] = {NOTHING: held[0] / held[1]}
        running = machine.runnable()
        if running is not None:
            found["cpu_ratio"] = {NOTHING: self._runnable.add(now, running) / self._cores}
        opened, most = machine.descriptors()
        if most:
            found["fd_ratio"] = {NOTHING: opened / most}
        if self._disks is None:  # now, not when the run began: the folders are there
            self._disks = {folder: labels(path=str(folder)) for folder in machine.disks(self._files)}
        for folder, name in self._disks.items():
            room = machine.room(folder)
            if room is not None and room[1]:
                found.setdefault("disk_free_bytes", {})[name] = float(room[0])
                found.setdefault("disk_free_ratio", {})[name] = room[0] / room[1]
        self._seldom = found


class _Placed:
    """How evenly the shards of a pool got tasks, over the last half minute."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._history: deque[list[int]] = deque(maxlen=_PLACED + 1)

    def take(self) -> tuple[float, float] | None:
        """The most tasks an agent that a shard got / the mean, less 1; and all tasks. None with a single shard."""
        shards = self._pool.shards
        if len(shards) < 2:
            return None
        self._history.append([shard.sent for shard in shards])
        before = self._history[0]
        got = [(shard.sent - sent, shard.up) for shard, sent in zip(shards, before, strict=True)]
        tasks, agents = sum(sent for sent, _ in got), sum(up for _, up in got)
        if not tasks or not agents:
            return 0.0, float(tasks)
        return max(sent / up for sent, up in got if up) / (tasks / agents) - 1, float(tasks)


class _Debts:
    """What agents are late with, by the scoreboard.

    Attributes:
        heard_from: silence of before this moment counts for nothing, for nobody listened.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.heard_from = float("-inf")
        self._between: dict[int, tuple[int, int, float]] = {}
        """Agents that have a batch and run none of its tasks: the batch, when its last task began, and since when."""

    def take(self, now: float) -> tuple[list[float], list[float]]:
        """By pool, two numbers of seconds.

        The longest that an agent owes a sign of life: that it begins what was sent to its shard while it has nothing
        else, or goes on from one task to the next. And the longest that a task has run.
        """
        core, board = self._fleet.core, self._fleet.board
        silent, longest = [0.0] * len(core.pools), [0.0] * len(core.pools)
        begun: set[int] = set()
        at_work = [0] * len(core.shards)
        between: dict[int, tuple[int, int, float]] = {}
        for pool in core.pools:
            if not pool.up:
                continue
            first, stop = pool.rows.start, pool.rows.start + pool.extent
            states = board.low_bytes(STATE, first, stop)
            batches, offsets, starts = (board.column(cell, first, stop) for cell in (BATCH, OFFSET, START))
            oldest = 0
            for row, state, batch, offset, start in zip(
                range(first, stop), states, batches, offsets, starts, strict=True
            ):
                if not batch or state not in (BUSY, DRAINING):
                    continue
                begun.add(batch)
                at_work[core.agents[row].shard] += 1
                if offset:
                    oldest = min(oldest or start, start)
                    continue
                known = self._between.get(row)
                since = known[2] if known is not None and known[:2] == (batch, start) else now
                since = max(since, self.heard_from)
                between[row] = batch, start, since
                silent[pool.id] = max(silent[pool.id], now - since)
            if oldest:  # the clock of START is that of `time.monotonic`
                longest[pool.id] = max(0.0, time.monotonic() - oldest * 1e-9)
        self._between = between
        for number, found in core.batches.items():
            if number not in begun and at_work[found.shard] < core.shards[found.shard].up:
                since = max(found.sent, self.heard_from)
                silent[found.range.pool] = max(silent[found.range.pool], now - since)
        return silent, longest
