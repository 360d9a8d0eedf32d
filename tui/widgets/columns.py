"""Columns that fit a width: the least important go first, rather than all of them being squeezed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui import format as fmt
from tui.widgets.lines import Line, Piece


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: by which it is sorted.
        title: above it.
        width: cells, at the least.
        keep: how much it is worth where there is little room.
        right: whether it holds numbers, which stand at its right edge.
        grow: its share of the room that is left over.
        most: cells, at the most; 0: no limit.
    """

    name: str
    title: str
    width: int
    keep: int = 100
    right: bool = False
    grow: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column stands: from cell `left` on, `width` cells wide."""

    column: Column
    left: int
    width: int


def fitting(columns: Sequence[Column], width: int, gap: int = 1) -> tuple[Place, ...]:
    """The columns that find room in a width, in their order, with that many cells between them."""
    shown = list(columns)
    while len(shown) > 1 and sum(column.width for column in shown) + gap * (len(shown) - 1) > width:
        shown.remove(min(shown, key=lambda column: column.keep))
    widths = [column.width for column in shown]
    spare = width - sum(widths) - gap * (len(shown) - 1)
    while spare > 0:
        growing = [at for at, one in enumerate(shown) if one.grow and (not one.most or widths[at] < one.most)]
        if not growing:
            break
        shares = sum(shown[at].grow for at in growing)
        given = 0
        for at in growing:
            more = max(1, spare * shown[at].grow // shares)
            most = shown[at].most or width
            more = min(more, most - widths[at], spare - given)
            widths[at] += more
            given += more
        if not given:
            break
        spare -= given
    places, left = [], 0
    for column, cells in zip(shown, widths, strict=True):
        places.append(Place(column, left, cells))
        left += cells + gap
    return tuple(places)


def _joined(cells: Sequence[Piece], places: Sequence[Place]) -> Line:
    """Cells with the room between their columns."""
    pieces: list[Piece] = []
    at = 0
    for cell, place in zip(cells, places, strict=True):
        if place.left > at:
            pieces.append((" " * (place.left - at), ""))
        pieces.append(cell)
        at = place.left + place.width
    return tuple(pieces)


def titles(places: Sequence[Place], sorted_by: str = "", descending: bool = False) -> Line:
    """The line above a table; an arrow marks the column that it is sorted by."""
    cells: list[Piece] = []
    for place in places:
        marked = bool(sorted_by) and place.column.name == sorted_by
        text = place.column.title
        if marked:
            arrow = "▼" if descending else "▲"
            text = f"{arrow}{text}" if place.column.right else f"{text}{arrow}"
        ink = "strong" if marked else "quiet"
        cells.append((aligned(text, place), ink))
    return _joined(cells, places)


def aligned(text: str, place: Place) -> str:
    """A text as wide as its column."""
    if not place.column.right:
        return fmt.pad(text, place.width)
    text = fmt.fit(text, place.width)
    return " " * (place.width - cell_len(text)) + text


def table(columns: Sequence[Column], rows: Sequence[Mapping[str, Piece]], width: int, gap: int = 2) -> list[Line]:
    """A table of cells by the names of their columns, with its titles."""
    places = fitting(columns, width, gap)
    lines = [titles(places)]
    for row in rows:
        found = [row.get(place.column.name, ("", "")) for place in places]
        cells = [(aligned(text, place), ink) for (text, ink), place in zip(found, places, strict=True)]
        lines.append(_joined(cells, places))
    return lines


def ruled(line: Line, width: int) -> Line:
    """A heading, and a thin line to the edge."""
    used = sum(cell_len(text) for text, _ in line)
    return (*line, (" " + "─" * (width - used - 1), "track")) if used + 3 < width else line


def with_bar(line: Line, width: int, bar: str) -> Line:
    """A line with its part of a scrollbar at the right edge."""
    if bar == " ":
        return line
    used = sum(cell_len(text) for text, _ in line)
    return (*line, (" " * max(0, width - 1 - used), ""), (bar, "track" if bar == "│" else "quiet"))


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most so many cells, cut between words where that can be."""
    words, lines, line = fmt.clean(text).split(" "), [], ""
    for word in words:
        while cell_len(word) > width > 0:
            room = width - (cell_len(line) + 1 if line else 0)
            head = fmt.fit(word, room + 1)[:-1] if room > 0 else ""
            if head:
                lines.append(f"{line} {head}" if line else head)
                word = word[len(head) :]
            elif line:
                lines.append(line)
            else:
                break
            line = ""
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line or not lines else lines
