"""A histogram as few bytes, for the database: the buckets in use, as distances and counts of variable length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.metrics.buckets import index, size
from engine.metrics.histogram import Histogram

_FORMAT: Final = 1


def pack(histogram: Histogram) -> bytes:
    """A histogram as bytes.

    Integers of 7 bits a byte, the lowest first, the top bit set where more follow (LEB128): format, p, count, sum, min,
    max; then for each bucket in use its distance from the one before and its count. An empty one ends after its count.
    """
    packed = bytearray()
    _put(packed, _FORMAT)
    _put(packed, histogram.p)
    _put(packed, histogram.count)
    if histogram.min is None or histogram.max is None:
        return bytes(packed)
    _put(packed, histogram.sum)
    _put(packed, histogram.min)
    _put(packed, histogram.max)
    counts = histogram.counts
    at = 0
    for bucket in np.flatnonzero(counts).tolist():
        _put(packed, bucket - at)
        _put(packed, int(counts[bucket]))
        at = bucket
    return bytes(packed)


def unpack(packed: bytes) -> Histogram:
    """The histogram that was packed. Raises ValueError for anything else, as far as that can be told."""
    numbers = _numbers(packed)
    try:
        version, p, number = next(numbers), next(numbers), next(numbers)
    except StopIteration:
        raise ValueError("not a packed histogram: it ends too soon") from None
    if version != _FORMAT:
        raise ValueError(f"a packed histogram of format {version}, which this version does not know")
    made = Histogram(p)
    rest = list(numbers)
    if not number and not rest:
        return made.frozen()
    if len(rest) < 5 or len(rest) % 2 == 0:
        raise ValueError("not a packed histogram: it ends too soon")
    total, least, greatest = rest[:3]
    counts = [0] * size(p)
    at = first = rest[3]
    for place, (distance, count) in enumerate(zip(rest[3::2], rest[4::2], strict=True)):
        at = at + distance if place else first
        if at >= len(counts) or not 0 < count < 1 << 63:
            raise ValueError("not a packed histogram: no such bucket")
        counts[at] = count
    if sum(counts) != number:
        raise ValueError("not a packed histogram: its counts do not add up")
    if index(least, p) != first or index(greatest, p) != at:
        raise ValueError("not a packed histogram: its extremes are in other buckets")
    if not least * number <= total <= greatest * number or number >= 1 << 63:
        raise ValueError("not a packed histogram: its sum can't be")
    return Histogram.restored(p, np.array(counts, np.uint64), total, least, greatest)


def _put(packed: bytearray, number: int) -> None:
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("not a packed histogram: it ends within a number")
