"""Which agent stands where on a map of a fleet: every one has a place, at the largest scale for which there is room.
Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Final, NamedTuple, TypeAlias

from tui import format as fmt

Pool: TypeAlias = tuple[str, int, int]
"""Name, first agent, size."""

_NAME_MAX: Final = 12
_ONE_LINE_EXTRA: Final = 6
"""Cells by which a label may be wider because name and size of a small pool stand in one line."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large an agent is drawn.

    Attributes:
        wide: cells of a place, with the gap to the next.
        high: lines of a row of places, with the gap to the next.
        solid: those that are no gap.
        half: whether a place is half a cell: the first two agents stand one above the other, then the next two.
        per: agents in a place.
    """

    wide: int
    high: int = 1
    solid: int = 1
    half: bool = False
    per: int = 1

    @property
    def gap(self) -> int:
        """Cells between two places."""
        return 1 if self.wide > 1 else 0

    def room(self, cells: int) -> int:
        """Agents in a line of so many cells."""
        return cells // self.wide * self.stack

    @property
    def stack(self) -> int:
        """Agents one above the other, in the same column of a row."""
        return (2 if self.half else 1) * self.per


CARD: Final = Scale(13, high=4, solid=3)
"""Room for a word about the agent."""
LARGE: Final = Scale(5, high=3, solid=2)
TILE: Final = Scale(3, high=2)
ROOMY: Final = Scale(2)
GLYPH: Final = Scale(1)
HALF: Final = Scale(1, half=True)


class Row(NamedTuple):
    """Agents of a pool beside each other."""

    pool: int
    line: int
    """The first of its lines."""
    first: int
    end: int
    """Behind its last one."""


class Place(NamedTuple):
    """Where an agent stands: which row, how many columns from its left, and whether in the lower half."""

    row: int
    column: int
    lower: bool


@dataclass(frozen=True)
class Plan:
    """A map of a fleet, for one size."""

    scale: Scale
    labels: int
    """Width of the labels left of the places, the gap included."""
    lines: tuple[tuple[str, str], ...]
    """The labels of each line: the name of a pool, and its size; one of them, both, or none."""
    rows: tuple[Row, ...]
    pools: tuple[Pool, ...]
    """Those that have a place."""
    unseen: tuple[int, int] = (0, 0)
    """Pools that found no line at all, and their agents."""

    @cached_property
    def _firsts(self) -> list[int]:
        return [row.first for row in self.rows]

    @cached_property
    def by_line(self) -> dict[int, Row]:
        """The rows by all lines they take; the gap under a row counts as it."""
        return {row.line + more: row for row in self.rows for more in range(self.scale.high)}

    @property
    def last(self) -> int:
        """The last agent that has a place."""
        return self.rows[-1].end - 1

    def place_of(self, agent: int) -> Place | None:
        """Where an agent stands; None: nowhere."""
        number = bisect_right(self._firsts, agent) - 1
        if number < 0 or agent >= self.rows[number].end:
            return None
        column, rest = divmod(agent - self.rows[number].first, self.scale.stack)
        return Place(number, column, rest >= self.scale.per)

    def agents_of(self, place: Place) -> range:
        """Those that share a place; none, if it is empty."""
        row = self.rows[place.row]
        first = row.first + place.column * self.scale.stack + place.lower * self.scale.per
        return range(first, min(first + self.scale.per, row.end))

    def agents_at(self, x: int, line: int) -> range:
        """The agents under a cell, of both halves; the gap behind an agent counts as it."""
        row = self.by_line.get(line)
        column = (x - self.labels) // self.scale.wide
        if row is None or column < 0:
            return range(0)
        first = row.first + column * self.scale.stack
        return range(first, min(first + self.scale.stack, row.end))

    def among(self, agent: int) -> range:
        """All agents that share the place of this one."""
        place = self.place_of(agent)
        return range(agent, agent + 1) if place is None else self.agents_of(place)

    # -- steps, each to the first agent of a place; at the ends of the fleet they stay ---------------------------------

    def aside(self, agent: int, columns: int) -> int:
        """So many columns on, or back; from the end of a row to the next."""
        at = self.place_of(agent)
        if at is None:
            return self.rows[0].first
        column, row = at.column + columns, self.rows[at.row]
        if column < 0:
            if at.row == 0:
                return agent
            at, column = at._replace(row=at.row - 1), self._columns(at.row - 1) - 1
        elif column >= self._columns(at.row):
            if row.end - 1 == self.last:
                return agent
            at, column = at._replace(row=at.row + 1), 0
        return self._nearest(at._replace(column=column))

    def beneath(self, agent: int, places: int) -> int:
        """So many places down, or up, in the same column as far as there is one."""
        at = self.place_of(agent)
        if at is None:
            return self.rows[0].first
        halves = 2 if self.scale.half else 1
        row, lower = divmod(at.row * halves + at.lower + places, halves)
        if not 0 <= row < len(self.rows):
            return agent
        place = Place(row, min(at.column, self._columns(row) - 1), bool(lower))
        if self.agents_of(place) or places < 0:
            return self._nearest(place)
        return self.beneath(agent, places + 1)  # there is nobody in the lower half

    def pool_from(self, agent: int, pools: int) -> int:
        """The beginning of a pool further on, or before: back from within a pool first to its own."""
        at = self.place_of(agent)
        if at is None:
            return self.rows[0].first
        pool = self.rows[at.row].pool
        if pools < 0 and agent != self.pools[pool][1]:
            return self.pools[pool][1]
        return self.pools[min(max(pool + pools, 0), len(self.pools) - 1)][1]

    def _columns(self, row: int) -> int:
        return ceil((self.rows[row].end - self.rows[row].first) / self.scale.stack)

    def _nearest(self, place: Place) -> int:
        """The first agent there, or in the upper half if the lower is empty."""
        return (self.agents_of(place) or self.agents_of(place._replace(lower=False))).start


def plan(pools: Sequence[Pool], width: int, height: int, monochrome: bool) -> Plan:
    """Places for the agents of pools. Where there are more than places of the smallest scale, several share one.

    In `monochrome` nothing is told by colour alone, so an agent takes a whole cell.
    """
    pools = [pool for pool in pools if pool[2] > 0]
    unseen = (0, 0)
    if len(pools) > height:
        rest = pools[max(height - 1, 0) :]
        pools = pools[: max(height - 1, 0)]
        unseen = len(rest), sum(size for _, _, size in rest)
        height -= 1
    for scale in _scales(sum(size for _, _, size in pools), monochrome):
        labels, needs = _fitted(pools, width, scale)
        if _lines(needs, scale) <= height or not pools:
            break
    return _laid(pools, scale, labels, needs, width, height, unseen)


def height_of(planned: Plan) -> int:
    """Lines of a map."""
    return len(planned.lines) + bool(planned.unseen[0])


def next_in(cells: bytes, states: Sequence[int], agent: int | None, direction: int) -> int | None:
    """The next agent in one of some states, after or before another (None: of all), round the end of the fleet."""
    if direction > 0:
        start = agent + 1 if agent is not None else 0
    else:
        start = agent if agent is not None else len(cells)
    turned = cells[start:] + cells[:start]
    places = [turned.find(state) if direction > 0 else turned.rfind(state) for state in states]
    found = [place for place in places if place >= 0]
    return (start + (min(found) if direction > 0 else max(found))) % len(cells) if found else None


def _scales(agents: int, monochrome: bool) -> Iterator[Scale]:
    """From the largest on; the last holds all agents in a single place."""
    dense = GLYPH if monochrome else HALF
    yield from (ROOMY, GLYPH) if monochrome else (CARD, LARGE, TILE, ROOMY, GLYPH, HALF)
    for per in range(2, max(agents, 2) + 1):
        yield Scale(dense.wide, half=dense.half, per=per)


def _fitted(pools: Sequence[Pool], width: int, scale: Scale) -> tuple[int, list[int]]:
    """The width of the labels, and the lines each pool needs: name and size stand under each other, but for a pool
    that has one line only.
    """
    stacked = max((max(min(len(name), _NAME_MAX), len(fmt.count(size))) for name, _, size in pools), default=0)
    needs = _needs(pools, width - stacked - 1, scale)
    small = [pool for pool, need in zip(pools, needs, strict=True) if need * scale.solid == 1]
    one_line = max((min(len(name), _NAME_MAX) + 1 + len(fmt.count(size)) for name, _, size in small), default=0)
    labels = max(stacked, min(one_line, stacked + _ONE_LINE_EXTRA)) + 1
    return labels, _needs(pools, width - labels, scale)


def _needs(pools: Sequence[Pool], cells: int, scale: Scale) -> list[int]:
    room = scale.room(max(cells, 1))
    return [ceil(size / room) if room else size for _, _, size in pools]


def _lines(needs: Sequence[int], scale: Scale) -> int:
    return sum(needs) * scale.high - (scale.high - scale.solid)


def _laid(
    pools: Sequence[Pool],
    scale: Scale,
    labels: int,
    needs: Sequence[int],
    width: int,
    height: int,
    unseen: tuple[int, int],
) -> Plan:
    gap = scale.high - scale.solid
    gaps = _lines(needs, scale) + (len(pools) - 1) <= height and not gap
    lines: list[tuple[str, str]] = []
    rows: list[Row] = []
    for number, ((name, first, size), need) in enumerate(zip(pools, needs, strict=True)):
        if lines:
            lines += [("", "")] * max(gap, gaps)
        label = fmt.pad(name, min(len(name), _NAME_MAX))
        told = [(label, ""), ("", fmt.count(size))]
        if need * scale.solid == 1 and len(label) + 1 + len(told[1][1]) < labels:
            told = [(label, told[1][1].rjust(labels - 1 - len(label)))]
        room, end = scale.room(max(width - labels, 1)), first + size
        told += [("", "")] * (need * scale.high)
        for line in range(need):
            at = first + line * room
            rows.append(Row(number, len(lines), at, min(at + room, end)))
            lines += told[line * scale.high : (line + 1) * scale.high - (gap if line == need - 1 else 0)]
    return Plan(scale, labels, tuple(lines), tuple(rows), tuple(pools), unseen)
