"""How far the end moves if one task set gets shorter, by what comes after what alone."""

from __future__ import annotations

import heapq

from engine.plan.analysis.network import Network
from engine.plan.analysis.rank import upward_ranks
from engine.plan.analysis.times import Times


def longest_without(network: Network, found: Times) -> list[float]:
    """For each node, the length in seconds of the longest chain that does not go through it.

    In the order of the nodes, such a chain steps over the node in one edge, whose longest chain is the early end of the
    one side and the upward rank of the other: so one sweep finds it for all, in O(E log E).
    """
    count = len(network.names)
    place = [0] * count
    for at, node in enumerate(network.order):
        place[node] = at
    ranks = upward_ranks(network)
    # By where an edge begins: (length of its longest chain, where it ends). One from before all to after all has none.
    edges: list[list[tuple[float, int]]] = [[] for _ in range(count + 1)]
    edges[0].append((0.0, count))
    for node in range(count):
        if not network.before[node]:
            edges[0].append((ranks[node], place[node]))
        if not network.after[node]:
            edges[place[node] + 1].append((found.early_end[node], count))
        for other in network.after[node]:
            edges[place[node] + 1].append((found.early_end[node] + ranks[other], place[other]))
    longest = [0.0] * count
    heap: list[tuple[float, int]] = []
    for at, node in enumerate(network.order):
        for length, end in edges[at]:
            heapq.heappush(heap, (-length, end))
        while heap and heap[0][1] <= at:
            heapq.heappop(heap)
        longest[node] = -heap[0][0] if heap else 0.0
    return longest


def gains(network: Network, found: Times, seconds: float = 1.0) -> list[float]:
    """For each node, the seconds by which all is over sooner if it takes so many less, but never less than none."""
    without = longest_without(network, found)
    result = []
    for node in range(len(network.names)):
        less = min(seconds, network.seconds[node])
        through = found.length - found.slack(node)
        now = max(through - less, without[node])
        gain = max(0.0, found.length - now)
        result.append(gain if gain > 1e-9 * max(1.0, found.length) else 0.0)
    return result
