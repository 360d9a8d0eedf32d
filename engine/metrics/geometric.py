"""A histogram in as few buckets as it takes to draw it: of equal width where a scale is logarithmic. Pure."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.metrics.buckets import PRECISION
from engine.metrics.histogram import middles

PER_DECADE: Final = 8
RATIO: Final = 10 ** (1 / PER_DECADE)
"""Each bucket ends at so many times its beginning: 1.33."""


def geometric(first: int, counts: NDArray[Any], least: int, p: int = PRECISION) -> tuple[int, list[int]]:
    """From the buckets of a histogram to few: the number of the first one in use, and the values in each from it to the
    last in use. `counts` are such themselves: from bucket `first`, which is in use, to the last in use; or none.

    Bucket n is from `least` * `RATIO` ** n to `least` * `RATIO` ** (n + 1), so powers of ten, times `least`, are edges.
    What is below `least` counts in bucket 0. Each bucket of the histogram goes where its middle lies, as a whole: no
    value is lost, and none is further from where it belongs than a quantile may be off.
    """
    if not len(counts):
        return 0, []
    places = _places(least, p)[first : first + len(counts)]
    begin = int(places[0])
    summed = np.bincount(places - begin, counts).astype(np.int64)  # floats, which are exact as far as counts go
    found: list[int] = summed.tolist()
    return begin, found


@cache
def _places(least: int, p: int) -> NDArray[np.int64]:
    """For each bucket of a histogram, the number of the one it goes to."""
    decades = np.log10(np.maximum(middles(p), least) / least)
    found: NDArray[np.int64] = np.floor(PER_DECADE * decades).astype(np.int64)
    return found
