"""How hard the machine is pressed while agents start."""

from __future__ import annotations

import os

from engine.runtime.fleet import memory
from engine.runtime.fleet.limits import cores

_LITTLE = 0.2
"""Share of the memory that is free, below which fewer agents start at a time."""
_NONE = 0.08
"""Share below which they start one at a time."""
_BUSY = 12.0
"""Processes that want to run for each core, below which more starts do no harm."""
_CROWDED = 0.5
"""The least share that load alone leaves: most of it may be the very agents that are starting."""


def throttle(load: float, processors: int, free: float) -> float:
    """The share of the usual starts at a time that a machine can bear, from 0 (one at a time) to 1.

    Args:
        load: processes that want to run, on average.
        processors: cores they share.
        free: share of the memory that can be had without swapping.
    """
    by_memory = (free - _NONE) / (_LITTLE - _NONE)
    by_load = max(_CROWDED, _BUSY * processors / load) if load > 0 else 1.0
    return min(1.0, max(0.0, min(by_memory, by_load)))


def measure() -> float:
    """`throttle` of this machine now."""
    return throttle(os.getloadavg()[0], cores(), memory.share())
