"""A list of agents in which somebody moves about: which are shown, in what order, and where the cursor is. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from engine.stream import filters
from engine.stream.types import Condition, Event
from tui.agents import Layout, Roster, pools_of
from tui.view import AgentTable, View

_CONDITION: Final = re.compile(r"\s*[a-z_]+\s*(!=|<=|>=|=|<|>|~)", re.DOTALL)

# -- which -------------------------------------------------------------------------------------------------------------

Test: TypeAlias = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class AgentFilter:
    """Which agents are shown: those that fulfil all conditions, and whose name or task has all words."""

    text: str = ""
    tests: tuple[tuple[str, Test], ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tests or self.words)

    @classmethod
    def read(cls, text: str) -> AgentFilter:
        """A filter as people write it: parts apart by commas, each a condition or words.

        Raises ValueError with one line that says what is wrong.
        """
        tests: list[tuple[str, Test]] = []
        words: list[str] = []
        for part in text.split(","):
            if _CONDITION.match(part) is None:
                words += part.casefold().split()
                continue
            meant = (each for each in filters.parse(part) if each.values != [""])  # else it is half written
            tests += [(condition.field, filters.test(condition)) for condition in meant]
        return cls(text, tuple(tests), tuple(words))

    def unknown(self, roster: Roster) -> str:
        """A field that it asks for and nobody knows, "" for none."""
        return next((name for name, _ in self.tests if not roster.knows(name)), "")

    def fitting(self, roster: Roster, places: list[int]) -> list[int]:
        """Those that are shown of some agents, in their order."""
        for name, fits in self.tests:
            values = roster.column(name, places)
            fitting = {value for value in set(values) if value is not None and fits(value)}  # few are told apart
            places = [place for place, value in zip(places, values, strict=True) if value in fitting]
        for word in self.words:
            names, rows = roster.layout.names, roster.rows
            places = [
                place for place in places
                if word in names[place].casefold() or ((row := rows[place]) is not None and word in row.task.casefold())
            ]  # fmt: skip
        return places


# -- in what order -----------------------------------------------------------------------------------------------------


_EMPTY_IF_UNKNOWN: Final = ("task", "running", "memory", "pid")


def ordered(roster: Roster, places: list[int], by: str, descending: bool) -> list[int]:
    """Agents by a field, those that are equal in the order of the scoreboard, those of whom it is not known last."""
    if by == "agent":
        return places[::-1] if descending else places
    if by == "state":
        keys: list[Any] = [roster.state(place) for place in places]
    else:
        keys = roster.column(by, places)
        if by in _EMPTY_IF_UNKNOWN:
            keys = [key or None for key in keys]
    unknown: list[int] = []
    if None in keys:
        pairs = list(zip(keys, places, strict=True))
        unknown = [place for key, place in pairs if key is None]
        places = [place for key, place in pairs if key is not None]
        keys = [key for key in keys if key is not None]
    order = sorted(range(len(places)), key=keys.__getitem__, reverse=descending)
    return [places[index] for index in order] + unknown


def wanted(pool: str | None) -> tuple[Condition, ...]:
    """What to ask an engine for: the agents of a pool, or all."""
    return () if pool is None else (Condition("pool", "=", [pool]),)


_PACE: Final = 1.0
"""Seconds of the run after which what the states alone have changed makes another order."""


class AgentListing:
    """A list of agents that somebody moves about in, while the agents change.

    Attributes:
        pool: whose agents; None: of all.
        by: the field that they are sorted by.
        order: the places of those that are shown.
        there: how many there are, those included that are not shown.
        at: which of these the cursor is on.
        top: which of these is the first in sight.
        marks: names of those that are marked.
        held: the order stays as it is, for now; whoever goes is taken out.
        news: by name, what befell an agent last; only of those of whom no details are known.
        chosen: the cursor is on an agent that the user has gone to, and goes where that goes. Else it is on the first.
    """

    def __init__(self, pool: str | None = None) -> None:
        self.pool = pool
        self.by = "agent"
        self.descending = False
        self.filter = AgentFilter()
        self.roster = Roster()
        self.order: list[int] = []
        self.there = 0
        self.at = 0
        self.top = 0
        self.marks: set[str] = set()
        self.held = False
        self.chosen = False
        self.news: dict[str, Event] = {}
        self._table: AgentTable | None = None
        self._ordered_at = 0.0
        self._run = ""
        self._cells = b""
        self._events: Sequence[Event] = ()

    # -- what comes ---------------------------------------------------------------------------------------------------

    def take(self, view: View) -> None:
        """A view more."""
        run = view.hello.run if view.hello is not None else ""
        if run != self._run:  # agents of another run are others, whatever they are called
            self._run, self._table, self.roster = run, None, Roster()
            self.order, self.at, self.top, self.chosen = [], 0, 0, False
            self.marks.clear()
        frame, roster = view.frame, self.roster
        table = self._fitting(view)
        pools = pools_of(frame.pools) if frame is not None else ()
        moved = pools != roster.layout.pools
        if moved or table is not self._table:
            layout = Layout.of(pools) if moved else roster.layout
            self.roster, self._table = Roster.of(layout, table, view.cells), table
            self._changed(roster.layout, view)
        elif view.cells is not self._cells:
            self.roster = roster.at(view.cells)
            elapsed = frame.elapsed if frame is not None else 0.0
            if self._of_states and abs(elapsed - self._ordered_at) >= _PACE:
                self._changed(roster.layout, view)
        self._cells = view.cells
        if view.events is not self._events and not self.roster.told:
            self._events = view.events
            self.news = {str(event.data["agent"]): event for event in view.events if "agent" in event.data}

    def _fitting(self, view: View) -> AgentTable | None:
        """The table to show: one that tells of others, because others were asked for, leaves the last as it was."""
        table = view.agents
        if table is not None and table.of in (wanted(self.pool), ()):
            return table
        # Nobody tells of any in a replay; after an engine came back, places mean others.
        return self._table if view.cells and view.replay is None else None

    @property
    def _of_states(self) -> bool:
        """Whether the states alone can change which agents are shown, or where."""
        sorted_by = self.by == "state" or any(name == "state" for name, _ in self.filter.tests)
        return sorted_by or any(name not in self.roster.told for name, _, _ in self.roster.layout.pools)

    def _changed(self, before: Layout, view: View) -> None:
        """Others are there, or other things are known of them."""
        if view.frame is not None:
            self._ordered_at = view.frame.elapsed
        here = self._here()
        if before is not self.roster.layout:
            names, places = before.names, self.roster.layout.places
            # Those that have no place any more keep one behind all others until they are taken out.
            old = [places.get(names[place], -1) for place in self.order]
        else:
            old = self.order
        if self.held:
            there = set(here)
            new = [place for place in old if place in there]
        else:
            new = self._sorted(here)
        self._go(old, new)
        if self.marks:
            listed = self.roster.layout.names
            self.marks &= {listed[place] for place in here}

    def _here(self) -> list[int]:
        here = self.roster.listed(self.pool)
        self.there = len(here)
        return here

    def _sorted(self, here: list[int]) -> list[int]:
        return ordered(self.roster, self.filter.fitting(self.roster, here), self.by, self.descending)

    def _go(self, old: Sequence[int], new: list[int]) -> None:
        """Another order: the cursor stays on its agent, or goes to the nearest, and the agent stays in its line."""
        line = self.at - self.top
        at = 0
        if self.chosen and new and old:
            try:
                at = new.index(old[self.at])
            except ValueError:
                at = self._nearest(old, new)
        self.order, self.at = new, at
        self.top = max(0, at - line) if self.chosen else 0

    def _nearest(self, old: Sequence[int], new: list[int]) -> int:
        """The line of the first agent after that of the cursor that is still there, or else before it."""
        there = set(new)
        near = next((place for place in (*old[self.at :], *old[: self.at][::-1]) if place in there), new[0])
        return new.index(near)

    def renew(self) -> None:
        """Sort and filter anew, whatever is held: because the user wants another order."""
        self._go(self.order, self._sorted(self._here()))

    # -- what the user does -------------------------------------------------------------------------------------------

    def show(self, pool: str | None) -> None:
        """The agents of another pool, or of all."""
        if pool != self.pool:
            self.pool, self.chosen = pool, False
            self.at = self.top = 0
            self.renew()

    def sort(self, by: str, descending: bool) -> None:
        """By another field."""
        self.by, self.descending = by, descending
        self.renew()

    def narrow(self, wish: AgentFilter) -> None:
        """Show others."""
        self.filter = wish
        self.renew()

    def move(self, lines: int) -> None:
        """The cursor so many lines down, or up."""
        self.put(self.at + lines)

    def put(self, at: int) -> None:
        """The cursor onto a line."""
        self.at = min(max(at, 0), max(len(self.order) - 1, 0))
        self.chosen = True

    def scroll(self, lines: int, height: int) -> None:
        """What is in sight so many lines down, or up, and the cursor with it, if it would be out of sight."""
        self.top = min(max(self.top + lines, 0), max(len(self.order) - height, 0))
        self.put(min(max(self.at, self.top), self.top + height - 1))

    def first(self) -> None:
        """To the first line, and stay there whoever is in it."""
        self.at = self.top = 0
        self.chosen = False

    def last(self) -> None:
        """To the last line."""
        self.put(len(self.order) - 1)

    def mark(self) -> None:
        """Mark the agent under the cursor, or take that back, and go on to the next."""
        name = self.current
        if name:
            self.marks ^= {name}
            self.move(1)

    def find(self, name: str) -> bool:
        """The cursor onto an agent; whether it is shown."""
        place = self.roster.layout.places.get(name, -1)
        if place not in self.order:
            return False
        self.put(self.order.index(place))
        return True

    # -- what is to be seen -------------------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The name of the agent under the cursor, "" for none."""
        return self.roster.layout.names[self.order[self.at]] if self.order else ""

    def names(self) -> list[str]:
        """Of all that are shown, in their order."""
        return [self.roster.layout.names[place] for place in self.order]

    def targets(self) -> list[str]:
        """Whom an action is about: the marked, in the order of the scoreboard, or the one under the cursor."""
        if self.marks:
            places = self.roster.layout.places
            return sorted(self.marks, key=lambda name: places.get(name, -1))
        return [self.current] if self.current else []

    def sight(self, height: int) -> range:
        """Which of the lines are in sight in so many lines; those of the cursor are."""
        highest = max(len(self.order) - height, 0)
        self.top = min(max(self.top, self.at - height + 1, 0), self.at, highest)
        return range(self.top, min(self.top + height, len(self.order)))
