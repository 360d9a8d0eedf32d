"""Where a value lies in a base-2 log-linear histogram. Pure.

An octave (the values from one power of two to the next) has 2**p buckets of equal width, and below 2**(p + 1) each
value has its own. So every power of two is an edge between buckets, finding one takes shifts alone, and two neighbours
at p are one bucket at p - 1. This is the layout of HdrHistogram and its relatives, with the precision counted in bits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

PRECISION: Final = 5
"""p: a bucket's middle is off by less than 2**-(p + 1) of any value in it, 1.5625 %."""
BITS: Final = 48
"""Values up to 2**48 - 1 are told apart: 78 hours, in nanoseconds. What is larger counts as in the last bucket."""
LIMIT: Final = 1 << BITS


def size(p: int = PRECISION) -> int:
    """How many buckets there are: 1408 for p = 5."""
    return (BITS - p + 1) << p


def index(value: int, p: int = PRECISION) -> int:
    """The bucket of an integer; 0 for negative ones."""
    if value >= LIMIT:
        value = LIMIT - 1
    elif value < 0:
        value = 0
    shift = value.bit_length() - 1 - p
    return value if shift <= 0 else (shift << p) + (value >> shift)


def low(index: int, p: int = PRECISION) -> int:
    """The least value of a bucket."""
    shift = max((index >> p) - 1, 0)
    return (index - (shift << p)) << shift


def width(index: int, p: int = PRECISION) -> int:
    """How many integers a bucket holds."""
    return 1 << max((index >> p) - 1, 0)


@lru_cache(64)
def needed(q: float) -> int:
    """Values it takes for a quantile to mean something: ten beyond it, on either side.

    Raises ValueError unless q lies between 0 and 1.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    return math.ceil(round(10 / min(q, 1 - q), 6))


def rank(q: float, count: int) -> int | None:
    """The place in order, from 1 on, of the least of so many values that a share q of them does not exceed.

    None where there are fewer than `needed`. Raises ValueError unless q lies between 0 and 1.
    """
    return None if count < needed(q) else max(1, math.ceil(round(q * count, 6)))
