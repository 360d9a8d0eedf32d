"""Suites, their sessions, and what one of them has found: read in threads, and shown."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from tui import format as fmt
from tui.archive import ArchiveError
from tui.bench import figures, running
from tui.bench.holding import Held
from tui.bench.record import Benches, SessionRow, SessionTold, Suite
from tui.bench.running import Running
from tui.screens.asking import AskingScreen
from tui.screens.base import LiveScreen
from tui.widgets.bench_card import BenchCard
from tui.widgets.bench_progress import BenchProgress
from tui.widgets.bench_rows import BenchRows
from tui.widgets.bench_sessions import BenchSessions
from tui.widgets.bench_suites import BenchSuites
from tui.widgets.listing import Listing

_NO_RECORD: Final = "there is no record to ask"


def now() -> float:
    """Seconds since the Unix epoch."""
    return time.time()


def monotonic() -> float:
    """Seconds of a clock that only goes on."""
    return time.monotonic()


class BenchReading(AskingScreen):
    """What there is to see of benchmarks; nothing is done about it."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        *(LiveScreen.HORIZONTAL_BREAKPOINTS or ()),
        (160, "-vast"),
    ]

    class Read(Message):
        """The record has answered: with suites and sessions, or why it can't."""

        def __init__(self, suites: tuple[Suite, ...], sessions: list[SessionRow], error: str) -> None:
            super().__init__()
            self.suites = suites
            self.sessions = sessions
            self.error = error

    class Loaded(Message):
        """One session is there, or why it can't be."""

        def __init__(self, session: str, told: SessionTold | None, error: str) -> None:
            super().__init__()
            self.session = session
            self.told = told
            self.error = error

    def __init__(self) -> None:
        """Nothing is read before it is shown."""
        super().__init__()
        self._suites: tuple[Suite, ...] = ()
        self._sessions: list[SessionRow] = []
        self._suite = ""
        self._chosen = ""
        """Id of the session that was asked for; "" for the newest, or the one that is measured."""
        self._told: SessionTold | None = None
        self._loaded: dict[str, SessionTold] = {}
        self._error = ""
        self._reading = False
        self._anew = False
        """Something has changed since it was asked."""
        self._held: Held | None = None
        """What measures, and what it has told."""

    def panels(self) -> ComposeResult:
        """All of them."""
        with Container(id="all"):
            yield BenchProgress(id="progress", classes="panel").data_bind(LiveScreen.view)
            with Container(id="panes"):
                with Container(id="side"):
                    yield BenchSuites(id="suites", classes="panel").data_bind(LiveScreen.view)
                    yield BenchSessions(id="sessions", classes="panel").data_bind(LiveScreen.view)
                with Container(id="found"):
                    yield BenchRows(id="rows", classes="panel").data_bind(LiveScreen.view)
                    yield BenchCard(id="card", classes="panel").data_bind(LiveScreen.view)

    @property
    def benches(self) -> Benches | None:
        """What there is to ask, if anything."""
        archive = self.shoal.archive
        return None if archive is None else archive.benches

    @property
    def state(self) -> Running | None:
        """What measures, or has measured last and was not cleared away."""
        return None if self._held is None else self._held.state

    @property
    def measuring(self) -> bool:
        """Whether something measures."""
        return self.state is not None and not self.state.over

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Ask for what is kept, unless it is still asked."""
        benches = self.benches
        if benches is None:
            self._error = _NO_RECORD
            self._draw()
        elif self._reading:
            self._anew = True
        else:
            self._reading = True
            self.run_worker(partial(self._read, benches), thread=True, group="bench")

    def _read(self, benches: Benches) -> None:
        try:
            suites, sessions, error = benches.suites(), benches.sessions(), ""
        except ArchiveError as failed:
            suites, sessions, error = (), [], str(failed)
        self.post_message(self.Read(suites, sessions, error))

    def on_bench_reading_read(self, message: Read) -> None:
        """Show what there is."""
        self._reading = False
        self._error = message.error
        if not message.error:
            self._suites, self._sessions = message.suites, message.sessions
            if not self._suite and self._suites:
                names = [suite.name for suite in self._suites]
                newest = (row.suite for row in self._sessions if row.suite in names)
                self._suite = next(newest, names[0])
            known = {row.id for row in self._sessions}
            self._loaded = {name: told for name, told in self._loaded.items() if name in known}
            self.query_one(BenchSessions).forget(known)
            if self._chosen not in known and not self._anew:
                self._chosen = ""
        self._show_suite()
        if self._anew:
            self._anew = False
            self.read()

    def _of_suite(self) -> list[SessionRow]:
        return [row for row in self._sessions if row.suite == self._suite]

    def _show_suite(self) -> None:
        """The lists at the side, and the session that is wanted."""
        newest: dict[str, SessionRow] = {}
        for row in self._sessions:
            if row.suite not in newest or (newest[row.suite].quick and not row.quick):
                newest[row.suite] = row
        state = self.state
        suites = self.query_one(BenchSuites)
        suites.show_suites(self._suites, newest, now(), state.suite if state is not None and not state.over else "")
        suites.go_to(self._suite)
        sessions = self.query_one(BenchSessions)
        sessions.show_sessions(self._of_suite())
        wanted = self._wanted()
        if wanted:
            sessions.go_to(wanted)
        self._load(wanted)

    def _wanted(self) -> str:
        """Id of the session to be shown; "" for none."""
        known = any(row.id == self._chosen for row in self._of_suite())
        return self._chosen if known else self._newest()

    def _newest(self) -> str:
        """Id of the newest session at full size, or of the newest at all; "" for none."""
        of = self._of_suite()
        return next((row.id for row in of if not row.quick), of[0].id if of else "")

    def _load(self, session: str) -> None:
        row = next((row for row in self._sessions if row.id == session), None)
        told = self._loaded.get(session)
        if told is not None and told.row == row:
            self._told = told
        else:
            self._told = told
            benches = self.benches
            if session and benches is not None:
                load = partial(self._load_in_thread, benches, session)
                self.run_worker(load, thread=True, group="session", exclusive=True)
        self._draw()

    def _load_in_thread(self, benches: Benches, session: str) -> None:
        try:
            told, error = benches.session(session), ""
        except ArchiveError as failed:
            told, error = None, str(failed)
        self.post_message(self.Loaded(session, told, error))

    def on_bench_reading_loaded(self, message: Loaded) -> None:
        """Show it, unless another one is wanted by now."""
        if message.told is not None:
            self._loaded[message.session] = message.told
        if message.session == self._wanted():
            self._told, self._error = message.told, message.error
            self._draw()

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _live(self) -> Running | None:
        """What measures, or was not kept, if that is what is to be looked at."""
        state = self.state
        if state is None or state.suite != self._suite or self._chosen or (state.over and state.session):
            return None
        return state if state.plan is not None or not state.over else None

    def _draw(self) -> None:
        """Everything that depends on what is known by now."""
        if not self.has_panels:
            return
        rows, live, told = self.query_one(BenchRows), self._live(), self._told
        self.set_class(self.state is not None, "-measuring")
        self.query_one(BenchProgress).tell(self.state, monotonic())
        if live is not None and live.plan is not None:
            quick = "quick, " if live.how.quick else ""
            heading = f"{live.suite}  ·  {quick}{'not kept' if live.over else 'measured now'}"
            rows.show_lines(running.lines(live), (heading, heading), "", live.row, dict(live.failures))
        elif live is not None:
            rows.show_nothing(self._suite, "◌", "starting", "starting", "importing what it needs")
        elif told is not None:
            rows.show_lines(told.lines, _heading(told.row), _more(told.row), failures=dict(told.failures))
        elif self._error:
            rows.show_nothing(self._suite or "benchmarks", "✕", "error", self._error, "tried again every few seconds")
        elif self._wanted():
            rows.show_nothing(self._suite, "◌", "starting", "reading the session")
        elif self._suites:
            suite = next(suite for suite in self._suites if suite.name == self._suite)
            rows.show_suite(suite)
        self._tell_line()
        self.refresh_bindings()

    def _tell_line(self) -> None:
        line, card = self.query_one(BenchRows).under_cursor, self.query_one(BenchCard)
        card.set_class(line is None, "-nothing")
        card.about(line, self.shown)

    @property
    def shown(self) -> SessionTold | None:
        """The session that is shown, be it one that measures now."""
        live = self._live()
        return self._told if live is None else running.told(live, self._told, now())

    def on_listing_moved(self, event: Listing.Moved) -> None:
        """Another suite, another session, or another line."""
        moved = event.listing
        if isinstance(moved, BenchSuites):
            if moved.cursor is not None and moved.cursor != self._suite:
                self._suite, self._chosen = moved.cursor, ""
                self._show_suite()
        elif isinstance(moved, BenchSessions):
            self._choose(moved.cursor or "")
        else:
            self._tell_line()
            self.refresh_bindings()

    def _choose(self, session: str) -> None:
        if session and session != self._wanted():
            self._chosen = session if session != self._newest() else ""
            self._load(session)


def _heading(row: SessionRow) -> tuple[str, str]:
    """Which session, and the same where there is little room."""
    kind = "gate of " if row.gate else "quick " if row.quick else ""
    names = f"  ◆ {', '.join(row.names)}" if row.names else ""
    return (
        f"{kind}{row.suite}  {fmt.date(row.began)}  {row.id}{names}",
        f"{kind}{row.suite}  {fmt.date(row.began, 11)}",
    )


def _more(row: SessionRow) -> str:
    """How much of what is wanted it has; of small sizes, that this says nothing."""
    if row.gate:
        return figures.state(row.state, row.count)[0]
    if row.quick:
        return "small sizes: whether it works, not how fast it is"
    parts = [f"{name} {reached}/{of}" for name, (reached, of) in (("must", row.must), ("aim", row.aim)) if of]
    if row.failures:
        parts.append(f"✕ {row.failures} not measured")
    return "  ".join(parts)
