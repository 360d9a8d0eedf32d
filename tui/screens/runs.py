"""The history of runs: found, opened, told of, compared."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.timer import Timer

from tui import runs
from tui.archive import ArchiveError, RunRow, RunSummary
from tui.commands import Command, bindings
from tui.screens.asking import AskingScreen, ask
from tui.screens.base import LiveScreen
from tui.screens.compare import CompareScreen
from tui.screens.filtering import FilteringScreen
from tui.screens.run import RunScreen
from tui.widgets.filter_line import FilterLine
from tui.widgets.listing import Listing
from tui.widgets.run_card import RunCard
from tui.widgets.runs_table import RunsTable

REST = 0.3
"""Seconds that the cursor rests on a run before the record is asked for all of it; 0: it is asked at once."""
_AT_ONCE: Final = 200_000
"""Tasks of a run up to which that is done unasked."""
_NO_RECORD: Final = "there is no record to ask"


class RunsScreen(FilteringScreen, AskingScreen):
    """All runs, and those that go on."""

    CSS_PATH: ClassVar[str] = "runs.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        *(LiveScreen.HORIZONTAL_BREAKPOINTS or ()),
        (160, "-vast"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#runs"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("runs.open", "enter", "open", "Open", "Join a run that goes on, or play the recording", 96, "enter"),
        Command("runs.filter", "slash", "filter", "Filter", "Show only some runs: by name, status, time", 88, "/"),
        Command("runs.details", "d", "details", "Show", "All that is known of the run", 86),
        Command("runs.mark", "space", "mark", "Mark", "Mark the run, to compare it with another one", 82, "space"),
        Command("runs.compare", "c", "compare", "Compare", "The two runs that are marked, side by side", 84),
        Command("runs.sort-left", "less_than_sign", "sort(-1)", "Sort left", "Sort by the column before", 0, "<"),
        Command("runs.sort-right", "greater_than_sign", "sort(1)", "Sort", "Sort by the next column", 45, "<>"),
        Command("runs.invert", "I", "invert", "Invert", "The other way round", 0),
        Command("runs.clear", "escape", "unfilter", "All", "Show all runs again", 0, "esc", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    EVERY = 3.0

    _resting: Timer | None = None

    def panels(self) -> ComposeResult:
        """The list, and the run under the cursor."""
        with Container(id="history"):
            with Container(id="list"):
                yield RunsTable(id="runs", classes="panel").data_bind(LiveScreen.view)
                yield FilterLine(runs.HINT, id="filter")
            yield RunCard(id="card", classes="panel").data_bind(LiveScreen.view)

    @property
    def table(self) -> RunsTable:
        """The list."""
        return self.query_one(RunsTable)

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Ask the record for all runs."""
        archive = self.shoal.archive
        if archive is None:
            self.table.fail(_NO_RECORD)
        else:
            self.ask_once(archive.runs, self._told)

    def _told(self, answer: list[RunRow] | ArchiveError) -> None:
        """Show what it has said."""
        if isinstance(answer, ArchiveError):
            self.table.fail(str(answer))
        else:
            self.table.show_runs(answer)
            self.query_one(RunCard).about(self.table.under_cursor)
            self.tell_found()
        self.refresh_bindings()

    # -- the run under the cursor --------------------------------------------------------------------------------------

    def on_listing_moved(self, _event: Listing.Moved) -> None:
        """Tell of another one; of all of it once the cursor rests, where there is room, and it takes no time."""
        run = self.table.under_cursor
        self.query_one(RunCard).about(run)
        self.refresh_bindings()
        if self._resting is not None:
            self._resting.stop()
        if run is not None and run.recorded and run.tasks <= _AT_ONCE and self.has_class("-vast"):
            ask = partial(self._ask_about, run.id)
            self._resting = self.set_timer(REST, ask) if REST else None
            if not REST:
                ask()

    def _ask_about(self, run: str) -> None:
        archive = self.shoal.archive
        if archive is not None:
            ask(self, partial(archive.summary, run), self._summed, "card", exclusive=True)

    def _summed(self, answer: RunSummary | ArchiveError) -> None:
        """Show all of it; where it can't be told, its row is told of all the same, and `d` says what is wrong."""
        if not isinstance(answer, ArchiveError):
            self.query_one(RunCard).tell(answer)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can't be done now is not offered."""
        if not self.has_panels:
            return False
        if action == "unfilter":
            return bool(self.filter_line.text)
        if action == "compare":
            return len(self.table.marked) == 2
        if action in ("open", "details", "mark"):
            return self.table.cursor is not None
        return super().check_action(action, parameters)

    def on_listing_opened(self, _event: Listing.Opened) -> None:
        """As enter."""
        self.action_open()

    def action_open(self) -> None:
        """To the screens of the run under the cursor."""
        run, archive, hello = self.table.under_cursor, self.shoal.archive, self.view.hello
        if run is None or archive is None:
            return
        if run.live and hello is not None and hello.run == run.id and self.view.replay is None and not self.view.over:
            self.app.call_later(self.shoal.action_mode, "fleet")
            return
        self.notify(f"opening {run.name} {run.id}", timeout=2, markup=False)
        self.app.run_worker(partial(self._open, run.id), thread=True, group="open", exclusive=True)

    def _open(self, run: str) -> None:
        archive, app = self.shoal.archive, self.shoal
        assert archive is not None
        try:
            feed = archive.open(run)
        except ArchiveError as error:
            app.call_from_thread(app.notify, str(error), title=f"{run} can't be opened", severity="error", markup=False)
        else:
            app.call_from_thread(app.open, feed)

    def action_details(self) -> None:
        """Everything about the run under the cursor."""
        run = self.table.under_cursor
        if run is not None:
            self.app.push_screen(RunScreen(run))

    def action_mark(self) -> None:
        """Mark it, or not."""
        self.table.mark()
        self.refresh_bindings()

    def action_compare(self) -> None:
        """The two that are marked; the first one marked is what the other is measured by."""
        self.app.push_screen(CompareScreen(*self.table.marked))

    def action_sort(self, steps: int) -> None:
        """By the next column, or the one before."""
        self.table.sort_next(steps)

    def action_invert(self) -> None:
        """The other way round."""
        self.table.invert()

    # -- the filter ----------------------------------------------------------------------------------------------------

    @property
    def filtered(self) -> RunsTable:
        """The runs."""
        return self.table

    def narrow(self, text: str) -> None:
        """As `FilteringScreen`."""
        archive = self.shoal.archive
        try:
            wanted = runs.parse(text, archive.moment) if archive is not None else runs.RunFilter()
        except ArchiveError as error:
            raise ValueError(str(error)) from error
        self.table.filter(wanted)

    def tell_found(self) -> None:
        """How many runs fit."""
        if self.filter_line.text:
            self.filter_line.tell(self.table.found())
