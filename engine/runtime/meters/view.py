"""What readers are shown of the metrics: the windows, with quantiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.metrics.windows import SPANS, Window, Windows
from engine.runtime.meters.spreads import changes, spreads
from engine.stream.types import MetricsNow, PoolMetrics, Spread

RECENT: Final = SPANS[0]
_LAG: Final = "shoal_loop_lag_seconds"
_TOLD: Final = ("run", "wait", "assign")


def view(windows: Windows, pools: Iterable[str], at: float) -> MetricsNow:
    """The windows now; `at`: seconds since the Unix epoch."""
    spans = {**{span: windows.over(span) for span in SPANS}, 0.0: windows.over()}
    recent = spans[RECENT]
    each = [(pool, span, window) for pool in pools for span, window in spans.items()]
    rows = [changes(window, name, pool) for pool, _, window in each for name in _TOLD]
    *told, lag = spreads(_LAG, [*rows, recent.changes(_LAG, ())])
    threes = zip(*[iter(told)] * len(_TOLD), strict=True)
    return MetricsNow(
        at,
        tuple(_pool(*one, *three) for one, three in zip(each, threes, strict=True)),
        recent.rate("shoal_observer_cpu_seconds_total"),
        lag,
        round(spans[0.0].added("shoal_observer_skipped_values_total") or 0),
    )


def _pool(pool: str, span: float, window: Window, run: Spread, wait: Spread, assign: Spread) -> PoolMetrics:
    done, failed = (
        round(window.added("shoal_tasks_finished_total", pool=pool, result=result) or 0)
        for result in ("done", "failed")
    )
    return PoolMetrics(
        pool, span, window.seconds, done, failed, (done + failed) / window.seconds if window.seconds > 0 else None,
        window.share("shoal_pool_acquires_total", {"result": "hit"}, pool=pool), run, wait, assign,
    )  # fmt: skip
