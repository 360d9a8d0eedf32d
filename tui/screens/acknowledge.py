"""Somebody takes an alert on: with a note, if they like."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from tui.alerts import Entry
from tui.commands import Command, bindings


class AcknowledgeScreen(ModalScreen[str | None]):
    """The note, "" for none; None: they have thought better of it."""

    CSS_PATH: ClassVar[str] = "asking.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("acknowledge.leave", "escape", "leave", "Leave", "Do nothing", 90, "esc", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    AUTO_FOCUS: ClassVar[str | None] = "#note"

    def __init__(self, entry: Entry) -> None:
        """About an alert that fires."""
        super().__init__()
        self._entry = entry

    def compose(self) -> ComposeResult:
        """Which alert, and the note."""
        with Vertical(id="asked") as box:
            box.border_title = " take on "
            box.border_subtitle = " enter does it   esc leaves it "
            yield Static(f"{self._entry.severity}  {self._entry.rule}", id="title", markup=False)
            yield Static(self._entry.text, id="text", markup=False)
            yield Label("a note for others, if you like")
            yield Input(id="note", compact=True, max_length=200)
            yield Static("It is not told again until it is resolved, or gets more severe.", id="more", markup=False)

    def on_mount(self) -> None:
        """In the glyphs of the app."""
        self.set_class(getattr(self.app, "ascii", False), "-ascii")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Done."""
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """Not done."""
        self.dismiss(None)
