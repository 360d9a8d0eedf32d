"""By what factor something is faster, from rounds in which both were measured.

The logarithms of the ratios of one round are what is averaged: whatever slows a whole round down cancels, and twice as
fast and half as fast are equally far from no difference. The interval is Student's. Order statistics, which the rows of
`engine.bench.verdicts` have, want six rounds for 95 %, and a round of all combinations takes many minutes; besides, a
sum such as the interaction has a mean and no order. The price is that the logarithms are taken to be roughly normal.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.bench.ablation.cells import cells
from engine.bench.guard.student import quantile
from engine.bench.statistics import median

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Effect:
    """A factor, above 1 for faster.

    Attributes:
        ratio: the geometric mean over rounds.
        low, high: its 95 % interval; None of one round, which has no spread.
        rounds: how many there were.
        deviation: median absolute deviation of the logarithms of the rounds' ratios from their median.
    """

    ratio: float
    low: float | None
    high: float | None
    rounds: int
    deviation: float

    @property
    def measurable(self) -> bool | None:
        """Whether the interval leaves out 1, that is no effect; None without one."""
        return None if self.low is None or self.high is None else not self.low <= 1 <= self.high


def effect(logs: Sequence[float]) -> Effect:
    """What the logarithms of ratios say, one for each round. Raises ValueError for none."""
    if not logs:
        raise ValueError("no rounds have no effect")
    count = len(logs)
    mean = math.fsum(logs) / count
    middle = median(logs)
    deviation = median([abs(log - middle) for log in logs])
    if count < 2:
        return Effect(math.exp(mean), None, None, count, deviation)
    variance = math.fsum((log - mean) ** 2 for log in logs) / (count - 1)
    reach = quantile(1 - CONFIDENCE, count - 1) * math.sqrt(variance / count)
    return Effect(math.exp(mean), _exp(mean - reach), _exp(mean + reach), count, deviation)


def log_ratios(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """How much less `after` is, round by round, as a logarithm.

    Raises ValueError unless they are pairs of values above 0.
    """
    if len(before) != len(after):
        raise ValueError(f"{len(before)} values can't be paired with {len(after)}")
    if any(not (value > 0 and math.isfinite(value)) for value in (*before, *after)):
        raise ValueError("values of 0 or less have no ratio")
    return [math.log(one) - math.log(other) for one, other in zip(before, after, strict=True)]


@dataclass(frozen=True, slots=True)
class Impact:
    """What the samples of all combinations say.

    Attributes:
        alone: by mechanism, what it brings where all others are off. One is missing where a combination that it takes
            was not measured, here and below.
        among: by mechanism, what it brings where all others are on.
        together: what all of them bring; None where that was not measured.
        interaction: by what factor that is more than the product of what each brings alone. Below 1 where they do the
            same thing in part, above where one needs another. None of a single one, too.
    """

    alone: dict[str, Effect]
    among: dict[str, Effect]
    together: Effect | None
    interaction: Effect | None


def impact(flags: Sequence[str], samples: Mapping[frozenset[str], Sequence[float]]) -> Impact:
    """From seconds (or anything of which less is better) by combination, one for each round.

    Raises ValueError for samples that are no pairs, or not above 0.
    """
    every, nothing = frozenset(flags), frozenset[str]()

    def paired(before: frozenset[str], after: frozenset[str]) -> list[float] | None:
        if not samples.get(before) or not samples.get(after):
            return None
        return log_ratios(samples[before], samples[after])

    known = {cell.on for cell in cells(flags)}
    if not known.issuperset(samples):
        raise ValueError("samples of a combination that there is not")
    alone = {flag: paired(nothing, frozenset((flag,))) for flag in flags}
    among = {flag: paired(every - {flag}, every) for flag in flags}
    together = paired(nothing, every)
    parts = [logs for logs in alone.values() if logs is not None]
    more = None
    if together is not None and 1 < len(flags) == len(parts):
        more = [whole - math.fsum(logs) for whole, *logs in zip(together, *parts, strict=True)]
    return Impact(
        {flag: effect(logs) for flag, logs in alone.items() if logs is not None},
        {flag: effect(logs) for flag, logs in among.items() if logs is not None},
        None if together is None else effect(together),
        None if more is None else effect(more),
    )


def _exp(value: float) -> float:
    """The largest number for what is larger: two rounds that differ wildly have such an interval."""
    try:
        return math.exp(value)
    except OverflowError:
        return sys.float_info.max
