"""How a cost grows: the exponent of a power law. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.bench.guard.student import quantile
from engine.bench.statistics import slope

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Power:
    """``cost = factor * size ** exponent``, by least squares on the logarithms of both.

    The cost of a small size is mostly that of beginning, so the exponent of a whole range lies below that of its end.

    Attributes:
        low, high: the 95 % interval of the exponent (Student's, of a regression's slope). It tells how far the costs
            are from a power law, too. None of two points, which always lie on one.
        last: the exponent between the two largest sizes alone.
        points: how many sizes it was fitted to.
    """

    factor: float
    exponent: float
    low: float | None
    high: float | None
    last: float
    points: int

    @property
    def words(self) -> str:
        """How the cost grows, where that is sure."""
        if self.low is None or self.high is None:
            return "of two sizes it is not known how surely"
        nothing, proportion = (self.low <= exponent <= self.high for exponent in (0, 1))
        if proportion:
            return "too uncertain to say" if nothing else "in proportion, or nothing shows the contrary"
        if nothing:
            return "no growth that could be measured"
        if self.high < 0:
            return "it falls"
        return "faster than in proportion" if self.low > 1 else "more slowly than in proportion"

    def at(self, size: float) -> float:
        """The cost of a size above 0."""
        return self.factor * math.pow(size, self.exponent)


def power(sizes: Sequence[float], costs: Sequence[float]) -> Power:
    """Fit. Raises ValueError unless there are two different sizes, each with a cost, all above 0."""
    if any(not (value > 0 and math.isfinite(value)) for value in (*sizes, *costs)):
        raise ValueError("a power law wants sizes and costs above 0")
    xs, ys = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    exponent = slope(xs, ys)
    mean_x, mean_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    start = mean_y - exponent * mean_x
    low = high = None
    if len(xs) > 2:
        rest = math.fsum((y - start - exponent * x) ** 2 for x, y in zip(xs, ys, strict=True))
        error = math.sqrt(rest / (len(xs) - 2) / math.fsum((x - mean_x) ** 2 for x in xs))
        reach = quantile(1 - CONFIDENCE, len(xs) - 2) * error
        low, high = exponent - reach, exponent + reach
    (x0, y0), (x1, y1) = sorted(zip(xs, ys, strict=True))[-2:]
    last = (y1 - y0) / (x1 - x0) if x1 > x0 else exponent
    return Power(math.exp(start), exponent, low, high, last, len(xs))
