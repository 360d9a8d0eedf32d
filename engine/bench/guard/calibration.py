"""How fast the machine is just now: a fixed piece of work, which no code of ours takes part in."""

from __future__ import annotations

import math
import time
from typing import Final

STEADY: Final = math.log(1.03)
"""A machine whose speed moves by more than this is not steady."""
_TIMES: Final = 12
_STEPS: Final = 120_000
_BYTES: Final = 4 << 20


def seconds() -> float:
    """Of the fastest of a dozen repetitions, some 15 ms each: what others take of the machine for a moment is not in
    it.

    Half of it is the interpreter, half is memory that is copied.
    """
    source = bytearray(_BYTES)
    return min(_once(source) for _ in range(_TIMES))


def _once(source: bytearray) -> float:
    begun = time.perf_counter()
    total = 0
    for number in range(_STEPS):
        total = (total * 31 + number) & 0xFFFF
    for _ in range(8):
        bytes(source)
    return time.perf_counter() - begun


def moved(then: float, now: float) -> float:
    """By how much it got slower, as the logarithm of the ratio."""
    return math.log(now / then)
