"""ASCII, whoever draws it: our panels, or Textual."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from typing import Any

import pytest
from measured_views import measured
from rich.segment import Segment
from textual.color import Color
from textual.pilot import Pilot

from tui.app import ShoalApp
from tui.plain_lines import PlainLines
from tui.view import View

AppOf = Callable[..., ShoalApp]
Drive = Callable[..., None]

KEYS = {
    "help": ["question_mark"],
    "help of the plan": ["4", "question_mark"],
    "palette": ["ctrl+p"],
    "palette that is searched": ["ctrl+p", *"screen"],
    "settings": ["O"],
    "theme of the settings": ["O", "enter"],
    "leaving": ["q"],
    "filter": ["2", "slash", *"failed", "greater_than_sign", *"0"],
}


def shown(pilot: Pilot[Any]) -> str:
    return html.unescape(pilot.app.export_screenshot()).replace("\xa0", " ")


@pytest.mark.parametrize("size", [(60, 20), (120, 36)], ids=str)
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_all_of_it_is_ascii(app_of: AppOf, running: View, drive: Drive, keys: list[str], size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        before = shown(pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        after = shown(pilot)
        assert after != before
        assert {letter for letter in after if not letter.isascii()} == set()

    drive(app_of(measured(running), ascii=True), play, size)


@pytest.mark.parametrize("severity", ["information", "warning", "error"])
def test_short_messages(app_of: AppOf, running: View, severity: Any) -> None:
    async def play() -> None:
        app = app_of(running, ascii=True)
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            app.notify("nothing is sent … yet", title="▲ late", severity=severity)
            await pilot.pause()
            assert "nothing is sent ~ yet" in shown(pilot)
            assert "^ late" in shown(pilot)
            assert {letter for letter in shown(pilot) if not letter.isascii()} == set()

    asyncio.run(play())


def test_what_is_drawn_already_is_drawn_anew(app_of: AppOf, running: View, drive: Drive) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("O")
        await pilot.pause()
        assert not shown(pilot).isascii(), "or this could not fail"
        pilot.app.screen.query_one("#ascii").value = True  # type: ignore[attr-defined]
        await pilot.pause()
        assert {letter for letter in shown(pilot) if not letter.isascii()} == set()

    drive(app_of(running), play, (80, 24))


def test_arrows_are_told_from_other_keys(app_of: AppOf, running: View, drive: Drive) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "left, h" in shown(pilot)
        assert "up, k" in shown(pilot)

    drive(app_of(running, ascii=True), play)


def test_as_many_cells_and_the_words_of_users() -> None:
    (segment,) = PlainLines().apply([Segment("▐X▌ 🔎 größe ▔…")], Color(0, 0, 0))
    assert segment.text == "[X] /  größe -~"
    assert segment.cell_length == Segment("▐X▌ 🔎 größe ▔…").cell_length
