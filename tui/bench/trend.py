"""A line over many sessions: a dot for each, on an axis that noise does not fill. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tui import format as fmt
from tui.bench import figures
from tui.bench.record import Point, State, Trend
from tui.widgets.lines import Line, Piece

_SPAN: Final = 0.10
"""By what share the axis reaches beyond the median to either side, at the least."""
_BAD: Final[tuple[State, ...]] = ("regression", "suspected")
_GLYPHS: Final = {"bad": ("▼", "error"), "named": ("◆", "brand"), "": ("●", "busy")}
_LABEL: Final = 8


def chart(trend: Trend, unit: str, width: int, height: int, chosen: str = "") -> list[Line]:
    """The newest at the right edge. A line crosses it at the median; `chosen`: the session that is looked at."""
    room = width - _LABEL - 2
    if room < 4 or height < 2 or not trend.points:
        return []
    points = trend.points[-room:]
    values = [point.value for point in points]
    low, high = _range(values)
    step = max(1, min(4, room // len(points)))
    columns = [room - 1 - step * (len(points) - 1 - at) for at in range(len(points))]
    middle = _row(_median(values), low, high, height)
    grid: list[list[Piece]] = [[(" ", "")] * room for _ in range(height)]
    grid[middle] = [("╌", "track")] * room
    for at, point in zip(columns, points, strict=True):
        if point.session in trend.at:
            for row in grid:
                row[at] = ("╎", "warning")
    for at, point in zip(columns, points, strict=True):
        kind = "bad" if point.state in _BAD else "named" if point.names else ""
        glyph, ink = _GLYPHS[kind]
        if point.session == chosen:
            ink = "strong"
        grid[_row(point.value, low, high, height)][at] = (glyph, ink)
    labels = [""] * height
    labels[0], labels[-1] = figures.value(high, unit), figures.value(low, unit)
    if height > 2 and 0 < middle < height - 1:
        labels[middle] = figures.value(_median(values), unit)
    return [
        ((f"{fmt.fit(label, _LABEL):>{_LABEL}} ", "quiet"), ("┤", "track"), *_joined(row))
        for label, row in zip(labels, grid, strict=True)
    ]


def sparkline(points: Sequence[Point], width: int) -> str:
    """The same on one line, in eighths; nothing for fewer than two sessions."""
    shown = points[-width:]
    if len(shown) < 2 or width < 2:
        return ""
    low, high = _range([point.value for point in shown])
    levels = " ▁▂▃▄▅▆▇█"
    return "".join(levels[1 + min(7, int((point.value - low) / (high - low) * 8))] for point in shown)


def told(trend: Trend, width: int) -> list[Line]:
    """The steps in it, in words."""
    return [((fmt.fit(f"╎ {step}", width), "warning"),) for step in trend.steps]


def _range(values: Sequence[float]) -> tuple[float, float]:
    middle = _median(values)
    reach = abs(middle) * _SPAN or 1.0
    return min(*values, middle - reach), max(*values, middle + reach)


def _row(value: float, low: float, high: float, height: int) -> int:
    share = (value - low) / (high - low) if high > low else 0.5
    return min(max(round((1 - share) * (height - 1)), 0), height - 1)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(value for value in values if math.isfinite(value))
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _joined(cells: Sequence[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for text, ink in cells:
        if found and found[-1][1] == ink:
            found[-1] = (found[-1][0] + text, ink)
        else:
            found.append((text, ink))
    return found
