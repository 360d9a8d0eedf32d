"""Student's distribution. Pure."""

from __future__ import annotations

import functools
import math
from typing import Final

_TINY: Final = 1e-300
_STEPS: Final = 300


def two_sided(t: float, freedom: float) -> float:
    """The probability of a value at least as far from 0 as `t`. Raises ValueError for no degree of freedom."""
    if not freedom > 0:
        raise ValueError("Student's distribution wants a degree of freedom")
    if math.isinf(t):
        return 0.0
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5)


@functools.lru_cache(256)
def quantile(outside: float, freedom: float) -> float:
    """The value that is exceeded, on either side together, with probability `outside`, between 0 and 1 exclusive."""
    if not 0 < outside < 1:
        raise ValueError("a probability lies between 0 and 1")
    low, high = 0.0, 1.0
    while two_sided(high, freedom) > outside:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        if two_sided(middle, freedom) > outside:
            low = middle
        else:
            high = middle
    return high


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):  # it converges slowly there, and quickly for the rest
        return 1 - _beta(1 - x, b, a)
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    )  # fmt: skip
    return min(1.0, front * _fraction(x, a, b) / a)


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluated from its beginning, by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    value = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or _TINY)
            c = 1 + term / c or _TINY
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
