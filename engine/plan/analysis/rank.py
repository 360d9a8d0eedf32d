"""How much is still to come from each task set on: the longest first is the best rule of thumb there is."""

from __future__ import annotations

from collections.abc import Sequence

from engine.plan.analysis.network import Network
from engine.plan.steps import Step


def upward_ranks(network: Network) -> list[float]:
    """For each node the seconds from its beginning to the end of all, along the longest chain (the upward rank of
    Topcuoglu, Hariri and Wu, 2002, without what moving data takes)."""
    ranks = [0.0] * len(network.names)
    for node in reversed(network.order):
        ranks[node] = network.seconds[node] + max((ranks[other] for other in network.after[node]), default=0.0)
    return ranks


def set_priorities(steps: Sequence[Step], network: Network) -> None:
    """Have what has most to come go first, within what the plan itself says of priorities."""
    ranks = upward_ranks(network)
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    for step, rank in zip(steps, ranks, strict=True):
        step.priority = step.priority * len(places) + places[rank]
