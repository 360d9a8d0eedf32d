"""Medians of paired rounds, and how sure they are. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def median(values: Sequence[float]) -> float:
    """The median. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values have no median")
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return ordered[half - 1] + (ordered[half] - ordered[half - 1]) / 2


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values have no quantile")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true median lies, between two of the values.

    Attributes:
        low: its lower end.
        high: its upper end.
        confidence: the probability that it holds the true median, whatever the distribution. Below what was asked
            for where there are too few values: then this is all of them, and this says how little that is worth.
    """

    low: float
    high: float
    confidence: float


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The narrowest symmetric interval of order statistics that holds the median with at least this probability.

    The number of values below the true median is binomial, so nothing is assumed about the distribution.
    Raises ValueError for no values, or a confidence that is not between 0 and 1.
    """
    if not values:
        raise ValueError("no values have no interval")
    if not 0 < confidence < 1:
        raise ValueError("a confidence is between 0 and 1")
    ordered = sorted(values)
    count = len(ordered)
    outside = 1  # ways to have fewer than `cut + 1` values on one side
    cut, total = 0, 2**count
    while 2 * (cut + 1) < count:
        more = outside + math.comb(count, cut + 1)
        if 1 - 2 * more / total < confidence:
            break
        cut, outside = cut + 1, more
    return Interval(ordered[cut], ordered[count - 1 - cut], 1 - 2 * outside / total if count > 1 else 0.0)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours by theirs, round by round. Raises ValueError unless they are pairs, and theirs above 0."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} values can't be paired with {len(theirs)}")
    if any(value <= 0 for value in theirs):
        raise ValueError("a ratio to 0 or less says nothing")
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Least-squares slope of `ys` over `xs`. Raises ValueError unless there are two different xs, each with a y."""
    if len(xs) != len(ys) or len(set(xs)) < 2:
        raise ValueError("a slope wants two different places, and a value at each")
    mean_x, mean_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    spread = math.fsum((x - mean_x) ** 2 for x in xs)
    return math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


def growth(values: Sequence[float]) -> float:
    """Mean of the last quarter less mean of the first. Raises ValueError for fewer than four values."""
    quarter = len(values) // 4
    if not quarter:
        raise ValueError("four quarters want four values")
    return (math.fsum(values[-quarter:]) - math.fsum(values[:quarter])) / quarter
