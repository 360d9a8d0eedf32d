"""What a terminal shows in which nothing else would fit."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

WIDTH_MIN, HEIGHT_MIN = 60, 20


class TooSmall(Widget):
    """Says kindly how much room Shoal needs, and how much there is."""

    def render(self) -> Text:
        """The message names the size of the terminal."""
        width, height = self.app.size
        return Text.assemble(
            (f"Shoal needs {WIDTH_MIN}x{HEIGHT_MIN}", "bold"),
            f"\nThis terminal is {width}x{height}.\n",
            ("The run goes on. A larger window\nbrings the screens back.", "dim"),
            justify="center",
        )
