"""Distributions as the stream tells of them: several together, and the logarithmic axes they are drawn on. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final, TypeAlias

from engine.stream.types import Shape, ShapesNow, Spread

_EDGE: Final = 1e-6
"""Of a decade: by how much a power of ten may be missed where it was computed by multiplying."""
_PATIENCE: Final = 30.0
"""Seconds for which an axis stays as long as it was, though less would do by now."""


Measured: TypeAlias = Mapping[tuple[str, str], ShapesNow]
"""By the name of a distribution and its pool, "" for all pools together: what was told when it last had values."""


def measured(before: Measured, now: ShapesNow) -> Measured:
    """What was last told of each distribution, after one message more."""
    found = dict(before)
    for shape in now.shapes:
        if shape.counts:
            found[shape.name, shape.pool] = found[shape.name, ""] = now
    return found


def shape_of(now: ShapesNow | None, name: str, pool: str = "") -> Shape | None:
    """The distribution `name` of one pool; of all together, if none is named. None: there is none.

    Of several pools the shape has no pool, and its quantiles are estimates.
    """
    found = (
        [shape for shape in now.shapes if shape.name == name and pool in ("", shape.pool)] if now is not None else []
    )
    used = [shape for shape in found if shape.counts]
    return used[0] if len(used) == 1 else merged(used) if used else found[0] if found else None


def merged(shapes: Sequence[Shape]) -> Shape:
    """Several distributions of the same name together; the quantiles are estimated from the buckets."""
    first = min(shapes, key=lambda shape: shape.low)
    counts: list[int] = []
    for shape in shapes:
        at = round(math.log(shape.low / first.low) / math.log(first.ratio))
        counts += [0] * (at + len(shape.counts) - len(counts))
        for place, count in enumerate(shape.counts, at):
            counts[place] += count
    highest = max((shape.spread.max for shape in shapes if shape.spread.max is not None), default=None)
    values = sum(shape.spread.count for shape in shapes)
    p50, p90, p95, p99 = (_quantile(q, counts, first.low, first.ratio, highest) for q in (0.5, 0.9, 0.95, 0.99))
    spread = Spread(values, p50, p90, p99, highest, p95)
    return Shape(first.name, "", first.unit, spread, first.low, first.ratio, counts)


def _quantile(q: float, counts: Sequence[int], low: float, ratio: float, highest: float | None) -> float | None:
    """Within its bucket a value is taken to lie in proportion, on the logarithmic axis."""
    total = sum(counts)
    if not total:
        return None
    reached = list(accumulate(counts))
    place = next(i for i, sum_ in enumerate(reached) if sum_ >= q * total)
    share = (q * total - (reached[place] - counts[place])) / max(counts[place], 1)
    value: float = low * ratio ** (place + share)
    return value if highest is None else min(value, highest)


@dataclass(frozen=True, slots=True)
class Decades:
    """An axis from 10 ** `first` to 10 ** `last`, which grows at once, and shrinks only when it was too long for a
    while: a single late value comes and goes, and the axis stays.
    """

    first: int
    last: int
    enough: tuple[int, int] | None = None
    """The decades that would have done since `since`; None: it needs all that it has."""
    since: float = 0.0

    def for_(self, shape: Shape | None, at: float, span: int) -> Decades:
        """The axis for another distribution, of the moment `at` in seconds; it covers at least `span` decades."""
        if shape is None or not shape.counts:
            return self
        need = decades_of(shape, span)
        if need[0] < self.first or need[1] > self.last:
            return Decades(min(need[0], self.first), max(need[1], self.last))
        if need == (self.first, self.last):
            return Decades(*need)
        if self.enough is None or at < self.since:  # somebody went back in time
            return replace(self, enough=need, since=at)
        wide = (min(need[0], self.enough[0]), max(need[1], self.enough[1]))
        return Decades(*wide) if at - self.since >= _PATIENCE else replace(self, enough=wide)


def decades_of(shape: Shape, span: int) -> tuple[int, int]:
    """The whole decades that cover a distribution, at least `span` of them: tails grow to the right."""
    end = math.log10(shape.low) + len(shape.counts) * math.log10(shape.ratio)
    first, last = math.floor(math.log10(shape.low) + _EDGE), math.ceil(end - _EDGE)
    while last - first < span:
        last += 1
        if last - first < span and shape.unit == "seconds":
            first -= 1
    return first, last


def resampled(shape: Shape, first: int, last: int, cells: int) -> list[float]:
    """How many values fall into each of `cells` parts of the axis; within its bucket they are spread evenly."""
    found = [0.0] * cells
    scale = cells / (last - first)
    width = math.log10(shape.ratio) * scale
    begin = (math.log10(shape.low) - first) * scale
    for bucket, count in enumerate(shape.counts):
        left, right = begin + bucket * width, begin + (bucket + 1) * width
        for cell in range(max(math.floor(left + _EDGE), 0), min(math.ceil(right - _EDGE), cells)):
            found[cell] += count * (min(right, cell + 1) - max(left, cell)) / width
    return found


def cell_of(value: float, first: int, last: int, cells: int) -> int:
    """The part of the axis in which a value lies; the outermost for what lies beside it."""
    return min(max(int((math.log10(value) - first) / (last - first) * cells + _EDGE), 0), cells - 1)
