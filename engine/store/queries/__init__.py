"""Questions to the database, on a connection that can only read: never in the way of a recorder.

Nothing heavy is imported, and every answer is a plain struct, so that a command, a screen or a test may ask.
"""

from __future__ import annotations

from engine.store.queries.durations import QUANTILES, Durations, Spread, durations
from engine.store.queries.history import (
    EventGroup,
    Found,
    Sample,
    StoredAlert,
    StoredEvent,
    alerts,
    deaths,
    event_groups,
    events,
    events_before,
    events_of,
    peak_memory,
    samples,
    search,
)
from engine.store.queries.inputs import Inputs, input_items, inputs
from engine.store.queries.outcomes import LargeResults, Outcome, filled, large_results, outcomes, pickled, unfinished
from engine.store.queries.runs import (
    STATUSES,
    JobRow,
    Pool,
    Run,
    find,
    jobs,
    latest,
    of_id,
    open_readonly,
    pools,
    reruns,
    runs,
    spec,
)
from engine.store.queries.shards import Shard, shards
from engine.store.queries.tasks import (
    FailureGroup,
    Task,
    failure_groups,
    failure_kinds,
    failures,
    redelivered,
    slowest,
)

__all__ = [
    "QUANTILES",
    "STATUSES",
    "Durations",
    "EventGroup",
    "FailureGroup",
    "Found",
    "Inputs",
    "JobRow",
    "LargeResults",
    "Outcome",
    "Pool",
    "Run",
    "Sample",
    "Shard",
    "Spread",
    "StoredAlert",
    "StoredEvent",
    "Task",
    "alerts",
    "deaths",
    "durations",
    "event_groups",
    "events",
    "events_before",
    "events_of",
    "failure_groups",
    "failure_kinds",
    "failures",
    "filled",
    "find",
    "input_items",
    "inputs",
    "jobs",
    "large_results",
    "latest",
    "of_id",
    "open_readonly",
    "outcomes",
    "peak_memory",
    "pickled",
    "pools",
    "redelivered",
    "reruns",
    "runs",
    "samples",
    "search",
    "shards",
    "slowest",
    "spec",
    "unfinished",
]
