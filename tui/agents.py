"""All agents: where each one stands, and what is known of it. Pure.

An agent is told by its name, ``pool/number``; within one layout by its place, the row of the scoreboard, which is what
lists of thousands are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from engine.stream.types import ABSENT, AGENT_STATES, BUSY, DRAINING, IDLE, AgentRow, PoolView
from tui.view import AgentTable

_NUMBERS: Final = {name: number for number, name in enumerate(AGENT_STATES)}
_KNOWN: Final = bytes(state if state < len(AGENT_STATES) else ABSENT for state in range(256))
_ALWAYS_KNOWN: Final = ("agent", "pool", "state")
"""Fields that the states of all agents tell, without any table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the agents of each pool stand."""

    pools: tuple[tuple[str, int, int], ...] = ()
    """Name, place of the first agent, and how many places."""
    names: Sequence[str] = ()
    """By place; "" where nobody has one."""
    places: Mapping[str, int] = field(default_factory=dict)
    """By name."""

    @classmethod
    def of(cls, pools: Iterable[tuple[str, int, int]]) -> Layout:
        """The layout of some pools."""
        pools = tuple(pools)
        names = [""] * max((first + size for _, first, size in pools), default=0)
        for pool, first, size in pools:
            names[first : first + size] = [f"{pool}/{number}" for number in range(size)]
        return cls(pools, names, {name: place for place, name in enumerate(names) if name})

    def pool(self, place: int) -> str:
        """Whose place that is, "" for nobody's."""
        return next((name for name, first, size in self.pools if first <= place < first + size), "")


def pools_of(pools: Sequence[PoolView]) -> tuple[tuple[str, int, int], ...]:
    """What a layout needs of the pools of a frame."""
    return tuple((pool.name, pool.first, pool.size) for pool in pools)


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """What is known of all agents at one moment: the newest states, and details that are a second old."""

    layout: Layout = field(default_factory=Layout)
    rows: Sequence[AgentRow | None] = ()
    """Details by place."""
    told: frozenset[str] = frozenset()
    """Pools whose agents all have details, those apart that are gone."""
    leaving: Sequence[int] = ()
    """Places of those that are to end, as the engine knows and they do not yet."""
    states: bytes = b""
    """By place: one of the numbers of `AGENT_STATES`."""

    @classmethod
    def of(cls, layout: Layout, table: AgentTable | None, cells: bytes) -> Roster:
        """What a table and the states tell of the agents of a layout."""
        rows: list[AgentRow | None] = [None] * len(layout.names)
        told: set[str] = set()
        leaving: list[int] = []
        if table is not None:
            places = layout.places
            told = {row.pool for row in table.rows}
            for row in table.rows:
                place = places.get(row.agent)
                if place is not None:
                    rows[place] = row
                    if row.state == "draining":
                        leaving.append(place)
        return cls(layout, rows, frozenset(told), leaving).at(cells)

    def at(self, cells: bytes) -> Roster:
        """The same details with other states; of agents whose state is not told, that which the details have."""
        size = len(self.rows)
        states = bytearray(cells[:size].translate(_KNOWN))
        if len(states) < size:
            later = self.rows[len(states) :]
            states += bytes(ABSENT if row is None else _NUMBERS.get(row.state, ABSENT) for row in later)
        for place in self.leaving:
            if states[place] in (IDLE, BUSY):
                states[place] = DRAINING
        return replace(self, states=bytes(states))

    def state(self, place: int) -> int:
        """Of the agent at a place: one of the numbers of `AGENT_STATES`."""
        return self.states[place]

    def listed(self, pool: str | None = None) -> list[int]:
        """The places of the agents that there are, of one pool or of all, in the order of the scoreboard."""
        found: list[int] = []
        for name, first, size in self.layout.pools:
            if pool is not None and name != pool:
                continue
            if name in self.told:
                found += [place for place in range(first, first + size) if self.rows[place] is not None]
            else:
                states = self.states[first : first + size]
                found += [first + number for number, state in enumerate(states) if state != ABSENT]
        return found

    def column(self, name: str, places: Sequence[int]) -> list[Any]:
        """A field of some agents; None where it is not known."""
        if name == "state":
            return [AGENT_STATES[self.states[place]] for place in places]
        if name == "agent":
            return [self.layout.names[place] for place in places]
        if name == "pool":
            return [self.layout.pool(place) for place in places]
        rows = self.rows
        return [None if (row := rows[place]) is None else getattr(row, name) for place in places]

    def knows(self, name: str) -> bool:
        """Whether a field is known of anybody."""
        return name in _ALWAYS_KNOWN or bool(self.told)
