"""By what factor Shoal must be faster than each tool at each task, and is to be. Data."""

from __future__ import annotations

from typing import Final

from engine.bench.others.tools import TOOLS

_AHEAD: Final = {("coordinate-many" if tool.many else "coordinate", tool.key): 1.0 for tool in TOOLS}
"""Where a fleet is started: hundreds, and a few of what can't have hundreds here."""
MUST: Final[dict[tuple[str, str], float]] = _AHEAD | {
    ("submit", "executor"): 5.0, ("submit", "loky"): 5.0, ("submit", "dask"): 60.0, ("submit", "ray"): 20.0,
    # In chunks, where the pool has no word about any of its tasks: within 30 %.
    ("map", "pool"): 0.7,
}  # fmt: skip
"""By names of task and tool."""
AIM: Final[dict[tuple[str, str], float]] = {
    ("submit", "executor"): 10.0, ("submit", "loky"): 10.0, ("map", "pool"): 1.0,
}  # fmt: skip
