"""Dozens of histograms at once: by themselves, each would take more calls of numpy than it has work for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.metrics.buckets import LIMIT, low, rank, size, width
from engine.metrics.histogram import Histogram, middles

Change: TypeAlias = tuple[Histogram, "Histogram | None"]
"""A histogram of the usual precision as it is now, and an earlier state of it; None: it was empty."""


class Stack:
    """What was counted between two moments, merged to rows: each as the union of differences of `Histogram` is.

    Attributes:
        numbers: values, by row.
        least: the least value of each row, or the closest bound that its buckets give; of no meaning without values.
        greatest: the greatest, likewise.
    """

    def __init__(self, rows: Sequence[Iterable[Change]]) -> None:
        """`rows`: what each is made of; nothing, for an empty one. What is no earlier state counts as none."""
        self._counts: NDArray[np.int64] = np.zeros((len(rows), size()), np.int64)
        extremes = [_add(changes, counts) for counts, changes in zip(self._counts, rows, strict=True)]
        self._sums = self._counts.reshape(-1).cumsum()
        """Values up to each bucket, of all rows behind each other."""
        self._before = [0, *self._sums[size() - 1 :: size()].tolist()]
        """Values in the rows before each."""
        self.numbers = [after - before for before, after in pairwise(self._before)]
        used = self._counts > 0
        self._first: list[int] = used.argmax(axis=1).tolist()
        self._last: list[int] = (size() - 1 - used[:, ::-1].argmax(axis=1)).tolist()
        self.least = [max(least, low(first)) for (least, _), first in zip(extremes, self._first, strict=True)]
        self.greatest = [
            # The last bucket holds all that is beyond the limit, too.
            greatest if last == size() - 1 else min(greatest, low(last) + width(last) - 1)
            for (_, greatest), last in zip(extremes, self._last, strict=True)
        ]

    def counts(self, row: int) -> tuple[int, NDArray[np.int64]]:
        """The number of the first bucket of a row that is in use, and the values in each from it to the last in use."""
        first, stop = (self._first[row], self._last[row] + 1) if self.numbers[row] else (0, 0)
        return first, self._counts[row, first:stop]

    def quantiles(self, shares: Sequence[float]) -> list[list[float | None]]:
        """For each row its quantiles, as `Histogram.quantile` has them."""
        found: list[list[float | None]] = [[None] * len(shares) for _ in self.numbers]
        places, ranks = [], []
        for row, number in enumerate(self.numbers):
            for at, q in enumerate(shares):
                if (place := rank(q, number)) is not None:
                    places.append((row, at))
                    ranks.append(self._before[row] + place)
        values = middles()[self._sums.searchsorted(ranks) % size()].tolist()
        for (row, at), value in zip(places, values, strict=True):
            found[row][at] = float(min(max(value, self.least[row]), self.greatest[row]))
        return found


def _add(changes: Iterable[Change], counts: NDArray[np.int64]) -> tuple[int, int]:
    """Count what is new in all buckets, and say what its least and greatest values may be."""
    least, greatest = LIMIT, 0
    for now, earlier in changes:
        if now is earlier or now.min is None or now.max is None:
            continue
        try:
            first, grown = now.growth(earlier)
        except ValueError:  # it began anew, and has more already
            first, grown = now.growth(None)
        counts[first : first + len(grown)] += grown
        least, greatest = min(least, now.min), max(greatest, now.max)
    return least, greatest
