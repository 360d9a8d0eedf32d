"""Each shard of each pool: where tasks wait, how long, and whether the work is spread evenly."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container

from engine.stream.types import Topic
from tui.screens.base import LiveScreen
from tui.widgets.histogram import Histogram
from tui.widgets.shards import Handing, Shards
from tui.widgets.timeseries import Scale, TimeSeries


class QueuesScreen(LiveScreen):
    """The shards, the course of what waits, how long tasks wait, how large batches are, what cut them."""

    CSS_PATH: ClassVar[str] = "queues.tcss"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"queues", "shapes"})

    def panels(self) -> ComposeResult:
        """The shards over the rest."""
        yield Shards(id="shards", classes="panel").data_bind(LiveScreen.view)
        with Container(id="rest"):
            yield TimeSeries(
                "queued", title="waiting  tasks", scale=Scale(span=20.0), id="waiting", classes="panel"
            ).data_bind(LiveScreen.view)
            yield Histogram("wait", title="wait", empty="nothing has waited yet", id="wait", classes="panel").data_bind(
                LiveScreen.view
            )
            yield Histogram(
                "batch_out", title="tasks a batch", empty="no batch was sent", span=2, id="sizes", classes="panel"
            ).data_bind(LiveScreen.view)
            yield Handing(id="handing", classes="panel").data_bind(LiveScreen.view)
