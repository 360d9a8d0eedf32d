"""The list of agents: thousands of rows, of which those in sight are formatted, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.content import Content
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.timer import Timer

from tui import format as fmt
from tui.agent_listing import AgentFilter, AgentListing
from tui.commands import Command, bindings
from tui.view import View
from tui.widgets.agent_lines import (
    Shown,
    column_at,
    columns_for,
    copied,
    is_number,
    list_lines,
    sortable,
)
from tui.widgets.rows import RowLine, RowsPanel

_BESIDE: Final = 2
"""Cells for the scrollbar and a gap before it."""
_WHEEL: Final = 3


class AgentList(RowsPanel):
    """Agents of a pool, or of all: sorted, filtered, marked; the cursor stays on its agent."""

    HOLD: ClassVar[float] = 4.0
    """Seconds for which the order is held after the cursor was moved."""

    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("agents.up", "up,k", "move(-1)", "Up", "To the agent above", palette=False),
        Command("agents.down", "down,j", "move(1)", "Down", "To the agent below", palette=False),
        Command("agents.left", "left,h", "shift(-1)", "Left", "Columns further left", palette=False),
        Command("agents.right", "right,l", "shift(1)", "Right", "Columns further right", palette=False),
        Command("agents.page-up", "pageup,ctrl+b", "page(-1)", "", "A page up", palette=False),
        Command("agents.page-down", "pagedown,ctrl+f", "page(1)", "", "A page down", palette=False),
        Command(
            "agents.first", "home", "first", "", "To the first line, and stay there whoever is in it", palette=False
        ),
        Command("agents.last", "end", "last", "", "To the last line", palette=False),
        Command("agents.open", "enter", "open", "Open", "Show the agent under the cursor", 70, "enter"),
        Command("agents.sort-left", "less_than_sign", "sort(-1)", "Sort left", "Sort by the column before", 0, "<"),
        Command("agents.sort-right", "greater_than_sign", "sort(1)", "Sort", "Sort by the next column", 60, "< >"),
        Command("agents.invert", "I", "invert", "Invert", "Sort the other way round", 35),
        Command("agents.mark", "space", "mark", "Mark", "Mark the agent, and go on to the next", 45, "space"),
        Command("agents.unmark", "u", "unmark", "Unmark", "Take all marks back"),
        Command("agents.all", "escape", "unfilter", "No filter", "Show all again", palette=False),
        Command("agents.act", "x", "act", "Act", "Recycle or kill the marked agents, or this one", 50, writes=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    HELP: ClassVar[str] = (
        "A line for each agent. States are of this moment; the details are a second or so old. The order is made "
        "anew with the details, except for a few seconds after the cursor was moved (`order held`); the cursor stays "
        "on its agent wherever that goes. A filter has conditions apart by commas, `state=busy,failed>0,memory>=500M,"
        "task~fit`, and plain words, which the name or the task must contain."
    )

    class Opened(Message):
        """The user wants to see one agent."""

        def __init__(self, name: str, among: list[str]) -> None:
            super().__init__()
            self.name = name
            self.among = among
            """All that are listed, in their order."""

    class Unfiltered(Message):
        """The user wants to see all again."""

    class Acted(Message):
        """The user wants to do something to some agents."""

        def __init__(self, names: list[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.listing = AgentListing()
        self._shift = 0
        self._shown = Shown(())
        self._hold: Timer | None = None
        self._title = ""

    # -- what is drawn ------------------------------------------------------------------------------------------------

    @property
    def detailed(self) -> bool:
        """Whether more than states is known, or will be in a moment."""
        view = self.view
        return bool(self.listing.roster.told) or (view.replay is None and not view.over)

    def lines(self, view: View, width: int, height: int) -> list[RowLine]:
        """The heading, and what is in sight."""
        listing = self.listing
        listing.take(view)
        detailed = self.detailed
        shown = self._shown = columns_for(listing, width - _BESIDE, detailed, self._shift)
        self._shift = min(self._shift, shown.last_shift)
        self._entitle()
        if listing.order and height > 1:
            return list_lines(listing, shown.columns, height)
        blank = [RowLine((), row=False)] * max((height - 1) // 2, 0)
        return [*blank, RowLine(((fmt.fit(self._nobody(view), width).center(width), "quiet"),), row=False)]

    def _nobody(self, view: View) -> str:
        """Why the list is empty."""
        listing = self.listing
        if view.idle:
            return "no run is open: 7 shows the history"
        if view.frame is None:
            return "◌ waiting for the first frame"
        if listing.filter and listing.there:
            return f"no agent fits {listing.filter.text.strip()}"
        if view.replay is not None and not view.replay.complete:
            return "the states of single agents were not recorded"
        if view.over:
            return "all agents have left"
        return "no agents yet" if view.cells else "◌ waiting for the agents"

    def _entitle(self) -> None:
        """Whose agents, how many; and what is to be known of their order. Every change repaints the widget."""
        listing = self.listing
        shown = fmt.count(len(listing.order))
        parts = [
            listing.pool if listing.pool is not None else "",
            f"{shown} of {fmt.count(listing.there)}" if listing.filter else shown if listing.order else "",
        ]
        if listing.marks:
            parts.append(f"{fmt.count(len(listing.marks))} marked")
        if listing.held:
            parts.append("order held")
        title = "  ".join(fmt.clean(part) for part in ("agents", *parts) if part)
        if title != self._title:
            self._title = title
            self.border_title = Content(f" {title} ")  # not a text: a pool may be called anything

    # -- moving about -------------------------------------------------------------------------------------------------

    def _moved(self, move: Callable[[], object]) -> None:
        """The user moves: what they look at stays in its place for a while."""
        move()
        self.listing.held = True
        if self._hold is None:
            self._hold = self.set_timer(self.HOLD, self.release)
        else:
            self._hold.reset()
        self.redraw()

    def release(self) -> None:
        """The order is made anew again."""
        if self._hold is not None:
            self._hold.stop()
            self._hold = None
        self.listing.held = False
        self.listing.renew()
        self.redraw()

    @property
    def _page(self) -> int:
        return max(self.size.height - 1, 1)

    def action_move(self, lines: int) -> None:
        """Up or down."""
        self._moved(lambda: self.listing.move(lines))

    def action_page(self, pages: int) -> None:
        """A page up, or down."""
        self._moved(lambda: self.listing.move(pages * self._page))

    def action_first(self) -> None:
        """To the first line."""
        self.listing.first()
        self.release()

    def action_last(self) -> None:
        """To the last line."""
        self._moved(self.listing.last)

    def action_shift(self, columns: int) -> None:
        """Other columns, where not all find room."""
        self._shift = min(max(self._shift + columns, 0), self._shown.last_shift)
        self.redraw()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """The wheel."""
        event.stop()
        self._moved(lambda: self.listing.scroll(_WHEEL, self._page))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """The wheel."""
        event.stop()
        self._moved(lambda: self.listing.scroll(-_WHEEL, self._page))

    def on_click(self, event: Click) -> None:
        """The cursor onto a row; twice: that agent. A heading: sort by it."""
        where = event.get_content_offset(self)
        if where is None:
            return
        if where.y == 0:
            column = column_at(self._shown.columns, where.x)
            if column is not None:
                self._sort_by(column.field)
            return
        at = self.listing.top + where.y - 1
        if at < len(self.listing.order):
            self._moved(lambda: self.listing.put(at))
            if event.chain == 2:
                self.action_open()

    # -- order and choice ---------------------------------------------------------------------------------------------

    def action_sort(self, columns: int) -> None:
        """By the next column, or the one before."""
        fields = sortable(self.detailed)
        at = fields.index(self.listing.by) if self.listing.by in fields else 0
        self._sort_by(fields[(at + columns) % len(fields)])

    def _sort_by(self, field: str) -> None:
        listing = self.listing
        descending = not listing.descending if field == listing.by else is_number(field)
        listing.sort(field, descending)
        self.redraw()

    def action_invert(self) -> None:
        """The other way round."""
        self.listing.sort(self.listing.by, not self.listing.descending)
        self.redraw()

    def narrow(self, wish: AgentFilter) -> None:
        """Only agents that fit, from now on."""
        self.listing.narrow(wish)
        self.redraw()

    def action_unfilter(self) -> None:
        """All of them again."""
        self.post_message(self.Unfiltered())

    def show_pool(self, pool: str | None) -> None:
        """The agents of this pool from now on; None: of all."""
        self.listing.show(pool)
        self.redraw()

    def find(self, name: str | None) -> None:
        """The cursor onto an agent, if it is listed."""
        if name is not None:
            self._moved(lambda: self.listing.find(name))

    def action_mark(self) -> None:
        """Mark one more."""
        self._moved(self.listing.mark)

    def action_unmark(self) -> None:
        """Mark none."""
        self.listing.marks.clear()
        self.redraw()

    # -- what is done with them ---------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a replay there is nothing to mark for, and its keys are needed for moving about in time."""
        if action == "unfilter":
            return bool(self.listing.filter)
        if action in ("mark", "unmark") and self.view.replay is not None:
            return False
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        """Show one agent."""
        name = self.listing.current
        if name:
            self.listing.chosen = True
            self.post_message(self.Opened(name, self.listing.names()))

    def action_act(self) -> None:
        """Do something to them."""
        names = self.listing.targets()
        if names:
            self.listing.chosen = True
            self.post_message(self.Acted(names))

    def tasks_of(self, names: list[str]) -> list[str]:
        """What some agents run, "" where nobody knows."""
        roster = self.listing.roster
        rows = [roster.rows[roster.layout.places[name]] for name in names]
        return ["" if row is None else row.task for row in rows]

    def copied(self) -> str:
        """The marked rows, or the one under the cursor, with all that is known of them."""
        listing = self.listing
        places = [listing.roster.layout.places[name] for name in listing.targets()]
        return copied(listing.roster, places) if places else self.text()
