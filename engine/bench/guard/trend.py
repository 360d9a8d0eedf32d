"""Steps in the history of a cell. Pure.

A slow decline of a few percent a month passes every comparison with the last good session. Here the whole history of
one cell on one machine is split where the two sides differ most, each part again, and so on; then the least sure of
these places is given up, as long as one is not sure enough. So does Hunter, with E-divisive's split and Student's test
in the place of permutations (Fleming and others, ICPE 2023). All places there are were looked at, so p is multiplied
by how many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.bench.guard import student

LEAST: Final = 8
"""Sessions; of fewer nothing is said."""
ALPHA: Final = 0.001
SMALLEST: Final = math.log(1.03)
_READILY: Final = 0.05
"""Below this p, a place is looked at more closely."""
_SIDE: Final = 3
"""Sessions on either side of a step: a single odd one is none."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where the level has changed, for good.

    Attributes:
        at: the first session of the new level, by number from 0.
        effect: logarithm of the ratio of the levels on either side, as far as the next step; above 0 for worse.
        p: that it is none, corrected for the places looked at.
    """

    at: int
    effect: float
    p: float


def steps(levels: Sequence[float]) -> list[Step]:
    """All of them, in order. `levels`: one for each session, upwards is worse."""
    if len(levels) < LEAST:
        return []
    places: list[int] = []
    _split(levels, 0, len(levels), places)
    places.sort()
    looked_at = len(levels) - 2 * _SIDE + 1
    while places:
        edges = zip([0, *places[:-1]], places, [*places[1:], len(levels)], strict=True)
        found = [_step(levels, *around, looked_at) for around in edges]
        weak = [step for step in found if step.p >= ALPHA or abs(step.effect) < SMALLEST]
        if not weak:
            return found
        places.remove(max(weak, key=lambda step: (step.p, -abs(step.effect))).at)
    return []


def _split(levels: Sequence[float], begin: int, end: int, places: list[int]) -> None:
    """All places where a part may change, readily: a rise that is followed by a fall hides both from a strict test."""
    candidates = range(begin + _SIDE, end - _SIDE + 1)
    if not candidates:
        return
    p, at = min((_p(levels[begin:at], levels[at:end]), at) for at in candidates)
    if p >= _READILY:
        return
    places.append(at)
    _split(levels, begin, at, places)
    _split(levels, at, end, places)


def _step(levels: Sequence[float], begin: int, at: int, end: int, looked_at: int) -> Step:
    before, after = levels[begin:at], levels[at:end]
    return Step(at, _difference(before, after), min(1.0, _p(before, after) * looked_at))


def _difference(before: Sequence[float], after: Sequence[float]) -> float:
    return math.fsum(after) / len(after) - math.fsum(before) / len(before)


def _p(before: Sequence[float], after: Sequence[float]) -> float:
    """Student's, of equal spread: a side of three has none to speak of that is its own."""
    freedom = len(before) + len(after) - 2
    squares = sum(
        math.fsum((value - math.fsum(side) / len(side)) ** 2 for value in side) for side in (before, after)
    )  # fmt: skip
    error = math.sqrt(squares / freedom * (1 / len(before) + 1 / len(after)))
    difference = _difference(before, after)
    if not error > abs(difference) * 1e-12:
        return 0.0 if difference else 1.0
    return student.two_sided(difference / error, freedom)
