"""A strip of heat: how much there was of something over time, one cell a moment, one line a thing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tui.widgets.chart import shade
from tui.widgets.lines import Line, Piece

_LEVELS: Final = " ░▒▓█"
"""Told apart without colours, too."""


def heat_strip(values: Sequence[float], width: int, *, high: float) -> Line:
    """`width` cells, the newest value at the right edge, on a scale from 0 to `high`; NaN, and before the first, stays
    dark. The shade grows with the square root: a little is seen, and a lot is seen to be more.
    """
    pieces: list[Piece] = []
    newest = list(values[-width:]) if width > 0 else []
    cells: list[Piece] = [("·", "track")] * (width - len(newest))
    for value in newest:
        if math.isnan(value):
            cells.append(("·", "track"))
            continue
        share = math.sqrt(min(max(value / high, 0.0), 1.0)) if high > 0 else 0.0
        level = 0 if value <= 0 else max(1, math.ceil(share * (len(_LEVELS) - 1)))
        cells.append((_LEVELS[level] if level else "·", shade(share) if level else "track"))
    for text, ink in cells:
        if pieces and pieces[-1][1] == ink:
            pieces[-1] = (pieces[-1][0] + text, ink)
        else:
            pieces.append((text, ink))
    return tuple(pieces)
