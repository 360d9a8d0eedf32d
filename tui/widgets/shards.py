"""Every shard on a line: how deep its queue was over time, how long tasks wait in it, whether it has its share."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from engine.stream.types import ShardView
from tui import draw
from tui import format as fmt
from tui.view import View
from tui.widgets.chart import ChartPanel
from tui.widgets.heat import heat_strip
from tui.widgets.lines import Line, Piece

MINIMUM_DEPTH: Final = 20.0
"""Waiting tasks that the scale always covers: a few are no heat."""
_UNEVEN: Final = 0.1
"""By how much a shard may differ from the mean of its pool before that is marked."""
_STRIP_MIN: Final = 10


class _Column(NamedTuple):
    title: str
    width: int
    weight: int
    """What goes first where there is no room: the lowest."""


_COLUMNS: Final = (
    _Column("agents", 6, 40), _Column("depth", 6, 100), _Column("p50", 6, 80), _Column("p95", 6, 70),
    _Column("p99", 6, 60), _Column("busy", 5, 50), _Column("balance", 8, 90), _Column("stolen", 6, 75),
    _Column("sent", 6, 30),
)  # fmt: skip


def shard_lines(view: View, width: int, height: int) -> list[Line]:
    """A heading and a line for each shard, pool by pool; those that find no line are told of in the last one."""
    queues = view.queues
    if queues is None or not queues.shards:
        told = "no shards yet" if queues is not None else "not recorded" if view.replay or view.over else "◌ measuring"
        return [*[()] * max((height - 1) // 2, 0), ((told.center(width), "quiet"),)]
    shown = list(queues.shards)
    rest = shown[height - 2 :] if len(shown) > height - 1 else []
    shown = shown[: height - 2] if rest else shown
    names = max(min(max(len(_name(shard)) for shard in shown), 16), 5)
    columns = list(_COLUMNS)
    while len(columns) > 2 and width - names - 2 - _width(columns) < _STRIP_MIN:
        columns.remove(min(columns, key=lambda column: column.weight))
    strip = max(width - names - 2 - _width(columns), 0)
    series = {name: view.depths.series(name, strip) for name in view.depths.names()}
    highest = max((value for values in series.values() for value in values if value == value), default=0.0)
    high = draw.nice_top(highest, MINIMUM_DEPTH)
    span = f"depth over {strip * 0.5:.0f} s, 0 to {fmt.si(high).replace('.0', '')}"
    titles = "".join(f" {column.title:>{column.width}}" for column in columns)
    heading: Line = ((fmt.pad("shard", names + 1) + fmt.pad(fmt.fit(span, strip), strip) + " " + titles, "quiet"),)
    lines = [heading]
    for shard in shown:
        key = f"{shard.pool}/{shard.shard}"
        heat = heat_strip(series.get(key, []), strip, high=high)
        lines.append(((fmt.pad(_name(shard), names), "strong"), (" ", ""), *heat, (" ", ""), *_cells(shard, columns)))
    if rest:
        depth = sum(shard.depth for shard in rest)
        lines.append(((fmt.fit(f"+{len(rest)} more shards, {fmt.count(depth)} tasks wait in them", width), "quiet"),))
    return lines


def _name(shard: ShardView) -> str:
    return f"{shard.pool}/{shard.shard}" if shard.shard >= 0 else f"{shard.pool} +{shard.more + 1}"


def _width(columns: list[_Column]) -> int:
    return sum(column.width + 1 for column in columns)


def _cells(shard: ShardView, columns: list[_Column]) -> Line:
    def time(value: float | None) -> str:
        return "-" if value is None else fmt.duration(value)

    uneven = abs(shard.balance - 1) > _UNEVEN and shard.sent > 0
    told: dict[str, Piece] = {
        "agents": (fmt.count(shard.agents), ""), "depth": (fmt.si(shard.depth), "strong" if shard.depth else "quiet"),
        "p50": (time(shard.wait.p50), ""), "p95": (time(shard.wait.p95), ""), "p99": (time(shard.wait.p99), ""),
        "busy": (fmt.percent(shard.used), ""),
        "balance": (f"{'▲' if uneven else ' '} {shard.balance:.2f}x", "warning" if uneven else ""),
        "stolen": (fmt.si(shard.stolen), "" if shard.stolen else "quiet"), "sent": (fmt.si(shard.sent), "quiet"),
    }  # fmt: skip
    return tuple(piece for c in columns for piece in ((" ", ""), (f"{told[c.title][0]:>{c.width}}", told[c.title][1])))


class Shards(ChartPanel):
    """Every shard of every pool."""

    BORDER_TITLE = " shards "
    HELP: ClassVar[str] = (
        "has a line for each shard of each pool: how many tasks waited in it over time, how long they waited before "
        "they were sent, within the last ten seconds, and how its share compares with the mean of its pool. **▲** "
        "marks one that is off by more than 10 %."
    )

    def made_of(self, view: View) -> object:
        """Queues, which are told twice a second."""
        return view.queues, view.over, view.replay is None

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The lines for this size."""
        return shard_lines(view, width, height)


class Handing(ChartPanel):
    """How batches were cut and agents found, pool by pool."""

    BORDER_TITLE = " batches "
    HELP: ClassVar[str] = (
        "tells what ended each batch (*full*: as many tasks as it may have; *time*: its time was up; *share*: others "
        "were to have some; *first*, *rest*: the first of a function, and what was left), whether it found an idle "
        "agent, and how many tasks were sent again or given back."
    )

    def made_of(self, view: View) -> object:
        """Queues, which are told twice a second."""
        return view.queues, view.over, view.replay is None

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The lines for this size."""
        return handing_lines(view, width, height)


def handing_lines(view: View, width: int, height: int) -> list[Line]:
    """For each pool a line of what cut its batches, one of where they went, one of what came back."""
    queues = view.queues
    if queues is None or not queues.pools:
        told = "not recorded" if view.replay or view.over else "◌ measuring"
        return [*[()] * max((height - 1) // 2, 0), ((told.center(width), "quiet"),)]
    lines: list[Line] = []
    for pool in queues.pools:
        batches = pool.hits + pool.waits + pool.colds
        hit = fmt.percent(pool.hits / batches) if batches else "-"
        lines.append(((fmt.fit(pool.pool, 16), "strong"), (f"  {pool.strategy}", "quiet")))
        lines.append(_facts("batches ", {**pool.flushes} or {"sent": 0}, width))
        lines.append(_facts("agents  ", {f"hit {hit}": pool.hits, "wait": pool.waits, "cold": pool.colds}, width))
        back = {"redelivered": pool.redelivered, "recalled": pool.recalled}
        lines.append(_facts("tasks   ", back, width))
    if len(lines) > height and len(queues.pools) > 1:  # what was sent, one line a pool
        lines = [
            ((fmt.pad(pool.pool, 10), "strong"), *_facts("", dict(pool.flushes), width - 10)) for pool in queues.pools
        ]
    return lines


def _facts(title: str, facts: dict[str, int], width: int) -> Line:
    pieces: list[Piece] = [(title, "quiet")]
    used = len(title)
    for name, count in sorted(facts.items(), key=lambda fact: -fact[1]):
        text = f" {fmt.si(count)}"
        if used + len(name) + len(text) + 2 > width:
            break
        pieces += [(f"{name}", "quiet"), (text, "strong" if count else "quiet"), ("  ", "")]
        used += len(name) + len(text) + 2
    return tuple(pieces)
