"""A text of many lines, made for the width that there is, through which one can scroll."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, TypeAlias

from textual.binding import BindingType
from textual.events import MouseScrollDown, MouseScrollUp

from tui.commands import Command, bindings
from tui.view import View
from tui.widgets.columns import with_bar
from tui.widgets.lines import Line, Panel
from tui.widgets.rows import thumb
from tui.widgets.scrolling import clamp

Make: TypeAlias = Callable[[int], Sequence[Line]]
"""Makes the lines for a width."""

SCROLLS: Final = (
    Command("page.up", "up,k", "scroll_lines(-1)", "", "One line up", palette=False),
    Command("page.down", "down,j", "scroll_lines(1)", "", "One line down", palette=False),
    Command("page.page-up", "pageup,ctrl+b", "scroll_pages(-1)", "", "A page up", palette=False),
    Command("page.page-down", "pagedown,ctrl+f,space", "scroll_pages(1)", "", "A page down", palette=False),
    Command("page.top", "home,g", "scroll_ends(-1)", "", "To the beginning", palette=False),
    Command("page.bottom", "end,G", "scroll_ends(1)", "", "To the end", palette=False),
)
_WHEEL: Final = 3


class Pager(Panel[Line]):
    """Lines, and a bar at the right edge where there are more of them than fit."""

    OFFERS: ClassVar[tuple[Command, ...]] = SCROLLS
    BINDINGS: ClassVar[list[BindingType]] = bindings(SCROLLS)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._make: Make = lambda width: ()
        self._made: tuple[int, Sequence[Line]] | None = None
        self._top = 0

    def show(self, make: Make, *, anew: bool = False) -> None:
        """Show what this makes; `anew`: from its beginning, for it is about something else."""
        self._make, self._made = make, None
        if anew:
            self._top = 0
        self.redraw()

    def whole(self, width: int) -> Sequence[Line]:
        """All lines for a width."""
        if self._made is None or self._made[0] != width:
            self._made = width, self._make(width)
        return self._made[1]

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """Those that fit."""
        found = self.whole(width - 2)
        self._top = clamp(self._top, len(found), height)
        bars = thumb(len(found), range(self._top, self._top + height), height)
        shown = found[self._top : self._top + height]
        return [with_bar(line, width, bar) for line, bar in zip(shown, bars, strict=False)]

    def copied(self) -> str:
        """All of it, not only what is seen."""
        lines = self.whole(max(1, self.size.width - 2))
        return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)

    def watch_view(self) -> None:
        """What it shows is given to it."""

    def action_scroll_lines(self, lines: int) -> None:
        """Up or down."""
        self._top += lines
        self.redraw()

    def action_scroll_pages(self, pages: int) -> None:
        """Pages down, or up."""
        self.action_scroll_lines(pages * max(1, self.size.height - 2))

    def action_scroll_ends(self, which: int) -> None:
        """To the beginning, or the end."""
        self._top = 1 << 30 if which > 0 else 0
        self.redraw()

    def on_mouse_scroll_down(self, _event: MouseScrollDown) -> None:
        """Further down."""
        self.action_scroll_lines(_WHEEL)

    def on_mouse_scroll_up(self, _event: MouseScrollUp) -> None:
        """Further up."""
        self.action_scroll_lines(-_WHEEL)
