"""The lines of the table of pools, and what is told of the one that is selected. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len

from engine.stream.types import PoolMetrics, PoolQueue, PoolView
from tui import draw
from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, Piece
from tui.widgets.rows import GUTTER, RowLine, thumb

ALL: Final = "all pools"
_STATES: Final = (("busy", "█"), ("starting", "◌"), ("draining", "▽"), ("idle", "░"), ("dead", "✕"))
_NAME_MIN, _NAME_MAX = 5, 16
_NAME_SHARE: Final = 5
"""Names take no more than one part in so many."""
_BAR_MIN, _BAR_MAX = 8, 40
_RECENT: Final = 10.0
"""Seconds of the window that is told of as "now"."""
_FULL: Final = 7
"""Characters of a number in full: 999,999."""


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """All that is known of one pool, or of all together.

    Attributes:
        view: of the frame; sums, where it stands for all.
        queue: how it hands out tasks; None: not told yet.
        windows: what was measured, by seconds, 0 for all since the run began; empty for all pools together.
        rate: tasks finished per second, None where nobody can say.
        whole: stands for all pools.
    """

    view: PoolView
    queue: PoolQueue | None = None
    windows: Mapping[float, PoolMetrics] = field(default_factory=dict)
    rate: float | None = None
    whole: bool = False

    @property
    def there(self) -> int:
        """Agents that live, or begin to."""
        pool = self.view
        return pool.starting + pool.idle + pool.busy + pool.draining

    @property
    def most(self) -> int:
        """Agents that there may be, at the least as many as there are."""
        return max(self.view.maximum, self.there + self.view.dead)

    @property
    def bounds(self) -> str:
        """``72..400``, or one number for a pool that always has as many."""
        least, most = self.view.minimum, self.view.maximum
        return fmt.count(most) if least == most else f"{fmt.count(least)}..{fmt.count(most)}"

    @property
    def hits(self) -> float | None:
        """Share of the batches that found an idle agent, since the run began."""
        queue = self.queue
        if queue is not None:
            batches = queue.hits + queue.waits + queue.colds
            return queue.hits / batches if batches else None
        whole = self.windows.get(0.0)
        return whole.hits if whole is not None else None

    @property
    def recent(self) -> PoolMetrics | None:
        """What was measured within the last seconds."""
        return self.windows.get(_RECENT)


def facts_of(view: View) -> list[PoolFacts]:
    """All pools; where there are several, all of them together come first."""
    if view.frame is None:
        return []
    queues = {queue.pool: queue for queue in view.queues.pools} if view.queues is not None else {}
    windows: dict[str, dict[float, PoolMetrics]] = {}
    for one in view.metrics.windows if view.metrics is not None else ():
        windows.setdefault(one.pool, {})[one.window] = one
    found = []
    for pool in view.frame.pools:
        measured = windows.get(pool.name, {})
        recent = measured.get(_RECENT)
        found.append(PoolFacts(pool, queues.get(pool.name), measured, recent.rate if recent is not None else None))
    return [together(found, view.frame.rate), *found] if len(found) > 1 else found


def together(pools: Sequence[PoolFacts], rate: float) -> PoolFacts:
    """All pools as one."""
    views = [pool.view for pool in pools]
    sums = {name: sum(getattr(view, name) for view in views) for name in PoolView.__struct_fields__[2:]}
    view = PoolView(ALL, views[0].first, **sums)
    queues = [pool.queue for pool in pools if pool.queue is not None]
    return PoolFacts(view, _queue(queues) if len(queues) == len(pools) else None, {}, rate, whole=True)


def _queue(queues: Sequence[PoolQueue]) -> PoolQueue:
    """The sums of several. Work that waits is known if it is of all."""

    def added(name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for queue in queues:
            for reason, count in getattr(queue, name).items():
                found[reason] = found.get(reason, 0) + count
        return found

    numbers = ("hits", "waits", "colds", "started", "unstarted", "grown", "redelivered", "recalled", "memory")
    sums = {name: sum(getattr(queue, name) for queue in queues) for name in numbers}
    work = [queue.occupancy for queue in queues]
    strategies = {queue.strategy for queue in queues}
    return PoolQueue(
        pool=ALL, strategy=strategies.pop() if len(strategies) == 1 else "", flushes=added("flushes"),
        refills=added("refills"), exits=added("exits"),
        occupancy=None if None in work else sum(each or 0.0 for each in work), **sums,
    )  # fmt: skip


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table.

    Attributes:
        title: of the heading.
        width: cells.
        keep: how much it is worth where not all find room.
        write: what stands in it.
    """

    title: str
    width: int
    keep: int
    write: Callable[[PoolFacts], Piece]


def _number(name: str, ink: str = "") -> Callable[[PoolFacts], Piece]:
    """A field of the frame; 0 is quiet, and more is in this ink."""

    def write(pool: PoolFacts) -> Piece:
        value = getattr(pool.view, name)
        return fmt.si(value), ink if value else "quiet"

    return write


def _sum(name: str) -> Callable[[PoolFacts], Piece]:
    """A count by reason, summed up."""

    def write(pool: PoolFacts) -> Piece:
        if pool.queue is None:
            return "-", "quiet"
        value = sum(getattr(pool.queue, name).values())
        return fmt.si(value), "" if value else "quiet"

    return write


def _hits(pool: PoolFacts) -> Piece:
    return ("-", "quiet") if pool.hits is None else (fmt.percent(pool.hits, 1), "")


def _rate(pool: PoolFacts) -> Piece:
    return ("-", "quiet") if pool.rate is None else (fmt.si(pool.rate), "")


def _recycled(pool: PoolFacts) -> Piece:
    if pool.queue is None:
        return "-", "quiet"
    value = pool.queue.exits.get("recycled", 0)
    return fmt.si(value), "" if value else "quiet"


_COLUMNS: Final = (
    Column("agents", _FULL, 99, lambda pool: (fmt.count(pool.there), "strong")),
    Column("min..max", 13, 52, lambda pool: (pool.bounds, "quiet")),
    Column("busy", _FULL, 95, lambda pool: (fmt.count(pool.view.busy), "busy" if pool.view.busy else "quiet")),
    Column("idle", _FULL, 60, lambda pool: (fmt.count(pool.view.idle), "" if pool.view.idle else "quiet")),
    Column("start", 6, 50, _number("starting", "starting")),
    Column("drain", 6, 30, _number("draining", "draining")),
    Column("dead", 5, 62, _number("dead", "dead")),
    Column("queued", 7, 90, _number("queued")),
    Column("rate", 6, 80, _rate),
    Column("done", 6, 85, _number("done")),
    Column("failed", 7, 82, _number("failed", "error")),
    Column("restarts", 9, 65, _number("restarts", "warning")),
    Column("hit", 7, 70, _hits),
    Column("refills", 8, 45, _sum("refills")),
    Column("exits", 6, 40, _sum("exits")),
    Column("recycled", 9, 35, _recycled),
)


def columns_for(names: int, width: int) -> tuple[list[Column], int]:
    """The columns that find room beside names of so many cells, and the cells of the bar; 0 for none."""
    room = width - GUTTER - names - 1
    chosen = list(_COLUMNS)
    while chosen and sum(column.width + 1 for column in chosen) + _BAR_MIN + 3 > room:
        least = min(chosen, key=lambda column: column.keep)
        if least.keep >= _BAR_WORTH:
            break
        chosen.remove(least)
    left = room - sum(column.width + 1 for column in chosen) - 3
    if left >= _BAR_MIN:
        return chosen, min(left, _BAR_MAX)
    while chosen and sum(column.width + 1 for column in chosen) > room + 1:
        chosen.remove(min(chosen, key=lambda column: column.keep))
    return chosen, 0


_BAR_WORTH: Final = 82
"""Columns that are worth more than the bar."""


def name_width(pools: Sequence[PoolFacts], width: int) -> int:
    """Cells for the names."""
    longest = max((cell_len(pool.view.name) for pool in pools), default=_NAME_MIN)
    return min(longest, _NAME_MAX, max(width // _NAME_SHARE, _NAME_MIN))


def table_lines(pools: Sequence[PoolFacts], selected: int, top: int, width: int, height: int) -> list[RowLine]:
    """The heading, and a line for each pool from `top` on."""
    names = name_width(pools, width)
    columns, bar = columns_for(names, width - 2)
    titles = "".join(f"{column.title:>{column.width + 1}}" for column in columns)
    before = " " * (GUTTER + names + (bar + 3 if bar else 0))
    lines = [RowLine(((before + titles, "quiet"),), row=False)]
    sight = range(top, min(top + height - 1, len(pools)))
    thumbs = thumb(len(pools), sight, height - 1)
    for line, number in enumerate(sight):
        pool = pools[number]
        pieces: list[Piece] = [(fmt.pad(pool.view.name, names), "quiet" if pool.whole else "strong")]
        if bar:
            pieces += [(" ▕", "track"), *size_bar(pool, bar), ("▏", "track")]
        for column in columns:
            text, ink = column.write(pool)
            pieces.append((f"{text:>{column.width + 1}}", ink))
        lines.append(RowLine(tuple(pieces), True, number == selected, False, thumbs[line]))
    return lines


def size_bar(pool: PoolFacts, width: int) -> list[Piece]:
    """What the agents do, over as many as there may be; a line where the pool is as small as it gets."""
    parts = [getattr(pool.view, name) for name, _ in _STATES]
    room = max(pool.most - sum(parts), 0)
    cells = draw.shares([*parts, room], width)
    glyphs = [(glyph, name) for (name, glyph), n in zip(_STATES, cells, strict=False) for _ in range(n)]
    glyphs += [(" ", "")] * (width - len(glyphs))
    least, most = pool.view.minimum, pool.most
    if not pool.whole and pool.there and 0 < least < most:
        at = min(int(least / most * width), width - 1)
        glyphs[at] = ("┃", "strong")
    pieces: list[Piece] = []
    for glyph, ink in glyphs:
        if pieces and pieces[-1][1] == ink:
            pieces[-1] = (pieces[-1][0] + glyph, ink)
        else:
            pieces.append((glyph, ink))
    return pieces


# -- the selected one --------------------------------------------------------------------------------------------------


LABEL: Final = 13
"""Cells for what a line is about."""


def fact_lines(pool: PoolFacts, width: int, height: int) -> list[Line]:
    """What the table has no room for: one line a subject, the most important first."""
    view, queue, recent = pool.view, pool.queue, pool.recent
    parts: list[tuple[str, list[Piece]]] = []
    dead = (f"{fmt.count(view.dead)} dead", "dead" if view.dead else "quiet")
    parts.append(("size", [(f"{fmt.count(pool.there)} of {pool.bounds}", "strong"), dead]))
    if queue is not None:
        hits: list[Piece] = [(fmt.percent(pool.hits, 1) if pool.hits is not None else "-", "strong")]
        if recent is not None and recent.hits is not None:
            hits.append((f"{fmt.percent(recent.hits, 1)} now", "quiet"))
        parts.append(("hit", [*hits, *_told({"waited": queue.waits, "cold": queue.colds})]))
        parts.append(("spawns", _told({"": queue.started, "failed": queue.unstarted, "grown": queue.grown})))
        parts.append(("exits", _told({"": sum(queue.exits.values()), **_by_count(queue.exits)})))
        parts.append(("refills", _told({"": sum(queue.refills.values()), **_by_count(queue.refills)})))
        again = {"": queue.redelivered, "given back": queue.recalled}
        parts.append(("redelivered", _told(again)))
    if recent is not None and recent.run.p50 is not None:
        pieces = [(f"{fmt.duration(recent.run.p50)} p50", "strong")]
        if recent.wait.p99 is not None:
            pieces.append((f"after a wait of {fmt.duration(recent.wait.p99)} p99", "quiet"))
        parts.append(("tasks", pieces))
    if queue is not None:
        pieces = [(fmt.size(queue.memory), "strong")]
        if queue.occupancy is not None:
            pieces.append((f"{fmt.duration(queue.occupancy)} of work waits", "quiet"))
        parts.append(("memory", pieces))
        if queue.strategy:
            parts.append(("placing", [(queue.strategy, "")]))
    return [_line(name, pieces, width) for name, pieces in parts[:height]]


def _line(label: str, pieces: Sequence[Piece], width: int) -> Line:
    """As much of it as fits; nothing is cut but what stands first."""
    (first, ink), *rest = pieces
    first = fmt.fit(first, width - LABEL)
    line: list[Piece] = [(f"{label:<{LABEL}}", "quiet"), (first, ink)]
    used = LABEL + len(first)
    for text, ink in rest:
        used += len(text) + 2
        if used > width:
            break
        line.append((f"  {text}", ink))
    return tuple(line)


def _by_count(reasons: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda pair: -pair[1]))


def _told(counts: Mapping[str, int]) -> list[Piece]:
    """``12  9 crash  3 oom``: the first stands for itself; those that are 0 are left out."""
    pieces: list[Piece] = []
    for name, count in counts.items():
        if not name:
            pieces.append((fmt.count(count), "strong" if count else "quiet"))
        elif count:
            pieces.append((f"{fmt.si(count)} {name.replace('_', ' ')}", "quiet"))
    return pieces
