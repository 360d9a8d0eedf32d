"""What every screen over a run has: a view to show, and classes for the size of the terminal."""

from __future__ import annotations

from typing import Any

from textual.reactive import reactive
from textual.screen import Screen

from tui.view import Phase, View
from tui.widgets.too_small import HEIGHT_MIN, WIDTH_MIN


class LiveScreen(Screen[Any]):
    """A screen over a run. Its panels bind to `view`, which the app sets for each frame unless paused."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        (0, "-cramped"),
        (WIDTH_MIN, "-narrow"),
        (76, "-medium"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        (0, "-flat"),
        (HEIGHT_MIN, "-short"),
        (30, "-tall"),
    ]

    view: reactive[View] = reactive(View, init=False, repaint=False)
    """What is shown."""
    behind: reactive[int | None] = reactive(None, init=False, repaint=False)
    """Frames that came since the view was paused, None while it follows."""
    phase: reactive[Phase] = reactive("starting", init=False, repaint=False)
    """How the run is by now, whatever is shown."""

    def show(self, view: View, behind: int | None, phase: Phase) -> None:
        """Show a view. Panels that bind to what changed redraw what changed in them."""
        self.phase = phase
        self.behind = behind
        self.view = view
