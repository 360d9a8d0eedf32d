"""The ground of charts: a panel with inks that go from low to high."""

from __future__ import annotations

from typing import Final

from rich.style import Style

from tui.inks import mixed
from tui.widgets.lines import Line, Panel

SHADES: Final = 8


def shade(share: float) -> str:
    """The ink for a height, as a share of the highest: the same in charts of any size."""
    return f"shade-{min(max(int(share * SHADES), 0), SHADES - 1)}"


def row_shade(row: int, rows: int) -> str:
    """The ink of a line of a chart, counted from the top."""
    return f"shade-{SHADES - 1 - row * SHADES // rows}"


class ChartPanel(Panel[Line]):
    """Knows the inks ``shade-0`` to ``shade-7`` beside all others."""

    def mix(self, name: str) -> Style:
        """As everywhere, and the shades."""
        if not name.startswith("shade-"):
            return super().mix(name)
        share = int(name.removeprefix("shade-")) / (SHADES - 1)
        return mixed("chart-low", "chart-high", share, self.app.theme_variables)
