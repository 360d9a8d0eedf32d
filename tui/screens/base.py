"""What every screen over a run has: a view to show, a header, the keys, and classes for the size of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.reactive import reactive
from textual.screen import Screen

from engine.stream.types import Condition, Topic
from tui.commands import Command, allowed
from tui.view import Phase, View
from tui.widgets.header import Header
from tui.widgets.keys import Keys
from tui.widgets.scrubber import Scrubber
from tui.widgets.too_small import HEIGHT_MIN, WIDTH_MIN, TooSmall

if TYPE_CHECKING:
    from tui.app import ShoalApp


class LiveScreen(Screen[Any]):
    """A screen over a run. Its panels bind to `view`, which the app sets for each frame unless paused.

    A screen says what it offers in `OFFERS`, makes its keys of that (``BINDINGS = bindings(OFFERS)``), and what it
    needs to be told in `TOPICS`; its panels are made by `panels`.
    """

    OFFERS: ClassVar[tuple[Command, ...]] = ()
    TOPICS: ClassVar[frozenset[Topic]] = frozenset()
    """Of the stream, beyond frames, events and alerts, which all screens are told of."""
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

    def compose(self) -> ComposeResult:
        """The header, the panels, and the keys."""
        yield TooSmall(id="too-small")
        yield Header(id="header").data_bind(LiveScreen.view, LiveScreen.behind, LiveScreen.phase)
        with Vertical(id="body"):
            yield from self.panels()
        yield Scrubber(id="scrubber").data_bind(LiveScreen.view)
        yield Keys(id="keys")

    @property
    def shoal(self) -> ShoalApp:
        """The app that shows it."""
        from tui.app import ShoalApp

        assert isinstance(self.app, ShoalApp)
        return self.app

    def panels(self) -> ComposeResult:
        """What stands between the header and the keys."""
        raise NotImplementedError

    def agents_wanted(self) -> Sequence[Condition] | None:
        """Conditions on the agents that the screen lists; None: it needs no list."""
        return None

    def show(self, view: View, behind: int | None, phase: Phase) -> None:
        """Show a view. Panels that bind to what changed redraw what changed in them."""
        self.phase = phase
        self.behind = behind
        self.view = view

    def on_screen_resume(self) -> None:
        """It is the one that is shown: it wants its topics, and the view of now."""
        self.set_class(self.shoal.ascii, "-ascii")
        self.shoal.want()
        self.shoal.show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes a run is not offered where one may only look."""
        return allowed(self, self.OFFERS, action)
