"""Histograms of integers (nanoseconds, messages, bytes) with bounded error, which merge and subtract exactly."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.metrics.buckets import LIMIT, PRECISION, index, low, rank, size, width

Counts = NDArray[np.uint64]

_FINEST: Final = 10
_SAFE: Final = 1 << 62
"""Sums below this are exact in 8 bytes."""
_HALF: Final = 24
"""Bits that are added apart where a sum might be larger."""


class Histogram:
    """How often which values came, by buckets whose middle is off by less than 1.6 % (for p = 5).

    `count`, `sum`, `min` and `max` are exact; of a difference, `min` and `max` are the closest bounds that its buckets
    give. Not safe for several threads at once.
    """

    __slots__ = ("_counts", "_first", "count", "max", "min", "p", "sum")

    def __init__(self, p: int = PRECISION) -> None:
        """Empty. Raises ValueError unless p, the bits of precision, is 0 to 10."""
        if not 0 <= p <= _FINEST:
            raise ValueError(f"the precision of a histogram is 0 to {_FINEST} bits, not {p}")
        self.p = p
        self.count = 0
        """Values."""
        self.sum = 0
        """Of all values."""
        self.min: int | None = None
        """The least value, None without any."""
        self.max: int | None = None
        """The greatest value, None without any."""
        self._first = 0
        """The bucket that `_counts` begins with: what is frozen keeps only those from the first to the last in use."""
        self._counts: NDArray[np.unsignedinteger] = np.zeros(size(p), np.uint64)

    @classmethod
    def of(cls, values: ArrayLike, p: int = PRECISION) -> Self:
        """A histogram of these values."""
        made = cls(p)
        made.record_array(values)
        return made

    @classmethod
    def union(cls, histograms: Iterable[Histogram], p: int = PRECISION) -> Self:
        """All of these merged; empty for none."""
        made = cls(p)
        for histogram in histograms:
            made.merge(histogram)
        return made

    @classmethod
    def restored(cls, p: int, counts: Counts, total: int, least: int | None, greatest: int | None) -> Self:
        """A frozen one from its parts; `counts` are all buckets, which are taken over, `total` is the sum of values."""
        made = cls.__new__(cls)
        made.p, made.count, made.sum, made.min, made.max = p, int(counts.sum()), total, least, greatest
        used = np.flatnonzero(counts)
        made._first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        narrow = np.uint32 if made.count < 1 << 32 else np.uint64  # many moments are kept
        made._counts = counts[made._first : stop].astype(narrow)
        made._counts.flags.writeable = False
        return made

    @property
    def counts(self) -> Counts:
        """Values in each bucket: all `buckets.size(p)` of them."""
        if not self.is_frozen:
            return self._counts.astype(np.uint64, copy=False)
        whole = np.zeros(size(self.p), np.uint64)
        whole[self._first : self._first + len(self._counts)] = self._counts
        return whole

    @property
    def is_frozen(self) -> bool:
        """Nothing can be added to it any more."""
        return not self._counts.flags.writeable

    @property
    def nbytes(self) -> int:
        """Memory of its buckets."""
        return self._counts.nbytes

    @property
    def mean(self) -> float | None:
        """The exact mean, None without values."""
        return self.sum / self.count if self.count else None

    def record(self, value: int, count: int = 1) -> None:
        """Count a value, so many times. A negative one is taken as 0. Raises ValueError once frozen."""
        if count <= 0:
            if count:
                raise ValueError(f"a value can't come {count} times")
            return
        self._open()
        value = max(value, 0)
        self._counts[index(value, self.p)] += count
        self.count += count
        self.sum += value * count
        self._span(value, value)

    def record_array(self, values: ArrayLike, times: NDArray[np.int64] | None = None) -> None:
        """Count each of these integers. Negative ones are taken as 0, and unsigned ones beyond 2**63, which were such.

        `times`: how often each came, none of them negative; None: once. Raises TypeError for what is no integers,
        ValueError once frozen.
        """
        self._open()
        given = np.asarray(values)
        if times is not None:
            given, times = given[times > 0], times[times > 0]
        if given.size == 0:
            return
        if given.dtype.kind not in "iu":
            raise TypeError(f"a histogram counts integers, not {given.dtype}")
        signed = np.maximum(given.ravel().astype(np.int64, copy=False), 0)
        least, greatest = int(signed.min()), int(signed.max())
        # Exponent and upper bits of a float64, as one number, count through the buckets: 2**p to an octave.
        told = np.minimum(signed, LIMIT - 1) if greatest >= LIMIT else signed
        bits = told.astype(np.float64).view(np.int64) >> (52 - self.p)
        buckets = np.where(told < 1 << self.p, told, bits - ((1022 + self.p) << self.p))
        found = np.bincount(buckets, times)  # with weights it adds up floats, which are exact as far as counts go
        self._counts[: len(found)] += found.astype(np.uint64)
        if times is None:
            self.count += len(signed)
            self.sum += _exact_sum(signed, greatest)
        else:
            self.count += int(times.sum())
            self.sum += _exact_product(signed, times, greatest)
        self._span(least, greatest)

    def merge(self, other: Histogram) -> None:
        """Count all that the other one has, exactly as if its values had been recorded here.

        Raises ValueError if they differ in precision (fold the finer one first), or once frozen.
        """
        self._open()
        self._same(other)
        if other.min is None or other.max is None:
            return
        self._counts[other._first : other._first + len(other._counts)] += other._counts
        self.count += other.count
        self.sum += other.sum
        self._span(other.min, other.max)

    def __sub__(self, earlier: Histogram) -> Histogram:
        """What came since an earlier state of the same histogram, exact but for `min` and `max`, which are bounds.

        Raises ValueError if the other one is no earlier state of this one.
        """
        first, counts = self.growth(earlier)
        whole = np.zeros(size(self.p), np.uint64)
        whole[first : first + len(counts)] = counts
        left = Histogram.restored(self.p, whole, self.sum - earlier.sum, None, None)
        if left.count and self.min is not None and self.max is not None:
            last = left._first + len(left._counts) - 1
            left.min = max(self.min, low(left._first, self.p))
            # The last bucket holds all that is beyond the limit, too.
            end = low(last, self.p) + width(last, self.p) - 1
            left.max = self.max if end == LIMIT - 1 else min(self.max, end)
        return left

    def growth(self, earlier: Histogram | None) -> tuple[int, NDArray[np.int64]]:
        """What came since an earlier state (None: ever), as the number of a bucket and the values in each from it on;
        there are none beyond.

        Raises ValueError as subtracting does.
        """
        if earlier is None:
            return self._first, self._counts.astype(np.int64)
        self._same(earlier)
        first, counts, before = self._first, self._counts.astype(np.int64), earlier._counts
        at = earlier._first - first
        if len(before) and (at < 0 or at + len(before) > len(counts)):
            first, at, counts, before = 0, 0, self.counts.astype(np.int64), earlier.counts
        counts[at : at + len(before)] -= before.astype(np.int64)
        if earlier.count > self.count or earlier.sum > self.sum or counts.min(initial=0) < 0:
            raise ValueError("not an earlier state of the same histogram")
        return first, counts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        mine = (self.p, self.count, self.sum, self.min, self.max)
        theirs = (other.p, other.count, other.sum, other.min, other.max)
        return mine == theirs and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Histogram p={self.p} count={self.count} min={self.min} max={self.max}>"

    def frozen(self) -> Histogram:
        """A copy that nothing can be added to, in less memory; itself if it is one."""
        if self.is_frozen:
            return self
        return Histogram.restored(self.p, self.counts, self.sum, self.min, self.max)

    def at_rank(self, rank: int) -> float:
        """The value that has this place in order, from 1 to `count`, to within 2**-(p + 1) of it.

        Raises ValueError for another rank. Beyond `buckets.LIMIT` only `min` and `max` are known of values.
        """
        if not 1 <= rank <= self.count or self.min is None or self.max is None:
            raise ValueError(f"no value has rank {rank} among {self.count}")
        found = self._first + int(np.searchsorted(np.cumsum(self._counts), rank))
        return float(min(max(float(middles(self.p)[found]), self.min), self.max))

    def quantile(self, q: float) -> float | None:
        """The least value that a share q of all values does not exceed, to within 2**-(p + 1) of it.

        None where there are too few values for it to mean something: fewer than 10 / (1 - q), for the median 20. Merge
        histograms and ask the result; quantiles have no mean. Raises ValueError unless q lies between 0 and 1.
        """
        found = rank(q, self.count)
        return None if found is None else self.at_rank(found)

    def fold(self) -> Histogram:
        """The same at one bit less, exactly as if its values had been recorded at that. Raises ValueError at p = 0."""
        if not self.p:
            raise ValueError("there is no coarser histogram than one of powers of two")
        counts, alone = self.counts, 1 << self.p
        folded = Histogram(self.p - 1)
        folded._counts[:alone] = counts[:alone]
        folded._counts[alone:] = counts[alone::2] + counts[alone + 1 :: 2]
        folded.count, folded.sum, folded.min, folded.max = self.count, self.sum, self.min, self.max
        return folded

    def below(self, exponents: Iterable[int]) -> list[int]:
        """How many values are less than 2**k, for each k: exact, as powers of two are edges of buckets.

        Raises ValueError for a k beyond the buckets.
        """
        summed = np.cumsum(self._counts)
        found = []
        for k in exponents:
            if not 0 <= k <= LIMIT.bit_length() - 1:
                raise ValueError(f"2**{k} is no edge of the buckets")
            edge = index((1 << k) - 1, self.p) + 1 - self._first
            found.append(int(summed[min(edge, len(summed)) - 1]) if edge > 0 and len(summed) else 0)
        return found

    def _open(self) -> None:
        if not self._counts.flags.writeable:
            raise ValueError("a frozen histogram counts nothing more")

    def _span(self, least: int, greatest: int) -> None:
        self.min = least if self.min is None else min(self.min, least)
        self.max = greatest if self.max is None else max(self.max, greatest)

    def _same(self, other: Histogram) -> None:
        if self.p != other.p:
            raise ValueError(f"histograms of {self.p} and of {other.p} bits: fold the finer one first")


@cache
def middles(p: int = PRECISION) -> NDArray[np.float64]:
    """The middle of each bucket: what its values are taken for."""
    return np.array([low(at, p) + (width(at, p) - 1) / 2 for at in range(size(p))])


def _exact_product(values: NDArray[np.int64], times: NDArray[np.int64], greatest: int) -> int:
    if greatest * int(times.max()) * len(values) < _SAFE:
        return int(values @ times)
    return sum(value * count for value, count in zip(values.tolist(), times.tolist(), strict=True))


def _exact_sum(values: NDArray[np.int64], greatest: int) -> int:
    if greatest * len(values) < _SAFE:
        return int(values.sum())
    return (int((values >> _HALF).sum()) << _HALF) + int((values & ((1 << _HALF) - 1)).sum())
