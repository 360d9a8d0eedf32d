"""The throughput of the last minutes, as a filled chart."""

from __future__ import annotations

import math
from typing import ClassVar

from rich.style import Style
from textual.color import Color

from tui import draw
from tui import format as fmt
from tui.view import HISTORY_STEP, View
from tui.widgets.lines import Line, LineWidget

MINIMUM_SPAN = 10.0
"""Tasks per second the axis always covers: a task now and then is no storm."""
_AXIS = 5
_SHADES = 8


def chart_lines(view: View, width: int, height: int) -> list[Line]:
    """The numbers first, the chart under them, and where there is room, the axis of time at the bottom."""
    rates = view.history.rates
    known = [rate for rate in rates if not math.isnan(rate)]
    now = fmt.si(view.frame.rate) if view.frame is not None else "-"
    # The values are means of half a second: the rate of the moment may lie above them all.
    peak = fmt.si(max(*known, view.frame.rate)) if known and view.frame is not None else "-"
    numbers: Line = ((f"{now:>5}", "strong"), (" now  ", "quiet"), (f"{peak:>5}", ""), (" peak", "quiet"))
    if width >= 36:
        mean = fmt.si(sum(known) / len(known)) if known else "-"
        numbers += (("  ", ""), (f"{mean:>5}", ""), (" mean", "quiet"))
    with_time = height >= 6
    rows = height - 1 - with_time
    cells = width - _AXIS - 1
    top = draw.nice_top(max(known, default=0.0), MINIMUM_SPAN)
    chart = draw.area(rates, top, cells, rows)
    lines: list[Line] = [numbers]
    for row, text in enumerate(chart):
        label = fmt.si(top).replace(".0", "") if row == 0 else "0" if row == rows - 1 else ""
        # The shade is that of the height, so that it means the same in a chart of any size.
        shade = _SHADES - 1 - row * _SHADES // rows
        lines.append(((f"{label:>{_AXIS}} ", "quiet"), (text, f"shade-{shade}")))
    if with_time:
        span = f"-{cells * 2 * HISTORY_STEP:.0f}s"
        lines.append(((" " * (_AXIS + 1) + span + "now".rjust(cells - len(span)), "quiet"),))
    return lines


class Throughput(LineWidget[Line]):
    """Tasks finished per second over time."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"chart--low", "chart--high"}
    DEFAULT_CSS = """
    Throughput {
        .chart--low { color: $chart-low; }
        .chart--high { color: $chart-high; }
    }
    """
    BORDER_TITLE = " throughput  tasks/s "

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The chart for this size."""
        return chart_lines(view, width, height)

    def ink(self, name: str) -> Style:
        """As everywhere, and the shades of the chart from low to high."""
        if not name.startswith("shade-"):
            return super().ink(name)
        if name not in self._inks:
            low, high = (self.get_component_styles(f"chart--{end}").color for end in ("low", "high"))
            shade: Color = low.blend(high, int(name.removeprefix("shade-")) / (_SHADES - 1))
            self._inks[name] = self.rich_style + Style(color=shade.rich_color)
        return self._inks[name]
