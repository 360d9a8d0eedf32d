"""What every screen over a run has: a view to show, a header, the keys, and classes for the size of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual._context import active_app
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import ScreenResume
from textual.reactive import reactive

from engine.stream.types import Condition, Topic
from tui.commands import Command, allowed
from tui.painting import PaintingScreen
from tui.view import Phase, View
from tui.widgets.header import Header
from tui.widgets.keys import Keys
from tui.widgets.scrubber import Scrubber
from tui.widgets.too_small import HEIGHT_MIN, WIDTH_MIN, TooSmall

if TYPE_CHECKING:
    from tui.app import ShoalApp


class LiveScreen(PaintingScreen):
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

    def __init__(self) -> None:
        """Nothing is there before it is shown."""
        super().__init__()
        app = active_app.get(None)
        if app is not None:
            # It is styled when it is mounted, now as for the size that it will have. Else Textual would style all other
            # screens before, and this one as for no size.
            self._css_update_count = app._css_update_count
            fitting = self._get_breakpoint_classes
            self.add_class(*fitting(app.size.width, self.HORIZONTAL_BREAKPOINTS or []), update=False)
            self.add_class(*fitting(app.size.height, self.VERTICAL_BREAKPOINTS or []), update=False)

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

    @property
    def has_panels(self) -> bool:
        """Whether its panels are there: not before it is shown for the first time, nor once the app ends."""
        return self.is_mounted and self.is_attached

    def agents_wanted(self) -> Sequence[Condition] | None:
        """Conditions on the agents that the screen lists; None: it needs no list."""
        return None

    def show(self, view: View, behind: int | None, phase: Phase) -> None:
        """Show a view. Panels that bind to what changed redraw what changed in them."""
        self.phase = phase
        self.behind = behind
        self.view = view

    def on_screen_resume(self, event: ScreenResume) -> None:
        """It is the one that is shown: it wants its topics, and the view of now."""
        event.refresh_styles = False  # they are as they were: a theme or a class that is another applies them anew
        self.set_class(self.shoal.ascii, "-ascii")
        self.shoal.want()
        self.shoal.show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes a run is not offered where one may only look."""
        return allowed(self, self.OFFERS, action)
