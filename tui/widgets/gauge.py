"""Gauges: how much of a fixed range is used, and where it begins to be too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tui import draw
from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, Panel, Piece, width_of
from tui.widgets.sparkline import sparkline

_BAR_MIN: Final = 4
_BAR_MAX: Final = 36
_TREND_MIN, _TREND_MAX = 10, 120
_GAP: Final = 3
_AROUND: Final = 5
"""Cells beside label, bar and value: a gap, both ends of the bar, the glyph, a gap."""
_GLYPHS: Final[dict[str, Piece]] = {"bar": (" ", ""), "bar-warning": ("▲", "warning"), "bar-error": ("●", "error")}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one gauge shows.

    Attributes:
        label: a word.
        share: of its range, 0..1; None: there is no range, only the value is told.
        told: the value as text, filled up to the width that it may ever have.
        warning: the share from which on it is much, None for never; its place is marked.
        critical: the share from which on it is too much.
        mark: a share worth a mark of its own.
        trend: the shares before, the oldest first, NaN for unknown: drawn where there is room.
        note: in the place of the trend, what else there is to say.
    """

    label: str
    share: float | None
    told: str
    warning: float | None = None
    critical: float | None = None
    mark: float | None = None
    trend: Sequence[float] = ()
    note: str = ""

    @property
    def ink(self) -> str:
        """Of the bar."""
        if self.share is None:
            return "bar"
        if self.critical is not None and self.share >= self.critical:
            return "bar-error"
        return "bar-warning" if self.warning is not None and self.share >= self.warning else "bar"


def gauge_bar(reading: Reading, width: int) -> Line:
    """The bar alone, `width` cells, with marks on what is not filled."""
    filled = draw.bar(reading.share or 0.0, width)
    pieces: list[Piece] = []
    at = 0
    marks = {mark for mark in (reading.warning, reading.critical, reading.mark) if mark is not None and mark < 1}
    for place in sorted({min(int(mark * width), width - 1) for mark in marks}):
        if filled[place] == " ":
            pieces += [(filled[at:place], reading.ink), ("╎", "bar-mark")]
            at = place + 1
    return tuple(piece for piece in (*pieces, (filled[at:], reading.ink)) if piece[0])


def gauge_line(reading: Reading, width: int, *, label_width: int = 0, told_width: int = 0, bar: int = _BAR_MAX) -> Line:
    """``cpu ▕██████▌   ╎ ▏▲ 96%``: the label, the bar, a glyph if it is much, the value; and its course before,
    where there is room. Several under each other take the same `label_width`, `told_width` and `bar`, the most cells
    of a bar.
    """
    label = fmt.pad(reading.label, max(label_width, len(reading.label)))
    told = reading.told.rjust(told_width)
    room = width - len(label) - len(told) - _AROUND
    cells = min(room, bar) if room >= _BAR_MIN else -3
    ends: Line = ((" " * (cells + 3), ""),)
    if reading.share is not None and cells > 0:
        ends = ((" ▕", "track"), *gauge_bar(reading, cells), ("▏", "track"))
    line: Line = ((label, "quiet"), *ends, _GLYPHS[reading.ink], (" ", ""), (told, "strong"))
    beside = min(room - cells - 2, _TREND_MAX)
    if reading.trend and beside >= _TREND_MIN:
        line += (("  ", ""), (sparkline(reading.trend, beside, high=1.0), "quiet"))
    elif reading.note and beside >= _TREND_MIN:
        line += (("  ", ""), (fmt.fit(reading.note, beside).rjust(beside), "quiet"))
    return tuple(piece for piece in line if piece[0])


def gauge_lines(readings: Sequence[Reading], width: int, height: int) -> list[Line]:
    """All gauges, one under the other; side by side where the height is too little for that."""
    columns = max(1, -(-len(readings) // max(height, 1)))
    room = (width - (columns - 1) * _GAP) // columns
    labels = max((len(reading.label) for reading in readings), default=0)
    values = max((len(reading.told) for reading in readings), default=0)
    bar = _BAR_MAX
    if any(reading.trend for reading in readings):  # the course takes half
        bar = min(max((room - labels - values - _AROUND - 2) // 2, _BAR_MIN), _BAR_MAX)
        if bar < _TREND_MIN:
            bar = _BAR_MAX
    drawn = [gauge_line(reading, room, label_width=labels, told_width=values, bar=bar) for reading in readings]
    lines: list[Line] = []
    for first in range(0, len(drawn), columns):
        line: Line = ()
        for place, part in enumerate(drawn[first : first + columns]):
            gap = " " * (place * (room + _GAP) - width_of(line))
            line += ((gap, ""), *part) if gap else part
        lines.append(line)
    return lines


class Gauges(Panel[Line]):
    """Some gauges: whoever shows them says what they read."""

    def readings(self, view: View) -> Sequence[Reading]:
        """What they show of a view; none: nothing is known yet."""
        raise NotImplementedError

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The gauges for this size."""
        readings = self.readings(view)
        return gauge_lines(readings, width, height) if readings else [(("◌ not measured yet", "quiet"),)]
