"""Each mechanism of the engine by itself: starts, the pool, shards, batches. Most are measured beside the same engine
with the mechanism switched off.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from engine.bench.engines import made, warm
from engine.bench.gate import gate
from engine.bench.shared import Result
from engine.bench.statistics import median, quantile
from engine.bench.tasks import begun_after, finished_after, identity, meet, work
from shoal import Engine

_clock = time.perf_counter
_PATIENCE: Final = 60.0
_POOLED: Final = {"enable_pooling": True}
"""Whatever the environment says: the other mechanisms are nothing without it."""


def spawned(agents: int, parallel: bool = True) -> Result:
    """Seconds until so many agents are up; ``failed``: starts that failed, by agents."""
    begun = _clock()
    with made(agents, settings={**_POOLED, "enable_parallel_spawn": parallel}) as engine:
        ready = engine.wait_ready(_PATIENCE + agents)
        took = _clock() - begun
        failed = engine.stats()["spawn"]["failed"]
    assert ready == agents, f"{ready} of {agents} agents were up"
    return {"value": took, "failed": failed / agents}


def spawned_one_by_one(agents: int) -> Result:
    """The same, where each start waits for the one before."""
    return spawned(agents, parallel=False)


def interpreters(agents: int) -> Result:
    """Seconds until so many fresh interpreters have said that they are up, each started when the one before had."""
    begun = _clock()
    there = []
    try:
        for _ in range(agents):
            process = subprocess.Popen(
                [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            there.append(process)
            assert process.stdout is not None
            process.stdout.readline()
        took = _clock() - begun
    finally:
        for process in there:
            process.communicate()
    return {"value": took}


def _counted(engine: Engine) -> dict[str, Any]:
    found: dict[str, Any] = engine.stats()["pools"]["main"]
    return found


def _paced(agents: int, tasks: int, seconds: float) -> tuple[float, list[float]]:
    """Tasks that come one at a time, and keep half of the agents busy on average: the share of them that found an idle
    agent, and the seconds of each from its submission until it had begun.
    """
    every = seconds / (agents / 2)
    with made(agents, settings=_POOLED) as engine:
        warm(engine, agents)
        before = _counted(engine)
        submitted, futures = [], []
        due = _clock()
        for _ in range(tasks):
            time.sleep(max(0.0, due - _clock()))
            due += every
            submitted.append(time.monotonic())
            futures.append(engine.submit(begun_after, seconds))
        waits = [future.result() - when for future, when in zip(futures, submitted, strict=True)]
        after = _counted(engine)
    hits, misses = (after[name] - before[name] for name in ("hits", "misses"))
    return hits / (hits + misses), waits


def pool_hits(agents: int, tasks: int, seconds: float) -> Result:
    """Share of the tasks that found an idle agent."""
    share, waits = _paced(agents, tasks, seconds)
    return {"value": share, "p50": median(waits), "p99": quantile(waits, 0.99)}


def pool_assigned(agents: int, tasks: int, seconds: float) -> Result:
    """Seconds from a submission until the task has begun, 99th percentile; ``p50``, ``hits``."""
    share, waits = _paced(agents, tasks, seconds)
    return {"value": quantile(waits, 0.99), "p50": median(waits), "hits": share}


def pool_exhausted(agents: int, tasks: int, seconds: float) -> Result:
    """Time for many more tasks than agents, all at once, by what sleeping alone takes; ``hits``."""
    with made(agents, settings=_POOLED) as engine:
        warm(engine, agents)
        before = _counted(engine)
        begun = _clock()
        for future in [engine.submit(begun_after, seconds) for _ in range(tasks)]:
            future.result()
        took = _clock() - begun
        after = _counted(engine)
    hits, misses = (after[name] - before[name] for name in ("hits", "misses"))
    return {"value": took / (math.ceil(tasks / agents) * seconds), "hits": hits / (hits + misses)}


def pool_growth(least: int, agents: int) -> Result:
    """Seconds until an elastic pool has grown from its least to so many, each with a task."""
    with gate() as opened, Engine(agents, min_workers=least, settings=_POOLED) as engine:
        warm(engine, least)
        begun = _clock()
        futures = [engine.submit(meet, opened.folder) for _ in range(agents)]
        came = opened.arrivals(agents, _PATIENCE)
        opened.open()
        up = {future.result() for future in futures}
    assert len(came) == agents, f"{len(came)} of {agents} agents had a task within {_PATIENCE:g} s"
    return {"value": came[-1] - begun, "agents_that_answered": len(up)}


def queued(shards: int, agents: int, tasks: int) -> Result:
    """Mean seconds that a task waits, from its submission until it begins, where all are there at once.

    ``balance``: by how much the shard that was sent most, or least, differs from the mean. Of trivial tasks a shard has
    a few large batches, so this says little; see `balanced`. ``stolen`` tasks; ``rate``: tasks a second.
    """
    with made(agents, settings={**_POOLED, "shard_count": shards, "enable_sharding": True}) as engine:
        warm(engine, agents)
        before = _counted(engine)["shards"]
        submitted, futures = [], []
        for _ in range(tasks):
            submitted.append(time.monotonic())
            futures.append(engine.submit(begun_after, 0.0))
        waits = [future.result() - when for future, when in zip(futures, submitted, strict=True)]
        took = time.monotonic() - submitted[0]
        after = _counted(engine)["shards"]
    assert len(after) == shards, f"{len(after)} shards, not {shards}"
    return {"value": math.fsum(waits) / tasks, "rate": tasks / took, **_evenness(before, after)}


def _evenness(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Result:
    """By how much the shard that was sent most, or least, differs from the mean of all; and ``stolen`` tasks."""
    sent = [one["sent"] - other["sent"] for one, other in zip(after, before, strict=True)]
    mean = sum(sent) / len(sent)
    return {
        "balance": max(abs(one / mean - 1) for one in sent), "stolen": sum(one["stolen"] for one in after),
    }  # fmt: skip


def balanced(
    shards: int, agents: int, tasks: int, strategy: str, seconds: float = 0.0, iterations: int = 0, waited: bool = False
) -> Result:
    """How unevenly tasks are sent to shards: by how much the one that was sent most since it began, or least, differs
    from the mean; ``stolen`` tasks; ``rate``: tasks a second.

    Each task sleeps for `seconds`, or computes for so many iterations. All are there at once; with `waited` each comes
    when the one before it is back. Of tasks that take no time all at once, a shard would have a few large batches, and
    the size of a single one would be what is measured.
    """
    settings = {**_POOLED, "shard_count": shards, "enable_sharding": True, "shard_strategy": strategy}

    def submitted(engine: Engine) -> Future[Any]:
        return engine.submit(work, iterations) if iterations else engine.submit(begun_after, seconds)

    with made(agents, settings=settings) as engine:
        warm(engine, agents, tasks=0)
        begun = _clock()
        if waited:
            for _ in range(tasks):
                submitted(engine).result()
        else:
            for future in [submitted(engine) for _ in range(tasks)]:
                future.result()
        took = _clock() - begun
        found = _counted(engine)["shards"]
    assert len(found) == shards, f"{len(found)} shards, not {shards}"
    evenness = _evenness([{"sent": 0}] * shards, found)
    return {"value": evenness["balance"], "stolen": evenness["stolen"], "rate": tasks / took}


def queued_in_one(shards: int, agents: int, tasks: int) -> Result:
    """The same with one shard, whatever is said."""
    return queued(1, agents, tasks)


def batched(tasks: int, batching: bool = True) -> Result:
    """Trivial tasks a second, submitted one by one; 2 agents."""
    with made(2, settings={**_POOLED, "enable_batching": batching}) as engine:
        warm(engine, 2)
        begun = _clock()
        futures = [engine.submit(identity, number) for number in range(tasks)]
        answers = [future.result() for future in futures]
        took = _clock() - begun
    assert answers == list(range(tasks))
    return {"value": tasks / took}


def unbatched(tasks: int) -> Result:
    """The same with a message for each task and each answer."""
    return batched(tasks, batching=False)


def held_back(tasks: int, slow: int, seconds: float, batch_timeout: float, batching: bool = True) -> Result:
    """Seconds from the end of a trivial task until its answer is there, 99th percentile, where one task in `slow`
    sleeps for `seconds`; ``p50``, ``worst``, ``rate``.
    """
    arrived: dict[Future[float], float] = {}
    with made(2, settings={**_POOLED, "enable_batching": batching, "batch_timeout": batch_timeout}) as engine:
        warm(engine, 2)
        futures = []
        begun = _clock()
        for number in range(tasks):
            future = engine.submit(finished_after, seconds if number % slow == slow // 2 else 0.0)
            future.add_done_callback(lambda done: arrived.setdefault(done, time.monotonic()))
            futures.append(future)
        ended = [future.result() for future in futures]
        took = _clock() - begun
    late = [
        arrived[future] - end
        for number, (future, end) in enumerate(zip(futures, ended, strict=True))
        if number % slow != slow // 2
    ]
    return {"value": quantile(late, 0.99), "p50": median(late), "worst": max(late), "rate": tasks / took}


OURS: Final[dict[str, Callable[..., Result]]] = {
    "spawned": spawned, "spawn_direct": spawned, "pool_hits": pool_hits, "pool_assigned": pool_assigned,
    "pool_exhausted": pool_exhausted, "pool_growth": pool_growth, "queued": queued, "balanced": balanced,
    "batched": batched, "held_back": held_back,
}  # fmt: skip
PEERS: Final[dict[str, Callable[..., Result]]] = {
    "spawned": spawned_one_by_one, "spawn_direct": interpreters, "queued": queued_in_one, "batched": unbatched,
}  # fmt: skip
"""The same with the mechanism off, or in the plain way."""
