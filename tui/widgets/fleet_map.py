"""The fleet map: every agent in its place, coloured by state: a stuck shard or a dying pool is a shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE, STARTING, PoolView
from tui import format as fmt
from tui.themes import STATE_GLYPHS, STATE_NAMES
from tui.view import View
from tui.widgets.lines import Line, LineWidget, Piece, width_of

_NOBODY = 6
"""What fills a line behind the last agent: no state at all."""
_KNOWN_STATES = bytes(state if state < _NOBODY else ABSENT for state in range(256))
_RUN = re.compile(rb"(.)\1*", re.DOTALL)
_NAME_MAX = 12
_LONG = tuple(f" {name} " for name in STATE_NAMES)
_SHORT = (" absent ", " start ", " idle ", " busy ", " drain ", " dead ")
_NONE = (" ",) * len(STATE_NAMES)
_LEGEND_ORDER = (BUSY, IDLE, STARTING, DRAINING, DEAD)


class Scale(Enum):
    """How large an agent is drawn."""

    ROOMY = "a glyph and a gap"
    GLYPH = "a glyph"
    HALF = "half a cell, two agents one above the other"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the map: agents `start` to `middle`, and under them, at scale HALF, those up to `end`."""

    label: str
    size: str
    start: int
    middle: int
    end: int
    hidden: int = 0
    """End of the agents that found no room: those from `end` to here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which agent stands where, for a set of pools and a size."""

    scale: Scale
    rows: tuple[Row | None, ...]
    """From the top; None is an empty line."""
    cells: int
    """Cells for agents in a line, right of the label."""
    unseen: str = ""
    """What to say of pools that found no line at all."""


class MapLine(NamedTuple):
    """What one line shows, to compare with what it showed before."""

    scale: Scale
    label: str
    size: str
    top: bytes
    bottom: bytes
    cells: int
    tail: str
    tail_ink: str


def plan(pools: Sequence[tuple[str, int, int]], width: int, height: int, monochrome: bool) -> Plan:
    """Places for the agents of pools, given as (name, first agent, size), at the largest scale where all fit.

    Where they don't fit at any, small pools get all they need and the large ones share the rest: the last
    line of such a pool says how many more there are.
    """
    pools = [pool for pool in pools if pool[2] > 0]
    names = min(max((len(name) for name, _, _ in pools), default=0), _NAME_MAX)
    sizes = max((len(fmt.count(size)) for _, _, size in pools), default=0)
    cells = max(width - names - sizes - 3, 1)
    dense = Scale.GLYPH if monochrome else Scale.HALF
    scale = next((s for s in (Scale.ROOMY, dense) if sum(_needs(pools, cells, s)) <= height), dense)
    unseen = ""
    if len(pools) > height:
        rest = pools[height - 1 :]
        pools = pools[: height - 1]
        unseen = f"+{len(rest)} more pools, {fmt.count(sum(size for _, _, size in rest))} agents"
        height -= 1
    needs = _needs(pools, cells, scale)
    given = _share_out(needs, height)
    gaps = sum(given) + len(pools) - 1 <= height
    rows: list[Row | None] = []
    for (name, first, size), need, lines in zip(pools, needs, given, strict=True):
        if rows and gaps:
            rows.append(None)
        label, number = fmt.pad(name, names), fmt.count(size).rjust(sizes)
        rows += _rows(label, number, first, size, lines, need, cells, scale)
    return Plan(scale, tuple(rows), cells, unseen)


def _places(pools: Sequence[PoolView]) -> list[tuple[str, int, int]]:
    return [(pool.name, pool.first, pool.size) for pool in pools]


def _capacity(cells: int, scale: Scale) -> int:
    return {Scale.ROOMY: (cells + 1) // 2, Scale.GLYPH: cells, Scale.HALF: cells * 2}[scale]


def _needs(pools: Sequence[tuple[str, int, int]], cells: int, scale: Scale) -> list[int]:
    return [ceil(size / _capacity(cells, scale)) for _, _, size in pools]


def _share_out(needs: Sequence[int], height: int) -> list[int]:
    """Lines for each pool: the modest first, so that only those suffer that ask for more than their share."""
    given = [0] * len(needs)
    left = height
    for place, pool in enumerate(sorted(range(len(needs)), key=lambda i: needs[i])):
        given[pool] = min(needs[pool], left // (len(needs) - place))
        left -= given[pool]
    return given


def _rows(
    label: str, size_label: str, first: int, size: int, lines: int, need: int, cells: int, scale: Scale
) -> list[Row]:
    rows = []
    above = _capacity(cells, scale) if scale is not Scale.HALF else cells
    end = first + size
    at = first
    for line in range(lines):
        last = line == lines - 1 and lines < need
        room = max(above - _tail_width(size), 0) if last else above
        middle = min(at + room, end)
        stop = min(middle + room, end) if scale is Scale.HALF else middle
        names = (label, size_label) if line == 0 else (" " * len(label), " " * len(size_label))
        rows.append(Row(*names, at, middle, stop, hidden=end if last else 0))
        at = stop
    return rows


def _tail_width(size: int) -> int:
    """Room for what is said of hidden agents: by the pool's size alone, so that nothing moves."""
    return len(_tail(size, size)[0])


def _tail(hidden: int, dead: int) -> tuple[str, str]:
    told = f" +{fmt.count(hidden)} more"
    return (f"{told} {STATE_GLYPHS[DEAD]} {fmt.count(dead)}", "dead") if dead else (told, "quiet")


def map_lines(planned: Plan, agents: bytes) -> list[MapLine | Line]:
    """The lines of the map for the states of the moment."""
    lines: list[MapLine | Line] = []
    for row in planned.rows:
        if row is None:
            lines.append(())
            continue
        tail, ink = "", ""
        if row.hidden:
            tail, ink = _tail(row.hidden - row.end, agents.count(DEAD, row.end, row.hidden))
        top, bottom = agents[row.start : row.middle], agents[row.middle : row.end]
        lines.append(MapLine(planned.scale, row.label, row.size, top, bottom, planned.cells, tail, ink))
    if planned.unseen:
        lines.append(((planned.unseen, "quiet"),))
    return lines


def legend(counts: Sequence[int], width: int) -> Line:
    """How many agents are in each state: glyph, name and number, as roomy as the width allows."""
    order = [*_LEGEND_ORDER, *([ABSENT] if counts[ABSENT] else [])]
    digits = len(fmt.count(sum(counts)))
    line: Line = ()
    for names, full, gap in (
        (_LONG, True, 3),
        (_LONG, True, 2),
        (_SHORT, True, 2),
        (_SHORT, False, 1),
        (_NONE, False, 2),
    ):
        pieces: list[Piece] = []
        for state in order:
            number = fmt.count(counts[state]).rjust(digits) if full else fmt.si(counts[state])
            ink = "quiet" if not counts[state] else "strong"
            pieces += [(" " * gap if pieces else "", ""), (STATE_GLYPHS[state], STATE_NAMES[state])]
            pieces += [(names[state], "quiet"), (number, ink)]
        line = tuple(pieces)
        if width_of(line) <= width:
            break
    return line


class FleetMap(LineWidget[MapLine | Line]):
    """Every agent of every pool, and under them how many are in each state."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._planned: tuple[object, Plan] = (None, Plan(Scale.HALF, (), 0))
        self._pairs: dict[int, tuple[str, Style]] = {}
        self.border_title = " fleet "

    def lines(self, view: View, width: int, height: int) -> list[MapLine | Line]:
        """The map, the empty lines under it, and the legend."""
        frame = view.frame
        pools: tuple[PoolView, ...] = frame.pools if frame is not None else ()
        unknown = frame is None or not (view.cells or view.over)
        if frame is None or unknown or not any(pool.size for pool in pools):
            told = "waiting for the first frame" if unknown else "no agents yet"
            blank: list[MapLine | Line] = [()] * (max(height - 1, 0) // 2)
            return [*blank, ((f"◌ {told}".center(width), "quiet"),)]
        places = _places(pools)
        key = (places, width, height, self.monochrome)
        if self._planned[0] != key:
            self._planned = (key, plan(places, width, max(height - 1, 1), self.monochrome))
        end = max(first + size for _, first, size in places)
        agents = view.cells.ljust(end, bytes((ABSENT,))).translate(_KNOWN_STATES)
        drawn = map_lines(self._planned[1], agents)
        drawn += [()] * (height - 1 - len(drawn))
        members = b"".join(agents[first : first + size] for _, first, size in places)
        return [*drawn[: height - 1], legend([members.count(state) for state in range(_NOBODY)], width)]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The map at the largest scale the stylesheet's limit allows, an empty line, and the legend."""
        # `container` comes without our border and padding; the limit is a share of the whole.
        whole = container + self.gutter.totals
        most = self.styles.max_height
        limit = int(most.resolve(whole, viewport)) if most is not None else whole.height
        limit = max(limit - self.gutter.height, 2)
        frame = self.view.frame
        if frame is None or not any(pool.size for pool in frame.pools):
            return limit
        planned = plan(_places(frame.pools), width, limit - 1, self.monochrome)
        return min(len(planned.rows) + bool(planned.unseen) + 2, limit)

    def draw(self, line: MapLine | Line, width: int) -> Strip:
        """A line of agents; the legend and the rest as usual."""
        if not isinstance(line, MapLine):
            return super().draw(line, width)
        segments = [
            Segment(f"{line.label} ", self.ink("strong")),
            Segment(f"{line.size}  ", self.ink("quiet")),
            *(self._halves(line) if line.scale is Scale.HALF else self._glyphs(line)),
        ]
        if line.tail:
            used = sum(len(segment.text) for segment in segments)
            segments.append(Segment(line.tail.rjust(width - used), self.ink(line.tail_ink)))
        return Strip(segments)

    def _halves(self, line: MapLine) -> list[Segment]:
        cells = len(line.top)
        if not cells:
            return []
        bottom = line.bottom.ljust(cells, bytes([_NOBODY]))
        # Each cell's two states become one byte, all at once: digits of two long numbers, nothing is carried.
        pairs = (int.from_bytes(line.top) * 8 + int.from_bytes(bottom)).to_bytes(cells)
        segments = []
        for run in _RUN.finditer(pairs):
            glyph, style = self._pair(run.group(1)[0])
            segments.append(Segment(glyph * (run.end() - run.start()), style))
        return segments

    def _pair(self, pair: int) -> tuple[str, Style]:
        """The glyph and the style of a cell with two agents in it."""
        found = self._pairs.get(pair)
        if found is None:
            top, bottom = divmod(pair, 8)
            upper = self.ink(STATE_NAMES[top])
            if bottom == _NOBODY:
                found = "▀", upper
            else:
                lower = self.ink(STATE_NAMES[bottom])
                found = "▀", Style(color=upper.color, bgcolor=lower.color)
            self._pairs[pair] = found
        return found

    def _glyphs(self, line: MapLine) -> list[Segment]:
        gap = " " if line.scale is Scale.ROOMY else ""
        segments = []
        for run in _RUN.finditer(line.top):
            state = run.group(1)[0]
            text = (STATE_GLYPHS[state] + gap) * (run.end() - run.start())
            segments.append(Segment(text, self.ink(STATE_NAMES[state])))
        if gap and segments:  # the last gap would stand outside
            segments[-1] = Segment(segments[-1].text[:-1], segments[-1].style)
        return segments

    def watch_view(self, old: View, new: View) -> None:  # type: ignore[override]
        """A new view; the title tells how large the fleet is, and another fleet takes another height."""
        before, after = (_places(v.frame.pools) if v.frame is not None else [] for v in (old, new))
        if before != after:
            self.refresh(layout=True)
        frame = new.frame
        size = sum(pool.size for pool in frame.pools) if frame is not None else 0
        title = f" fleet  {fmt.count(size)} agent{'s' if size != 1 else ''} " if size else " fleet "
        if title != self.border_title:  # every change repaints the widget
            self.border_title = title
        super().watch_view()

    def notify_style_update(self) -> None:
        """Other colours for the halves, too."""
        super().notify_style_update()
        self._pairs.clear()
