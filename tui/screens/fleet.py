"""The first screen: is all well, and if not, where?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.timer import Timer

from engine.stream.types import Condition, Topic
from tui.screens.base import LiveScreen
from tui.widgets.events import Events
from tui.widgets.fleet_alerts import FleetAlerts
from tui.widgets.fleet_map import FleetMap
from tui.widgets.histogram import Histogram
from tui.widgets.machine import Machine
from tui.widgets.pools import Pools
from tui.widgets.throughput import Throughput
from tui.widgets.too_small import HEIGHT_MIN, WIDTH_MIN

_REST: Final = 0.15
"""Seconds that the cursor rests on an agent before its details are asked for."""


class FleetScreen(LiveScreen):
    """Every agent at once, the pools, throughput and times, the machine, and what asks for attention."""

    CSS_PATH: ClassVar[str] = "fleet.tcss"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"cells", "metrics", "shapes"})
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-cramped"),
        (WIDTH_MIN, "-narrow"),
        (76, "-medium"),
        (110, "-wide"),
        (160, "-vast"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (HEIGHT_MIN, "-short"), (32, "-tall")]  # noqa: RUF012

    _asking: Timer | None = None

    def panels(self) -> ComposeResult:
        """The map and the last events; beside or under them everything else, the most important first."""
        with Container(id="main"):
            yield FleetMap(id="map", classes="panel").data_bind(LiveScreen.view)
            yield Events(id="events", classes="panel").data_bind(LiveScreen.view)
        with Container(id="side"):
            yield Pools(id="pools", classes="panel").data_bind(LiveScreen.view)
            yield Machine(id="machine", classes="panel").data_bind(LiveScreen.view)
            yield Throughput(id="throughput", classes="panel").data_bind(LiveScreen.view)
            yield Histogram(
                "run", title="task time", empty="no task has ended within a minute", id="run-times", classes="panel"
            ).data_bind(LiveScreen.view)
            yield Histogram(
                "spawn", title="spawn time", empty="no agent started within a minute", keep=True, id="spawns",
                classes="panel",
            ).data_bind(LiveScreen.view)  # fmt: skip
            yield FleetAlerts(id="alerts", classes="panel").data_bind(LiveScreen.view)

    def agents_wanted(self) -> Sequence[Condition] | None:
        """The one that is pointed at."""
        pointed = self.query_one(FleetMap).pointed if self.is_mounted else None
        return None if pointed is None else (Condition("agent", "=", [pointed]),)

    @on(FleetMap.Pointed)
    def agent_pointed(self) -> None:
        """Its pool is picked, and once the cursor rests, its details are asked for."""
        cursor = self.query_one(FleetMap).cursor
        self._pick(cursor[0] if cursor is not None else "")
        if self._asking is not None:
            self._asking.stop()
        self._asking = self.set_timer(_REST, self.shoal.want)

    @on(FleetMap.Chosen)
    def agent_chosen(self, event: FleetMap.Chosen) -> None:
        """One agent, in full."""
        self.shoal.open_agent(event.agent)

    @on(Pools.Picked)
    def pool_picked(self, event: Pools.Picked) -> None:
        """Its times are shown."""
        self._pick(event.pool)

    @on(Pools.Chosen)
    async def pools_chosen(self) -> None:
        """The pools, in full."""
        await self.shoal.action_mode("pools")

    def _pick(self, pool: str) -> None:
        self.query_one(Pools).show_picked(pool)
        for histogram in self.query(Histogram):
            histogram.show_pool(pool)

    @on(Events.Resized)
    def events_resized(self, event: Events.Resized) -> None:
        """Events that have a panel of their own need not be told twice."""
        self.query_one(FleetAlerts).with_events = event.height == 0
        self.query_one(FleetAlerts).redraw()
