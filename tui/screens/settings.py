"""What can be chosen: how the screens look, and what of the run can be changed while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Checkbox, Input, Label, Select, Static

from tui import themes
from tui.commands import Command, bindings
from tui.preferences import RATES

if TYPE_CHECKING:
    from tui.app import ShoalApp


class SettingsScreen(ModalScreen[None]):
    """Theme, glyphs, pace; and the settings of the run, which its engine checks and tells of."""

    CSS_PATH: ClassVar[str] = "settings.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("settings.close", "escape", "dismiss", "Close", "Back", 90, "esc", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    @property
    def shoal(self) -> ShoalApp:
        """The app, which knows what is chosen."""
        from tui.app import ShoalApp

        assert isinstance(self.app, ShoalApp)
        return self.app

    def compose(self) -> ComposeResult:
        """The choices."""
        app = self.shoal
        names = [theme.name for theme in themes.OURS]
        names += [name for name in sorted(app.available_themes) if name not in names]
        with VerticalScroll(id="settings") as box:
            box.border_title = " settings "
            box.border_subtitle = " esc closes "
            yield Label("theme")
            yield Select([(name, name) for name in names], value=app.theme, allow_blank=False, id="theme", compact=True)
            yield Label("looks a second")
            rates = [(str(rate), rate) for rate in RATES]
            yield Select(rates, value=app.pace.asked, allow_blank=False, id="rate", compact=True)
            yield Checkbox("only ASCII", app.ascii, id="ascii", compact=True)
            yield Label("a setting of the run, such as batch_timeout 0.05")
            yield Input(placeholder="SETTING VALUE", id="knob", compact=True, disabled=not app.may_write)
            told = "To keep a choice, write it into the config file: `shoal config show` names it."
            yield Static(told if app.may_write else "The run can't be changed from here.", id="told", markup=False)

    @on(Select.Changed, "#theme")
    def theme_chosen(self, event: Select.Changed) -> None:
        """Shown at once."""
        self.app.theme = str(event.value)

    @on(Select.Changed, "#rate")
    def rate_chosen(self, event: Select.Changed) -> None:
        """Holds at once."""
        app = self.shoal
        app.pace.faster(RATES.index(int(str(event.value))) - RATES.index(app.pace.asked))
        app.want()

    @on(Checkbox.Changed, "#ascii")
    def glyphs_chosen(self, event: Checkbox.Changed) -> None:
        """Drawn at once."""
        self.shoal.ascii = event.value
        self.shoal.glyphs_changed()

    @on(Input.Submitted, "#knob")
    def knob_turned(self, event: Input.Submitted) -> None:
        """The engine says what came of it."""
        name, _, value = event.value.strip().partition(" ")
        if not name or not value.strip():
            self.notify("a name and a value, such as: batch_timeout 0.05", severity="warning")
            return
        self.shoal.order("set", name.rstrip("=:"), value.strip())
        event.input.clear()
