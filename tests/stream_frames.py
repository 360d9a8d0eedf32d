"""Events and frames as an engine would tell them, for tests of those who listen."""

from __future__ import annotations

from typing import Any

from engine.stream.types import Event, Frame, Level, MachineView, PoolView

START = 1_763_726_400.0


def pool(name: str = "main", **counts: int) -> PoolView:
    """A pool; what is not said is 0."""
    fields = ("size", "starting", "idle", "busy", "draining", "dead", "queued", "done", "failed", "restarts")
    return PoolView(name, 0, *(counts.get(field, 0) for field in fields))


def frame(elapsed: float = 0.0, *pools: PoolView, **given: Any) -> Frame:
    """A frame of a run that goes on; every field may be given by name."""
    machine = MachineView(0.5, 2, 1 << 30, 1 << 34, 1.0, 20)
    values: dict[str, Any] = {
        "number": 1, "at": START + elapsed, "elapsed": elapsed, "state": "running", "tasks": 0, "total": None,
        "done": 0, "failed": 0, "queued": 0, "running": 0, "rate": 0.0, "eta": None, "delivered": 1.0, "restarts": 0,
        "redelivered": 0, "pools": pools, "machine": machine,
    }  # fmt: skip
    if "agents" in Frame.__struct_fields__:
        values["agents"] = b""
    return Frame(**(values | given))


def event(kind: str, said: str = "", level: Level = "warning", at: float = 0.0, **data: Any) -> Event:
    """An event, so many seconds after the start."""
    return Event(1, START + at, level, kind, said, data)
