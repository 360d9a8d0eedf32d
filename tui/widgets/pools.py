"""The pools of a fleet as a small table with bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message

from engine.stream.types import MetricsNow, PoolMetrics, PoolView
from tui import draw
from tui import format as fmt
from tui.commands import Command, bindings
from tui.view import View
from tui.widgets.lines import Line, Panel, Piece

_BAR_GLYPHS: Final = (("busy", "█"), ("starting", "◌"), ("draining", "▽"), ("idle", "░"), ("dead", "✕"))
_NAME_MIN, _NAME_MAX = 4, 14
_BAR_MIN, _BAR_MAX = 6, 40


@dataclass(frozen=True, slots=True)
class PoolRow:
    """What there is to tell of a pool."""

    pool: PoolView
    measured: PoolMetrics | None = None
    """Within the last seconds."""


class _Column(NamedTuple):
    title: str
    width: int
    tell: Callable[[PoolRow], str]
    alarm: str = ""
    """The ink of a number above 0."""


def _of_pool(field: str) -> Callable[[PoolRow], str]:
    return lambda row: fmt.si(getattr(row.pool, field))


def _rate(row: PoolRow) -> str:
    return "-" if row.measured is None or row.measured.rate is None else fmt.si(row.measured.rate)


def _hits(row: PoolRow) -> str:
    return "-" if row.measured is None or row.measured.hits is None else fmt.percent(row.measured.hits, 1)


def _p99(row: PoolRow) -> str:
    return "-" if row.measured is None or row.measured.run.p99 is None else fmt.duration(row.measured.run.p99)


_NUMBERS: Final = (
    _Column("queued", 6, _of_pool("queued")),
    _Column("hits", 6, _hits),
    _Column("failed", 6, _of_pool("failed"), "error"),
    _Column("per s", 6, _rate),
    _Column("p99", 6, _p99),
    _Column("restarts", 8, _of_pool("restarts"), "warning"),
    _Column("done", 6, _of_pool("done")),
)
"""Beside the busy ones of all, in the order of their worth."""


def pool_rows(view: View) -> list[PoolRow]:
    """The pools of a view, with what was measured of them in the shortest window."""
    measured = _shortest(view.metrics) if view.metrics is not None else {}
    return [PoolRow(pool, measured.get(pool.name)) for pool in (view.frame.pools if view.frame is not None else ())]


def _shortest(metrics: MetricsNow) -> dict[str, PoolMetrics]:
    found: dict[str, PoolMetrics] = {}
    for told in metrics.windows:
        before = found.get(told.pool)
        if told.window and (before is None or told.window < before.window):
            found[told.pool] = told
    return found


def pool_lines(rows: Sequence[PoolRow], width: int, height: int, picked: str = "") -> list[Line]:
    """A heading, where there is room for it, and a line for each pool; pools that find no line are summed up in the
    last one.
    """
    if not rows:
        return [(("no pools yet", "quiet"),)]
    heading = len(rows) < height
    room = height - heading
    shown = list(rows)
    if len(shown) > room > 1:
        rest = shown[room - 1 :]
        shown = [*shown[: room - 1], PoolRow(_sum(f"+{len(rest)} more", [row.pool for row in rest]))]
    name_width = min(max(_NAME_MIN, *(len(row.pool.name) for row in shown)), _NAME_MAX) + 1
    sizes = max(len(fmt.count(row.pool.size)) for row in shown)
    busy = max(sizes * 2 + 1, len("busy/size"))
    columns = [*_NUMBERS]
    # The least important column stands at the right and goes first.
    while columns and _bar_width(name_width, busy, columns, width) < _BAR_MIN:
        columns.pop()
    bar = min(max(_bar_width(name_width, busy, columns, width), 0), _BAR_MAX)
    lines = [_line(row, name_width, bar, (busy, sizes), columns, row.pool.name == picked) for row in shown]
    if heading:
        titles = ("busy".rjust(busy - sizes - 1) + "/size".ljust(sizes + 1))[:busy]
        if sizes < 4:  # the stroke can't stand above the others
            titles = "busy/size".rjust(busy)
        titles += "".join(f" {column.title:>{column.width}}" for column in columns)
        lines.insert(0, ((" " * (name_width + 4 + bar) + titles, "quiet"),))
    return lines


def _bar_width(name_width: int, busy: int, columns: Iterable[_Column], width: int) -> int:
    return width - name_width - 4 - busy - sum(column.width + 1 for column in columns)


def _line(
    row: PoolRow, name_width: int, bar: int, widths: tuple[int, int], columns: Iterable[_Column], picked: bool
) -> Line:
    pool = row.pool
    cells = draw.shares([getattr(pool, name) for name, _ in _BAR_GLYPHS], bar)
    ink = "brand" if picked else "strong"
    pieces: list[Piece] = [("▸" if picked else " ", ink), (fmt.pad(pool.name, name_width - 1), ink), (" ▕", "track")]
    pieces += [(glyph * n, name) for (name, glyph), n in zip(_BAR_GLYPHS, cells, strict=True) if n]
    pieces += [(" " * (bar - sum(cells)), ""), ("▏ ", "track")]
    busy, sizes = widths
    pieces += [(fmt.count(pool.busy).rjust(busy - sizes - 1), "strong")]
    pieces += [(f"/{fmt.count(pool.size)}".ljust(sizes + 1), "quiet")]
    for column in columns:
        told = column.tell(row)
        pieces.append((f" {told:>{column.width}}", "quiet" if told in ("0", "-") else column.alarm))
    return tuple(piece for piece in pieces if piece[0])


def _sum(name: str, pools: Sequence[PoolView]) -> PoolView:
    fields = PoolView.__struct_fields__[2:]
    sums = {field: sum(getattr(pool, field) for pool in pools) for field in fields}
    return PoolView(name=name, first=pools[0].first, **sums)


class Pools(Panel[Line]):
    """Every pool: how many are busy, and what came of the work. One can be picked."""

    BORDER_TITLE = " pools "
    HELP: ClassVar[str] = (
        "Each pool: its agents by state as a bar, how many are busy, tasks that wait (**queued**), batches that found "
        "an idle agent at once (**hits**), and what was measured within the last ten seconds. The histograms show the "
        "pool that is picked."
    )
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("pools.up", "up,k", "pick(-1)", "Up", "To the pool above", palette=False),
        Command("pools.down", "down,j", "pick(1)", "Down", "To the pool below", palette=False),
        Command("pools.open", "enter", "open", "Agents", "Show the pools, and their agents", 70, "⏎"),
        Command("pools.clear", "escape", "unpick", "All", "Pick none: the histograms show all pools", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    class Picked(Message):
        """Another pool was picked, or none: ""."""

        def __init__(self, pool: str) -> None:
            super().__init__()
            self.pool = pool

    class Chosen(Message):
        """The pools are to be shown in full."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.picked = ""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The table for this size."""
        return pool_lines(pool_rows(view), width, height, self.picked)

    def show_picked(self, pool: str) -> None:
        """Mark this one."""
        if pool != self.picked:
            self.picked = pool
            self.redraw()
            self.refresh_bindings()

    def _names(self) -> list[str]:
        return [pool.name for pool in self.view.frame.pools] if self.view.frame is not None else []

    def action_pick(self, step: int) -> None:
        """The next pool, or the one before."""
        names = self._names()
        if names:
            at = names.index(self.picked) + step if self.picked in names else 0 if step > 0 else len(names) - 1
            self.post_message(self.Picked(names[min(max(at, 0), len(names) - 1)]))

    def action_unpick(self) -> None:
        """None."""
        self.post_message(self.Picked(""))

    def action_open(self) -> None:
        """All about them."""
        self.post_message(self.Chosen())

    def on_click(self, event: Click) -> None:
        """The pool in that line; a second time, all about it."""
        offset = event.get_content_offset(self)
        names = self._names()
        heading = len(names) < self.size.height
        if offset is not None and 0 <= offset.y - heading < len(names):
            name = names[offset.y - heading]
            self.post_message(self.Chosen() if name == self.picked else self.Picked(name))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to leave where none is picked."""
        return bool(self.picked) if action == "unpick" else super().check_action(action, parameters)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A heading and a line a pool; the stylesheet says when it is enough."""
        return 1 + max(1, len(self._names()))

    def watch_view(self, old: View, new: View) -> None:  # type: ignore[override]
        """A new view; another number of pools needs another height."""
        before, after = (len(view.frame.pools) if view.frame is not None else 0 for view in (old, new))
        if before != after:
            self.refresh(layout=True)
        super().watch_view()
