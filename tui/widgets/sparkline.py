"""The course of a value on one line, over a range that is fixed: idle noise is no storm. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tui import draw


def sparkline(values: Sequence[float], width: int, *, high: float, low: float = 0.0) -> str:
    """The newest `width` values, the newest at the right edge, a cell each, in eighths of `low` to `high`.

    A value of `low` or less still draws the lowest eighth; what nobody knows (NaN, or before the first) is blank.
    """
    if width <= 0:
        return ""
    shares = [math.nan if math.isnan(value) else max((value - low) / (high - low), 1e-9) for value in values[-width:]]
    return draw.columns(shares, 1)[0].rjust(width)
