"""What rules can be about: the signals that the engine measures, and the kinds of events that it tells of.

Rules are checked against these, so that one with a misspelt name is an error and not one that never fires.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.alerts.types import Unit


class Signal(msgspec.Struct, frozen=True):
    """A number that is measured over and over again.

    Attributes:
        labels: what there is one of it for: a pool, a path; empty for one in all.
        counts: it only ever grows, so that its increments say something.
        most: the largest value there can be, None where there is no such.
    """

    unit: Unit
    meaning: str
    labels: tuple[str, ...] = ()
    counts: bool = False
    most: float | None = None


_POOL: Final = ("pool",)

SIGNALS: Final[dict[str, Signal]] = {
    "pool_assigned": Signal("count", "batches that were given to an agent", _POOL, True),
    "pool_hits": Signal("count", "of these, those that found an idle agent at once", _POOL, True),
    "pool_idle_ratio": Signal(
        "ratio", "agents idle / agents, mean of the last 10 s; 0 while nothing, or little, may be begun", _POOL, most=1
    ),
    "pool_exhausted": Signal("count", "1 while tasks wait, nobody is idle and the pool can't grow, else 0", _POOL),
    "tasks_over": Signal("count", "tasks that are done or failed; cancelled ones left out", _POOL, True),
    "tasks_failed": Signal("count", "tasks that failed, for whatever reason", _POOL, True),
    "tasks_accepted": Signal("count", "tasks that are over by an outcome of an agent that was accepted", _POOL, True),
    "queue_depth": Signal("count", "tasks that are ready and wait", _POOL),
    "queue_per_agent": Signal("ratio", "tasks that are ready and wait / agents", _POOL),
    "shard_imbalance": Signal("ratio", "the most tasks an agent that a shard got / the mean, less 1", _POOL),
    "shard_placed": Signal("count", "tasks placed, over the time that shard_imbalance is taken over", _POOL),
    "agent_silent_seconds": Signal("seconds", "the longest that an agent owes a sign of life", _POOL),
    "longest_running_seconds": Signal("seconds", "how long the task has run that has run longest", _POOL),
    "loop_lag_seconds": Signal("seconds", "how late the engine's loop was at the worst, in the last second"),
    "alerts_lag_seconds": Signal("seconds", "how late the rules were evaluated at the worst, in the last second"),
    "recorder_backlog_ratio": Signal("ratio", "bytes that wait to be recorded / bytes that may", most=1),
    "memory_used_ratio": Signal("ratio", "memory in use / memory of the machine, or of its control group", most=1),
    "memory_used_bytes": Signal("bytes", "memory in use on the machine, or in its control group"),
    "cpu_ratio": Signal("count", "processes that run or want to / cores, mean of the last 10 s"),
    "fd_ratio": Signal("ratio", "descriptors open in the engine / its soft limit", most=1),
    "disk_free_ratio": Signal("ratio", "free room / room of the file system at that path", ("path",), most=1),
    "disk_free_bytes": Signal("bytes", "free room of the file system at that path", ("path",)),
}  # fmt: skip

EVENTS: Final[dict[str, tuple[str, ...]]] = {
    "agent.descriptors": ("pool", "agent"),
    "agent.died": ("pool", "agent", "why"),
    "agent.ended": ("pool", "agent", "why"),
    "agent.failed": ("pool", "agent"),
    "agent.garbage": ("pool", "agent"),
    "agent.given_up": ("pool",),
    "agent.kill": ("pool", "agent"),
    "agent.killed": ("pool", "agent", "why"),
    "agent.recycle": ("pool", "agent"),
    "agent.recycled": ("pool", "agent", "why"),
    "agent.retired": ("pool", "agent", "why"),
    "agent.stderr": ("pool", "agent"),
    "agent.stdout": ("pool", "agent"),
    "bench.regression": ("suite", "cell"),
    "fleet.ready": (),
    "gate.answered": ("gate", "decided"),
    "gate.decided": ("gate", "decided"),
    "host.descriptors": (),
    "host.died": ("pool", "shard"),
    "host.garbage": (),
    "host.stopped": (),
    "items.dropped": (),
    "memory.low": (),
    "memory.ok": (),
    "nursery.died": (),
    "nursery.stopped": (),
    "metrics.served": (),
    "nursery.threads": (),
    "nursery.waits": (),
    "output.dropped": (),
    "pool.backoff": ("pool",),
    "pool.broken": ("pool",),
    "pool.scaled": ("pool",),
    "pool.shards": ("pool",),
    "recorder.answers": (),
    "recorder.aside": (),
    "recorder.behind": (),
    "recorder.busy": (),
    "recorder.caught_up": (),
    "recorder.complaint": (),
    "recorder.died": (),
    "recorder.held": (),
    "recorder.lost": (),
    "recorder.restarted": (),
    "recorder.resumed": (),
    "recorder.silent": (),
    "recorder.stopped": (),
    "result.unreadable": (),
    "run.drain": (),
    "run.ended": ("status",),
    "run.paused": (),
    "run.resumed": (),
    "run.stop": (),
    "samples.dropped": (),
    "setting.changed": ("name",),
    "silence.began": (),
    "silence.ended": (),
    "sink.failed": ("sink",),
    "sink.well": ("sink",),
    "task.poisoned": ("pool", "job"),
    "work.done": ("task",),
    "work.failed": ("task",),
    "work.open": ("job",),
}
"""The labels of each kind, as `engine.alerts.intake.labels_of` makes them."""
