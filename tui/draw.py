"""Bars and charts out of characters. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_RISING = " ▁▂▃▄▅▆▇█"
_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
_NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def bar(fraction: float, width: int) -> str:
    """A bar `width` cells wide, filled to `fraction` in eighths of a cell, and full only at the whole."""
    eighths = math.floor(min(max(fraction, 0.0), 1.0) * width * 8 + 1e-9)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def columns(shares: Sequence[float], height: int) -> list[str]:
    """Columns side by side, one cell wide each, in eighths of a line; one string a line, the highest first.

    A share of 1 is as high as all of it. What is there at all is seen: only 0 (and NaN) stays blank.
    """
    levels = [0 if not share > 0 else max(1, round(min(share, 1.0) * height * 8)) for share in shares]
    floors = range((height - 1) * 8, -1, -8)
    return ["".join(_RISING[min(max(level - floor, 0), 8)] for level in levels) for floor in floors]


def shares(parts: Sequence[int], width: int) -> list[int]:
    """Cells for each part of a stacked bar; a part that is there at all gets one, as long as there are any.

    The cells sum up to `width` unless every part is 0.
    """
    total = sum(parts)
    if not total or width <= 0:
        return [0] * len(parts)
    exact = [part * width / total for part in parts]
    cells = [max(math.floor(share), 1 if part else 0) for share, part in zip(exact, parts, strict=True)]
    while sum(cells) > width:  # the smallest took a cell they had no full claim to: the largest gives it back
        cells[max(range(len(cells)), key=lambda i: (cells[i], -exact[i]))] -= 1
    while sum(cells) < width:
        cells[max(range(len(cells)), key=lambda i: exact[i] - cells[i])] += 1
    return cells


def nice_top(highest: float, span: float) -> float:
    """The upper end of an axis from 0: the next round number above `highest`, never below `span`."""
    if not highest > span:
        return span
    power = 10.0 ** math.floor(math.log10(highest))
    return next((step * power for step in _NICE if step * power >= highest * (1 - 1e-9)), 10 * power)


def area(values: Sequence[float], top: float, width: int, height: int) -> list[str]:
    """A filled chart in braille, the newest value at the right edge; one string a line, the highest first.

    A cell is two values wide and four levels high. A value of 0 still draws the lowest dot, so that a quiet
    stretch differs from one nobody looked at (NaN, or before the first value), which stays blank.
    """
    if width <= 0 or height <= 0:
        return []
    columns = width * 2
    newest = list(values[-columns:])
    levels = [0] * (columns - len(newest))
    for value in newest:
        share = 0.0 if math.isnan(value) else min(value / top, 1.0)
        levels.append(0 if math.isnan(value) else max(1, round(share * height * 4)))
    lines = []
    for row in range(height):
        floor = (height - 1 - row) * 4
        heights = [min(max(level - floor, 0), 4) for level in levels]
        lines.append("".join(_dots(*heights[i : i + 2]) for i in range(0, columns, 2)))
    return lines


def _dots(left: int, right: int) -> str:
    bits = _LEFT[left] | _RIGHT[right]
    return chr(0x2800 + bits) if bits else " "
