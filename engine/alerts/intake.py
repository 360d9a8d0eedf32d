"""Labels for what the engine tells of: its events have data, rules ask for texts by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LONGEST: Final = 200
"""Letters of a label."""


def labels_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The data of an event as labels: plain values as text, and ``pool`` where only the agent is named."""
    found = {
        name: str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST]
        for name, value in data.items()
        if isinstance(value, str | int | float)
    }
    agent = found.get("agent", "")
    if "pool" not in found and "/" in agent:
        found["pool"] = agent.rpartition("/")[0]
    return found
