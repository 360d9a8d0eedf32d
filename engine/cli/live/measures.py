"""What was measured of the pools, as text: rates, hits and times within some windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from engine.cli.words import duration, number, printable

if TYPE_CHECKING:
    from engine.stream.types import MetricsNow, PoolMetrics, Spread


def pool_lines(parts: Sequence[MetricsNow]) -> Iterator[str]:
    """All of it, for people: each pool with its windows, and what the engine's loop and watching it took."""
    pools: dict[str, list[PoolMetrics]] = {}
    for part in parts:
        for window in part.windows:
            pools.setdefault(window.pool, []).append(window)
    for pool, windows in pools.items():
        # In a young run they are all the same: the last of them says it.
        for window in {window.seconds: window for window in windows}.values():
            yield f"measured of {printable(pool)}, {_span(window)}: {_counts(window)}"
            for name, found in (("run", window.run), ("wait", window.wait), ("assignment", window.assign)):
                if found.count:
                    yield f"  {name} {spread(found, duration)}"
    last = parts[-1]
    watching = "" if last.observer is None else f"; watching it takes {last.observer:.1%} of a core"
    yield f"engine, last 10 s: its loop is late by {spread(last.lag, duration)}{watching}"


def _span(window: PoolMetrics) -> str:
    return f"last {duration(window.seconds)}" if window.window else f"all {duration(window.seconds)}"


def _counts(window: PoolMetrics) -> str:
    rate = "rate not known yet" if window.rate is None else f"{number(window.rate)} tasks/s"
    hits = "" if window.hits is None else f", {window.hits:.1%} of the batches found an idle agent"
    return f"{rate}, {number(window.done)} done, {number(window.failed)} failed{hits}"


def spread(found: Spread, told: Callable[[float], str]) -> str:
    """What quantiles are known, and of how many values."""
    if not found.count:
        return "none"
    values = (("p50", found.p50), ("p90", found.p90), ("p95", found.p95), ("p99", found.p99), ("max", found.max))
    known = " ".join(f"{name} {told(value)}" for name, value in values if value is not None)
    return f"{known} of {number(found.count)}"
