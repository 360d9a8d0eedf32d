"""Views dressed with all that a run measures: distributions, queues, alerts; made by chance, the same every time."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import msgspec

from engine.stream.types import (
    AlertView,
    MetricsNow,
    PoolMetrics,
    PoolQueue,
    QueuesNow,
    Shape,
    ShapesNow,
    ShardView,
    Spread,
)
from tui.view import View, fold

_RATIO = 10 ** (1 / 8)


def spread_of(middle: float, count: int = 41_203) -> Spread:
    """A skewed distribution around a median."""
    return Spread(count, middle, middle * 2.4, middle * 9.1, middle * 31, middle * 4.2)


def shape_around(name: str, pool: str, unit: str, middle: float, *, seed: int, width: float = 0.5) -> Shape:
    """A distribution on a logarithmic axis around a median, with a thin tail."""
    chance = random.Random(seed)
    low = 10 ** math.floor(math.log10(middle) - 1)
    counts = [0] * 40
    for _ in range(4_000):
        value = middle * 10 ** chance.gauss(0, width / 2) * (10 ** chance.random() if chance.random() < 0.03 else 1)
        counts[min(max(int(math.log(value / low) / math.log(_RATIO)), 0), 39)] += 1
    while counts and not counts[-1]:
        counts.pop()
    return Shape(name, pool, unit, spread_of(middle, sum(counts)), low, _RATIO, counts)


def alert_of(number: int, severity: str, state: str, text: str, *, at: float, rule: str = "agent-crash") -> AlertView:
    """An alert that fired `number` seconds before `at`."""
    return AlertView(
        number, f"mark-{number}", rule, "an agent died", "crash", severity, state, text, {"pool": "micro"},
        "killed from outside, or by the kernel for want of memory", "look at its last words: enter opens the agent",
        "count", 1.0, 0.0, 1.0, 1, 0, 0, False, at - number, at - number + 0.003, at - number + 0.004,
        at - number + 0.006, at - number, at - 1 if state == "resolved" else None, None, None, None,
    )  # fmt: skip


def measured(view: View, *, shards: int = 3, alerts: bool = True) -> View:
    """The view with queues of the last two minutes, distributions, metrics, and alerts."""
    assert view.frame is not None
    assert view.hello is not None
    at, elapsed = view.frame.at, view.frame.elapsed
    pools = view.frame.pools
    chance = random.Random(5)
    for step in range(int(elapsed * 2)):
        told: list[ShardView] = []
        for place, pool in enumerate(pools):
            for shard in range(max(1, shards - place)):
                wave = 1 + math.sin(step / 17 + shard * 1.7 + place)
                depth = int(pool.queued / 2 * wave / shards * (0.8 + 0.4 * chance.random()))
                share = (1.0, 1.04, 0.86, 1.0, 1.01)[shard % 5] if shards > 1 else 1.0
                told.append(
                    ShardView(
                        pool.name,
                        len(told),
                        pool.size // shards,
                        depth,
                        9_000,
                        int(8_400 * share),
                        210 * shard,
                        0.93 - 0.07 * shard / shards,
                        share,
                        spread_of(0.031 * (1 + shard), 1_200),
                    )
                )
        if step % 2 == 0 or step == int(elapsed * 2) - 1:
            queues = QueuesNow(view.hello.started + step / 2, tuple(told), tuple(
                PoolQueue(
                    pool.name, "least-loaded", {"full": 1_840, "share": 212, "time": 37, "rest": 3}, 1_990, 95, 7,
                    {"crash": 3}, {"crash": 3, "idle": 1}, pool.size + 4, 0, 12, 6, 21, 31.5, pool.size * 2_300_000,
                )
                for pool in pools
            ))  # fmt: skip
            view = fold(view, queues)
    shapes = []
    for place, pool in enumerate(pools):
        run = 0.00018 * 12**place
        shapes += [
            shape_around("run", pool.name, "seconds", run, seed=place),
            shape_around("wait", pool.name, "seconds", 0.021 * (place + 1), seed=10 + place, width=0.8),
            shape_around("assign", pool.name, "seconds", 0.0009, seed=20 + place),
            shape_around("spawn", pool.name, "seconds", 0.0016, seed=30 + place, width=0.3),
            shape_around("batch_out", pool.name, "count", 60.0 / (1 + 3 * place), seed=40 + place, width=0.3),
        ]
    view = fold(view, ShapesNow(at, 60.0, tuple(shapes)))
    windows = tuple(
        PoolMetrics(
            pool.name, window, window or elapsed, pool.done, pool.failed, 190.0 / (place + 1), 0.97,
            spread_of(0.00018 * 12**place), spread_of(0.021 * (place + 1)), spread_of(0.0009),
        )
        for place, pool in enumerate(pools)
        for window in (10.0, 60.0, 0.0)
    )  # fmt: skip
    view = fold(view, MetricsNow(at, windows, 0.004, spread_of(0.0002, 900)))
    if alerts:
        fired = [
            alert_of(3, "critical", "firing", "2 agents of micro died within 10 s", at=at, rule="crash-loop"),
            alert_of(8, "warning", "firing", "micro/131 killed by SIGKILL", at=at),
            alert_of(54, "warning", "resolved", "micro: 18,240 tasks wait", at=at, rule="queue-depth"),
        ]
        view = replace(view, alerts={alert.fingerprint: alert for alert in fired})
        assert view.frame is not None
        view = replace(view, frame=msgspec.structs.replace(view.frame, alerts=(1, 1)))
    return view
