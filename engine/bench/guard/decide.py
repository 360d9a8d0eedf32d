"""From the levels of a cell then and now to a verdict. Pure.

A level is the logarithm of how bad a round was (`cells.Cell.levels`), so that a difference is a ratio whatever the
unit, and upwards is worse.

The estimate is a trimmed mean, and its test Yuen's: a fifth of the values at either end is left out, and Student's t
taken of the winsorised spread (Yuen, Biometrika 61, 1974; of pairs: Tukey and McLaughlin, 1963). One round that a
neighbour has disturbed then neither makes a verdict nor hides one. A test of ranks would do as well, but eight pairs
can't give less than p = 0.0078 there, and a session of more than six cells, each of which Holm's correction asks for
0.05 / 7, could never find anything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from engine.bench.guard import student
from engine.bench.guard.cells import Cell
from engine.bench.statistics import median

WORSE: Final = math.log(1.10)
"""A regression is more than this."""
CLEARLY: Final = math.log(1.03)
"""And surely more than this."""
ALPHA: Final = 0.05
LEAST_ROUNDS: Final = 3
"""Fewer have no spread to speak of."""
_TRIMMED: Final = 0.2
_LEAST_SESSIONS: Final = 5
_NORMAL: Final = 1.4826
"""The standard deviation of a normal distribution, by the median of the distance from its middle."""

State = Literal["fine", "slightly worse", "suspected", "regression", "improved", "unsure", "unmeasured", "first"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much worse it has become.

    Attributes:
        effect: logarithm of the ratio, above 0 for worse.
        error: its standard error; 0 where all rounds were the same, as bytes may be.
        freedom: degrees of freedom of the error.
        rounds: that it is taken from, the fewer of both sessions if they are no pairs.
        bias: by how much it may be off, either way, for reasons that rounds do not show.
    """

    effect: float
    error: float
    freedom: float
    rounds: int
    bias: float = 0.0

    @property
    def _half(self) -> float:
        return (student.quantile(ALPHA, self.freedom) * self.error if self.error else 0.0) + self.bias

    @property
    def low(self) -> float:
        """The lower end of its interval, of 95 %."""
        return self.effect - self._half

    @property
    def high(self) -> float:
        """The upper end."""
        return self.effect + self._half

    @property
    def p(self) -> float:
        """Of no change, two-sided; with a bias, of one that is no larger."""
        beyond = max(0.0, abs(self.effect) - self.bias)
        if not self.error:
            return 0.0 if beyond else 1.0
        return student.two_sided(beyond / self.error, self.freedom)


@dataclass(frozen=True, slots=True)
class _Part:
    """A trimmed mean, its variance, and the degrees of freedom of that."""

    mean: float
    variance: float
    freedom: int


def _part(values: Sequence[float]) -> _Part:
    count = len(values)
    if count < LEAST_ROUNDS:
        raise ValueError(f"{count} rounds are too few: {LEAST_ROUNDS} at the least")
    ordered = sorted(values)
    cut = int(_TRIMMED * count)
    kept = ordered[cut : count - cut]
    pulled = [min(max(value, kept[0]), kept[-1]) for value in ordered]
    mean = math.fsum(pulled) / count
    squares = math.fsum((value - mean) ** 2 for value in pulled)
    return _Part(math.fsum(kept) / len(kept), squares / (len(kept) * (len(kept) - 1)), len(kept) - 1)


def _estimate(effect: float, variance: float, freedom: float, rounds: int, bias: float) -> Estimate:
    error = math.sqrt(variance)
    # What rounding leaves of a spread of none is no spread.
    return Estimate(effect, error if error > abs(effect) * 1e-12 else 0.0, freedom, rounds, bias)


def paired(then: Sequence[float], now: Sequence[float]) -> Estimate:
    """Of two codes whose rounds took turns: the differences, round by round. Raises ValueError for too few, or no
    pairs.
    """
    part = _part([b - a for a, b in zip(then, now, strict=True)])
    return _estimate(part.mean, part.variance, part.freedom, len(now), 0.0)


def unpaired(then: Sequence[float], now: Sequence[float], bias: float = 0.0, between: float = 0.0) -> Estimate:
    """Of two sessions: degrees of freedom as Welch and Satterthwaite have them. Raises ValueError for too few.

    `between`: the variance of sessions of the same code, beyond that of their rounds (`between_sessions`).
    """
    before, after = _part(then), _part(now)
    total = before.variance + after.variance
    squares = before.variance**2 / before.freedom + after.variance**2 / after.freedom
    freedom = total**2 / squares if squares > 0 else 1.0
    return _estimate(after.mean - before.mean, total + 2 * between, freedom, min(len(then), len(now)), bias)


def between_sessions(sessions: Sequence[Sequence[float]]) -> float:
    """By how much sessions differ beyond what their rounds explain, as a variance; 0 for fewer than five, which can't
    tell. `sessions`: the levels of each, in order.

    Rounds of one session do not show what all of them have in common: where memory happened to lie, who else was there.
    It is taken from the steps from each session to the next, by the median of their sizes, so that one change of the
    code for good is not taken for it (a moment estimate of a random effect, as in DerSimonian and Laird, 1986).
    """
    parts = [_part(levels) for levels in sessions if len(levels) >= LEAST_ROUNDS]
    if len(parts) < _LEAST_SESSIONS:
        return 0.0
    steps = sorted(abs(after.mean - before.mean) for before, after in itertools.pairwise(parts))
    spread = (_NORMAL * median(steps)) ** 2 / 2
    return max(0.0, spread - math.fsum(part.variance for part in parts) / len(parts))


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Each p value as it is where all of them are looked at (Holm, 1979): the chance that any is below by chance."""
    found: dict[str, float] = {}
    least = 0.0
    for at, (name, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        found[name] = least = max(least, min(1.0, (len(ps) - at) * p))
    return found


def to_repeat(estimates: Mapping[str, Estimate]) -> list[str]:
    """Cells to be measured again: a change of more than 10 % is not excluded, for the worse or surely for the better.

    So a re-run is asked for by what might be a regression, and not only by what looks like one: a true 12 % is below
    10 % in one session of many.
    """
    return [
        name
        for name, found in estimates.items()
        if found.high > WORSE or (found.effect < -WORSE and found.high < -CLEARLY)
    ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has become of a cell.

    Attributes:
        state: "regression" is confirmed; "suspected" looks like one, but for a re-run that says so too; "slightly
            worse" is surely worse, by less than 10 %; "unsure" may be worse by more than 10 %, or not; "unmeasured"
            has no comparison, and `why` says so; "first" has no baseline yet.
        estimate: None for "unmeasured" and "first".
        p: corrected for the number of cells.
        confirmed: whether the re-run, by itself, says so; None if there was none.
        why: for people, "" where the figures say it.
    """

    state: State
    estimate: Estimate | None = None
    p: float = 1.0
    confirmed: bool | None = None
    why: str = ""


def judge(
    estimates: Mapping[str, Estimate], again: Mapping[str, Estimate], before: Mapping[str, Cell]
) -> dict[str, Verdict]:
    """A verdict for each cell.

    A regression is worse by more than 10 % over all rounds, surely by more than 3 %, at p < 0.05 corrected for all
    cells, by at least its floor, and its re-run alone is surely worse by more than 3 % too, at a p corrected for the
    cells that were measured again. An improvement is the mirror image.

    Args:
        estimates: of all rounds, those of a re-run included.
        again: of the re-run alone, of cells that have one.
        before: the cells of the baseline.
    """
    ps = holm({name: found.p for name, found in estimates.items()})
    again_ps = holm({name: found.p for name, found in again.items()})
    return {
        name: _judged(found, ps[name], again.get(name), again_ps.get(name, 1.0), before[name])
        for name, found in estimates.items()
    }


def _judged(found: Estimate, p: float, again: Estimate | None, again_p: float, before: Cell) -> Verdict:
    sure = p < ALPHA and _large(found.effect, before)
    confirmed = None
    if sure and found.effect > WORSE and found.low > CLEARLY:
        if again is not None:
            confirmed = again.low > CLEARLY and again_p < ALPHA
        return Verdict("regression" if confirmed else "suspected", found, p, confirmed)
    if sure and found.effect < -WORSE and found.high < -CLEARLY:
        if again is not None:
            confirmed = again.high < -CLEARLY and again_p < ALPHA
        return Verdict("improved" if confirmed else "fine", found, p, confirmed)
    if found.high > WORSE and _large(found.high, before):
        return Verdict("unsure", found, p)
    return Verdict("slightly worse" if sure and found.low > 0 else "fine", found, p)


def _large(effect: float, before: Cell) -> bool:
    """Whether a change is at least the floor."""
    sign = 1 if before.better == "low" else -1
    return abs(before.value() * math.expm1(sign * effect)) >= before.floor


def ratio(effect: float) -> float:
    """A difference of levels as a factor."""
    return math.exp(effect)
