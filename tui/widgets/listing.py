"""A list of rows with a cursor that follows its row: drawn by the line API, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeAlias, TypeVar

from rich.text import Text
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.timer import Timer

from tui import format as fmt
from tui.commands import Command, bindings
from tui.glyphs import plain
from tui.view import View
from tui.widgets.columns import Column, Place, fitting, ruled, titles, with_bar
from tui.widgets.lines import Line
from tui.widgets.rows import GUTTER, RowLine, RowsPanel, thumb
from tui.widgets.scrolling import clamp, reveal

RowT = TypeVar("RowT")

HOLD: Final = 3.0
"""Seconds after the last move of the cursor for which the order of rows is held."""
_WHEEL: Final = 3

MOVES: Final = (
    Command("list.up", "up,k", "move(-1)", "", "One row up", palette=False),
    Command("list.down", "down,j", "move(1)", "", "One row down", palette=False),
    Command("list.page-up", "pageup,ctrl+b", "page(-1)", "", "A page up", palette=False),
    Command("list.page-down", "pagedown,ctrl+f", "page(1)", "", "A page down", palette=False),
    Command("list.top", "home,g", "end(-1)", "", "To the first row", palette=False),
    Command("list.bottom", "end,G", "end(1)", "", "To the last row", palette=False),
)


class Heading(NamedTuple):
    """A line between rows, on which no cursor stands."""

    line: Line


Item: TypeAlias = "tuple[str, RowT] | Heading"
"""A row by its identity, or a heading."""


def held(before: Sequence[str], items: Iterable[Item[RowT]]) -> list[Item[RowT]]:
    """Items with the rows below each heading in the order that they had before, and those that are new after them."""
    place = {key: at for at, key in enumerate(before)}
    found: list[Item[RowT]] = []
    section: list[tuple[str, RowT]] = []

    def close() -> None:
        section.sort(key=lambda item: place.get(item[0], len(place)))  # stable: what is new keeps its order
        found.extend(section)
        section.clear()

    for item in items:
        if isinstance(item, Heading):
            close()
            found.append(item)
        else:
            section.append(item)
    close()
    return found


def framed(text: str, ascii_: bool) -> Text | None:
    """What stands in a frame: nothing in it is markup, whatever somebody has named a run."""
    return Text(f" {fmt.clean(plain(text) if ascii_ else text)} ") if text else None


class Listing(RowsPanel, Generic[RowT]):
    """Rows below a line of titles. The cursor stays on its row, wherever that goes."""

    OFFERS: ClassVar[tuple[Command, ...]] = MOVES
    BINDINGS: ClassVar[list[BindingType]] = bindings(MOVES)

    class Moved(Message):
        """The cursor of a list stands on another row."""

        def __init__(self, listing: Listing[Any]) -> None:
            super().__init__()
            self.listing = listing

    class Opened(Message):
        """A row was clicked twice."""

    class Chosen(Message):
        """The title of a column was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._items: list[Item[RowT]] = []
        self._waiting: list[Item[RowT]] = []
        """As they are to be, once their order is not held any more."""
        self._at: dict[str, int] = {}
        self._key: str | None = None
        self._top = 0
        self._hold: Timer | None = None
        self._said: tuple[object, object] = (None, None)

    # -- what a list of something has to say ---------------------------------------------------------------------------

    def columns(self, width: int) -> Sequence[Column]:
        """Its columns, of which those are shown that fit."""
        raise NotImplementedError

    def row(self, row: RowT, places: Sequence[Place]) -> Line:
        """One row, with a cell for each place, one cell of the screen apart."""
        raise NotImplementedError

    def is_marked(self, key: str) -> bool:
        """Whether a row bears a mark."""
        return False

    def empty(self, width: int, height: int) -> list[Line]:
        """What is shown where there is nothing."""
        return []

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """The column whose title bears an arrow, and whether it points down; "" for none."""
        return "", False

    # -- rows ----------------------------------------------------------------------------------------------------------

    def set_items(self, items: Sequence[Item[RowT]]) -> None:
        """Show these. While the cursor moves, rows that were there stay where they are."""
        self._waiting = list(items)
        before = self._key
        was_at = self._at.get(self._key or "", 0)
        seen = self._top <= was_at < self._top + self._height
        shown = held(list(self._at), items) if self.holding else self._waiting
        self._items = shown
        self._at = {item[0]: at for at, item in enumerate(shown) if not isinstance(item, Heading)}
        if self._key is None or self._key not in self._at:
            self._key = self._nearest(was_at)
        at = self._at.get(self._key or "", 0)
        if self._top and seen:  # at the top, what is new is to be seen; elsewhere, the eye stays where it is
            self._top += at - was_at
        self._clamp(at if seen else None)
        self.redraw()
        if self._key != before:
            self.post_message(self.Moved(self))

    def _nearest(self, at: int) -> str | None:
        """The row that stands where one is missing by now, or before it."""
        keys = list(self._at)
        return next((key for key in keys if self._at[key] >= at), keys[-1] if keys else None)

    def _clamp(self, at: int | None) -> None:
        """Waste no room, and show row `at`, unless the wheel has left it behind."""
        self._top = clamp(self._top, len(self._items), self._height)
        if at is not None:
            self._top = reveal(self._top, at, self._height)

    @property
    def _height(self) -> int:
        """Rows that are seen at a time."""
        return max(1, self.size.height - 1)

    @property
    def cursor(self) -> str | None:
        """The identity of the row that the cursor is on; None where there are no rows."""
        return self._key

    @property
    def under_cursor(self) -> RowT | None:
        """The row that the cursor is on."""
        item = self._items[self._at[self._key]] if self._key in self._at else None
        return None if item is None or isinstance(item, Heading) else item[1]

    def go_to(self, key: str) -> bool:
        """Put the cursor on a row; whether there is such a one."""
        if key not in self._at:
            return False
        self._key = key
        self._top = reveal(self._top, self._at[key], self._height)
        self.redraw()
        self.post_message(self.Moved(self))
        return True

    # -- order ---------------------------------------------------------------------------------------------------------

    @property
    def holding(self) -> bool:
        """Whether rows keep their places for now."""
        return self._hold is not None

    def hold(self) -> None:
        """Keep rows in their places for a while, and say so."""
        if self._hold is None:
            self._hold = self.set_timer(HOLD, self.release)
            self.say()
        else:
            self._hold.reset()

    def release(self) -> None:
        """Let rows take the places that they should have."""
        if self._hold is not None:
            self._hold.stop()
            self._hold = None
            self.say()
        self.set_items(self._waiting)

    def order(self) -> str:
        """What the frame says of the order of rows."""
        return ""

    def title(self) -> str:
        """What the frame says of the rows."""
        raise NotImplementedError

    def say(self) -> None:
        """Write into the frame what is so by now."""
        title, order = self.title(), "order held" if self.holding else self.order()
        if not self.styles.border_bottom[0]:  # little height: there is a line above alone
            title, order = f"{title}   {order}".rstrip(), ""
        said = framed(title, self.ascii), framed(order, self.ascii)
        if said != self._said:  # each change paints all of the list again
            self._said = said
            self.border_title, self.border_subtitle = said

    # -- drawing -------------------------------------------------------------------------------------------------------

    def lines(self, view: View, width: int, height: int) -> list[RowLine]:
        """The titles, and the rows that find room."""
        if not self._at:
            return [RowLine(line, row=False) for line in self.empty(width, height)]
        places = self._places(width)
        shown = self._items[self._top : self._top + height - 1]
        bars = thumb(len(self._items), range(self._top, self._top + len(shown)), height - 1)
        name, descending = self.sorted_by
        lines = [RowLine(((" " * GUTTER, ""), *titles(places, name, descending)), row=False)]
        for item, bar in zip(shown, bars, strict=False):
            if isinstance(item, Heading):
                lines.append(RowLine(with_bar(ruled(item.line, width - 2), width, bar), row=False))
            else:
                key, row = item
                lines.append(RowLine(self.row(row, places), True, key == self._key, self.is_marked(key), bar))
        return lines

    def _places(self, width: int) -> tuple[Place, ...]:
        inner = width - GUTTER - 2
        return fitting(self.columns(inner), inner)

    def watch_view(self) -> None:
        """Rows come from elsewhere, and not with each frame."""

    def repaint(self) -> None:
        """In another size, the row under the cursor is still to be seen; with other glyphs, the frame is another."""
        self.say()
        self._clamp(self._at.get(self._key or "", 0))
        super().repaint()

    # -- moving --------------------------------------------------------------------------------------------------------

    def _move_to(self, place: int) -> None:
        """To the row that is that many rows from the first one."""
        keys = list(self._at)
        if not keys:
            return
        self.hold()
        key = keys[max(0, min(place, len(keys) - 1))]
        at = self._at[key]
        moved, self._key = key != self._key, key
        # A heading right above the row comes along.
        above = at - 1 if at and isinstance(self._items[at - 1], Heading) else at
        self._top = reveal(reveal(self._top, above, self._height), at, self._height)
        self.redraw()
        if moved:
            self.post_message(self.Moved(self))

    def _cursor_place(self) -> int:
        return list(self._at).index(self._key) if self._key in self._at else 0

    def action_move(self, rows: int) -> None:
        """Up or down."""
        self._move_to(self._cursor_place() + rows)

    def action_page(self, pages: int) -> None:
        """So many pages down, or up."""
        self._move_to(self._cursor_place() + pages * max(1, self._height - 1))

    def action_end(self, which: int) -> None:
        """To the first row, or the last."""
        self._move_to(len(self._at) if which > 0 else 0)

    def scroll_rows(self, rows: int) -> None:
        """Show what is further down, or up; the cursor stays where it is."""
        self._top = clamp(self._top + rows, len(self._items), self._height)
        self.redraw()

    def on_mouse_scroll_down(self, _event: MouseScrollDown) -> None:
        """Further down."""
        self.scroll_rows(_WHEEL)

    def on_mouse_scroll_up(self, _event: MouseScrollUp) -> None:
        """Further up."""
        self.scroll_rows(-_WHEEL)

    def on_click(self, event: Click) -> None:
        """The cursor goes there; a click on the row that it is on opens it, one on a title sorts."""
        spot = event.get_content_offset(self)
        if spot is None or not self._at:
            return
        if spot.y == 0:
            for place in self._places(self.size.width):
                if place.left <= spot.x - GUTTER < place.left + place.width:
                    self.post_message(self.Chosen(place.column.name))
            return
        at = self._top + spot.y - 1
        item = self._items[at] if at < len(self._items) else None
        if item is None or isinstance(item, Heading):
            return
        if item[0] == self._key and event.chain == 2:
            self.post_message(self.Opened())
            return
        self._move_to(list(self._at).index(item[0]))


def told(glyph: str, ink: str, text: str, width: int, height: int, more: str = "") -> list[Line]:
    """A few words in the middle of an empty list: how it is, and what can be done about it."""
    lines: list[Line] = [((fmt.fit(f"{glyph} {text}", width).center(width), ink),)]
    if more:
        lines.append(((fmt.fit(more, width).center(width), "quiet"),))
    return [*[()] * max(0, (height - len(lines)) // 2), *lines]
