"""Fleets for the screens in full: details of each agent, queues, distributions; always the same."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import msgspec

from engine.stream.types import (
    AGENT_STATES,
    BUSY,
    DEAD,
    IDLE,
    STARTING,
    STREAM_VERSION,
    AgentRow,
    Condition,
    Event,
    Frame,
    Hello,
    MachineView,
    MetricsNow,
    PoolMetrics,
    PoolQueue,
    PoolView,
    QueuesNow,
    Shape,
    ShapesNow,
    Spread,
)
from tui.agents import Layout, Roster, pools_of
from tui.archive import PastTask
from tui.view import AgentTable, View

RATIO = 10 ** (1 / 8)
"""Of the buckets of a shape, as an engine has them."""
_WORK = {"micro": ("fit", 2e-3), "domain": ("embed", 0.11), "prime": ("surrogates", 2.4)}
"""What the agents of a pool do: the task's name, and its usual seconds."""


def table_of(view: View, of: tuple[Condition, ...] = (), seed: int = 11) -> AgentTable:
    """All details of the agents of a view, as an engine would tell them; `of`: of one pool only."""
    frame = view.frame
    assert frame is not None
    chance = random.Random(seed)
    roster = Roster.of(Layout.of(pools_of(frame.pools)), None, view.cells)
    rows = []
    for number, pool in enumerate(frame.pools):
        name, seconds = _WORK.get(pool.name, ("task", 0.01))
        shards = max(1, pool.size // 128)
        for place in range(pool.first, pool.first + pool.size):
            index, state = place - pool.first, roster.state(place)
            share = min(0.999, chance.betavariate(9, 2))
            restarts = chance.choice((1, 1, 2)) if chance.random() < 0.02 or state == DEAD else 0
            task = f"{name}[{chance.randrange(100_000)}]" if state == BUSY else ""
            row = AgentRow(
                agent=f"{pool.name}/{index}", pool=pool.name, shard=number * 30 + index * shards // pool.size,
                pid=41_000 + place if state not in (0, DEAD) else 0, state=AGENT_STATES[state], task=task,
                batch=9_000 + place if task else 0, offset=index % 8 if task else -1,
                running=seconds * chance.lognormvariate(0, 0.8) if task else 0.0,
                done=int(pool.done / pool.size * (0.5 + share)),
                failed=chance.randrange(1, 9) if chance.random() < 0.015 else 0,
                memory=int((18 + 60 * chance.random() ** 3) * 2**20) if state not in (0, DEAD) else 0, busy=share,
                restarts=restarts,
            )  # fmt: skip
            rows.append(row)
    pools = {value for condition in of if condition.field == "pool" for value in condition.values}
    return AgentTable(tuple(row for row in rows if not pools or row.pool in pools), 100.0, of)


def crowd(sizes: dict[str, int], seed: int = 5) -> View:
    """A fleet of so many agents by pool, at work, with all details."""
    chance = random.Random(seed)
    pools, cells = [], b""
    for name, size in sizes.items():
        states = bytes(chance.choices((BUSY, IDLE, STARTING, DEAD), (86, 12, 1, 1), k=size))
        starting, idle, busy, dead = (states.count(state) for state in (STARTING, IDLE, BUSY, DEAD))
        pool = PoolView(
            name, len(cells), size, starting, idle, busy, 0, dead, size * 6, size * 90, size // 30, size // 90, 1, size
        )  # fmt: skip
        pools.append(pool)
        cells += states
    done, queued, busy = (sum(getattr(pool, name) for pool in pools) for name in ("done", "queued", "busy"))
    frame = Frame(
        1027, 1_763_726_502.7, 102.7, "running", done + queued, None, done, 0, queued, busy, 58_200.0, None, 1.0, 0, 0,
        tuple(pools), MachineView(0.96, 2, 3 << 30, 24 << 30, 4.1, 7012),
    )  # fmt: skip
    view = View(hello=Hello(STREAM_VERSION, "7f3a", "crowd", 4711, frame.at - frame.elapsed), frame=frame, cells=cells)
    return replace(view, agents=table_of(view))


def spread_of(middle: float, width: float, count: int, tail: float = 1.0) -> Spread:
    """The quantiles of a log-normal distribution."""
    p50, p90, p95, p99, high = (
        middle * math.exp(width * z) * (tail if z > 2 else 1.0) for z in (0.0, 1.28, 1.64, 2.33, 3.4)
    )
    return Spread(count, p50, p90, p99, high, p95)


def shape_of(name: str, pool: str, middle: float, width: float, count: int, unit: str = "seconds") -> Shape:
    """A log-normal distribution, in the buckets of an engine."""
    low = 10 ** (math.floor(math.log10(middle / math.exp(width * 3)) * 8) / 8)
    counts: list[int] = []
    while sum(counts) < count * 0.9985 and len(counts) < 60:
        left, right = (math.log(low * RATIO ** (len(counts) + i) / middle) / width for i in (0, 1))
        counts.append(round(count * (math.erf(right / math.sqrt(2)) - math.erf(left / math.sqrt(2))) / 2))
    while counts and not counts[-1]:
        counts.pop()
    return Shape(name, pool, unit, spread_of(middle, width, count), low, RATIO, counts)


def pool_queue_of(pool: PoolView, number: int) -> PoolQueue:
    """How a pool hands out tasks."""
    batches = max(pool.done // 12, 1)
    cold, wait = batches // 400, batches // (130 if number == 0 else 30)
    exits = {"crash": pool.restarts * 2 // 3, "oom": pool.restarts - pool.restarts * 2 // 3, "recycled": pool.size // 9}
    exits = {reason: count for reason, count in exits.items() if count}
    return PoolQueue(
        pool.name, "least-loaded", {"full": batches * 7 // 10, "time": batches // 5, "share": batches // 10},
        batches - cold - wait, wait, cold, exits, exits, pool.size + sum(exits.values()), number, 0,
        pool.restarts, pool.restarts * 3, pool.queued * 0.002, pool.size * 31 * 2**20,
    )  # fmt: skip


def manned(view: View) -> View:
    """A view with everything that the screen of pools shows."""
    frame = view.frame
    assert frame is not None
    pools = tuple(
        msgspec.structs.replace(
            pool, minimum=pool.size // (1 + number) // 4 or 1, maximum=pool.size * (5 if number else 4) // 4
        )
        if number != 1
        else msgspec.structs.replace(pool, minimum=pool.size, maximum=pool.size)
        for number, pool in enumerate(frame.pools)
    )
    frame = msgspec.structs.replace(frame, pools=pools)
    windows, shapes = [], []
    for number, pool in enumerate(pools):
        _, seconds = _WORK.get(pool.name, ("", 0.01))
        for window in (10.0, 60.0, 0.0):
            count = int(pool.done * (window / 100 if window else 1)) if frame.state != "ended" or not window else 0
            windows.append(
                PoolMetrics(
                    pool.name, window, window or frame.elapsed, count, pool.failed, count / (window or frame.elapsed),
                    (0.992, 0.97, 0.881)[number % 3], spread_of(seconds, 0.7, count), spread_of(4e-3, 0.9, count),
                    spread_of(3e-4, 0.6, count // 8 + 1),
                )
            )  # fmt: skip
        shapes += [
            shape_of("run", pool.name, seconds, 0.7, pool.done // 2),
            shape_of("assign", pool.name, 3e-4 * (1 + number), 0.6, max(pool.done // 16, 40)),
            shape_of("spawn", pool.name, 1.4e-3 * (1 + number), 0.45, pool.size),
        ]
    queues = tuple(pool_queue_of(pool, number) for number, pool in enumerate(pools))
    history = view.history
    view = replace(
        view, frame=frame, metrics=MetricsNow(frame.at, tuple(windows), 0.004, spread_of(2e-4, 0.5, 100)),
        queues=QueuesNow(frame.at, (), queues), shapes=ShapesNow(frame.at, 60.0, tuple(shapes)),
    )  # fmt: skip
    for step in range(int(frame.elapsed * 2)):
        at = step / 2
        wave = 0.85 + 0.1 * math.sin(at / 6)
        values = {"busy": frame.running * wave * min(1.0, at / 5), "queued": frame.queued * wave}
        for number, pool in enumerate(pools):
            wave = 0.85 + 0.1 * math.sin(at / (5 + number)) + 0.05 * math.sin(at * 1.7 + number)
            values[f"{pool.name}:busy"] = min(1.0, pool.busy / max(pool.size, 1) * wave * min(1.0, at / 5))
            values[f"{pool.name}:queued"] = pool.queued * wave
            values[f"{pool.name}:rate"] = pool.done / frame.elapsed * wave
        history = history.add(at, values) if step else replace(history, steps=(), last=-1, samples=0).add(at, values)
    merged = tuple({**one, **two} for one, two in zip(view.history.steps, history.steps, strict=False))
    view = replace(view, history=replace(view.history, steps=merged[-240:]))
    return replace(view, agents=table_of(view))


def spoken(view: View, agent: str) -> View:
    """A view in which an agent has said something, and has been through something."""
    at = view.frame.at if view.frame is not None else 0.0
    number = view.events[-1].number if view.events else 0
    said = [
        (-41.0, "info", "agent.stdout", "reading heart_int_1201.txt", {}),
        (-40.2, "info", "agent.stdout", "1,201 beats, 12 windows of 100", {}),
        (-22.7, "info", "agent.stderr", "RuntimeWarning: invalid value encountered in log  (window 7 is constant)", {}),
        (-9.4, "error", "agent.died", "was killed by SIGKILL, 182 MiB resident at its peak", {"signal": "SIGKILL"}),
        (-9.1, "info", "agent.started", "is up again after 41 ms", {}),
        (-3.5, "info", "agent.stdout", "k = 4: mutual information 0.218 nats, surrogates 0.031 ± 0.009", {}),
        (-0.4, "warning", "agent.killed", "was killed on request", {}),
    ]  # fmt: skip
    events = list(view.events)
    for place, (after, level, kind, text, more) in enumerate(said, 1):
        line = {"line": text} if kind in ("agent.stdout", "agent.stderr") else {}
        told = f"{agent}: {text}" if line else f"agent {agent} {text}"
        data = {"agent": agent, "pid": 41_001, **line, **more}
        events.append(Event(number + 2 * place, at + after, level, kind, told, data))  # type: ignore[arg-type]
        other = {"agent": f"{agent}9", "line": "not of this one"}
        events.append(Event(number + 2 * place + 1, at + after, "info", "agent.stdout", "not of this one", other))
    return replace(view, events=tuple(events))


def past_tasks(at: float) -> list[PastTask]:
    """The last tasks of an agent, the newest first."""
    chance = random.Random(17)
    tasks = []
    for number in range(40):
        at -= 0.4 + chance.random()
        failed, again = number in (3, 17), number == 9
        error = "ValueError: window 7 is constant: there is nothing to estimate from" if failed else ""
        tasks.append(
            PastTask(
                f"fit[{chance.randrange(100_000)}]", "failed" if failed else "done", 2 if again else 1, at,
                2e-3 * chance.lognormvariate(0, 0.9), error,
            )
        )  # fmt: skip
    tasks.append(PastTask("embed-all-of-it[7]", "cancelled", 1, None, None))
    return tasks
