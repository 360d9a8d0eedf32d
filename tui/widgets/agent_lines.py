"""The lines of a list of agents: which columns find room, and what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from engine.stream.types import ABSENT, AGENT_STATES, BUSY, IDLE, AgentRow, Event
from tui import draw
from tui import format as fmt
from tui.agent_listing import AgentListing
from tui.agents import Roster
from tui.themes import STATE_GLYPHS, STATE_NAMES
from tui.widgets.lines import Line, Piece
from tui.widgets.rows import GUTTER, RowLine, thumb

_NAME_MIN, _NAME_MAX = 8, 24
_NAME_SHARE: Final = 4
"""Names take no more than one part in so many."""
_TASK_MIN, _TASK_MAX = 10, 44
_ALWAYS: Final = 2
"""Columns that stand still while the others are shifted: whose they are, and its state."""
_BAR: Final = 12
_FAINT: Final = (ABSENT, IDLE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the list.

    Attributes:
        field: what it is sorted by.
        title: of the heading.
        width: cells.
        keep: how much it is worth where not all find room.
        write: what stands in it.
        number: stands at the right, and is first sorted from the highest on.
        detail: is only known from an engine that one can ask.
    """

    field: str
    title: str
    width: int
    keep: int
    write: Callable[[AgentRow, int], Piece]
    number: bool = True
    detail: bool = True


def _state(_: AgentRow, state: int) -> Piece:
    return f"{STATE_GLYPHS[state]} {AGENT_STATES[state]}", STATE_NAMES[state]


def _task(row: AgentRow, state: int) -> Piece:
    return row.task, "" if state == BUSY else "quiet"


def _running(row: AgentRow, state: int) -> Piece:
    return fmt.duration(row.running) if row.task else "", "" if state == BUSY else "quiet"


def _failed(row: AgentRow, _: int) -> Piece:
    return fmt.si(row.failed), "error" if row.failed else "quiet"


def _restarts(row: AgentRow, _: int) -> Piece:
    return fmt.si(row.restarts), "warning" if row.restarts else "quiet"


def _busy(row: AgentRow, _: int) -> Piece:
    return fmt.percent(row.busy), ""


def _bar(row: AgentRow, _: int) -> Piece:
    return draw.bar(row.busy, _BAR), "bar"


COLUMNS: Final = (
    Column("agent", "agent", _NAME_MIN, 100, lambda row, _: (row.agent, "strong"), number=False, detail=False),
    Column("state", "state", 10, 95, _state, number=False, detail=False),
    Column("task", "task", _TASK_MIN, 85, _task, number=False),
    Column("running", "running", 8, 90, _running),
    Column("done", "done", 6, 80, lambda row, _: (fmt.si(row.done), "")),
    Column("failed", "failed", 7, 75, _failed),
    Column("memory", "memory", 7, 65, lambda row, _: (fmt.size(row.memory), "") if row.memory else ("-", "quiet")),
    Column("busy", "busy", 6, 70, _busy),
    Column("restarts", "restarts", 9, 60, _restarts),
    Column("pid", "pid", 8, 50, lambda row, _: (str(row.pid), "") if row.pid else ("-", "quiet")),
    Column("shard", "shard", 6, 45, lambda row, _: (str(row.shard), "")),
)
"""From the left. A sorted column needs a cell for the arrow beside its title."""
_POOL: Final = Column("pool", "pool", _NAME_MIN, 90, lambda row, _: (row.pool, ""), number=False, detail=False)
_LAST: Final = Column("last", "last event", 20, 80, lambda row, _: (row.task, "quiet"), number=False, detail=False)
_TREND: Final = Column("busy", "", _BAR, 20, _bar, number=False)
"""The busy share once more, as a bar, where there is a lot of room."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The columns that are shown in some width."""

    columns: tuple[Column, ...]
    last_shift: int = 0
    """How far they can be shifted at the most."""


def sortable(detailed: bool) -> list[str]:
    """The fields to sort by, from the left."""
    if detailed:
        return [column.field for column in COLUMNS]
    return [COLUMNS[0].field, _POOL.field, COLUMNS[1].field]


def is_number(field: str) -> bool:
    """Whether the highest are of interest first."""
    return field == "state" or any(column.number and column.field == field for column in COLUMNS)


def columns_for(listing: AgentListing, width: int, detailed: bool, shift: int = 0) -> Shown:
    """The columns that find room, `shift` of those that can move left out at the left.

    Names are as wide as the fleet needs, tasks take what is left, and no width depends on what moves.
    """
    pools = [pool for pool in listing.roster.layout.pools if listing.pool in (None, pool[0])]
    longest = max((cell_len(f"{name}/{max(size - 1, 0)}") for name, _, size in pools), default=0)
    most = min(_NAME_MAX, width // _NAME_SHARE)
    agent = _wide(COLUMNS[0], min(max(longest, _NAME_MIN), most))
    if not detailed:
        widest = max((cell_len(name) for name, _, _ in pools), default=0)
        bare = (agent, _wide(_POOL, min(max(widest, _NAME_MIN), most)), COLUMNS[1])
        room = width - GUTTER - sum(column.width + 1 for column in bare)
        return Shown((*bare, _wide(_LAST, room)) if room >= _LAST.width else bare)
    fixed, free = (agent, COLUMNS[1]), COLUMNS[_ALWAYS:]
    room = width - GUTTER - sum(column.width + 1 for column in fixed) + 1
    last = last_shift(room)
    if shift:
        chosen: list[Column] = []
        for column in free[min(shift, last) :]:
            if column.width + 1 > room:
                break
            room -= column.width + 1
            chosen.append(column)
    else:
        chosen = list(free)
        sorted_by = {listing.by}
        while chosen and sum(column.width + 1 for column in chosen) > room:
            chosen.remove(min(chosen, key=lambda column: column.keep + (100 if column.field in sorted_by else 0)))
        room -= sum(column.width + 1 for column in chosen)
    for place, column in enumerate(chosen):
        if column.field == "task":
            taken = min(room, _TASK_MAX - _TASK_MIN)
            chosen[place] = _wide(column, column.width + taken)
            room -= taken
        elif column.field == "busy" and room > _BAR + 1 and len(chosen) == len(free):
            chosen.insert(place + 1, _TREND)
            room -= _BAR + 1
    return Shown((*fixed, *chosen), last)


def last_shift(room: int) -> int:
    """The most columns that need be left out at the left, so that the last one is seen."""
    free = COLUMNS[_ALWAYS:]
    taken = 0
    for count, column in enumerate(reversed(free)):
        taken += column.width + 1
        if taken > room:
            return len(free) - count
    return 0


def _wide(column: Column, width: int) -> Column:
    return Column(column.field, column.title, width, column.keep, column.write, column.number, column.detail)


def heading(columns: Sequence[Column], by: str, descending: bool) -> Line:
    """The titles, that by which the list is sorted with an arrow: down from the highest, up from the lowest."""
    pieces: list[Piece] = [(" " * (GUTTER - 1), "")]
    arrow = "▾" if descending else "▴"
    for column in columns:
        sorted_by = column.field == by and bool(column.title)
        title = column.title + (arrow if sorted_by else "")
        text = title.rjust(column.width) if column.number else title.ljust(column.width)
        pieces.append((f" {text}", "brand" if sorted_by else "quiet"))
    return tuple(pieces)


def column_at(columns: Sequence[Column], x: int) -> Column | None:
    """The column whose heading is at a cell."""
    at = GUTTER
    for column in columns:
        if at <= x < at + column.width + 1:
            return column if column.title else None
        at += column.width + 1
    return None


def row_line(roster: Roster, place: int, columns: Sequence[Column], last: str = "") -> Line:
    """What is known of one agent. What is not is left blank. `last`: what befell it last."""
    row, state = roster.rows[place], roster.state(place)
    known = row if row is not None else _stranger(roster, place, last)
    pieces: list[Piece] = []
    run, run_ink = "", ""
    gap = ""
    for column in columns:
        if row is None and column.detail:
            text, ink = "", ""
        else:
            text, ink = column.write(known, state)
        width = column.width
        if len(text) > width or not text.isascii():
            text = fmt.pad(text, width) if not column.number else fmt.fit(text, width).rjust(width)
        elif column.number:
            text = text.rjust(width)
        else:
            text = text.ljust(width)
        if column.field == "state" and state in _FAINT:  # its colour is for glyphs: words of it can't be read
            pieces += [(run + gap, run_ink), (text[0], ink)]
            run, run_ink, text, ink, gap = "", "", text[1:], "quiet", ""
        # Neighbours of one ink are one piece: a line of twelve columns is drawn as five or six.
        if ink == run_ink:
            run += gap + text
        elif ink == "bar":  # has a ground of its own, which ends with it
            pieces += [(run + gap, run_ink), (text, ink)]
            run, run_ink = "", ""
        else:
            pieces.append((run, run_ink))
            run, run_ink = gap + text, ink
        gap = " "
    pieces.append((run, run_ink))
    return tuple(piece for piece in pieces if piece[0])


def _last(event: Event | None) -> str:
    """What befell an agent last, and when."""
    if event is None:
        return ""
    name = str(event.data["agent"])
    return f"{fmt.of_day(event.at)}  {event.text.removeprefix(f'agent {name} ').removeprefix(f'{name}: ')}"


def _stranger(roster: Roster, place: int, last: str) -> AgentRow:
    """An agent of which only the state is known, with what befell it last in the place of its task."""
    return AgentRow(
        roster.layout.names[place], roster.layout.pool(place), 0, 0, "", last, 0, -1, 0.0, 0, 0, 0, 0.0, 0
    )  # fmt: skip


def list_lines(listing: AgentListing, columns: Sequence[Column], height: int) -> list[RowLine]:
    """The heading and the lines in sight."""
    roster, order, marks = listing.roster, listing.order, listing.marks
    sight = listing.sight(height - 1)
    thumbs = thumb(len(order), sight, height - 1)
    lines = [RowLine(heading(columns, listing.by, listing.descending), row=False)]
    for line, index in enumerate(sight):
        place = order[index]
        marked = bool(marks) and roster.layout.names[place] in marks
        last = "" if roster.told else _last(listing.news.get(roster.layout.names[place]))
        lines.append(RowLine(row_line(roster, place, columns, last), True, index == listing.at, marked, thumbs[line]))
    return lines


def copied(roster: Roster, places: Sequence[int]) -> str:
    """Agents as lines of all that is known of them, apart by tabs, the titles first: for spreadsheets."""
    columns = [COLUMNS[0].field, "pool", *(column.field for column in COLUMNS[1:])]
    columns = [name for name in columns if roster.knows(name)]
    values = zip(*(roster.column(name, places) for name in columns), strict=True)
    rows = [["" if value is None else str(value) for value in row] for row in values]
    return "\n".join("\t".join(fmt.clean(text) for text in row) for row in (columns, *rows))
