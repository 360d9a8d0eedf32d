"""The course of a value over time, as a filled chart over an axis from 0: soft at the top, never below a span."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tui import draw
from tui import format as fmt
from tui.history import STEP
from tui.view import View
from tui.widgets.chart import ChartPanel, row_shade
from tui.widgets.lines import Line

_AXIS: Final = 5
_NUMBERS_MIN: Final = 36
"""Width from which on the mean is told, too."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of values, which begins at 0.

    Attributes:
        span: what it always covers, so that hardly anything does not look like a storm.
        top: where it ends whatever comes; None: the next round number above all values on view.
        tell: a value as text of at most five characters.
    """

    span: float = 1.0
    top: float | None = None
    tell: Callable[[float], str] = fmt.si

    def end(self, values: Sequence[float]) -> float:
        """Of the axis, for these values."""
        highest = max((value for value in values if not math.isnan(value)), default=0.0)
        return self.top if self.top is not None else draw.nice_top(highest, self.span)


def timeseries_lines(
    values: Sequence[float],
    width: int,
    height: int,
    *,
    scale: Scale,
    now: float | None = None,
    step: float = STEP,
) -> list[Line]:
    """The numbers first, the chart under them, and where there is room, the axis of time at the bottom.

    `values`: the oldest first, one each `step` seconds, NaN for unknown; `now`: the value of the moment, None for the
    newest of them.
    """
    known = [value for value in values if not math.isnan(value)]
    if now is None and known:
        now = known[-1]
    numbers = _numbers(known, now, width, scale)
    with_time = height >= 6
    rows = height - 1 - with_time
    cells = width - _AXIS - 1
    top = scale.end(known)
    lines: list[Line] = [numbers]
    for row, text in enumerate(draw.area(values, top, cells, rows)):
        label = scale.tell(top).replace(".0", "") if row == 0 else "0" if row == rows - 1 else ""
        lines.append(((f"{label:>{_AXIS}} ", "quiet"), (text, row_shade(row, rows))))
    if with_time:
        span = f"-{cells * 2 * step:.0f}s"
        lines.append(((" " * (_AXIS + 1) + span + "now".rjust(cells - len(span)), "quiet"),))
    return lines


def _numbers(known: Sequence[float], now: float | None, width: int, scale: Scale) -> Line:
    told = "-" if now is None else scale.tell(now)
    # The values are means over a step: that of the moment may lie above them all.
    peak = scale.tell(max(*known, now)) if known and now is not None else "-"
    line: Line = ((f"{told:>5}", "strong"), (" now  ", "quiet"), (f"{peak:>5}", ""), (" peak", "quiet"))
    if width >= _NUMBERS_MIN:
        mean = scale.tell(sum(known) / len(known)) if known else "-"
        line += (("  ", ""), (f"{mean:>5}", ""), (" mean", "quiet"))
    return line


class TimeSeries(ChartPanel):
    """One series of the history of a run."""

    def __init__(
        self,
        series: str,
        *,
        title: str,
        scale: Scale,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        """`series`: its name in `View.history`."""
        super().__init__(id=id, classes=classes)
        self.series = series
        self.scale = scale
        self.border_title = f" {title} "

    def values(self, view: View) -> Sequence[float]:
        """What is drawn, the oldest first."""
        return view.history.series(self.series)

    def now(self, view: View) -> float | None:
        """The value of the moment, where it is known better than by the newest of the series."""
        return None

    def made_of(self, view: View) -> object:
        """The steps of the history: within one of them, the chart stands still."""
        return view.hello, view.history.last, view.over

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The chart for this size."""
        return timeseries_lines(self.values(view), width, height, scale=self.scale, now=self.now(view))
