"""Views of few agents, for what is listed of them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from screen_fleets import crowd

from engine.stream.types import AgentRow, Condition
from tui.agent_listing import AgentListing
from tui.view import AgentTable, View


def row_of(agent: str, state: str = "busy", **more: object) -> AgentRow:
    """An agent, of whom only some things matter."""
    known = {
        "agent": agent, "pool": agent.rpartition("/")[0], "shard": 0, "pid": 9, "state": state, "task": "", "batch": 0,
        "offset": -1, "running": 0.0, "done": 0, "failed": 0, "memory": 0, "busy": 0.0, "restarts": 0,
    }  # fmt: skip
    return AgentRow(**{**known, **more})  # type: ignore[arg-type]


def small(cells: bytes, *rows: AgentRow, size: int | None = None, of: tuple[Condition, ...] = ()) -> View:
    """A view of one pool ``a``, of as many agents as there are cells."""
    base = crowd({"a": size or len(cells)})
    assert base.frame is not None
    return replace(base, cells=cells, agents=AgentTable(rows, 1.0, of) if rows else None)


def shown(listing: AgentListing) -> str:
    """The numbers of the agents that are listed."""
    return " ".join(name.rpartition("/")[2] for name in listing.names())


def later(view: View, seconds: float, **changes: object) -> View:
    """The view some seconds later."""
    assert view.frame is not None
    frame = msgspec.structs.replace(view.frame, elapsed=view.frame.elapsed + seconds)
    return replace(view, frame=frame, **changes)  # type: ignore[arg-type]
