"""One of a few things to do, when it is clear to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.commands import Command, bindings

if TYPE_CHECKING:
    from tui.app import ShoalApp


@dataclass(frozen=True, slots=True)
class Way:
    """One of the things to do.

    Attributes:
        key: chooses it.
        label: what it does.
        then: does it, or asks before.
    """

    key: str
    label: str
    then: Callable[[], object]


class ChooseScreen(ModalScreen[Way]):
    """What to do with what is named in the title."""

    CSS_PATH: ClassVar[str] = "choose.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("choose.leave", "escape,q", "leave", "Leave", "Do nothing", palette=False),
        Command("choose.up", "up,k", "app.focus_previous", "", "The one above", palette=False),
        Command("choose.down", "down,j", "app.focus_next", "", "The one below", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, title: str, told: str, ways: Sequence[Way]) -> None:
        """`title`: to whom; `told`: more of them."""
        super().__init__()
        self._title, self._told, self._ways = title, told, ways

    @classmethod
    def ask(cls, app: ShoalApp, title: str, told: str, ways: Sequence[Way]) -> None:
        """Have the user choose, and do it."""

        def chosen(way: Way | None) -> None:
            if way is not None:
                way.then()

        app.push_screen(cls(title, told, ways), chosen)

    def on_mount(self) -> None:
        """Draw the frame as everything else is drawn."""
        self.set_class(getattr(self.app, "ascii", False), "-ascii")

    def compose(self) -> ComposeResult:
        """Whom it is about, and the ways."""
        with Vertical(id="question"):
            yield Static(self._title, id="title", markup=False)
            if self._told:
                yield Static(self._told, id="told", markup=False)
            for number, way in enumerate(self._ways):
                yield Button(f"[b]{way.key}[/b]  {way.label}", id=f"way-{number}", compact=True)
            yield Button("[b]esc[/b]  nothing", id="nothing", compact=True)

    def on_key(self, event: Key) -> None:
        """The key of one of the ways."""
        way = next((way for way in self._ways if way.key == event.key), None)
        if way is not None:
            event.stop()
            self.dismiss(way)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """One of them by mouse or enter."""
        number = (event.button.id or "").removeprefix("way-")
        self.dismiss(self._ways[int(number)] if number.isdecimal() else None)

    def action_leave(self) -> None:
        """None of them."""
        self.dismiss(None)
