"""What panels say to whoever came late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.stream.types import ShapesNow
from tui.app import ShoalApp
from tui.view import View
from tui.widgets.histogram import Histogram


@pytest.mark.parametrize(("screen", "panel"), [("1", "#spawns"), ("2", "#spawn")])
def test_agents_that_started_before_anybody_looked_are_not_denied(
    app_of: Callable[..., ShoalApp], drive: Callable[..., None], running: View, screen: str, panel: str
) -> None:
    assert running.frame is not None
    late = replace(running, shapes=ShapesNow(running.frame.at, 60.0, ()), measured={})

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press(screen)
        await pilot.pause()
        assert pilot.app.screen.query_one(panel, Histogram).text().strip() == "no agent started within a minute"

    drive(app_of(late), play, (120, 36))
