"""How long tasks take, one time or another: by uncertain estimates, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal, TypeAlias

from engine.plan.effort import Estimate

Shape: TypeAlias = Literal["pert", "triangular"]
Draw: TypeAlias = Callable[[Estimate], float]


def likely(estimate: Estimate) -> float:
    """What is most likely."""
    return estimate.likely


def drawn(random: Random, shape: Shape) -> Draw:
    """What chance makes of estimates.

    ``pert``: a beta distribution whose mean is (low + 4 likely + high) / 6 (Malcolm, Roseboom, Clark and Fazar, 1959);
    ``triangular``: one that falls off in straight lines.
    """

    def pert(estimate: Estimate) -> float:
        width = estimate.high - estimate.low
        if width <= 0:
            return estimate.likely
        alpha = 1 + 4 * (estimate.likely - estimate.low) / width
        beta = 1 + 4 * (estimate.high - estimate.likely) / width
        return estimate.low + width * random.betavariate(alpha, beta)

    def triangular(estimate: Estimate) -> float:
        if estimate.certain:
            return estimate.likely
        return random.triangular(estimate.low, estimate.high, estimate.likely)

    return pert if shape == "pert" else triangular
