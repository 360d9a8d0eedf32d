"""What the keys of the history do, whom they are about, and what happens while the record is slow or gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from past_runs import FakeArchive, runs_of
from pilots import drive, settled
from textual.pilot import Pilot
from textual.widgets import Input

from tui.app import ShoalApp
from tui.screens.compare import CompareScreen
from tui.screens.fleet import FleetScreen
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.view import View
from tui.widgets.filter_line import FilterLine
from tui.widgets.keys import Keys
from tui.widgets.run_card import RunCard
from tui.widgets.runs_table import RunsTable

AppOf = Callable[..., ShoalApp]


@pytest.fixture(autouse=True)
def _steady_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.widgets.listing.HOLD", 3600.0)
    monkeypatch.setattr("tui.screens.runs.REST", 0.0)


def table_of(pilot: Pilot[Any]) -> RunsTable:
    """The list that is shown."""
    return pilot.app.screen.query_one(RunsTable)


def rows_of(pilot: Pilot[Any]) -> list[str]:
    """Ids of the rows that are seen, from the top."""
    table = table_of(pilot)
    lines = [table.render_line(y).text for y in range(1, table.size.height)]
    known = {run.id for run in runs_of(60)}
    return [next((word for word in line.split() if word in known), "") for line in lines if line.strip()]


def test_the_history_opens_where_no_run_does(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        assert isinstance(pilot.app.screen, RunsScreen)
        assert pilot.app.focused is table_of(pilot)
        assert rows_of(pilot)[:3] == [run.id for run in runs_of(60)][:3]

    drive(app_of(None, FakeArchive(runs_of(60))), play)


@pytest.mark.parametrize("key", ["enter", "two clicks"])
def test_enter_opens_the_run(app_of: AppOf, feed_of: Any, running: View, key: str) -> None:
    record = FakeArchive(runs_of(60))
    feed = record.feeds["c0ffee12"] = feed_of(running)
    first = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("7")
        await settled(pilot)
        if key == "enter":
            await pilot.press("down", "enter")
        else:
            await pilot.click(RunsTable, offset=(8, 3), times=2)
        await settled(pilot)
        assert isinstance(pilot.app.screen, FleetScreen)
        assert record.asked[-1] == "open c0ffee12"
        assert first.stopped
        assert not feed.stopped

    drive(app_of(first, record), play)


def test_the_run_that_is_on_view_is_not_attached_to_again(app_of: AppOf, feed_of: Any, running: View) -> None:
    record, feed = FakeArchive(runs_of(60)), feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("7")
        await settled(pilot)
        await pilot.press("home", "enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, FleetScreen)
        assert not [asked for asked in record.asked if asked.startswith("open")]
        assert not feed.stopped

    drive(app_of(feed, record), play)


def test_a_run_that_cannot_be_opened_says_why(app_of: AppOf) -> None:
    record = FakeArchive(runs_of(60))

    async def play(pilot: Pilot[Any]) -> None:
        record.error = "run 7f3a was deleted"
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, RunsScreen)
        assert "run 7f3a was deleted" in [note.message for note in pilot.app._notifications]

    drive(app_of(None, record), play)


def test_two_are_marked_and_compared(app_of: AppOf) -> None:
    record = FakeArchive(runs_of(60))
    ids = [run.id for run in runs_of(60)]

    async def play(pilot: Pilot[Any]) -> None:
        table = table_of(pilot)
        await pilot.press("c")
        assert isinstance(pilot.app.screen, RunsScreen)
        await pilot.press("down", "space", "c")
        assert isinstance(pilot.app.screen, RunsScreen), "one alone can't be compared"
        await pilot.press("down", "space", "down", "space")
        assert table.marked == ids[2:4], "of three the first goes"
        await pilot.press("c")
        await settled(pilot)
        assert isinstance(pilot.app.screen, CompareScreen)
        assert record.asked[-1] == f"compare {ids[2]} {ids[3]}"
        await pilot.press("escape", "space")
        assert table.marked == [ids[2]], "a second time takes the mark away"

    drive(app_of(None, record), play)


def test_details_and_copying(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    record = FakeArchive(runs_of(60))
    copied: list[str] = []
    monkeypatch.setattr(ShoalApp, "copy_to_clipboard", lambda _, text: copied.append(text))

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("down", "y", "d")
        await settled(pilot)
        assert copied == ["c0ffee12"]
        assert isinstance(pilot.app.screen, RunScreen)
        assert record.asked[-1] == "summary c0ffee12"
        await pilot.press("G", "y")
        assert "settings and machine" in copied[-1]
        assert copied[-1].startswith("● live  notebook  c0ffee12")
        await pilot.press("q")
        assert isinstance(pilot.app.screen, RunsScreen)

    drive(app_of(None, record), play)


def test_the_filter(app_of: AppOf) -> None:
    runs = runs_of(60)
    failed = [run.id for run in runs if run.status == "failed"]

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"failed")
        assert rows_of(pilot) == failed
        await pilot.press("space", *"zzz")
        assert rows_of(pilot) == [""] * 2, "no row, but two lines that say so"
        line = pilot.app.screen.query_one(FilterLine)
        assert "no such runs" in table_of(pilot).text()
        await pilot.press("backspace", "backspace", "backspace", "enter")
        assert pilot.app.focused is table_of(pilot)
        assert rows_of(pilot) == failed
        await pilot.press("escape")
        assert line.text == ""
        assert len(rows_of(pilot)) > len(failed)
        await pilot.press("slash", *"since=1d")
        assert {run.id for run in runs if run.started >= runs[0].started - 86_400} == set(rows_of(pilot))
        await pilot.press(*"y")
        assert line.has_class("-wrong")
        await pilot.press("escape")
        assert pilot.app.focused is table_of(pilot)

    drive(app_of(None, FakeArchive(runs)), play, (120, 50))


def test_keys_of_the_app_are_letters_while_one_writes(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"qpt1")
        assert pilot.app.screen.query_one(Input).value == "qpt1"
        assert isinstance(pilot.app.screen, RunsScreen)
        footer = pilot.app.screen.query_one(Keys)
        assert "enter Keep" in footer.text()
        assert "/ Filter" not in footer.text(), "it is one itself"
        await pilot.press("enter")
        assert "/ Filter" in footer.text()

    drive(app_of(None, FakeArchive(runs_of(60))), play)


def test_sorting(app_of: AppOf) -> None:
    runs = runs_of(60)
    going = [run.id for run in runs if run.live]
    over = [run for run in runs if not run.live]

    async def play(pilot: Pilot[Any]) -> None:
        table = table_of(pilot)
        shown = len(rows_of(pilot))
        await pilot.press("less_than_sign")
        assert table.sorted_by == ("rate", True)
        by_rate = [run.id for run in sorted(over, key=lambda run: (-run.rate, -run.started))]
        assert rows_of(pilot) == ["7f3a", "c0ffee12", *by_rate][:shown]
        await pilot.press("I")
        by_rate = [run.id for run in sorted(over, key=lambda run: (run.rate, -run.started))]
        assert rows_of(pilot) == [*reversed(going), *by_rate][:shown]
        line = table.render_line(0).text
        await pilot.click(RunsTable, offset=(line.index("name") + 2, 1))
        by_name = [run.id for run in sorted(over, key=lambda run: (run.name, -run.started))]
        assert rows_of(pilot) == [*going, *by_name][:shown]

    drive(app_of(None, FakeArchive(runs)), play)


def test_the_cursor_stays_on_its_run_and_order_is_held(app_of: AppOf) -> None:
    runs = runs_of(60)
    record = FakeArchive(runs)
    new = replace(runs[2], id="0badcafe", started=runs[2].started + 60)

    async def play(pilot: Pilot[Any]) -> None:
        table, screen = table_of(pilot), pilot.app.screen
        assert isinstance(screen, RunsScreen)
        await pilot.press("down", "down", "down")
        before = table.cursor
        record.found = [*runs[:2], new, *runs[2:]]
        screen.read()
        await settled(pilot)
        assert table.cursor == before
        assert "order held" in str(table.border_subtitle)
        assert rows_of(pilot)[:4] == [run.id for run in runs[:4]]
        table.release()
        assert table.cursor == before
        assert rows_of(pilot)[:5] == [run.id for run in runs[:2]] + [""] + [run.id for run in runs[2:4]]
        record.found = [run for run in record.found if run.id != before]
        screen.read()
        await settled(pilot)
        assert table.cursor == runs[4].id, "the one that took its place"

    drive(app_of(None, record), play)


def test_a_slow_record_is_asked_once_and_holds_nobody_up(app_of: AppOf) -> None:
    record = FakeArchive(runs_of(60))
    answer = record.waits = threading.Event()

    async def session() -> None:
        async with app_of(None, record).run_test(size=(120, 36)) as pilot:
            try:
                await pilot.pause()
                screen = pilot.app.screen
                assert isinstance(screen, RunsScreen)
                for _ in range(5):
                    screen.read()
                await pilot.press("question_mark", "escape", "down")
                assert "reading the record" in table_of(pilot).text()
                assert record.asked == ["runs"]
            finally:
                answer.set()
            await settled(pilot)
            assert len(rows_of(pilot)) > 10

    asyncio.run(session())


def test_nothing_is_read_while_it_is_not_shown(app_of: AppOf, running: View) -> None:
    record = FakeArchive(runs_of(60))

    async def play(pilot: Pilot[Any]) -> None:
        assert not record.asked
        await pilot.press("7")
        await settled(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, RunsScreen)
        assert record.asked == ["runs"]
        await pilot.press("1")
        await settled(pilot)
        timer: Any = screen._timer
        ticks = [timer._active.is_set()]
        await pilot.press("7")
        await settled(pilot)
        ticks.append(timer._active.is_set())
        assert ticks == [False, True]
        assert record.asked == ["runs", "runs"]

    drive(app_of(running, record), play)


def test_without_a_record(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        assert "there is no record to ask" in table_of(pilot).text()
        await pilot.press("enter", "d", "space", "c", "slash", "x", "escape")
        assert isinstance(pilot.app.screen, RunsScreen)

    drive(app_of(None), play)


def test_names_are_no_markup_and_no_orders_to_the_terminal(app_of: AppOf) -> None:
    odd = replace(runs_of(60)[2], name="[bold red]x[/]\x1b[31m\n[link=y")

    async def play(pilot: Pilot[Any]) -> None:
        table = table_of(pilot)
        assert "[bold red]x[/] [31m [" in table.text()
        await pilot.press("d")
        await settled(pilot)
        assert (
            str(pilot.app.screen.query_one("#told").border_title or "").replace("\\[", "[").strip()
            == f"[bold red]x[/] [31m [link=y  {odd.id}"
        )

    drive(app_of(None, FakeArchive([odd])), play)


def test_the_whole_run_is_told_beside_the_list_once_the_cursor_rests(app_of: AppOf) -> None:
    record = FakeArchive(runs_of(60))
    small = next(run for run in runs_of(60) if not run.live and run.tasks <= 200_000)
    large = next(run for run in runs_of(60) if run.tasks > 200_000)

    async def play(pilot: Pilot[Any]) -> None:
        card = pilot.app.screen.query_one(RunCard)
        table = table_of(pilot)
        table.go_to(small.id)
        await settled(pilot)
        assert "slowest tasks" in card.copied()
        table.go_to(large.id)
        await settled(pilot)
        assert "slowest tasks" not in card.copied()
        assert large.id in card.copied()
        assert f"summary {large.id}" not in record.asked

    drive(app_of(None, record), play, (200, 50))
