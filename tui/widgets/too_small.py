"""What a terminal shows in which nothing else would fit."""

from __future__ import annotations

from textual.events import Resize
from textual.widgets import Static

WIDTH_MIN, HEIGHT_MIN = 60, 20


class TooSmall(Static):
    """Says kindly how much room Shoal needs, and how much there is."""

    def on_resize(self, event: Resize) -> None:
        """The message names the size of the terminal."""
        width, height = self.app.size
        self.update(
            f"[b]Shoal needs {WIDTH_MIN}x{HEIGHT_MIN}[/b]\nThis terminal is {width}x{height}.\n"
            "[dim]The run goes on. A larger window\nbrings the screens back.[/dim]",
            layout=False,
        )
