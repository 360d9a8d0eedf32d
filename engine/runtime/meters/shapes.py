"""What readers are shown of distributions: few buckets each, to be drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from engine.metrics.families import family
from engine.metrics.geometric import RATIO, geometric
from engine.metrics.stack import Stack
from engine.metrics.windows import SPANS, Window, Windows
from engine.runtime.meters.spreads import SERIES, changes, spreads_of
from engine.stream.types import MESSAGE_MAX, Shape, ShapesNow, encoder

_SPAN: Final = SPANS[1]
_SHORTEST: Final = 100
"""Nanoseconds from which on times are told apart: many waits take none at all."""
_HEAD: Final = 64
"""Bytes of a message beside its shapes, at the most."""


def shapes(windows: Windows, pools: Iterable[str], at: float, room: int = MESSAGE_MAX) -> ShapesNow:
    """The last minute before the newest sample; `at`: seconds since the Unix epoch.

    Pools that would make it longer than `room` bytes are left out, the last ones.
    """
    window = windows.over(_SPAN)
    told = [[*_of_pool(pool, window)] for pool in pools]
    whole = ShapesNow(at, window.seconds, tuple(shape for each in told for shape in each))
    if len(encoder.encode(whole)) <= room:
        return whole
    sizes = accumulate(sum(len(encoder.encode(shape)) for shape in each) for each in told)
    fit = bisect_right(list(sizes), room - _HEAD)
    return ShapesNow(at, window.seconds, tuple(shape for each in told[:fit] for shape in each), len(told) - fit)


def _of_pool(pool: str, window: Window) -> Iterator[Shape]:
    measured = {name: found for name in SERIES if (found := changes(window, name, pool))}
    stack = Stack([*measured.values()])
    families = [SERIES[name][0] for name in measured]
    for row, (name, of, spread) in enumerate(zip(measured, families, spreads_of(stack, families), strict=True)):
        told = family(of)
        timed = told.unit == "seconds"
        least = _SHORTEST if timed else 1
        first, counts = geometric(*stack.counts(row), least)
        low = least / told.scale * RATIO**first
        yield Shape(name, pool, "seconds" if timed else "count", spread, low, RATIO, counts)
