"""The throughput of the last minutes."""

from __future__ import annotations

from typing import ClassVar, Final

from tui.view import View
from tui.widgets.timeseries import Scale, TimeSeries

SCALE: Final = Scale(span=10.0)
"""A task now and then is no storm."""


class Throughput(TimeSeries):
    """Tasks finished per second over time."""

    HELP: ClassVar[str] = (
        "Tasks finished per second, the newest at the right edge. A value is the mean of half a second; the axis ends "
        "at a round number above all that is on view, and never below ten tasks a second."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__("rate", title="throughput  tasks/s", scale=SCALE, id=id, classes=classes)

    def now(self, view: View) -> float | None:
        """The rate that the engine told last: over two seconds."""
        return view.frame.rate if view.frame is not None else None
