"""Bars round 1x on a logarithmic axis: how many times better, how sure that is, and where what is wanted lies. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tui.bench.record import Line
from tui.widgets.lines import Piece

_LADDER: Final = (1.0, 2.0, 5.0)
"""Of each decade, where an axis may end and ticks may stand."""
_LEAST: Final = 2.0
"""How far it reaches to the right at the least: what differs by noise is to look like noise."""
_LEAST_LEFT: Final = 0.5
_MOST: Final = 1e4
"""How far it reaches at the most; what is beyond is pointed at."""
_GAP: Final = 2
"""Cells between the labels of two ticks."""
_ALL: Final = tuple(step * 10.0**power for power in range(-4, 5) for step in _LADDER)

ONE: Final = "┃"
SURE: Final = "━"
RANGE: Final = "─"
POINT: Final = "●"
MUST: Final = "▸"
AIM: Final = "◇"


@dataclass(frozen=True, slots=True)
class Axis:
    """From one factor to another, on so many cells."""

    low: float
    high: float
    cells: int

    def at(self, factor: float) -> int:
        """The cell of a factor; the outermost for what lies beyond."""
        span = math.log(self.high / self.low)
        share = math.log(max(factor, 1e-12) / self.low) / span
        return min(max(round(share * (self.cells - 1)), 0), self.cells - 1)

    def holds(self, factor: float) -> bool:
        """Whether it reaches that far."""
        return self.low * 0.999 <= factor <= self.high * 1.001

    def ticks(self) -> list[tuple[int, str]]:
        """Cells and labels: 1x, then as many others as find room, the roundest first."""
        found: list[tuple[int, str]] = []
        inside = [step for step in _ALL if self.holds(step)]
        for step in sorted(inside, key=_roundness):
            text = _label(step)
            left = min(max(self.at(step) - len(text) // 2, 0), self.cells - len(text))
            if all(left + len(text) + _GAP <= other or other + len(some) + _GAP <= left for other, some in found):
                found.append((left, text))
        return sorted(found)

    def ruler(self) -> str:
        """The labels on a line."""
        line = [" "] * self.cells
        for left, text in self.ticks():
            line[left : left + len(text)] = text
        return "".join(line)


def _roundness(step: float) -> tuple[int, float]:
    """1x first, then powers of ten, then twos and fives; from the inside to the outside."""
    power = math.log10(step)
    whole = abs(power - round(power)) < 1e-9
    return (0 if abs(power) < 1e-9 else 1 if whole else 2, abs(power))


def _label(step: float) -> str:
    if step >= 1000:
        return f"{step / 1000:g}kx"
    return f"{step:g}x"


def axis_for(lines: Iterable[Line], cells: int) -> Axis:
    """One that shows all factors, their intervals and what is wanted, as far as it may reach."""
    found = [
        value
        for line in lines
        for value in (
            line.factor, line.factor_low, line.factor_high, line.must.at if line.must else None,
            line.aim.at if line.aim else None,
        )
        if value is not None and value > 0
    ]  # fmt: skip
    lowest, highest = min(found, default=1.0), max(found, default=1.0)
    low = max((step for step in _ALL if step <= min(lowest, _LEAST_LEFT) * 1.001), default=1 / _MOST)
    high = min((step for step in _ALL if step >= max(highest, _LEAST) * 0.999), default=_MOST)
    return Axis(low, high, max(cells, 2))


def bar(line: Line, axis: Axis, ink: str) -> tuple[Piece, ...]:
    """One bar: a thick line from 1x to where the interval begins, a thin one through it with its middle, and marks for
    what it must be and is to be. Without a factor, only marks.
    """
    cells = [(" ", "")] * axis.cells
    one = axis.at(1.0)
    ends = [value for value in (line.factor_low, line.factor_high) if value is not None]
    if line.factor is not None:
        low = line.factor_low if line.factor_low is not None else line.factor
        high = line.factor_high if line.factor_high is not None else (axis.high if ends else line.factor)
        left, right = axis.at(low), axis.at(high)
        sure = range(one, left) if low > 1 else range(right + 1, one + 1) if high < 1 else range(0)
        for at in sure:
            cells[at] = (SURE, ink)
        for at in range(left, right + 1):
            cells[at] = (RANGE, ink)
    for wanted, glyph in ((line.aim, AIM), (line.must, MUST)):
        if wanted is not None and wanted.at is not None:
            cells[axis.at(wanted.at)] = (glyph, "strong" if wanted.reached else "error")
    cells[one] = (ONE, "quiet") if cells[one][0] in (" ", SURE, RANGE) else cells[one]
    if line.factor is not None:
        place = axis.at(line.factor)
        beyond = "▸" if line.factor > axis.high * 1.001 else "◂" if line.factor < axis.low * 0.999 else POINT
        cells[place] = (beyond, ink or "strong")
    return _joined(cells)


def _joined(cells: Sequence[Piece]) -> tuple[Piece, ...]:
    """Cells of one ink together."""
    found: list[Piece] = []
    for text, ink in cells:
        if found and found[-1][1] == ink:
            found[-1] = (found[-1][0] + text, ink)
        else:
            found.append((text, ink))
    return tuple(found)
