"""What the kernel knows of agents: how long they waited for a processor, how often they gave one up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

_SHARE: Final = 0.001
"""Share of a processor that this may take: thousands of agents are looked at every few minutes, a few once a second."""
_EVERY: Final = 1.0
"""Seconds between two looks at the same agent."""


class Processes:
    """Looks at a few agents at a time, in turn. What one that ends has done since the last look is lost.

    Attributes:
        waited: seconds that agents waited for a processor, by pool.
        switches: context switches, voluntary and involuntary, by pool.
    """

    def __init__(self, pools: int) -> None:
        self.waited = [0.0] * pools
        self.switches = [[0, 0] for _ in range(pools)]
        self._known: dict[int, tuple[int, int, int]] = {}
        """By pid, what was known at the last look: nanoseconds waited, switches."""
        self._round: list[tuple[int, int]] = []
        """(pool, pid) of those that are still to be looked at in this turn."""
        self._next = 0.0
        self._looked = 0.0

    def wants(self, now: float) -> bool:
        """Whether `look` must be told what agents there are."""
        return not self._round and now >= self._next

    def look(self, now: float, agents: Sequence[tuple[int, Sequence[int]]] | None) -> None:
        """Look at some of the agents that there are, given as pools and their pids if that is wanted."""
        allowed = min(1.0, now - self._looked) * _SHARE if self._looked else _SHARE
        self._looked = now
        if agents is not None:
            self._next = now + _EVERY
            self._round = [(pool, pid) for pool, pids in agents for pid in pids]
            self._known = {pid: self._known[pid] for _, pid in self._round if pid in self._known}
        until = time.thread_time() + allowed
        while self._round:
            self._one(*self._round.pop())
            if time.thread_time() > until:
                break

    def _one(self, pool: int, pid: int) -> None:
        try:
            with open(f"/proc/{pid}/schedstat", "rb") as file:
                waited = int(file.read().split()[1])
            with open(f"/proc/{pid}/status", "rb") as file:
                voluntary, involuntary = (
                    int(line.split()[1]) for line in file.read().splitlines() if b"ctxt_switches:" in line
                )
        except (OSError, ValueError, IndexError):  # it has ended
            return
        before = self._known.get(pid, (0, 0, 0))
        if waited < before[0]:  # another process, with the number of one that was there
            before = 0, 0, 0
        self._known[pid] = waited, voluntary, involuntary
        self.waited[pool] += (waited - before[0]) * 1e-9
        self.switches[pool][0] += voluntary - before[1]
        self.switches[pool][1] += involuntary - before[2]
