"""What is to be told of the selected pool beside the table: courses, and where its agents come from and go to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Final

from textual.content import Content

from tui import draw
from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, Panel
from tui.widgets.pool_lines import LABEL, PoolFacts, fact_lines, facts_of
from tui.widgets.sparkline import sparkline

_QUEUE_SPAN: Final = 10.0
"""Tasks that the axis of a queue covers at the least: a few that wait are no jam."""
_VALUE: Final = 5


def course_lines(view: View, pool: PoolFacts, width: int) -> list[Line]:
    """How busy the pool was of late, and how many tasks waited: half a second a cell."""
    cells = width - LABEL - _VALUE - 2
    busy = _series(view, pool, "busy")
    queued = _series(view, pool, "queued")[-max(cells, 1) :]
    share = pool.view.busy / pool.there if pool.there else 0.0
    top = draw.nice_top(max((value for value in queued if not math.isnan(value)), default=0.0), _QUEUE_SPAN)
    return [
        _course("busy", fmt.percent(share), sparkline(busy, cells, high=1.0)),
        _course("queue", fmt.si(pool.view.queued), sparkline(queued, cells, high=top)),
    ]


def _course(label: str, value: str, line: str) -> Line:
    return ((f"{label:<{LABEL}}", "quiet"), (f"{value:>{_VALUE}}", "strong"), ("  ", ""), (line, "busy"))


def _series(view: View, pool: PoolFacts, what: str) -> Sequence[float]:
    """A series of the pool, or that of the run, which has the agents that are busy, not their share."""
    if not pool.whole:
        return view.history.series(f"{pool.view.name}:{what}")
    values = view.history.series(what)
    return [value / pool.there if pool.there else 0.0 for value in values] if what == "busy" else values


class PoolCard(Panel[Line]):
    """The selected pool in words and numbers."""

    HELP: ClassVar[str] = (
        "More of the selected pool: how many of its agents were busy and how many tasks waited, half a second a "
        "cell, how batches came by an agent, which starts went well, why agents ended and were replaced."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.pool: str | None = None
        self.border_title = " all pools "

    def show_pool(self, pool: str | None) -> None:
        """Of this one from now on; None: of all."""
        if pool != self.pool:
            self.pool = pool
            title = f" pool  {fmt.clean(pool)} " if pool is not None else " all pools "
            self.border_title = Content(title)  # not a text: it may be called anything
            self.redraw()

    def made_of(self, view: View) -> object:
        """What is measured twice a second, and the steps of its courses; sizes of pools are told beside it at once."""
        sizes = [(pool.minimum, pool.maximum) for pool in view.frame.pools] if view.frame is not None else []
        return view.hello, view.history.last, view.queues, view.metrics, sizes

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """As much as there is room for."""
        pools = facts_of(view)
        pool = next((pool for pool in pools if not pool.whole and pool.view.name == self.pool), None)
        pool = pool or (pools[0] if pools else None)
        if pool is None:
            return [(("no pools yet", "quiet"),)]
        courses = course_lines(view, pool, width) if height >= 4 else []
        return [*courses, *fact_lines(pool, width, height - len(courses))]
