"""Silence about an alert: for how long, why, and about how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, Label, Static

from tui.alerts import Entry, span
from tui.commands import Command, bindings

_SPANS: Final = ("10m", "1h", "4h", "1d")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence that somebody asks for.

    Attributes:
        seconds: how long.
        reason: why.
        whole_rule: about all alerts of its rule, whatever they are about.
    """

    seconds: float
    reason: str
    whole_rule: bool


class SilenceScreen(ModalScreen[Wanted | None]):
    """What is wanted; None: nothing."""

    CSS_PATH: ClassVar[str] = "asking.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("silence.leave", "escape", "leave", "Leave", "Do nothing", 90, "esc", palette=False),
        Command("silence.up", "up", "app.focus_previous", "", "The field before", palette=False),
        Command("silence.down", "down", "app.focus_next", "", "The next field", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    AUTO_FOCUS: ClassVar[str | None] = "#reason"

    def __init__(self, entry: Entry) -> None:
        """About one alert."""
        super().__init__()
        self._entry = entry

    def compose(self) -> ComposeResult:
        """Which alert, for how long, why, and whether all of its rule."""
        alert = self._entry.alert
        labels = "" if alert is None else "  ".join(f"{name}={value}" for name, value in alert.labels.items() if name)
        with Vertical(id="asked") as box:
            box.border_title = " silence "
            box.border_subtitle = " enter does it   esc leaves it "
            yield Static(f"{self._entry.severity}  {self._entry.rule}  {labels}".rstrip(), id="title", markup=False)
            yield Static(self._entry.text, id="text", markup=False)
            yield Label("for how long")
            with Horizontal(id="spans"):
                yield Input(_SPANS[0], id="span", compact=True, max_length=12)
                for text in _SPANS:
                    yield Button(text, id=f"for-{text}", compact=True)
            yield Label("because")
            yield Input(placeholder="others will read it", id="reason", compact=True, max_length=200)
            if labels:
                yield Checkbox("all alerts of this rule, not only this one", id="whole", compact=True)
            yield Static("", id="wrong", markup=False)

    def on_mount(self) -> None:
        """In the glyphs of the app."""
        self.set_class(getattr(self.app, "ascii", False), "-ascii")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """One of the usual times."""
        self.query_one("#span", Input).value = (event.button.id or "").removeprefix("for-")
        self.query_one("#reason", Input).focus()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Done, if it can be."""
        reason = self.query_one("#reason", Input).value.strip()
        try:
            seconds = span(self.query_one("#span", Input).value)
        except ValueError as error:
            self._refuse(str(error), "#span")
            return
        if not reason:
            self._refuse("say why: others will see it", "#reason")
            return
        whole = any(box.value for box in self.query(Checkbox))
        self.dismiss(Wanted(seconds, reason, whole))

    def _refuse(self, why: str, where: str) -> None:
        self.query_one("#wrong", Static).update(f"✕ {why}")
        self.query_one(where, Input).focus()

    def action_leave(self) -> None:
        """Nothing."""
        self.dismiss(None)
