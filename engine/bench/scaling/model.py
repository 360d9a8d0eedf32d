"""A model of how fast tasks go on more cores than there are, and on more machines. Pure, and no measurement.

The universal scalability law: N cores do N / (1 + contention (N - 1) + coherency N (N - 1)) times what one does. With
fewer than four numbers of cores there is not enough to fit both, and coherency is taken to be 0, which leaves Amdahl's
law: then nothing in it can bend downwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ENOUGH: Final = 4
"""Numbers of cores, for both parameters."""


@dataclass(frozen=True, slots=True)
class Model:
    """What was fitted.

    Attributes:
        one: tasks a second on one core.
        contention: share of the work that cores do one after the other.
        coherency: what each pair of cores costs.
        cores: numbers of cores that it was fitted to.
    """

    one: float
    contention: float
    coherency: float
    cores: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether both parameters were fitted."""
        return len(self.cores) >= _ENOUGH

    def rate(self, cores: int) -> float:
        """Tasks a second on so many cores of one machine."""
        return self.one * cores / (1 + self.contention * (cores - 1) + self.coherency * cores * (cores - 1))

    @property
    def best(self) -> float:
        """Cores beyond which more of them make it slower; infinity for none."""
        return math.sqrt(max(0.0, 1 - self.contention) / self.coherency) if self.coherency else math.inf


def fitted(rates: Mapping[int, float]) -> Model | None:
    """From tasks a second by number of cores; None if there is nothing to fit: one core is wanted, and another number.

    Least squares on N / speed-up - 1 = contention (N - 1) + coherency N (N - 1), neither below 0.
    Raises ValueError for rates of 0 or less.
    """
    if any(rate <= 0 for rate in rates.values()):
        raise ValueError("a rate is above 0")
    numbers = tuple(sorted(rates))
    if 1 not in rates or len(numbers) < 2:
        return None
    one = rates[1]
    more = [number for number in numbers if number > 1]
    lost = [number * one / rates[number] - 1 for number in more]
    pairs = [(number - 1.0, number * (number - 1.0)) for number in more]
    if len(numbers) < _ENOUGH:
        return Model(one, _alone([first for first, _ in pairs], lost), 0.0, numbers)
    a = math.fsum(first * first for first, _ in pairs)
    b = math.fsum(first * second for first, second in pairs)
    d = math.fsum(second * second for _, second in pairs)
    p = math.fsum(first * y for (first, _), y in zip(pairs, lost, strict=True))
    q = math.fsum(second * y for (_, second), y in zip(pairs, lost, strict=True))
    contention, coherency = (p * d - q * b) / (a * d - b * b), (q * a - p * b) / (a * d - b * b)
    if coherency < 0:
        contention, coherency = _alone([first for first, _ in pairs], lost), 0.0
    elif contention < 0:
        contention, coherency = 0.0, _alone([second for _, second in pairs], lost)
    return Model(one, contention, coherency, numbers)


def _alone(xs: list[float], ys: list[float]) -> float:
    """The slope of a line through 0, not below 0."""
    return max(0.0, math.fsum(x * y for x, y in zip(xs, ys, strict=True)) / math.fsum(x * x for x in xs))


def predicted(model: Model, ceiling: float | None, cores: int, machines: int) -> float:
    """Tasks a second of machines that share nothing, each with an engine, which hands out `ceiling` at the most."""
    rate = model.rate(cores)
    return machines * (rate if ceiling is None else min(rate, ceiling))
