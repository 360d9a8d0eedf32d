"""Lines that are painted alone: what a terminal shows after them is what it would show of everything painted anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from painted import Sheet, afresh, painted
from screen_runs import in_trouble
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from engine.stream.types import BUSY, DEAD, IDLE
from tui.app import ShoalApp
from tui.painting import LinesUpdate, PaintingScreen
from tui.themes import DARK, fallback_variables
from tui.view import View, fold
from tui.widgets.lines import Line, LineWidget

AppOf = Callable[..., ShoalApp]
WIDTH, HEIGHT = 120, 36


def paint(app: App[Any], play: Callable[[Pilot[Any], Callable[[], None]], Awaitable[None]]) -> None:
    """Play with an app; `check` compares what was painted with what should be."""

    async def session() -> None:
        sheet = Sheet(WIDTH, HEIGHT)
        async with app.run_test(size=(WIDTH, HEIGHT), notifications=True) as pilot:
            await pilot.pause()
            painted(app, sheet)
            app.refresh()
            await pilot.pause()

            def check() -> None:
                whole = afresh(app, WIDTH, HEIGHT)
                assert sheet.text() == whole.text()
                assert sheet.cells == whole.cells

            check()
            await play(pilot, check)

    asyncio.run(session())


def later(view: View, tenth: int, chance: random.Random) -> View:
    """The view a moment later: some agents do something else, all counts have moved on."""
    frame = view.frame
    assert frame is not None
    states = bytearray(view.cells)
    for place in chance.sample(range(len(states)), 30):
        states[place] = chance.choice((BUSY, IDLE, DEAD))
    pools = tuple(msgspec.structs.replace(pool, done=pool.done + 7, busy=pool.busy - tenth % 3) for pool in frame.pools)
    after = msgspec.structs.replace(
        frame, number=frame.number + 1, at=frame.at + 0.1, elapsed=frame.elapsed + 0.1, done=frame.done + 21,
        pools=pools, rate=frame.rate * chance.uniform(0.5, 1.5),
    )  # fmt: skip
    return fold(replace(view, cells=bytes(states)), after)


@pytest.mark.parametrize("key", "12345678")
@pytest.mark.parametrize("theme", ["", "shoal-ansi"])
def test_every_screen_is_painted_line_by_line(app_of: AppOf, feed_of: Any, running: View, key: str, theme: str) -> None:
    feed, chance = feed_of(in_trouble(running)), random.Random(int(key))

    async def play(pilot: Pilot[Any], check: Callable[[], None]) -> None:
        await pilot.press(key)
        await pilot.pause()
        check()
        for tenth in range(6):
            feed.push(later(feed.view, tenth, chance))
            await pilot.pause()
            check()
        for pressed in ("tab", "down", "l", "j", "n"):
            await pilot.press(pressed)
            check()

    paint(app_of(feed, theme=theme or None), play)


def test_what_lies_over_panels_stays_there(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed, chance = feed_of(running), random.Random(7)

    async def play(pilot: Pilot[Any], check: Callable[[], None]) -> None:
        pilot.app.notify("something has happened, over the panels at the right")
        await pilot.pause()
        for tenth in range(3):
            feed.push(later(feed.view, tenth, chance))
            await pilot.pause()
            check()
        await pilot.press("q")  # a question over all of it, through which one sees it
        await pilot.pause()
        for tenth in range(3):
            feed.push(later(feed.view, tenth, chance))
            await pilot.pause()
            check()
        await pilot.press("escape")
        await pilot.pause()
        check()

    paint(app_of(feed), play)


def test_a_key_is_painted_before_anything_else_happens(app_of: AppOf, running: View) -> None:
    app = app_of(running)
    sheet = Sheet(WIDTH, HEIGHT)

    async def session() -> None:
        async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
            await pilot.press("home")
            await pilot.pause()
            painted(app, sheet)
            await app.run_action("aside(1)", app.focused)

    asyncio.run(session())
    assert "▸ micro/1 " in sheet.text()


# -- lines alone -------------------------------------------------------------------------------------------------------


class Told(LineWidget[Line]):
    """Shows what it is told."""

    DEFAULT_CSS = "Told { height: 4; width: 20; border: round red; }"
    told: tuple[str, ...] = ("one", "two")

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """One a text."""
        return [((text, "strong"),) for text in self.told]


class Pair(App[None]):
    """Two of them, which may lie one over the other."""

    CSS = "Screen { layers: below above; } #over { layer: above; }"

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self._offset = offset
        self.updates: list[Any] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Ours, before the theme is there."""
        return fallback_variables(dark=True)

    def get_default_screen(self) -> PaintingScreen:
        """As all of ours."""
        return PaintingScreen()

    def compose(self) -> ComposeResult:
        """Both."""
        yield Told(id="under")
        over = Told(id="over")
        over.styles.offset = (self._offset, 0)
        yield over

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        self.updates.append(renderable)


@pytest.mark.parametrize(("offset", "alone"), [(40, True), (19, False), (5, False), (20, True)])
def test_only_what_stands_alone_is_painted_alone(offset: int, alone: bool) -> None:
    app = Pair(offset)

    async def session() -> None:
        async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
            await pilot.pause()
            under = app.query_one("#under", Told)
            app.updates.clear()
            under.told = ("one", "three")
            under.redraw()
            await pilot.pause()
            (update,) = app.updates
            if alone:
                assert isinstance(update, LinesUpdate)
                assert [(line.x, line.y, line.strip.text) for line in update.lines] == [(1, 2, f"{'three':<18}")]
                assert update.rest is None
            else:
                assert not isinstance(update, LinesUpdate)
                assert "three"[: offset - 1] in update.render_segments(app.console)

    asyncio.run(session())


def test_nothing_is_painted_where_nothing_has_changed() -> None:
    app = Pair(40)

    async def session() -> None:
        async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
            await pilot.pause()
            app.updates.clear()
            app.query_one("#under", Told).redraw()
            await pilot.pause()
            assert app.updates == []

    asyncio.run(session())
