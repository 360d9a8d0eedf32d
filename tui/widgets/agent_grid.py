"""The agents of a fleet, each in its place and in the colour of its state. Cheap: thousands change at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.events import Click, Leave, MouseMove
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE, STARTING
from tui import format as fmt
from tui.places import CARD, Plan, Scale
from tui.themes import STATE_GLYPHS, STATE_NAMES
from tui.view import View
from tui.widgets.lines import Line, LineWidget

_RANKS: Final = {ABSENT: 0, IDLE: 1, BUSY: 5, DRAINING: 6, STARTING: 7, DEAD: 8}
"""From the least telling state on. Agents that share a place show the most telling of theirs; between idle and busy
there is room for what share of them is busy.
"""
_STATES: Final = (ABSENT, IDLE, IDLE, BUSY, BUSY, BUSY, DRAINING, STARTING, DEAD)
"""By rank."""
_IDLE, _BUSY = _RANKS[IDLE], _RANKS[BUSY]
_NOBODY, _MARKED = 9, 10
"""Beside the ranks: nobody stands there; it is pointed at."""
_DIMMED: Final = {IDLE: 11, BUSY: 12, DRAINING: 13, STARTING: 14, DEAD: 15}
"""Beside these: the ranks of agents of other states than the one that is lit."""
_STATES_DIMMED: Final = {rank: state for state, rank in _DIMMED.items()}
_POINTED = 16
"""Added to the rank of a whole cell that is pointed at; and ranks of an upper half are so many times as much."""
_RESET: Final = "\x1b[0m"
_RUNS: Final = re.compile(rb"((.)\2*)", re.DOTALL)


def _missing(view: View) -> str:
    """Why there is no map."""
    if view.replay is not None and not view.replay.complete:
        return "the states of single agents were not recorded"
    if view.frame is not None and not any(pool.size for pool in view.frame.pools):
        return "no agents yet"
    return "waiting for the fleet"


def ranked(cells: bytes) -> bytes:
    """The ranks of the states of agents. States of a later version are taken for absent."""
    return cells.translate(_RANKED)


_RANKED: Final = bytes(_RANKS.get(state, 0) for state in range(256))


def lit(state: int) -> bytes:
    """The table that leaves one state as it is and dims all others, of ranks."""
    dimmed = {_RANKS[other]: rank for other, rank in _DIMMED.items() if other != state}
    return bytes(dimmed.get(rank, rank) for rank in range(256))


def _state(rank: int) -> int:
    """The state that a rank is of."""
    return _STATES_DIMMED[rank] if rank in _STATES_DIMMED else _STATES[rank]


def _dim(scale: Scale) -> str:
    """The ink of agents that are dimmed: of a glyph a brighter one than of a block."""
    return "absent" if scale.half or scale.wide - scale.gap > 1 else "track"


class GridLine(NamedTuple):
    """What one line shows, to compare with what it showed before."""

    name: str
    size: str
    ranks: bytes
    """One a place; of halves the upper and the lower in turns."""
    mark: int
    """The place that is pointed at, -1 for none."""
    number: int = -1
    """Of the first agent in its pool, in lines that tell it; else -1."""


def grid_lines(plan: Plan, ranks: bytes, pointed: int | None) -> list[GridLine]:
    """The lines of a plan for the ranks of all agents."""
    mark = plan.place_of(pointed) if pointed is not None else None
    lines = [GridLine(name, size, b"", -1) for name, size in plan.lines]
    for number, row in enumerate(plan.rows):
        at = -1
        if mark is not None and mark.row == number:
            at = mark.column * (2 if plan.scale.half else 1) + mark.lower
        shown = _shared(ranks[row.first : row.end], plan.scale)
        for line in range(row.line, row.line + plan.scale.solid):
            told = plan.scale == CARD and line == row.line + CARD.solid // 2
            number = row.first - plan.pools[row.pool][1] if told else -1
            lines[line] = GridLine(*plan.lines[line], shown, at, number)
    return lines


def _shared(ranks: bytes, scale: Scale) -> bytes:
    """One rank a place."""
    if scale.per == 1:
        return ranks
    ranks += ranks[-1:] * (-len(ranks) % scale.per)
    places = [*zip(*(ranks[first :: scale.per] for first in range(scale.per)), strict=True)]
    if max(ranks, default=0) > _MARKED:
        return bytes(map(_most_telling, places))
    return bytes([max(place) if max(place) > _BUSY else sum(place) // scale.per for place in places])


def _most_telling(place: tuple[int, ...]) -> int:
    """Of agents of which some are dimmed: one that is lit, else the most telling one."""
    return max((rank for rank in place if rank < _NOBODY), default=0) or max(place)


class _Halves(dict[bytes, Segment]):
    """Runs of cells of which each shows two places, as segments; made when they are first seen."""

    def __init__(self, inks: Sequence[Style]) -> None:
        self._inks = inks

    def __missing__(self, run: bytes) -> Segment:
        upper, lower = divmod(run[0], _POINTED)
        if upper == lower:  # no font has a gap in its ground
            segment = Segment(" " * len(run), Style(bgcolor=self._inks[upper].color))
        elif lower == _NOBODY:
            segment = Segment("▀" * len(run), self._inks[upper])
        else:
            segment = Segment("▀" * len(run), Style(color=self._inks[upper].color, bgcolor=self._inks[lower].color))
        self[run] = segment
        return segment


class _Wholes(dict[bytes, Segment]):
    """Runs of places of a cell or more each."""

    def __init__(self, inks: Sequence[Style], scale: Scale) -> None:
        self._inks = inks
        self._wide = scale.wide
        self._gap = scale.gap

    def __missing__(self, run: bytes) -> Segment:
        pointed, rank = divmod(run[0], _POINTED)
        wide = self._wide - self._gap
        solid = (wide > 1 and rank and not pointed) or self._wide == CARD.wide
        glyph = "█" * wide if solid else STATE_GLYPHS[_state(rank)] * wide
        ink = self._inks[rank] + Style(reverse=True) if pointed and wide == 1 else self._inks[rank]
        segment = Segment((glyph + " " * self._gap) * len(run), ink)
        self[run] = segment
        return segment


class _Written(dict[bytes, str]):
    """Runs as the terminal is told of them. Each sets all colours that it needs, so nothing has to be taken back."""

    def __init__(self, segments: dict[bytes, Segment], console: Console) -> None:
        self._segments = segments
        self._console = console

    def __missing__(self, run: bytes) -> str:
        segment = self._segments[run]
        written = Strip([segment]).render(self._console)
        if segment.style is None or not (segment.style.bold or segment.style.reverse):
            written = written.removesuffix(_RESET)
        self[run] = written
        return written


class _RunStrip(Strip):
    """A strip of runs that come again and again: they are not put into words each time."""

    __slots__ = ["_around", "_runs", "_written"]

    def __init__(self, before: Strip, runs: list[bytes], after: Strip, cells: int, of: _Runs) -> None:
        super().__init__([*before, *[of.segments[run] for run in runs], *after], cells)
        self._around = before, after
        self._runs = runs
        self._written = of.written

    def render(self, console: Console) -> str:
        """What to tell the terminal."""
        if self._render_cache is None:
            before, after = (strip.render(console) for strip in self._around)
            self._render_cache = f"{before}{''.join([self._written[run] for run in self._runs])}{_RESET}{after}"
        return self._render_cache


class _Runs(NamedTuple):
    """All runs of a scale, in the inks of the moment."""

    segments: dict[bytes, Segment]
    written: _Written


class AgentGrid(LineWidget[GridLine | Line]):
    """Every agent in its place. It is told the plan, and tells what the mouse does to an agent."""

    class Over(Message):
        """The mouse is over an agent, or over none."""

        def __init__(self, agent: int | None) -> None:
            super().__init__()
            self.agent = agent

    class Clicked(Message):
        """An agent was clicked, or None: a place where there is none."""

        def __init__(self, agent: int | None) -> None:
            super().__init__()
            self.agent = agent

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.plan: Plan | None = None
        self.pointed: int | None = None
        """The agent whose place is marked."""
        self.spot: int | None = None
        """The one state that is lit, None for all."""
        self.spared = 1
        """Lines of the container that are not ours."""
        self._ranks = b""
        self._over: int | None = None
        self._runs: dict[Scale, _Runs] = {}
        self._pieces: dict[tuple[str, str, int], Strip] = {}

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All there is."""
        return max(container.height - self.spared, 1)

    def lines(self, view: View, width: int, height: int) -> list[GridLine | Line]:
        """The map; while there is none, why."""
        if self.plan is None:
            told = _missing(view)
            blank: list[GridLine | Line] = [()] * ((height - 1) // 2)
            return [*blank, ((fmt.fit(f"◌ {told}", width).center(width), "quiet"),)]
        self._ranks = ranked(view.cells.ljust(self.plan.last + 1, b"\0"))
        shown = self._ranks if self.spot is None else self._ranks.translate(lit(self.spot))
        lines: list[GridLine | Line] = [*grid_lines(self.plan, shown, self.pointed)]
        pools, agents = self.plan.unseen
        if pools:
            lines.append(((fmt.fit(f"+{pools} more pools, {fmt.count(agents)} agents", width), "quiet"),))
        return lines

    # -- drawing ------------------------------------------------------------------------------------------------------

    def draw(self, line: GridLine | Line, width: int) -> Strip:
        """A line of agents; others as usual."""
        if not isinstance(line, GridLine) or self.plan is None:
            return super().draw(line, width)
        scale, ranks = self.plan.scale, line.ranks
        if line.number >= 0:
            return self._cards(line, width)
        if line.mark >= 0:
            marked = _MARKED if scale.half else ranks[line.mark] + _POINTED
            ranks = ranks[: line.mark] + bytes((marked,)) + ranks[line.mark + 1 :]
        if scale.half:
            upper = ranks[::2]
            lower = ranks[1::2].ljust(len(upper), bytes((_NOBODY,)))
            # Each cell's two places become one byte, all at once: digits of two long numbers, nothing is carried.
            ranks = (int.from_bytes(upper) * _POINTED + int.from_bytes(lower)).to_bytes(len(upper))
        of = self._runs.get(scale)
        if of is None:
            segments = _Halves(self._state_inks(scale)) if scale.half else _Wholes(self._state_inks(scale), scale)
            of = self._runs[scale] = _Runs(segments, _Written(segments, self.app.console))
        runs = [run for run, _ in _RUNS.findall(ranks)]
        after = self._piece("", "", width - self.plan.labels - len(ranks) * scale.wide)
        return _RunStrip(self._piece(line.name, line.size, self.plan.labels), runs, after, width, of)

    def _cards(self, line: GridLine, width: int) -> Strip:
        """The line of cards that says who it is, and in which state."""
        assert self.plan is not None
        segments = [*self._piece(line.name, line.size, self.plan.labels)]
        for place, rank in enumerate(line.ranks):
            state, pointed = _state(rank), place == line.mark
            ink = self.ink(_dim(CARD) if rank in _STATES_DIMMED else STATE_NAMES[state])
            told = f"{STATE_GLYPHS[state]} {line.number + place} {STATE_NAMES[state]}"
            text = fmt.pad(f"▸{told}" if pointed else f" {told}", CARD.wide - CARD.gap)
            segments.append(Segment(text, self._over_it(ink) + Style(bold=pointed)))
            segments.append(Segment(" " * CARD.gap, self.ink("")))
        return Strip(segments).adjust_cell_length(width, self.ink(""))

    def _over_it(self, ink: Style) -> Style:
        """For a text on a ground of an ink's colour, so that it can be read."""
        inks = (ink.color, ink.bgcolor, self.ink("strong").color)
        known = [Color.from_rich_color(colour) for colour in inks if colour is not None and colour.triplet]
        if len(known) < len(inks):  # the terminal's own colours: only it knows them
            return ink + Style(reverse=True)
        ground, *others = known
        text = max(others, key=lambda colour: abs(colour.brightness - ground.brightness))
        return Style(color=text.rich_color, bgcolor=ground.rich_color)

    def _piece(self, name: str, size: str, cells: int) -> Strip:
        """A label, or nothing, of so many cells."""
        strip = self._pieces.get((name, size, cells))
        if strip is None:
            parts = ((name, "strong"), (size, "quiet"), (" " * (cells - len(name) - len(size)), ""))
            strip = Strip([Segment(text, self.ink(ink)) for text, ink in parts if text], max(cells, 0))
            self._pieces[name, size, cells] = strip
        return strip

    def _state_inks(self, scale: Scale) -> list[Style]:
        """By rank, then nobody's, then that of a half that is pointed at, then those of agents that are dimmed."""
        inks = [self.ink(STATE_NAMES[state]) for state in _STATES]
        idle, busy = inks[_IDLE].color, inks[_BUSY].color
        if idle is not None and busy is not None and idle.triplet is not None and busy.triplet is not None:
            for rank in range(_IDLE + 1, _BUSY):
                share = (rank - _IDLE) / (_BUSY - _IDLE)
                mixed = Color.from_rich_color(idle).blend(Color.from_rich_color(busy), share)
                inks[rank] = inks[rank] + Style(color=mixed.rich_color)
        return [*inks, self.ink(""), self.ink("marked"), *[self.ink(_dim(scale))] * len(_DIMMED)]

    def ink(self, name: str) -> Style:
        """As everywhere; a half that is pointed at is as bright as what is told in bold."""
        return super().ink("strong" if name == "marked" else name)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines as they were drawn: there is neither frame nor filter that would have to go over them again."""
        strips = [self.render_line(y) for y in crop.line_range]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def notify_style_update(self) -> None:
        """Other inks for all runs, too."""
        super().notify_style_update()
        self._runs.clear()
        self._pieces.clear()

    # -- the mouse ----------------------------------------------------------------------------------------------------

    def worst(self, agents: range) -> int | None:
        """The agent of some whose state tells most; of equals the first. None: there is nobody."""
        known = self._ranks
        return max(agents, key=lambda agent: known[agent] if agent < len(known) else 0, default=None)

    def _agent_at(self, x: int, y: int) -> int | None:
        return self.worst(self.plan.agents_at(x, y)) if self.plan is not None else None

    def on_mouse_move(self, event: MouseMove) -> None:
        """Over another agent, or the same."""
        self._tell_over(self._agent_at(event.x, event.y))

    def on_leave(self, event: Leave) -> None:
        """Over none."""
        self._tell_over(None)

    def _tell_over(self, agent: int | None) -> None:
        if agent != self._over:
            self._over = agent
            self.post_message(self.Over(agent))

    def on_click(self, event: Click) -> None:
        """This one."""
        self.post_message(self.Clicked(self._agent_at(event.x, event.y)))
