"""One alert, all of it, over the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from tui import alerts
from tui.alert_lines import detail_lines
from tui.alerts import Entry
from tui.commands import Command, bindings
from tui.view import View
from tui.widgets.alerts_list import moment_of
from tui.widgets.pager import Pager

if TYPE_CHECKING:
    from tui.app import ShoalApp


class AlertScreen(ModalScreen[None]):
    """It follows its alert while that changes."""

    CSS_PATH: ClassVar[str] = "telling.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (76, "-medium")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("alert.close", "escape,q,enter", "dismiss", "Close", "Back", 90, "esc", palette=False),
        Command("alert.jump", "J", "jump", "Agent", "To the agent that it is about", 70),
        Command("alert.copy", "y", "copy_all", "Copy", "Copy all of it as text", 80, palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    AUTO_FOCUS: ClassVar[str | None] = "#told"

    def __init__(self, entry: Entry, now: float, agent: str) -> None:
        """About one row of the list. `now`: when it was so, seconds since the Unix epoch; `agent`: to go to from here,
        "" for none.
        """
        super().__init__()
        self._entry = entry
        self._now = now
        self._agent = agent

    @property
    def shoal(self) -> ShoalApp:
        """The app."""
        from tui.app import ShoalApp

        assert isinstance(self.app, ShoalApp)
        return self.app

    def compose(self) -> ComposeResult:
        """The pager."""
        pager = Pager(id="told")
        pager.border_title = " silence " if self._entry.silence is not None else " alert "
        agent = "J  to its agent   " if self._agent else ""
        pager.border_subtitle = f" {agent}esc closes "
        yield pager

    def on_mount(self) -> None:
        """Show it."""
        self.set_class(self.shoal.ascii, "-ascii")
        self._tell()

    def show_view(self, view: View) -> None:
        """The same alert, as it is by now."""
        if self._entry.alert is not None:
            alert = view.alerts.get(self._entry.alert.fingerprint)
            if alert is not None:
                self._entry = alerts.of_now(alert, self._entry.past)
        if int(moment_of(view)) != int(self._now):
            self._now = moment_of(view)
            self._tell()

    def _tell(self) -> None:
        entry, now = self._entry, self._now
        self.query_one(Pager).show(lambda width: detail_lines(entry, width, now))

    def action_copy_all(self) -> None:
        """To the clipboard."""
        self.app.copy_to_clipboard(self.query_one(Pager).copied())
        self.notify("copied", timeout=2)

    def action_jump(self) -> None:
        """To its agent."""
        if self._agent:
            self.dismiss()
            self.shoal.call_later(self.shoal.open_agent, self._agent)
