"""What a run tells, for the screens: fleets, distributions, windows, events, alerts; always the same."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec

from engine.stream.types import (
    BUSY,
    DEAD,
    DRAINING,
    IDLE,
    STARTING,
    AckView,
    AlertsNow,
    AlertView,
    Event,
    Frame,
    Level,
    MachineView,
    MetricsNow,
    PoolMetrics,
    PoolView,
    RunState,
    Shape,
    ShapesNow,
    Spread,
)
from tui.view import View, fold

NOON = 1_763_726_400.0
"""Friday, 21 November 2025, 12:00:00 UTC."""


def _pool(name: str, first: int, states: bytes, queued: int, done: int, failed: int, restarts: int) -> PoolView:
    return PoolView(
        name=name,
        first=first,
        size=len(states),
        starting=states.count(STARTING),
        idle=states.count(IDLE),
        busy=states.count(BUSY),
        draining=states.count(DRAINING),
        dead=states.count(DEAD),
        queued=queued,
        done=done,
        failed=failed,
        restarts=restarts,
    )


def frame_of(
    pools: dict[str, bytes],
    *,
    number: int = 1027,
    elapsed: float = 102.7,
    state: RunState = "running",
    done: int = 41_203,
    total: int | None = 100_000,
    failed: int = 0,
    rate: float = 582.0,
    eta: float | None = 101.0,
    delivered: float = 1.0,
) -> Frame:
    """A frame of a fleet, given as the states of the agents of each pool."""
    views, agents = [], cells_of(pools)
    at = 0
    for place, (name, states) in enumerate(pools.items()):
        part = done * len(states) // max(sum(map(len, pools.values())), 1)
        queued = (18_240, 2_130, 12)[place % 3] if state == "running" else 0
        bad, restarts = (failed, failed) if place == 0 else (0, 0)
        views.append(_pool(name, at, states, queued, part, bad, restarts))
        at += len(states)
    return Frame(
        number=number,
        at=NOON + elapsed,
        elapsed=elapsed,
        state=state,
        tasks=done + sum(view.queued for view in views),
        total=total,
        done=done,
        failed=failed,
        queued=sum(view.queued for view in views),
        running=agents.count(BUSY),
        rate=rate,
        eta=eta,
        delivered=delivered,
        restarts=failed,
        redelivered=0,
        pools=tuple(views),
        machine=MachineView(0.96, 2, 3 << 30, 24 << 30, 4.1, 7012),
    )


def cells_of(pools: dict[str, bytes]) -> bytes:
    """The states of all agents, given by pool."""
    return b"".join(pools.values())


def states_of(size: int, busy: float, *, seed: int, dead: range = range(0), starting: range = range(0)) -> bytes:
    """The states of a pool: by chance busy or idle, but for those that are named."""
    chance = random.Random(seed)
    states = bytearray(BUSY if chance.random() < busy else IDLE for _ in range(size))
    for agent in dead:
        states[agent] = DEAD
    for agent in starting:
        states[agent] = STARTING
    return bytes(states)


EIGHTH = 10 ** (1 / 8)


def shape_of(name: str, pool: str, middle: float, spread: float, values: int, late: int = 0) -> Shape:
    """A distribution round `middle` seconds, a tail to the right, and a few that are `late`."""
    first = round(8 * math.log10(middle / 1e-7)) - 7
    counts = []
    for bucket in range(first, first + 24):
        away = (bucket - first - 7) / (spread * (1.0 if bucket < first + 7 else 1.9))
        counts.append(round(values * 0.2 / spread * math.exp(-away * away / 2)))
    while counts[-1] == 0:
        counts.pop()
    while counts[0] == 0:
        counts.pop(0)
        first += 1
    if late:
        counts += [0, 0, 0, late]
    low = 1e-7 * EIGHTH**first
    end = low * EIGHTH ** len(counts)
    p50, p90, p95, p99 = (_reached(counts, low, share) for share in (0.5, 0.9, 0.95, 0.99))
    return Shape(name, pool, "seconds", Spread(sum(counts), p50, p90, p99, end * 0.9, p95), low, EIGHTH, counts)


def _reached(counts: list[int], low: float, share: float) -> float:
    so_far, wanted = 0, share * sum(counts)
    for bucket, count in enumerate(counts):
        if so_far + count >= wanted:
            value: float = low * EIGHTH ** (bucket + (wanted - so_far) / count)
            return value
        so_far += count
    raise AssertionError


_TIMES = {"micro": (180e-6, 3.2e-3), "domain": (11e-3, 2.4e-2), "prime": (0.42, 3.1e-2)}
"""Of a task, and of a start, by pool."""


def measured_of(frame: Frame) -> tuple[ShapesNow, MetricsNow]:
    """Distributions and windows of a run whose pools have tasks of very different length."""
    shapes, windows = [], []
    for place, pool in enumerate(frame.pools):
        task, start = _TIMES.get(pool.name, (1e-2, 1e-2))
        values = (2_900_000, 41_000, 310)[place % 3]
        run = shape_of("run", pool.name, task, (3.0, 2.4, 1.6)[place % 3], values, late=3 if place == 0 else 0)
        shapes += [run, shape_of("spawn", pool.name, start, 1.7, (312, 104, 36)[place % 3])]
        hits = (0.9921, 0.9704, 0.8812)[place % 3]
        empty = Spread(0, None, None, None, None)
        rate = frame.rate * pool.size / max(sum(view.size for view in frame.pools), 1)
        windows += [
            PoolMetrics(pool.name, window, window, pool.done, pool.failed, rate, hits, run.spread, empty, empty)
            for window in (10.0, 60.0)
        ]
    at = frame.at
    return ShapesNow(at, 60.0, tuple(shapes)), MetricsNow(
        at, tuple(windows), 0.011, Spread(900, 1e-4, 1e-3, 2e-3, 4e-3)
    )


def alert_of(
    number: int, severity: str, text: str, ago: float, *, at: float, delay: float | None = 8e-3, **more: Any
) -> AlertView:
    """An alert that fires since a while."""
    fired = at - ago
    told: dict[str, Any] = {
        "number": number, "fingerprint": f"{number:04x}", "rule": "agent-crash", "title": text, "area": "crash",
        "severity": severity, "state": "firing", "text": text, "labels": {}, "hint": "", "action": "", "unit": "count",
        "value": None, "threshold": None, "peak": None, "count": 1, "more": 0, "reopened": 0, "flapping": False,
        "happened": fired - delay if delay is not None else None, "detected": fired, "fired": fired, "shown": fired,
        "last": fired, "resolved": None, "ack": None, "silence": None, "inhibited_by": None,
    }  # fmt: skip
    return AlertView(**(told | more))


def event_of(number: int, level: Level, kind: str, text: str, after: float) -> Event:
    """An event some seconds after noon."""
    return Event(number, NOON + after, level, kind, text, {})


def in_trouble(view: View) -> View:
    """A view with alerts about a shard that died, and about what came of it."""
    assert view.frame is not None
    at = view.frame.at
    alerts = [
        alert_of(
            4, "critical", "pool micro: 14 agents crashed; the last: micro/1046 killed by SIGKILL", 4.2, at=at,
            hint="One kind of task kills whoever runs it, or the machine kills agents (out of memory).",
        ),
        alert_of(
            3, "warning", "pool domain: 5 agents crashed; the last: domain/4 killed by SIGKILL", 9.7, at=at,
            delay=11e-3, hint="The task that ran in it is tried again. Its last words and the signal are in the text.",
        ),
        alert_of(
            2, "warning", "pool micro: tasks wait 2.3s", 38.0, at=at, delay=None, rule="wait", area="latency",
            hint="More tasks come than the agents can do.",
        ),
        alert_of(
            1, "info", "4.1 processes for each core want to run", 61.0, at=at, delay=None, area="saturation",
            ack=AckView("lena", at - 30, "on purpose", None),
        ),
    ]  # fmt: skip
    events = [
        event_of(2, "warning", "shard.slow", "shard micro/2 has been silent for 1.2 s", 93.0),
        event_of(3, "error", "host.died", "the host of shard micro/8 died (SIGKILL); its agents went with it", 98.5),
        event_of(4, "error", "agent.died", "agent micro/1046 killed by SIGKILL, 3 tasks are sent again", 98.5),
        event_of(5, "info", "shard.started", "shard micro/8 starts again with 17 agents", 99.1),
        event_of(6, "info", "pool.grown", "pool micro asks for 10 agents: 18,240 tasks wait", 102.3),
    ]
    frame = msgspec.structs.replace(view.frame, alerts=(2, 1), restarts=19, redelivered=42)
    view = fold(fold(view, AlertsNow(at, alerts, [])), frame)
    for event in events:
        view = fold(view, event)
    return view
