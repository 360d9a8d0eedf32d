"""One agent: what is told of it, where its past comes from, and how one goes on to the next."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from screen_fleets import crowd, manned, past_tasks, spoken, table_of
from textual.pilot import Pilot

from engine.stream.types import BUSY, DEAD, Condition
from tui.app import ShoalApp
from tui.archive import ArchiveError, PastTask
from tui.screens.agent import AgentScreen
from tui.screens.choose import ChooseScreen
from tui.screens.pools import PoolsScreen
from tui.themes import LIGHT
from tui.view import AgentTable, Replaying, View
from tui.widgets.agent_card import (
    AgentCard,
    AgentCourse,
    AgentTasks,
    AgentWords,
)

AppOf = Callable[..., ShoalApp]
Compare = Callable[..., bool]
SIZES = [(60, 20), (80, 24), (120, 36), (200, 50)]
WHO = "micro/1"


def size_id(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


class Past:
    """An archive that knows the tasks of agents, and nothing else."""

    def __init__(self, tasks: list[PastTask] | ArchiveError) -> None:
        self.tasks = tasks
        self.asked: list[tuple[str, str, int]] = []
        self.threads: set[bool] = set()

    def prepare(self) -> None:
        """As an archive."""

    def tasks_of(self, run: str, agent: str, limit: int) -> list[PastTask]:
        """As an archive."""
        self.asked.append((run, agent, limit))
        self.threads.add(threading.current_thread() is threading.main_thread())
        if isinstance(self.tasks, ArchiveError):
            raise self.tasks
        return self.tasks


def recorded(view: View) -> View:
    """A run with a database."""
    assert view.hello is not None
    return replace(view, hello=msgspec.structs.replace(view.hello, database="/var/lib/shoal/runs.db"))


@pytest.fixture
def fleet(running: View) -> View:
    """A recorded run whose second agent has said something."""
    return recorded(spoken(manned(running), WHO))


@pytest.fixture
def past(running: View) -> Past:
    """What was recorded of it."""
    assert running.frame is not None
    return Past(past_tasks(running.frame.at))


async def settled(pilot: Pilot[Any]) -> None:
    """Until all that is read from the record is shown."""
    while any(not worker.is_finished for worker in pilot.app.workers):
        await pilot.pause(0.01)
    await pilot.pause()


def drive(
    app: ShoalApp, play: Callable[[Pilot[Any], AgentScreen], Awaitable[None]], size: tuple[int, int] = (120, 36)
) -> None:
    """Open the agent from the list of all, and play."""

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.press("2", "down", "enter")
            await pilot.pause()
            await settled(pilot)
            assert isinstance(app.screen, AgentScreen)
            await play(pilot, app.screen)

    asyncio.run(session())


def panel_text(screen: AgentScreen, kind: type[Any]) -> str:
    """What one of its panels shows."""
    text: str = screen.query_one(kind).text()
    return text


# -- the screen --------------------------------------------------------------------------------------------------------


def test_it_asks_for_this_agent_alone_and_its_row_lives(app_of: AppOf, feed_of: Any, fleet: View, past: Past) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        of = (Condition("agent", "=", [WHO]),)
        assert feed.wish.agents == of
        assert fleet.agents is not None
        assert fleet.agents.rows[1].task in panel_text(screen, AgentCard)
        row = msgspec.structs.replace(fleet.agents.rows[1], task="fit[77]", done=4242)
        feed.push(replace(fleet, agents=AgentTable((row,), 101.0, of)))
        await pilot.pause()
        assert "fit[77]" in panel_text(screen, AgentCard)
        assert "4,242" in panel_text(screen, AgentCard)
        cells = bytearray(fleet.cells)
        cells[1] = DEAD
        feed.push(replace(feed.view, cells=bytes(cells)))
        await pilot.pause()
        assert "✕ dead" in panel_text(screen, AgentCard)

    drive(app_of(feed, past), play)


def test_how_busy_it_was_is_kept_while_it_is_open(app_of: AppOf, feed_of: Any, fleet: View, past: Past) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        assert fleet.frame is not None
        for tenth in range(1, 21):
            cells = bytearray(fleet.cells)
            cells[1] = DEAD if tenth > 10 else BUSY
            frame = msgspec.structs.replace(fleet.frame, elapsed=fleet.frame.elapsed + tenth / 10)
            feed.push(replace(fleet, frame=frame, cells=bytes(cells)))
            await pilot.pause()
        series = screen.query_one(AgentCourse).course.series("busy")
        assert series[0] == 1.0
        assert series[-1] == 0.0
        assert len(series) == 5
        feed.push(fleet)
        await pilot.pause()
        assert len(screen.query_one(AgentCourse).course.series("busy")) == 1
        feed.push(replace(fleet, frame=frame))
        await pilot.pause()
        await pilot.press("right")
        await pilot.pause()
        assert len(screen.query_one(AgentCourse).course.series("busy")) == 1

    drive(app_of(feed, past), play)


def test_its_tasks_are_read_in_a_thread_and_again_from_time_to_time(
    app_of: AppOf, feed_of: Any, fleet: View, past: Past
) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        assert past.asked == [("7f3a", WHO, 100)]
        assert past.threads == {False}
        assert past_tasks(fleet.frame.at if fleet.frame else 0.0)[0].name in panel_text(screen, AgentTasks)
        assert fleet.frame is not None
        for seconds in (1.0, 4.0, 5.5):
            frame = msgspec.structs.replace(fleet.frame, elapsed=fleet.frame.elapsed + seconds)
            feed.push(replace(fleet, frame=frame))
            await pilot.pause()
        await settled(pilot)
        assert len(past.asked) == 2
        await pilot.press("right")
        await settled(pilot)
        assert past.asked[2][1] == "micro/2"

    drive(app_of(feed, past), play)


@pytest.mark.parametrize(
    ("tasks", "told"),
    [([], "no task of it is recorded yet"), (ArchiveError("the disk is on fire"), "✕ the disk is on fire")],
)
def test_a_record_that_has_nothing_says_so(app_of: AppOf, fleet: View, tasks: Any, told: str) -> None:
    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        assert told in panel_text(screen, AgentTasks)

    drive(app_of(fleet, Past(tasks)), play)


def test_a_run_that_is_not_recorded_has_no_past(app_of: AppOf, running: View, past: Past) -> None:
    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        assert "not recorded" in panel_text(screen, AgentTasks)

    drive(app_of(manned(running), past), play)
    assert past.asked == []


def test_steps_go_through_the_list_it_was_opened_from(app_of: AppOf, fleet: View, past: Past) -> None:
    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        seen = []
        for key in ("right", "l", "left", "h", "h", "h"):
            await pilot.press(key)
            seen.append(screen.agent)
        assert seen == ["micro/2", "micro/3", "micro/2", "micro/1", "micro/0", "prime/35"]
        assert "prime/35" in str(screen.query_one(AgentCard).border_title)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PoolsScreen)
        assert pilot.app.screen.agents.listing.current == "prime/35"

    drive(app_of(fleet, past), play)


def test_it_can_be_opened_by_name_from_anywhere(app_of: AppOf, fleet: View, past: Past) -> None:
    async def session() -> None:
        app = app_of(fleet, past)
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.pause()
            app.open_agent("domain/98")
            await pilot.pause()
            one = app.screen
            assert isinstance(one, AgentScreen)
            assert "state" in panel_text(one, AgentCard)
            await pilot.press("right")
            assert one.agent == "prime/0"
            await pilot.press("escape")
            await pilot.pause()
            assert one not in app.screen_stack
            app.open_agent("nobody/7")
            await pilot.pause()
            other = app.screen
            assert isinstance(other, AgentScreen)
            assert "no agent nobody/7 any more" in panel_text(other, AgentCard)
            await pilot.press("left")
            assert other.agent == "micro/0"

    asyncio.run(session())


def test_it_is_acted_on_by_name(app_of: AppOf, feed_of: Any, fleet: View, past: Past) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        await pilot.press("x")
        assert isinstance(pilot.app.screen, ChooseScreen)
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause()
        assert feed.commands == [("recycle", WHO)]

    drive(app_of(feed, past), play)


def test_the_keys_of_the_app_hold_there_too(app_of: AppOf, feed_of: Any, fleet: View, past: Past) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        await pilot.press("p")
        await pilot.pause()
        assert "PAUSED" in screen.query_one("#header").render_line(0).text
        await pilot.press("1")
        await pilot.pause()
        assert pilot.app.current_mode == "fleet"

    drive(app_of(feed, past), play)


def test_the_screen_beneath_does_no_work_until_it_is_seen_again(
    app_of: AppOf, feed_of: Any, fleet: View, past: Past
) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        beneath = pilot.app.screen_stack[0]
        assert isinstance(beneath, PoolsScreen)
        later = replace(fleet, ended=False)
        feed.push(later)
        await pilot.pause()
        assert screen.view is later
        assert beneath.view is fleet
        await pilot.press("escape")
        await pilot.pause()
        assert beneath.view is later

    drive(app_of(feed, past), play)


def test_in_a_replay_only_what_was_recorded_is_shown(app_of: AppOf, fleet: View, past: Past) -> None:
    view = replace(fleet, agents=None, replay=Replaying(fleet.frame.at if fleet.frame else 0.0, 0.0, 9e9, 1.0, True))

    async def play(pilot: Pilot[Any], screen: AgentScreen) -> None:
        assert "were not recorded" in panel_text(screen, AgentCard)
        assert "Act" not in screen.query_one("#keys").render_line(0).text
        assert "› k = 4" in panel_text(screen, AgentWords)

    drive(app_of(view, past), play)


# -- pictures ----------------------------------------------------------------------------------------------------------


async def open_agent(pilot: Pilot[Any]) -> None:
    """From the list, with all that is read."""
    await pilot.press("2", "down", "enter")
    await pilot.pause()
    await settled(pilot)


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_running(
    snap_compare: Compare, app_of: AppOf, feed_of: Any, fleet: View, past: Past, size: tuple[int, int]
) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any]) -> None:
        await open_agent(pilot)
        assert fleet.frame is not None
        screen = pilot.app.screen
        assert isinstance(screen, AgentScreen)
        for half in range(1, 60):
            frame = msgspec.structs.replace(fleet.frame, elapsed=fleet.frame.elapsed + half / 2)
            cells = bytearray(fleet.cells)
            cells[1] = BUSY if half % 7 and not 20 < half < 24 else 2
            for again in range(4):  # four looks within each step
                cells[1] = 2 if (half + again) % 5 == 0 else cells[1]
                screen.show(replace(fleet, frame=frame, cells=bytes(cells)), None, "live")
        await settled(pilot)

    assert snap_compare(app_of(feed, past), run_before=play, terminal_size=size)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=size_id)
def test_light(snap_compare: Compare, app_of: AppOf, fleet: View, past: Past, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(fleet, past, theme=LIGHT.name), run_before=open_agent, terminal_size=size)


def test_no_color(
    snap_compare: Compare, app_of: AppOf, fleet: View, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(fleet, past), run_before=open_agent)


def test_ascii(snap_compare: Compare, app_of: AppOf, fleet: View, past: Past) -> None:
    assert snap_compare(app_of(fleet, past, ascii=True), run_before=open_agent, terminal_size=(120, 36))


def test_replay(snap_compare: Compare, app_of: AppOf, fleet: View, past: Past) -> None:
    at = fleet.frame.at if fleet.frame is not None else 0.0
    view = replace(fleet, agents=None, replay=Replaying(at, at - 102, at + 60, 1.0, True))
    assert snap_compare(app_of(view, past), run_before=open_agent, terminal_size=(120, 36))


def test_vanished(snap_compare: Compare, app_of: AppOf, feed_of: Any, fleet: View, past: Past) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any]) -> None:
        await open_agent(pilot)
        view = crowd({"other": 3})
        feed.push(replace(fleet, frame=view.frame, cells=view.cells, agents=table_of(view)))
        await pilot.pause()

    assert snap_compare(app_of(feed, past), run_before=play)


def test_unrecorded(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(manned(running)), run_before=open_agent)


def test_question(snap_compare: Compare, app_of: AppOf, fleet: View, past: Past) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await open_agent(pilot)
        await pilot.press("x", "k")
        await pilot.pause()

    assert snap_compare(app_of(fleet, past), run_before=play)


def test_help(snap_compare: Compare, app_of: AppOf, fleet: View, past: Past) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await open_agent(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(app_of(fleet, past), run_before=play, terminal_size=(120, 36))
