"""Distributions of pools by the names that readers know them by, and their quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.metrics.families import family
from engine.metrics.snapshot import Labels
from engine.metrics.stack import Change, Stack
from engine.metrics.windows import Window
from engine.stream.types import Spread

SERIES: Final[dict[str, tuple[str, tuple[Labels, ...]]]] = {
    "run": ("shoal_task_run_seconds", (("call",), ("command",))),
    "wait": ("shoal_message_latency_seconds", (("queue",),)),
    "assign": ("shoal_message_latency_seconds", (("assign",),)),
    "spawn": ("shoal_agent_spawn_seconds", (("total", "warm"), ("total", "cold"))),
    "batch_out": ("shoal_batch_messages", (("out",),)),
    "batch_back": ("shoal_batch_messages", (("back",),)),
    "linger": ("shoal_batch_linger_seconds", ((),)),
}
"""Of which family each is, and of which series of a pool."""
_TOGETHER: Final = 16
"""Rows in one stack: more do not stay in a processor's cache."""
_SHARES: Final = (0.5, 0.9, 0.99, 0.95)


def changes(window: Window, name: str, pool: str) -> list[Change]:
    """What was counted of a pool within a window, of one of `SERIES`; nothing if it has none of them."""
    of, kinds = SERIES[name]
    return window.changes(of, *((pool, *kind) for kind in kinds))


def spreads_of(stack: Stack, names: Sequence[str]) -> list[Spread]:
    """The quantiles of each row, in the unit of its family, which is given by name."""
    made = []
    for row, (name, quantiles) in enumerate(zip(names, stack.quantiles(_SHARES), strict=True)):
        scale, number = family(name).scale, stack.numbers[row]
        p50, p90, p99, p95 = (None if value is None else value / scale for value in quantiles)
        made.append(Spread(number, p50, p90, p99, stack.greatest[row] / scale if number else None, p95))
    return made


def spreads(name: str, rows: Sequence[Sequence[Change]]) -> list[Spread]:
    """The quantiles of many histograms of families whose unit is that of this one."""
    parts = (rows[at : at + _TOGETHER] for at in range(0, len(rows), _TOGETHER))
    return [spread for part in parts for spread in spreads_of(Stack(part), [name] * len(part))]
