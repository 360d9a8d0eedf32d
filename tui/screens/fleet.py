"""The first screen: is all well, and if not, where?"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Footer

from tui.screens.base import LiveScreen
from tui.widgets.events import Events
from tui.widgets.fleet_map import FleetMap
from tui.widgets.header import Header
from tui.widgets.pools import Pools
from tui.widgets.throughput import Throughput
from tui.widgets.too_small import TooSmall


class FleetScreen(LiveScreen):
    """Every agent at once, the pools, the throughput and the last events."""

    CSS_PATH: ClassVar[str] = "fleet.tcss"

    def compose(self) -> ComposeResult:
        """The header, the map over everything else, and the keys."""
        yield TooSmall(id="too-small")
        yield Header(id="header").data_bind(LiveScreen.view, LiveScreen.behind, LiveScreen.phase)
        with Vertical(id="body"):
            yield FleetMap(id="map", classes="panel").data_bind(LiveScreen.view)
            with Container(id="below"):
                yield Pools(id="pools", classes="panel").data_bind(LiveScreen.view)
                yield Throughput(id="throughput", classes="panel").data_bind(LiveScreen.view)
                yield Events(id="events", classes="panel").data_bind(LiveScreen.view)
        yield Footer(show_command_palette=False)
