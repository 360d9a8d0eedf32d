"""The pools of a fleet as a small table with bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.geometry import Size

from engine.stream.types import PoolView
from tui import draw
from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, LineWidget, Piece

_BAR_GLYPHS = (("busy", "█"), ("starting", "◌"), ("draining", "▽"), ("idle", "░"), ("dead", "✕"))
_NAME_MIN, _NAME_MAX = 4, 14
_BAR_MIN, _BAR_MAX = 6, 40


class _Column(NamedTuple):
    title: str
    width: int
    field: str
    alarm: str
    """The ink of a number above 0."""


_NUMBERS = (
    _Column("busy/size", 9, "busy", ""),
    _Column("queued", 6, "queued", ""),
    _Column("done", 6, "done", ""),
    _Column("failed", 6, "failed", "error"),
    _Column("restarts", 8, "restarts", "warning"),
)


def pool_lines(pools: Sequence[PoolView], width: int, height: int) -> list[Line]:
    """A heading and a line for each pool; pools that find no line are summed up in the last one."""
    if not pools:
        return [(("no pools yet", "quiet"),)]
    shown = list(pools)
    if len(shown) > height - 1 > 1:
        rest = shown[height - 2 :]
        shown = [*shown[: height - 2], _sum(f"+{len(rest)} more", rest)]
    name_width = min(max(_NAME_MIN, *(len(pool.name) for pool in shown)), _NAME_MAX)
    sizes = max(len(fmt.count(pool.size)) for pool in shown)
    busy = max(sizes * 2 + 1, len(_NUMBERS[0].title))
    columns = [_NUMBERS[0]._replace(width=busy), *_NUMBERS[1:]]
    # The least important column stands at the right and goes first.
    while len(columns) > 1 and _bar_width(name_width, columns, width) < _BAR_MIN:
        columns.pop()
    bar = min(max(_bar_width(name_width, columns, width), 0), _BAR_MAX)
    titles = "".join(f" {column.title:>{column.width}}" for column in columns)
    heading: Line = ((" " * (name_width + 3 + bar) + titles, "quiet"),)
    return [heading, *(_line(pool, name_width, bar, columns) for pool in shown)]


def _bar_width(name_width: int, columns: Iterable[_Column], width: int) -> int:
    return width - name_width - 3 - sum(column.width + 1 for column in columns)


def _line(pool: PoolView, name_width: int, bar: int, columns: Iterable[_Column]) -> Line:
    states = [getattr(pool, name) for name, _ in _BAR_GLYPHS]
    cells = draw.shares(states, bar)
    pieces: list[Piece] = [(fmt.pad(pool.name, name_width), "strong"), (" ▕", "track")]
    pieces += [(glyph * n, name) for (name, glyph), n in zip(_BAR_GLYPHS, cells, strict=True) if n]
    pieces += [(" " * (bar - sum(cells)), ""), ("▏", "track")]
    for column in columns:
        value = getattr(pool, column.field)
        if column.field == "busy":
            size = f"/{fmt.count(pool.size)}"
            pieces += [(f" {fmt.count(value):>{column.width - len(size)}}", "strong"), (size, "quiet")]
        else:
            ink = "quiet" if not value else column.alarm
            pieces.append((f" {fmt.si(value):>{column.width}}", ink))
    return tuple(pieces)


def _sum(name: str, pools: Sequence[PoolView]) -> PoolView:
    fields = PoolView.__struct_fields__[2:]
    sums = {field: sum(getattr(pool, field) for pool in pools) for field in fields}
    return PoolView(name=name, first=pools[0].first, **sums)


class Pools(LineWidget[Line]):
    """Every pool: how many are busy, and what came of the work."""

    BORDER_TITLE = " pools "

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The table for this size."""
        return pool_lines(view.frame.pools if view.frame is not None else (), width, height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A heading and a line a pool; the stylesheet says when it is enough."""
        return 1 + max(1, len(self.view.frame.pools) if self.view.frame is not None else 0)

    def watch_view(self, old: View, new: View) -> None:  # type: ignore[override]
        """A new view; another number of pools needs another height."""
        before, after = (len(view.frame.pools) if view.frame is not None else 0 for view in (old, new))
        if before != after:
            self.refresh(layout=True)
        super().watch_view()
