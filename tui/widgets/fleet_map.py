"""The fleet map: every agent in its place, coloured by state: a stuck shard or a dying pool is a shape."""

from __future__ import annotations

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive

from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE, STARTING
from tui import format as fmt
from tui.commands import Command, bindings
from tui.places import Plan, height_of, next_in, plan
from tui.themes import STATE_GLYPHS, STATE_NAMES
from tui.view import View
from tui.widgets.agent_grid import AgentGrid
from tui.widgets.lines import Line, Panel
from tui.widgets.map_notes import MapNotes, agent_line, legend

_SPOTS: Final = (None, DEAD, STARTING, DRAINING, IDLE, BUSY)
"""What can be lit alone, in the order in which a key goes through it."""
_TROUBLE: Final = (DEAD, STARTING, DRAINING)
_LEFT_OVER: Final = 6
"""Lines under the map that are worth to be left to somebody else."""


class FleetMap(Panel[Line]):
    """Every agent of every pool, and under them how many are in each state. Moved about in, it shows one."""

    DEFAULT_CSS = """
    FleetMap {
        layout: vertical;
        AgentGrid, MapNotes { height: auto; }
    }
    """
    HELP: ClassVar[str] = (
        "Every agent in its place, pool by pool, in the colour of its state. Where there are more agents than places, "
        "several share one: it shows if one of them is dead, starts, or drains, in this order; else how many are busy."
    )
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("map.left", "left,h", "aside(-1)", "Left", "To the agent at the left", palette=False),
        Command("map.right", "right,l", "aside(1)", "Right", "To the agent at the right", palette=False),
        Command("map.up", "up,k", "beneath(-1)", "Up", "To the agent above", palette=False),
        Command("map.down", "down,j", "beneath(1)", "Down", "To the agent below", palette=False),
        Command("map.first", "home", "end_of_fleet(-1)", "First", "To the first agent", palette=False),
        Command("map.last", "end", "end_of_fleet(1)", "Last", "To the last agent", palette=False),
        Command("map.pool-before", "pageup", "pool(-1)", "Pool before", "To the pool before", palette=False),
        Command("map.pool-after", "pagedown", "pool(1)", "Next pool", "To the next pool", palette=False),
        Command("map.trouble", "n", "trouble(1)", "Next dead", "To the next agent that is dead, starts or drains", 45),
        Command("map.trouble-before", "N", "trouble(-1)", "", "To the one before", palette=False),
        Command("map.spot", "slash", "spot", "Spot", "Show one state alone, then the next, then all again", 44, "/"),
        Command("map.open", "enter", "open", "Agent", "Show this agent", 70, "⏎"),
        Command("map.clear", "escape", "clear", "Clear", "Show all states, point at none", palette=False),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    cursor: reactive[tuple[str, int] | None] = reactive(None, init=False, repaint=False)
    """The agent that the keys point at, by its pool and its number there: it stays the same when others come."""

    class Pointed(Message):
        """Another agent is pointed at, by keys or mouse."""

    class Chosen(Message):
        """An agent is to be shown."""

        def __init__(self, agent: str) -> None:
            super().__init__()
            self.agent = agent

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.grid = AgentGrid(id="agents")
        self.notes = MapNotes()
        self._over: int | None = None
        self._planned: tuple[object, Plan | None] = (None, None)
        self.border_title = " fleet "

    def compose(self) -> ComposeResult:
        """The agents, and what stands under them."""
        yield self.grid
        yield self.notes

    # -- what is shown ------------------------------------------------------------------------------------------------

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """Nothing but its parts."""
        plan_ = self._plan(view, width, height)
        self.notes.counts = _counts(view)
        self._share(2 if height > 2 and (plan_ is None or height_of(plan_) + 2 <= height) else 1)
        self.grid.plan = plan_
        self.grid.pointed = self._index(view)
        self.grid.spot = self.notes.spot
        self.grid.set_reactive(AgentGrid.view, view)  # it is drawn anew below, once
        self._say(view, width)
        self.grid.redraw()
        self.notes.redraw()
        return []

    def _share(self, lines: int) -> None:
        """So many lines are for the notes."""
        if lines != self.notes.wanted:
            self.notes.wanted = self.grid.spared = lines
            for part in (self.grid, self.notes):  # each remembers how high it was
                part.refresh(layout=True)

    def _say(self, view: View, width: int) -> None:
        index = self._index(view)
        named = self.pointed
        self.notes.agent = ()
        if index is None or named is None or self.grid.plan is None:
            return
        rows = view.agents.rows if view.agents is not None else ()
        row = next((row for row in rows if row.agent == named), None)
        state = view.cells[index] if index < len(view.cells) and view.cells[index] < len(STATE_NAMES) else ABSENT
        others = len(self.grid.plan.among(index)) - 1
        self.notes.agent = agent_line(named, state, others, row, width)

    def _plan(self, view: View, width: int, height: int) -> Plan | None:
        frame = view.frame
        if frame is None or not (view.cells or view.over) or not any(pool.size for pool in frame.pools):
            return None
        places = [(pool.name, pool.first, pool.size) for pool in frame.pools]
        plain = self.monochrome or self.ascii
        key = (places, width, height, plain)
        if self._planned[0] != key:
            self._planned = (key, plan(places, width, max(height - 1, 1), plain))
        return self._planned[1]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The map at the largest scale the stylesheet's limit allows, a line for the agent pointed at, and the legend;
        all there is, if what is left would be of no use to anybody.
        """
        # `container` comes without our border and padding; the limit is a share of the whole.
        whole = container + self.gutter.totals
        most = self.styles.max_height
        limit = int(most.resolve(whole, viewport)) if most is not None else whole.height
        limit = max(limit - self.gutter.height, 2)
        planned = self._plan(self.view, width, limit)
        if planned is None:
            return limit
        height = min(height_of(planned) + 2, limit)
        return height if limit - height >= _LEFT_OVER else limit

    def repaint(self) -> None:
        """With other glyphs, an agent may need another room."""
        super().repaint()
        self.refresh(layout=True)

    def watch_view(self, old: View, new: View) -> None:  # type: ignore[override]
        """A new view; the title tells how large the fleet is, and another fleet takes another height."""
        before, after = (
            [(pool.name, pool.first, pool.size) for pool in view.frame.pools] if view.frame is not None else []
            for view in (old, new)
        )
        if before != after or bool(old.cells) != bool(new.cells):
            self.refresh(layout=True)
        super().watch_view()
        self._entitle()

    def _entitle(self) -> None:
        """How large the fleet is, how many share a place, and which state is lit alone."""
        frame, spot = self.view.frame, self.notes.spot
        agents = sum(pool.size for pool in frame.pools) if frame is not None else 0
        title = f" fleet  {fmt.count(agents)} agent{'s' if agents != 1 else ''}" if agents else " fleet"
        shared = self.grid.plan.scale.per if self.grid.plan is not None else 1
        sharing = f", {shared} to a mark" if shared > 1 else ""
        alone = f"  only {STATE_NAMES[spot]} lit, esc: all" if spot is not None else ""
        if len(title + sharing + alone) > self.size.width - 2 and alone:
            sharing = ""
        title += f"{sharing}{alone} "
        if title != self.border_title:  # every change repaints the widget
            self.border_title = title

    def copied(self) -> str:
        """The states of all agents, a hundred in a line, by the glyphs of the legend."""
        frame, cells = self.view.frame, self.view.cells
        lines = []
        for pool in frame.pools if frame is not None else ():
            lines.append(f"{pool.name}  {fmt.count(pool.size)} agents")
            states = cells[pool.first : pool.first + pool.size]
            glyphs = "".join(STATE_GLYPHS[state] if state < len(STATE_GLYPHS) else "·" for state in states)
            lines += [glyphs[at : at + 100] for at in range(0, len(glyphs), 100)]
        return "\n".join([*lines, "".join(text for text, _ in legend(_counts(self.view), 200))])

    # -- which agent --------------------------------------------------------------------------------------------------

    @property
    def pointed(self) -> str | None:
        """The agent that mouse or keys point at."""
        if self._over is not None and (named := self._named(self._over)) is not None:
            return "{}/{}".format(*named)
        return "{}/{}".format(*self.cursor) if self.cursor is not None else None

    def _named(self, index: int) -> tuple[str, int] | None:
        frame = self.view.frame
        for pool in frame.pools if frame is not None else ():
            if pool.first <= index < pool.first + pool.size:
                return pool.name, index - pool.first
        return None

    def _index(self, view: View) -> int | None:
        """The row of the agent that is pointed at, None if it has none by now."""
        return self._over if self._over is not None else self._cursor_index(view)

    def _cursor_index(self, view: View) -> int | None:
        if self.cursor is None or view.frame is None:
            return None
        name, number = self.cursor
        pool = next((pool for pool in view.frame.pools if pool.name == name and number < pool.size), None)
        return pool.first + number if pool is not None else None

    def _go(self, index: int) -> None:
        self._over = None
        self.cursor = self._named(index)

    def watch_cursor(self, old: object, new: object) -> None:
        """Another agent."""
        self._repoint()
        if (old is None) != (new is None):
            self.refresh_bindings()

    def _repoint(self) -> None:
        self.redraw()
        self.post_message(self.Pointed())

    # -- what keys and mouse do ---------------------------------------------------------------------------------------

    def _start(self) -> tuple[Plan, int] | None:
        """The map, and where the cursor is; at first it comes up at the first agent."""
        planned = self.grid.plan
        if planned is None or not planned.rows:
            return None
        index = self._cursor_index(self.view)
        if index is None:
            self._go(planned.rows[0].first)
            return None
        return planned, index

    def action_aside(self, columns: int) -> None:
        """To the left or right."""
        if (at := self._start()) is not None:
            self._go(at[0].aside(at[1], columns))

    def action_beneath(self, places: int) -> None:
        """Up or down."""
        if (at := self._start()) is not None:
            self._go(at[0].beneath(at[1], places))

    def action_end_of_fleet(self, which: int) -> None:
        """To the first agent, or the last."""
        planned = self.grid.plan
        if planned is not None and planned.rows:
            self._go(planned.last if which > 0 else planned.rows[0].first)

    def action_pool(self, pools: int) -> None:
        """To another pool."""
        if (at := self._start()) is not None:
            self._go(at[0].pool_from(at[1], pools))

    def action_trouble(self, direction: int) -> None:
        """To the next agent that is dead; of the state that is shown alone; else of one that is not at work."""
        planned = self.grid.plan
        if planned is None or not planned.rows:
            return
        states = _TROUBLE if self.notes.spot is None else (self.notes.spot,)
        found = next_in(self.view.cells[: planned.last + 1], states, self._cursor_index(self.view), direction)
        if found is not None:
            self._go(found)
        else:
            self.notify("all agents are at work or idle" if self.notes.spot is None else "there is none", timeout=2)

    def action_spot(self) -> None:
        """The next state is lit alone, or all."""
        self.notes.spot = _SPOTS[(_SPOTS.index(self.notes.spot) + 1) % len(_SPOTS)]
        self.redraw()
        self._entitle()
        self.refresh_bindings()

    def action_open(self) -> None:
        """Show the agent under the cursor."""
        if self.cursor is not None:
            self.post_message(self.Chosen("{}/{}".format(*self.cursor)))

    def action_clear(self) -> None:
        """All states, and no agent."""
        self.notes.spot = None
        self._over = None
        self.cursor = None
        self.redraw()
        self._entitle()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs a cursor is off without one."""
        if action == "open":
            return self.cursor is not None
        if action == "clear":
            return self.cursor is not None or self.notes.spot is not None
        return super().check_action(action, parameters)

    @on(AgentGrid.Over)
    def mouse_over(self, event: AgentGrid.Over) -> None:
        """Show it, as long as the mouse is there."""
        event.stop()
        self._over = event.agent
        self._repoint()

    @on(AgentGrid.Clicked)
    def clicked(self, event: AgentGrid.Clicked) -> None:
        """The cursor comes there, and the agent is shown."""
        event.stop()
        self.focus()
        if event.agent is not None:
            self._go(event.agent)
            self.action_open()


def _counts(view: View) -> list[int]:
    """Agents in each state; none before the first frame."""
    if view.frame is None:
        return []
    pools = view.frame.pools
    if not view.cells and not view.over:
        counted = [sum(getattr(pool, name) for pool in pools) for name in STATE_NAMES[1:]]
        return [sum(pool.size for pool in pools) - sum(counted), *counted]
    members = b"".join(view.cells[pool.first : pool.first + pool.size] for pool in pools)
    counts = [members.count(state) for state in range(len(STATE_NAMES))]
    counts[ABSENT] = sum(pool.size for pool in pools) - sum(counts[1:])
    return counts
