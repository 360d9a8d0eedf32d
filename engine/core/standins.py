"""Agents that stand in for those whose tasks wait for subtasks, and what happens where there can be no more of them.

A pool of n agents runs n tasks at a time, whoever else waits: for each that waits another agent may be started, if
tasks wait for one. When those that waited go on there are more agents than n; then nothing is sent until fewer than n
work, and who is idle for a while is retired. A pool has room for as many as it keeps rows for. If every task that runs
waits, and nobody can be started, it would be for ever: then the subtask that is nested deepest fails, and says why.
"""

from __future__ import annotations

from typing import Final

from engine.core.pools import Pool
from engine.core.staff import Staff

IDLE: Final = 4.0
"""Seconds that an agent which nobody needs any more as a stand-in may be idle."""


class StandIns(Staff):
    """Starts stand-ins, and sees when there can be none."""

    def _stand_in(self, pool: Pool) -> None:
        """Agents have stepped aside: have others in their place, if there is anything to be done for them."""
        if self.crowded or self.quota == 0:
            return
        waiting = pool.nested if self.draining or self.paused else pool.eager
        missing = min(pool.aside - pool.standins, waiting - max(0, pool.up - pool.out) - pool.coming)
        if missing <= 0:
            return
        self.stood_in = True
        pool.standins += missing
        started = self._want(pool, missing)
        pool.standins -= missing - started
        pool.grown += started

    def _keep_stand_ins(self) -> None:
        """Before a scheduling pass: those that nobody needs any more as such belong to their pool, if that may grow."""
        for pool in self.pools:
            spare = pool.standins - pool.aside
            if spare > 0 and pool.room and pool.eager:
                pool.standins -= min(spare, pool.room)

    def _see_stuck(self) -> None:
        """After a scheduling pass in which every task that is out waits: see that it is not for ever."""
        if self.crowded or self.quota == 0:
            return
        stuck = [pool for pool in self.pools if pool.nested]
        for pool in stuck:
            if pool.up or pool.coming or any(self.agents[row].barred for row in pool.rows):
                return
        if not stuck:
            return
        heads = [(pool, head) for pool in stuck if (head := pool.subtasks.head()) is not None]
        pool, deepest = max(heads, key=lambda found: found[1].range.options.priority)
        text = f"every agent of pool {pool.name} waits for subtasks ({pool.aside:,} do), and it has room for no more"
        self._end_open(deepest.range, "depth", text)
