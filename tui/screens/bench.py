"""Benchmarks: measured from here, looked at, compared with those before."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.message import Message
from textual.timer import Timer

from tui.archive import ArchiveError
from tui.bench import progress_lines
from tui.bench.asking import ways
from tui.bench.holding import Held
from tui.bench.record import Benches, How
from tui.bench.running import Running
from tui.commands import Command, bindings
from tui.screens import bench_reading
from tui.screens.bench_compare import BenchCompareScreen
from tui.screens.bench_line import BenchLineScreen
from tui.screens.bench_name import BenchNameScreen
from tui.screens.bench_reading import BenchReading
from tui.screens.choose import ChooseScreen
from tui.screens.confirm import Question
from tui.widgets.bench_progress import BenchProgress
from tui.widgets.bench_rows import BenchRows
from tui.widgets.bench_sessions import BenchSessions
from tui.widgets.bench_suites import BenchSuites
from tui.widgets.listing import Listing

_TICK: Final = 1.0
"""Seconds between two looks at the clock while something measures: whoever draws more is in its figures."""


class BenchScreen(BenchReading):
    """Suites, their sessions, and what they have found."""

    CSS_PATH: ClassVar[str] = "bench.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "#rows"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("bench.run", "r", "run", "Run", "Measure the suite: all of it, quickly, or by the gate", 98),
        Command("bench.stop", "x", "stop", "Stop", "Stop the benchmark that measures", 97),
        Command("bench.open", "enter", "open", "Open", "All that is known of the line under the cursor", 94, "enter"),
        Command("bench.next", "right,l", "suite(1)", "Suite", "The next suite", 92, "←→"),
        Command("bench.before", "left,h", "suite(-1)", "Suite", "The suite before", 0, "←"),
        Command("bench.older", "left_square_bracket", "session(1)", "Older", "The session before this one", 84, "["),
        Command("bench.newer", "right_square_bracket", "session(-1)", "Newer", "The session after this one", 83, "]"),
        Command("bench.mark", "space", "mark", "Mark", "Mark the session, to compare it with another one", 82, "space"),
        Command("bench.compare", "c", "compare", "Compare", "The two sessions that are marked, side by side", 86),
        Command("bench.baseline", "b", "baseline", "Baseline", "Give the session a name, or accept what it found", 70),
        Command("bench.clear", "escape", "clear", "Clear", "Take away what is told of the last run", 0, palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    class Named(Message):
        """A session has a name, or why not."""

        def __init__(self, text: str, ok: bool) -> None:
            super().__init__()
            self.text = text
            self.ok = ok

    def __init__(self) -> None:
        """Nothing measures."""
        super().__init__()
        self._ticks: Timer | None = None

    # -- what the keys do ----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can't be done now is not offered."""
        if not self.has_panels:
            return False
        match action:
            case "run":
                return bool(self._suites) and not self.measuring and not self.shoal.preferences.read_only
            case "stop":
                return self.measuring
            case "clear":
                return self.state is not None and self.state.over
            case "compare":
                return len(self.query_one(BenchSessions).marked) == 2
            case "mark" | "session":
                return bool(self._wanted())
            case "baseline":
                return bool(self._wanted()) and not self.shoal.preferences.read_only
            case "open":
                return self.query_one(BenchRows).under_cursor is not None
        return super().check_action(action, parameters)

    def action_suite(self, steps: int) -> None:
        """The next one, or the one before; round the end."""
        names = [suite.name for suite in self._suites]
        if names:
            at = names.index(self._suite) if self._suite in names else 0
            self._suite, self._chosen = names[(at + steps) % len(names)], ""
            self._show_suite()

    def action_session(self, steps: int) -> None:
        """An older one, or a newer one."""
        ids = [row.id for row in self._of_suite()]
        if self._wanted() in ids:
            at = min(max(ids.index(self._wanted()) + steps, 0), len(ids) - 1)
            self.query_one(BenchSessions).go_to(ids[at])

    def on_listing_opened(self, _event: Listing.Opened) -> None:
        """As enter."""
        self.action_open()

    def action_open(self) -> None:
        """From the side to the lines; from there to all that is known of one."""
        rows = self.query_one(BenchRows)
        if isinstance(self.focused, BenchSuites | BenchSessions):
            rows.focus()
        elif rows.under_cursor is not None and self.shown is not None:
            self.app.push_screen(BenchLineScreen(rows.under_cursor, self.shown))

    def action_mark(self) -> None:
        """Mark the session that is shown, or not."""
        self.query_one(BenchSessions).mark(self._wanted())
        marked = self.query_one(BenchSessions).marked
        if not self.query_one("#side").display:
            self.notify(f"marked: {', '.join(marked) or 'none'}", timeout=2, markup=False)
        self.refresh_bindings()

    def action_compare(self) -> None:
        """The two that are marked, the older one first, whichever was marked first."""
        order = [row.id for row in reversed(self._sessions)]
        left, right = sorted(self.query_one(BenchSessions).marked, key=order.index)
        self.app.push_screen(BenchCompareScreen(left, right))

    def action_baseline(self) -> None:
        """Ask for a name."""
        session, benches = self._wanted(), self.benches
        if session and benches is not None:
            self.app.push_screen(BenchNameScreen(session), partial(self._give, benches, session))

    def _give(self, benches: Benches, session: str, name: str | None) -> None:
        def give() -> None:
            try:
                text, ok = benches.name(session, name or ""), True
            except ArchiveError as error:
                text, ok = str(error), False
            self.post_message(self.Named(text, ok))

        if name:
            self.run_worker(give, thread=True, group="name")

    def on_bench_screen_named(self, message: Named) -> None:
        """Say so, and show it."""
        self.notify(message.text, severity="information" if message.ok else "error", markup=False)
        self.read()

    # -- measuring -----------------------------------------------------------------------------------------------------

    def action_run(self) -> None:
        """Ask how, and begin."""
        suite = next((suite for suite in self._suites if suite.name == self._suite), None)
        if suite is not None and not self.measuring:
            title, told, found = ways(suite, self._of_suite(), self.view, self._begin)
            ChooseScreen.ask(self.shoal, title, told, found)

    def _begin(self, suite: str, how: How) -> None:
        benches = self.benches
        if benches is None or self.measuring:
            return
        try:
            measuring = benches.measure(suite, how)
        except ArchiveError as error:
            self.notify(str(error), title="not measured", severity="error", markup=False)
            return
        self._suite, self._chosen = suite, ""
        self._held = Held(measuring, Running(suite, how, began=bench_reading.monotonic()), self.post_message)
        self._held.start()
        self.shoal.at_stake = Question(
            "Stop the benchmark, and leave?", "What it has measured so far is not kept.", "stop and leave"
        )  # fmt: skip
        if self._ticks is None:
            self._ticks = self.set_interval(_TICK, self._tick)
        self._ticks.resume()
        self._show_suite()

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(BenchProgress).tell(self.state, bench_reading.monotonic())

    def on_held_told(self, message: Held.Told) -> None:
        """It says how far it is."""
        if self._held is message.held and message.held.take(bench_reading.monotonic()):
            self._draw()

    def on_held_ended(self, message: Held.Ended) -> None:
        """It is over: what it has kept is read."""
        if self._held is not message.held:
            return
        message.held.take(bench_reading.monotonic())
        message.held.close(message.end, bench_reading.monotonic())
        self.shoal.at_stake = None
        if self._ticks is not None:
            self._ticks.pause()
        state = message.held.state
        if not self.is_current:
            self.notify(
                progress_lines.ended(state),
                severity="information" if state.phase == "done" else "warning",
                markup=False,
            )
        if state.session and state.suite == self._suite:
            self._chosen = state.session
        self.read()
        self._draw()

    def action_stop(self) -> None:
        """Ask, and have it end."""
        if self.measuring:
            told = "What it has measured so far is not kept."
            Question("Stop the benchmark?", told, "stop it").ask(self.shoal, self._stop)

    def _stop(self) -> None:
        if self._held is not None and self.measuring:
            self._held.stop()
            self._draw()

    def action_clear(self) -> None:
        """What is told of the last one goes."""
        if not self.measuring:
            self._held = None
            self._draw()

    async def on_unmount(self) -> None:
        """The app ends, and with it what measures."""
        if self._held is not None and self.measuring:
            self._held.stop()
            await asyncio.to_thread(self._held.wait)
