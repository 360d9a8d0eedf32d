"""When each task set can begin, and must, by what it comes after alone: the critical path method (Kelley and Walker,
1959). Nobody is short of workers here; that is what a simulation is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.plan.analysis.network import Network

_NEAR: Final = 1e-9
"""Share of the whole below which a difference is of the arithmetic."""


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds from the beginning, by node.

    Attributes:
        early_start, early_end: at the soonest.
        late_start, late_end: without moving the end of all.
        length: when all are over, at the soonest.
    """

    early_start: list[float]
    early_end: list[float]
    late_start: list[float]
    late_end: list[float]
    length: float

    def slack(self, node: int) -> float:
        """Seconds by which a node can be late without moving the end; what the arithmetic leaves counts as none."""
        found = self.late_start[node] - self.early_start[node]
        return found if found > _NEAR * max(1.0, self.length) else 0.0


def times(network: Network) -> Times:
    """All of it, in one pass forwards and one backwards."""
    count = len(network.names)
    starts, ends = [0.0] * count, [0.0] * count
    for node in network.order:
        starts[node] = max((ends[other] for other in network.before[node]), default=0.0)
        ends[node] = starts[node] + network.seconds[node]
    length = max(ends, default=0.0)
    late_ends, late_starts = [length] * count, [length] * count
    for node in reversed(network.order):
        late_ends[node] = min((late_starts[other] for other in network.after[node]), default=length)
        late_starts[node] = late_ends[node] - network.seconds[node]
    return Times(starts, ends, late_starts, late_ends, length)


def critical_path(network: Network, found: Times) -> list[int]:
    """A longest chain of nodes, from the first to the last; where there are several, the one of the lowest numbers."""
    if not network.order:
        return []
    near = _NEAR * max(1.0, found.length)
    last = [node for node in network.order if not network.after[node]]
    at = min(node for node in last if found.early_end[node] >= found.length - near)
    path = [at]
    while network.before[at]:
        start = found.early_start[at]
        at = min(other for other in network.before[at] if found.early_end[other] >= start - near)
        path.append(at)
    return path[::-1]
