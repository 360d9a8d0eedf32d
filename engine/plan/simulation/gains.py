"""How far the end moves if a task set gets shorter, with the workers that there are: simulated, not worked out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.plan.effort import Estimate
from engine.plan.simulation.model import Model, Node
from engine.plan.simulation.world import World


def gains(model: Model, length: float, nodes: Iterable[int], seconds: float = 1.0) -> dict[int, float]:
    """For each of `nodes`, the seconds by which all is over sooner if each of its tasks takes so many less; below 0
    where it is over later, which happens where many share few workers (Graham, 1969).

    `length`: how long it takes as it is.
    """
    found = {}
    for number in nodes:
        changed = list(model.nodes)
        changed[number] = _shorter(changed[number], seconds)
        found[number] = length - World(replace(model, nodes=changed)).run().length
    return found


def _shorter(node: Node, seconds: float) -> Node:
    def less(estimate: Estimate) -> Estimate:
        left = max(0.0, estimate.likely - seconds)
        return Estimate(min(estimate.low, left), left, estimate.high)

    if node.resource is None:
        return node if node.wait is None else replace(node, wait=less(node.wait))
    return replace(node, work=less(node.work))
