"""What the keys do on the screen of benchmarks, and what becomes of one that measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_sessions as made
import pytest
from bench_running import FakeBenches, FakeMeasuring, speed
from past_runs import FakeArchive
from pilots import drive, settled
from textual.pilot import Pilot
from textual.widgets import Input

from engine.bench.guard import history
from engine.bench.guard.sessions import Session
from engine.stream.benchmarks import Ended
from tui.app import ShoalApp
from tui.bench.record import LAST_GOOD, End, How
from tui.screens import bench_reading
from tui.screens.bench import BenchScreen
from tui.screens.bench_compare import BenchCompareScreen
from tui.screens.bench_line import BenchLineScreen
from tui.screens.bench_name import BenchNameScreen, read
from tui.screens.choose import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.quit import QuitScreen
from tui.view import View
from tui.widgets.bench_progress import BenchProgress
from tui.widgets.bench_rows import BenchRows
from tui.widgets.bench_sessions import BenchSessions
from tui.widgets.bench_suites import BenchSuites

AppOf = Callable[..., ShoalApp]


@pytest.fixture(autouse=True)
def _steady_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_reading, "now", lambda: made.NOON)


def record(folder: Path, *sessions: Session, measuring: FakeMeasuring | None = None) -> FakeArchive:
    found = FakeArchive([])
    found.benches = FakeBenches(made.keep(folder / "benchmarks", sessions), made.MACHINE, measuring)
    return found


def screen_of(pilot: Pilot[Any]) -> BenchScreen:
    return next(one for one in reversed(pilot.app.screen_stack) if isinstance(one, BenchScreen))


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def told(pilot: Pilot[Any], of: type[Any]) -> str:
    text: str = screen_of(pilot).query_one(of).text()
    return text


async def over(pilot: Pilot[Any]) -> None:
    """Until nothing measures any more, and what came of it is shown."""
    while screen_of(pilot).measuring:
        await pilot.pause()
    await settled(pilot)


SPEED = [made.session_of("speed", number) for number in (5, 3, 1)]
SMALL = made.session_of("speed", 0, quick=True)
MEMORY = made.session_of("memory", 2)


def test_left_and_right_go_from_suite_to_suite(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8")
        assert "speed" in str(screen_of(pilot).query_one(BenchRows).border_title)
        await press(pilot, "left")
        assert "alerts" in told(pilot, BenchRows), "round the end; it was never measured"
        await press(pilot, "l", "right")
        assert screen_of(pilot).query_one(BenchSuites).cursor == "coordination"
        for _ in range(7):
            await press(pilot, "right")
        assert screen_of(pilot).query_one(BenchRows).cursor == "/memory-20"

    drive(app_of(None, record(tmp_path, *SPEED, MEMORY)), play)


def test_the_newest_at_full_size_is_shown_and_others_are_a_step_away(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8")
        sessions = screen_of(pilot).query_one(BenchSessions)
        rows = screen_of(pilot).query_one(BenchRows)
        assert sessions.cursor == SPEED[2].id
        await press(pilot, "left_square_bracket")
        assert sessions.cursor == SPEED[1].id
        assert SPEED[1].id in str(rows.border_title)
        await press(pilot, "left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert sessions.cursor == SPEED[0].id, "there is none before it"
        await press(pilot, *["right_square_bracket"] * 5)
        assert sessions.cursor == SMALL.id
        assert "small sizes" in str(rows.border_subtitle)

    drive(app_of(None, record(tmp_path, *SPEED, SMALL)), play)


def test_the_lists_at_the_side_lead_to_the_lines(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8")
        screen = screen_of(pilot)
        screen.query_one(BenchSuites).focus()
        await press(pilot, *["down"] * 8)
        assert screen.query_one(BenchRows).cursor == "/memory-20"
        await press(pilot, "enter")
        assert isinstance(pilot.app.focused, BenchRows)
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, BenchLineScreen)
        assert "memory-100" in str(pilot.app.screen.query_one("#told").border_title)
        await press(pilot, "escape")
        screen.query_one(BenchSuites).focus()
        await press(pilot, "home")
        screen.query_one(BenchSessions).focus()
        await press(pilot, "down")
        assert SPEED[1].id in str(screen.query_one(BenchRows).border_title)

    drive(app_of(None, record(tmp_path, *SPEED, MEMORY)), play)


def test_two_are_marked_and_compared_the_older_one_first(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "c")
        assert isinstance(pilot.app.screen, BenchScreen), "nothing is marked"
        sessions = screen_of(pilot).query_one(BenchSessions)
        await press(pilot, "space", "left_square_bracket", "space", "left_square_bracket", "space")
        assert sessions.marked == [SPEED[1].id, SPEED[0].id], "of three marks the first goes"
        await press(pilot, "c")
        assert isinstance(pilot.app.screen, BenchCompareScreen)
        assert f"A {SPEED[0].id}  B {SPEED[1].id}" in str(pilot.app.screen.query_one("#told").border_title)
        await press(pilot, "escape", "space")
        assert sessions.marked == [SPEED[1].id]

    drive(app_of(None, record(tmp_path, *SPEED)), play)


def test_a_session_is_given_a_name(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "b")
        assert isinstance(pilot.app.screen, BenchNameScreen)
        pilot.app.screen.query_one(Input).value = "a b"
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, BenchNameScreen), "that is no name"
        pilot.app.screen.query_one(Input).value = "v1"
        await press(pilot, "enter")
        assert f"session {SPEED[2].id} is baseline v1" in [note.message for note in pilot.app._notifications]
        assert "v1" in str(screen_of(pilot).query_one(BenchRows).border_title)
        await press(pilot, "b")
        pilot.app.screen.query_one(Input).value = LAST_GOOD
        await press(pilot, "enter", "b", "escape")

    drive(app_of(None, record(tmp_path, *SPEED)), play)
    kept = history.History(tmp_path / "benchmarks").baselines
    assert kept.named["v1"].session == SPEED[2].id
    assert kept.accepted == [SPEED[2].id]


@pytest.mark.parametrize(("text", "name"), [("v1", "v1"), (" a-b_c.9 ", "a-b_c.9")])
def test_names(text: str, name: str) -> None:
    assert read(text) == name


@pytest.mark.parametrize("text", ["", "a/b", "a b", "..", "é!"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="a name is of letters"):
        read(text)


@pytest.mark.parametrize(
    ("key", "how"), [("f", How()), ("u", How(quick=True)), ("g", How(baseline=LAST_GOOD)), ("1", How(baseline="v1"))]
)
def test_a_suite_is_measured_in_the_way_that_is_chosen(app_of: AppOf, tmp_path: Path, key: str, how: How) -> None:
    fake = FakeMeasuring(speed(3))
    found = record(tmp_path, *SPEED, measuring=fake)
    history.pin(tmp_path / "benchmarks", "v1", SPEED[0].id)

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "r", "escape")
        assert found.benches.asked == []
        await press(pilot, "r", key)
        assert found.benches.asked == [("speed", how)]
        assert screen_of(pilot).measuring
        await press(pilot, "r")
        assert not isinstance(pilot.app.screen, ChooseScreen), "one at a time"

    drive(app_of(None, found), play)
    assert fake.stops > 0, "it ended with the app"


def test_it_is_shown_while_it_measures_and_then_what_was_kept(app_of: AppOf, tmp_path: Path) -> None:
    newest = made.session_of("speed", 0)
    fake = FakeMeasuring([*speed(25), Ended(code=0, session=newest.id)], End(0))
    fake.before_end = lambda: made.keep(tmp_path / "benchmarks", [newest])

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "r", "f")
        screen = screen_of(pilot)
        assert "measured now" in str(screen.query_one(BenchRows).border_title) or "starting" in told(pilot, BenchRows)
        assert "starting" in told(pilot, BenchProgress)
        fake.go.set()
        await over(pilot)
        assert newest.id in str(screen.query_one(BenchRows).border_title)
        assert f"finished  after 00:00:00, session {newest.id}" in told(pilot, BenchProgress)
        assert pilot.app.at_stake is None  # type: ignore[attr-defined]
        await press(pilot, "escape")
        assert not screen.query_one(BenchProgress).display

    drive(app_of(None, record(tmp_path, *SPEED, measuring=fake)), play)


def test_it_is_stopped_once_that_is_confirmed(app_of: AppOf, tmp_path: Path) -> None:
    fake = FakeMeasuring(speed(9))

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "x")
        assert isinstance(pilot.app.screen, BenchScreen), "nothing to stop"
        await press(pilot, "r", "f")
        fake.go.set()
        await press(pilot, "x", "n")
        assert fake.stops == 0
        await press(pilot, "x", "y")
        await over(pilot)
        assert fake.stops > 0
        assert "stopped" in told(pilot, BenchProgress)
        assert "not kept" in str(screen_of(pilot).query_one(BenchRows).border_title)

    drive(app_of(None, record(tmp_path, *SPEED, measuring=fake)), play)


def test_it_goes_on_while_other_screens_are_looked_at(app_of: AppOf, tmp_path: Path) -> None:
    newest = made.session_of("speed", 0)
    fake = FakeMeasuring([*speed(25), Ended(code=0, session=newest.id)], End(0))

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "r", "f", "7")
        screen = pilot.app._screen_stacks["bench"][0]
        assert isinstance(screen, BenchScreen)
        going = [screen.measuring]
        fake.go.set()
        while screen.measuring:
            await pilot.pause()
        await settled(pilot)
        assert going == [True]
        assert "speed: ✓ finished" in [note.message for note in pilot.app._notifications]

    drive(app_of(None, record(tmp_path, *SPEED, measuring=fake)), play)


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_leaving_asks_before_it_ends(app_of: AppOf, tmp_path: Path, key: str) -> None:
    fake = FakeMeasuring(speed(9))
    app = app_of(None, record(tmp_path, *SPEED, measuring=fake))

    async def session() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(pilot)
            await press(pilot, "8", "r", "f", key)
            assert isinstance(pilot.app.screen, ConfirmScreen)
            await press(pilot, "ctrl+q", "n")
            assert isinstance(pilot.app.screen, BenchScreen), "asked once, and it stays"
            assert fake.stops == 0
            await press(pilot, key, "y")

    asyncio.run(session())
    assert app.return_value == "detached"
    assert fake.stops > 0


def test_leaving_asks_about_a_run_as_well(app_of: AppOf, tmp_path: Path, running: View) -> None:
    fake = FakeMeasuring(speed(9))

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "r", "f", "q", "y")
        assert isinstance(pilot.app.screen, QuitScreen)
        await press(pilot, "escape")
        assert screen_of(pilot).measuring, "nobody has left"

    drive(app_of(running, record(tmp_path, *SPEED, measuring=fake)), play)


def test_one_that_cannot_be_started_says_why(app_of: AppOf, tmp_path: Path) -> None:
    found = record(tmp_path, *SPEED)
    found.benches.error = "can't start it: no more processes"

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "r", "f")
        assert found.benches.error in [note.message for note in pilot.app._notifications]
        assert not screen_of(pilot).measuring

    drive(app_of(None, found), play)


def test_nothing_is_measured_or_named_where_one_may_only_look(app_of: AppOf, tmp_path: Path) -> None:
    found = record(tmp_path, *SPEED, measuring=FakeMeasuring([]))

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "r", "b")
        assert isinstance(pilot.app.screen, BenchScreen)
        assert found.benches.asked == []

    drive(app_of(None, found, read_only=True), play)


def test_a_session_that_comes_later_is_seen(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8")
        newest = made.session_of("speed", 0)
        made.keep(tmp_path / "benchmarks", [newest])
        screen_of(pilot).read()
        await settled(pilot)
        assert newest.id in [row.id for row in screen_of(pilot)._sessions]
        (tmp_path / "benchmarks" / "0.json").write_text("no session")
        screen_of(pilot).read()
        await settled(pilot)
        assert SPEED[0].id in [row.id for row in screen_of(pilot)._sessions], "what was known is still shown"

    drive(app_of(None, record(tmp_path, *SPEED)), play)


def test_copying_a_line(app_of: AppOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(ShoalApp, "copy_to_clipboard", lambda _, text: copied.append(text))

    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8", "y", "enter", "y")
        assert copied[0].startswith("500 agents: start, 500 trivial tasks, every answer  4")
        assert "better than multiprocessing.Pool" in copied[0]
        assert "to measure it again\n  shoal bench speed" in copied[1]

    drive(app_of(None, record(tmp_path, *SPEED)), play)


def test_a_click_leads_to_a_line(app_of: AppOf, tmp_path: Path) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await press(pilot, "8")
        await pilot.click(BenchRows, offset=(8, 4))
        await settled(pilot)
        assert screen_of(pilot).query_one(BenchRows).cursor == "/start-many"
        await pilot.click(BenchRows, offset=(8, 4), times=2)
        await settled(pilot)
        assert isinstance(pilot.app.screen, BenchLineScreen)

    drive(app_of(None, record(tmp_path, *SPEED)), play)
