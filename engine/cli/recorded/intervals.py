"""How sure one can be of a ratio between two runs: intervals that hold the true one with a given probability. Pure.

Nothing is assumed of how times are distributed: quantiles go by ranks, counts of failures by the exact binomial tail,
rates by the means of stretches that are long beside what makes them swing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
STRETCHES: Final = 8
"""Stretches of a run, at the least, from which its rate can be judged."""
_MOST_STRETCHES: Final = 10
_TAIL: Final = 12
"""Standard deviations beyond which nothing of a binomial distribution is looked for."""
_STEPS: Final = 60


class Interval(NamedTuple):
    """From where to where; `high` may be infinite."""

    low: float
    high: float


def ranks(count: int, share: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Between which of so many values in order (the least is 1) their true quantile lies, with this probability.

    None where there are too few values to say. The number of values below the quantile is binomial, whatever the
    distribution.
    """
    outside = (1 - confidence) / 2
    low = _largest(lambda rank: below(rank - 1, count, share) <= outside, count, share)
    high = _largest(lambda rank: 1 - below(rank - 1, count, share) > outside, count, share) + 1
    return (low, high) if low >= 1 and high <= count else None


def _largest(holds: Callable[[int], bool], count: int, share: float) -> int:
    """The largest rank for which something holds that holds up to some rank; 0 for none."""
    spread = _TAIL * math.sqrt(count * share * (1 - share)) + _TAIL
    low, high = max(0, math.floor(count * share - spread)), min(count + 1, math.ceil(count * share + spread))
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def below(most: int, count: int, share: float) -> float:
    """The probability that at most so many of `count` are what each is with probability `share`."""
    if most < 0:
        return 0.0
    if most >= count or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    mean, spread = count * share, math.sqrt(count * share * (1 - share))
    first = max(0, math.floor(mean - _TAIL * spread - _TAIL))
    if most > mean + _TAIL * spread + _TAIL:
        return 1.0
    if most < first:
        return 0.0
    odds = share / (1 - share)
    term = math.exp(
        math.lgamma(count + 1) - math.lgamma(first + 1) - math.lgamma(count - first + 1)
        + first * math.log(share) + (count - first) * math.log1p(-share)
    )  # fmt: skip
    total = term
    for at in range(first, most):
        term *= (count - at) / (at + 1) * odds
        total += term
    return min(total, 1.0)


def of_quantiles(left: Interval, right: Interval) -> Interval:
    """The ratio right by left of two quantiles that lie in these intervals, each with `each()` of probability."""
    return Interval(right.low / left.high if left.high else 0.0, right.high / left.low if left.low else math.inf)


def each() -> float:
    """The confidence that two independent intervals need for both together to have `CONFIDENCE`."""
    return math.sqrt(CONFIDENCE)


def of_failures(left: tuple[int, int], right: tuple[int, int]) -> Interval | None:
    """The ratio right by left of the shares that fail, each given as (failed, of so many). None where none has failed.

    Of all failures, those of the right run are binomial, if failures are rare; if they are not, the interval is wider
    than it need be. So it can be said even where one side has none.
    """
    (few, of_left), (many, of_right) = left, right
    failed = few + many
    if not failed or not of_left or not of_right:
        return None
    scale = of_left / of_right
    share = _binomial_interval(many, failed)
    return Interval(
        share.low / (1 - share.low) * scale, share.high / (1 - share.high) * scale if share.high < 1 else math.inf
    )


def _binomial_interval(found: int, count: int) -> Interval:
    """The share that `found` of `count` may come from: Clopper and Pearson's, which is exact."""
    outside = (1 - CONFIDENCE) / 2
    low = 0.0 if not found else _root(lambda share: 1 - below(found - 1, count, share) - outside)
    high = 1.0 if found == count else _root(lambda share: outside - below(found, count, share))
    return Interval(low, high)


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def of_rates(left: Sequence[float], right: Sequence[float]) -> Interval | None:
    """How far the ratio right by left of two mean rates may be off, as a factor from .. to. Each is given stretch by
    stretch. None where there are too few of them, or one of the rates is 0.
    """
    found = [_batches(values) for values in (left, right)]
    if any(len(values) < STRETCHES for values in found):
        return None
    spreads = []
    for values in found:
        mean = math.fsum(values) / len(values)
        if mean <= 0:
            return None
        variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
        spreads.append((variance / len(values) / mean**2, len(values) - 1))
    total = sum(spread for spread, _ in spreads)
    if not total:
        return Interval(1.0, 1.0)
    freedom = total**2 / sum(spread**2 / degrees for spread, degrees in spreads)  # Welch and Satterthwaite's
    half = _student(freedom) * math.sqrt(total)
    return Interval(math.exp(-half), math.exp(half))


def _batches(values: Sequence[float]) -> list[float]:
    """Means of consecutive stretches, ten at the most: the longer they are, the less one tells of the next."""
    size = max(1, math.ceil(len(values) / _MOST_STRETCHES))
    whole = len(values) // size * size
    return [math.fsum(values[at : at + size]) / size for at in range(0, whole, size)]


def _student(freedom: float) -> float:
    """The quantile of Student's distribution at 97.5 %, from four degrees of freedom on to within 1 %."""
    z = 1.959963985
    return (
        z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )  # fmt: skip


def most_of_none(count: int) -> float:
    """The share that may fail though none of `count` has, with this confidence."""
    return 1 - math.pow(1 - CONFIDENCE, 1 / count)
