"""What readers are shown of the metrics: the windows, with quantiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.metrics.families import family
from engine.metrics.histogram import Histogram
from engine.metrics.windows import SPANS, Window, Windows
from engine.stream.types import MetricsNow, PoolMetrics, Spread

RECENT: Final = SPANS[0]


def view(windows: Windows, pools: Iterable[str], at: float) -> MetricsNow:
    """The windows now; `at`: seconds since the Unix epoch."""
    spans = {**{span: windows.over(span) for span in SPANS}, 0.0: windows.over()}
    recent = spans[RECENT]
    return MetricsNow(
        at,
        tuple(_pool(pool, span, window) for pool in pools for span, window in spans.items()),
        recent.rate("shoal_observer_cpu_seconds_total"),
        spread(recent.histogram("shoal_loop_lag_seconds"), "shoal_loop_lag_seconds"),
    )


def spread(histogram: Histogram, name: str) -> Spread:
    """The quantiles of a family's histogram, in its unit."""
    scale = family(name).scale
    p50, p90, p95, p99 = (
        None if value is None else value / scale for value in map(histogram.quantile, (0.5, 0.9, 0.95, 0.99))
    )
    return Spread(histogram.count, p50, p90, p99, None if histogram.max is None else histogram.max / scale, p95)


def _pool(pool: str, span: float, window: Window) -> PoolMetrics:
    def of(name: str, **labels: str) -> Spread:
        return spread(window.histogram(name, pool=pool, **labels), name)

    done, failed = (
        round(window.added("shoal_tasks_finished_total", pool=pool, result=result) or 0)
        for result in ("done", "failed")
    )
    return PoolMetrics(
        pool, span, window.seconds, done, failed, (done + failed) / window.seconds if window.seconds > 0 else None,
        window.share("shoal_pool_acquires_total", {"result": "hit"}, pool=pool),
        of("shoal_task_run_seconds"), of("shoal_message_latency_seconds", stage="queue"),
        of("shoal_pool_acquire_seconds"),
    )  # fmt: skip
