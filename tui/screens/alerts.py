"""What fires, and what has fired: seen, taken on, silenced."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from tui import alerts
from tui.alert_lines import detail_lines
from tui.alerts import Entry
from tui.archive import ArchiveError, PastAlert
from tui.commands import Command, bindings
from tui.screens.acknowledge import AcknowledgeScreen
from tui.screens.alert import AlertScreen
from tui.screens.asking import AskingScreen
from tui.screens.base import LiveScreen
from tui.screens.silence import SilenceScreen, Wanted
from tui.widgets.alerts_list import READING, AlertsList, moment_of
from tui.widgets.listing import Listing
from tui.widgets.pager import Pager


class AlertsScreen(AskingScreen):
    """The alerts of the run on view, and those of the record."""

    CSS_PATH: ClassVar[str] = "alerts.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        *(LiveScreen.HORIZONTAL_BREAKPOINTS or ()),
        (160, "-vast"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#alerts"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("alerts.open", "enter", "open", "Open", "All that is known of the alert", 96, "enter"),
        Command("alerts.acknowledge", "a", "acknowledge", "Take on", "Say that you look after it", 94, writes=True),
        Command("alerts.silence", "z", "silence", "Silence", "Have nobody told of it for a while", 92, writes=True),
        Command("alerts.undo", "u", "undo", "Undo", "Take back its silence, or that you took it on", 90, writes=True),
        Command("alerts.jump", "J", "jump", "Agent", "To the agent that it is about", 70),
        Command("alerts.everywhere", "A", "everywhere", "All runs", "Earlier alerts of all runs, or of this one", 60),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    _everywhere = False
    """Whether alerts of all runs are told of."""

    def panels(self) -> ComposeResult:
        """The list, and the alert under the cursor."""
        with Container(id="all"):
            yield AlertsList(id="alerts", classes="panel").data_bind(LiveScreen.view)
            details = Pager(id="details", classes="panel").data_bind(LiveScreen.view)
            details.border_title = " this alert "
            yield details

    @property
    def listing(self) -> AlertsList:
        """The list."""
        return self.query_one(AlertsList)

    # -- the record ----------------------------------------------------------------------------------------------------

    @property
    def _run_wanted(self) -> str | None:
        """The run whose earlier alerts are wanted; None: of all."""
        hello = self.shoal.latest.hello
        return None if self._everywhere or hello is None else hello.run

    def read(self) -> None:
        """Ask the record for what has been."""
        archive, hello, run = self.shoal.archive, self.shoal.latest.hello, self._run_wanted
        if archive is None:
            self.listing.show_past((), "there is no record of earlier ones", run is None)
        elif run is not None and hello is not None and not hello.database:
            self.listing.show_past((), "this run is recorded nowhere: no earlier ones are known", False)
        else:
            self.ask_once(partial(archive.alerts, run), partial(self._told, run))

    def _told(self, run: str | None, answer: list[PastAlert] | ArchiveError) -> None:
        """Show what it has said, unless something else is wanted by now."""
        if run != self._run_wanted:
            self.read()
        elif isinstance(answer, ArchiveError):
            self.listing.show_past((), str(answer), run is None)
        else:
            self.listing.show_past(answer, "", run is None)

    def action_everywhere(self) -> None:
        """Of all runs, or of this one."""
        self._everywhere = not self._everywhere
        self.listing.show_past((), READING, self._everywhere)
        self.read()

    # -- the alert under the cursor ------------------------------------------------------------------------------------

    def on_listing_moved(self, _event: Listing.Moved) -> None:
        """Tell of another one."""
        self._tell(anew=True)

    def on_alerts_list_changed(self, _event: AlertsList.Changed) -> None:
        """The same one may have changed."""
        self._tell()

    def _tell(self, anew: bool = False) -> None:
        entry, now = self.listing.under_cursor, moment_of(self.view)
        pager = self.query_one(Pager)
        pager.set_class(entry is None, "-nothing")
        pager.show(lambda width: [] if entry is None else detail_lines(entry, width, now), anew=anew)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can't be done with the alert under the cursor is not offered."""
        if not self.has_panels or super().check_action(action, parameters) is False:
            return False
        entry = self.listing.under_cursor if action in _ABOUT_ONE else None
        match action:
            case "open":
                return entry is not None
            case "acknowledge":
                return entry is not None and entry.can_acknowledge
            case "silence":
                return entry is not None and entry.can_silence
            case "undo":
                return entry is not None and entry.can_undo
            case "jump":
                return bool(self._agent(entry))
            case "everywhere":
                return self.shoal.latest.hello is not None
        return True

    def on_listing_opened(self, _event: Listing.Opened) -> None:
        """As enter."""
        self.action_open()

    def action_open(self) -> None:
        """All of it, over the screen."""
        entry = self.listing.under_cursor
        if entry is not None:
            self.app.push_screen(AlertScreen(entry, moment_of(self.view), self._agent(entry)))

    def action_acknowledge(self) -> None:
        """Ask for a note, then tell the engine."""
        entry = self.listing.under_cursor
        if entry is None or entry.alert is None:
            return
        mark = entry.alert.fingerprint

        def noted(note: str | None) -> None:
            if note is not None:
                self.shoal.order("acknowledge", mark, *([note] if note else []))

        self.app.push_screen(AcknowledgeScreen(entry), noted)

    def action_silence(self) -> None:
        """Ask for how long and why, then tell the engine."""
        entry = self.listing.under_cursor
        if entry is None or entry.alert is None:
            return
        alert = entry.alert

        def chosen(wanted: Wanted | None) -> None:
            if wanted is not None:
                what = alerts.matchers(alert, wanted.whole_rule)
                self.shoal.order("silence", f"{wanted.seconds:g}", wanted.reason, *what)

        self.app.push_screen(SilenceScreen(entry), chosen)

    def action_undo(self) -> None:
        """End the silence that it is under, or else take back that somebody has taken it on."""
        entry = self.listing.under_cursor
        if entry is None:
            return
        silence = entry.silence.id if entry.silence is not None else entry.alert.silence if entry.alert else None
        if silence is not None:
            self.shoal.order("unsilence", str(silence))
        elif entry.alert is not None and entry.alert.ack is not None:
            self.shoal.order("unacknowledge", entry.alert.fingerprint)

    def action_jump(self) -> None:
        """To its agent."""
        agent = self._agent(self.listing.under_cursor)
        if agent:
            self.shoal.open_agent(agent)

    def _agent(self, entry: Entry | None) -> str:
        """The agent that an alert is about, if it is one of the run on view; "" for none."""
        hello = self.shoal.latest.hello
        if entry is None or hello is None or (entry.run and entry.run != hello.run):
            return ""
        return entry.agent


_ABOUT_ONE: Final = ("open", "acknowledge", "silence", "undo", "jump")
