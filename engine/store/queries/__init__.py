"""Questions to the database, on a connection that can only read: never in the way of a recorder.

Nothing heavy is imported, and every answer is a plain struct, so that a command, a screen or a test may ask.
"""

from __future__ import annotations

from engine.store.queries.history import (
    Found,
    Sample,
    StoredAlert,
    StoredEvent,
    alerts,
    deaths,
    events,
    events_before,
    samples,
    search,
)
from engine.store.queries.inputs import Inputs, input_items, inputs
from engine.store.queries.outcomes import Outcome, outcomes, unfinished
from engine.store.queries.runs import (
    STATUSES,
    JobRow,
    Pool,
    Run,
    find,
    jobs,
    latest,
    open_readonly,
    pools,
    runs,
    spec,
)
from engine.store.queries.shards import Shard, shards
from engine.store.queries.tasks import Task, failure_kinds, failures, redelivered, slowest

__all__ = [
    "STATUSES",
    "Found",
    "Inputs",
    "JobRow",
    "Outcome",
    "Pool",
    "Run",
    "Sample",
    "Shard",
    "StoredAlert",
    "StoredEvent",
    "Task",
    "alerts",
    "deaths",
    "events",
    "events_before",
    "failure_kinds",
    "failures",
    "find",
    "input_items",
    "inputs",
    "jobs",
    "latest",
    "open_readonly",
    "outcomes",
    "pools",
    "redelivered",
    "runs",
    "samples",
    "search",
    "shards",
    "slowest",
    "spec",
    "unfinished",
]
