"""Every metric: its name, type, unit, labels and meaning. The page, its checks and the README are made of this table.

Names are as Prometheus has them: base units, the unit last, ``_total`` for counters. A label has few values: pools,
shards and words that are listed here, never an agent or a task. Where a ratio of counters tells something, such as hits
of all acquires, the counters are the metric. Limits are metrics of their own, so that sums over labels make sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["gauge", "counter", "histogram", "info"]
Unit: TypeAlias = Literal["", "seconds", "bytes", "ratio", "messages", "agents", "rows"]

NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the values it may have; None for names of pools and numbers of shards."""

    name: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its series."""

    name: str
    """As it is exposed, of a histogram without ``_bucket``, ``_sum`` and ``_count``."""
    kind: Kind
    unit: Unit
    labels: tuple[Label, ...]
    help: str

    @property
    def label_names(self) -> tuple[str, ...]:
        """In the order in which values are given."""
        return tuple(label.name for label in self.labels)

    @property
    def scale(self) -> int:
        """What a histogram counts, in one of its unit: it counts nanoseconds, or whole messages and bytes."""
        return NANOSECONDS if self.unit == "seconds" else 1

    @property
    def edges(self) -> range:
        """Of a histogram, the powers of two at which its buckets end where it is exposed."""
        return _EDGES[self.unit]

    @property
    def adds(self) -> bool:
        """Whether a sum over its series means something."""
        return self.unit != "ratio" and self.name not in _NO_SUMS

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its lines on the page."""
        if self.kind != "histogram":
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")

    def of_kind(self, kind: Kind) -> Family:
        """This family. Raises ValueError if it is of another kind."""
        if self.kind != kind:
            raise ValueError(f"{self.name} is a {self.kind}, no {kind}")
        return self

    def check(self, values: tuple[str, ...]) -> None:
        """Raises ValueError unless these are values of its labels, in their order."""
        if len(values) != len(self.labels):
            told = ", ".join(self.label_names) or "none"
            raise ValueError(f"{self.name} has the labels {told}, not {len(values)} values")
        for label, value in zip(self.labels, values, strict=True):
            if label.values is not None and value not in label.values:
                raise ValueError(f"{self.name}: {label.name} is one of {', '.join(label.values)}, not {value!r}")


_EDGES: Final[dict[Unit, range]] = {
    "seconds": range(10, 41),  # 1 µs to 18 minutes
    "messages": range(18),
    "bytes": range(6, 33),
}
_NO_SUMS: Final = frozenset({"shoal_machine_load1", "shoal_work_longest_running_seconds"})

_POOL: Final = Label("pool")
_SHARD: Final = Label("shard")
_WAYS: Final = Label("direction", ("out", "back"))
_FOUND: Final = Label("result", ("hit", "wait", "cold"))
_EXIT: Final = Label(
    "reason",
    ("crash", "oom", "timeout", "start", "health", "cancelled", "recycled", "idle", "scale_in", "killed"),
)


def _family(name: str, kind: Kind, help_: str, *labels: Label) -> Family:
    unit: Unit = ""
    base = name.removesuffix("_total")
    for known in ("seconds", "bytes", "ratio", "messages", "agents", "rows"):
        if base.endswith(f"_{known}"):
            unit = known
    return Family(f"shoal_{name}", kind, unit, labels, help_)


_ALL: Final = (
    # Pools
    _family("pool_agents", "gauge", "Agents of a pool by what they are doing.", _POOL,
            Label("state", ("starting", "idle", "busy", "draining", "dead"))),
    _family("pool_agents_limit", "gauge", "How many agents a pool may have, and is to have at this moment.", _POOL,
            Label("bound", ("min", "max", "target"))),
    _family("pool_deficit_agents", "gauge", "Agents that a pool is short of its target.", _POOL),
    _family("pool_pending_requests", "gauge", "Tasks that are ready and not yet sent to an agent.", _POOL),
    _family("pool_acquires_total", "counter", "Batches by how they came by an agent: one was idle, came free, or had "
            "to be started.", _POOL, _FOUND),
    _family("pool_acquire_seconds", "histogram", "Assignment latency: until the first task of a batch began, from "
            "when it was sent where an agent was idle, else from when it was ready.", _POOL, _FOUND),
    _family("pool_use_seconds", "histogram", "Time for which an agent was held by a batch, from its first task to the "
            "end of its last.", _POOL),
    _family("pool_busy_seconds_total", "counter", "Time that agents have spent in tasks.", _POOL),
    _family("pool_refill_seconds", "histogram", "From when an agent was missing until another was up.", _POOL),
    _family("pool_refills_total", "counter", "Agents asked for in place of others, by how those ended.", _POOL, _EXIT),
    _family("pool_grown_agents_total", "counter", "Agents asked for because tasks waited.", _POOL),
    _family("pool_occupancy_seconds", "gauge", "Work that waits, as time of one agent, by what its functions took so "
            "far; absent where that is not known.", _POOL),
    _family("pool_memory_bytes", "gauge", "Memory that agents share with nobody, as they last told.", _POOL),
    # Starts and ends of agents
    _family("agent_spawn_seconds", "histogram", "Start of an agent, whole and by phase: until it runs, imports and "
            "initialises, and is known to be up.", _POOL,
            Label("phase", ("fork", "init", "handshake", "total")), Label("start", ("cold", "warm"))),
    _family("agent_spawns_total", "counter", "Starts of agents by how they ended.", _POOL,
            Label("result", ("started", "failed"))),
    _family("agent_spawns_running", "gauge", "Agents that are being started at this moment.", _POOL),
    _family("agent_spawns_limit", "gauge", "Agents that may be started at a time now, in all pools."),
    _family("agent_exits_total", "counter", "Agents that ended, by reason; those that went with their host have "
            "crashed.", _POOL, _EXIT),
    _family("agent_restarts_total", "counter", "Agents started in place of others.", _POOL),
    # Batches
    _family("batch_messages", "histogram", "Messages in a batch: tasks on the way out, outcomes on the way back.",
            _POOL, _WAYS),
    _family("batch_bytes", "histogram", "Size of a batch.", _POOL, _WAYS),
    _family("batch_flushes_total", "counter", "Batches sent, by what ended them: the limit of tasks, of work, of "
            "bytes; an even share for each agent; times not known yet; no more were ready.", _POOL,
            Label("reason", ("full", "time", "bytes", "share", "first", "rest"))),
    _family("batch_linger_seconds", "histogram", "Batching latency: how long the first outcome of a message waited for "
            "the others.", _POOL),
    # Shards
    _family("shard_depth_messages", "gauge", "Tasks that wait at a shard, or were sent to it and do not run.", _POOL,
            _SHARD),
    _family("shard_enqueued_total", "counter", "Tasks placed on a shard.", _POOL, _SHARD),
    _family("shard_dequeued_total", "counter", "Tasks of a shard sent to its agents.", _POOL, _SHARD),
    _family("shard_stolen_total", "counter", "Tasks that a shard took from another one.", _POOL, _SHARD),
    _family("queue_wait_seconds", "histogram", "Wait of tasks: ready until they were sent, and from there until they "
            "began.", _POOL, _SHARD, Label("stage", ("ready", "agent"))),
    _family("shard_utilization_ratio", "gauge", "Busy share of a shard's agents.", _POOL, _SHARD),
    _family("shard_balance_ratio", "gauge", "Tasks sent to a shard, by the mean of all shards of its pool.", _POOL,
            _SHARD),
    # Coordination: tasks and messages
    _family("tasks_submitted_total", "counter", "Tasks taken in.", _POOL),
    _family("tasks_finished_total", "counter", "Tasks that are over, by how.", _POOL,
            Label("result", ("done", "failed", "cancelled"))),
    _family("tasks_redelivered_total", "counter", "Tasks sent again, because an agent or a host died.", _POOL),
    _family("tasks_recalled_total", "counter", "Tasks given back by agents that had not begun them.", _POOL),
    _family("task_run_seconds", "histogram", "Run time of tasks.", _POOL, Label("kind", ("call", "command"))),
    _family("coordination_seconds", "histogram", "From when a task was ready to its acceptance, without its run.",
            _POOL),
    _family("message_latency_seconds", "histogram", "The way of a task by stage, and as a whole.", _POOL,
            Label("stage", ("queue", "assign", "run", "back", "total"))),
    _family("messages_delivered_total", "counter", "Messages between agents.",
            Label("result", ("delivered", "redelivered", "dropped"))),
    _family("delivery_ratio", "gauge", "Delivery rate: tasks that are over by an outcome of an agent, by all that "
            "are, cancelled ones left out."),
    _family("work_unfinished_seconds", "gauge", "Age of all tasks that run, added up: it grows while something hangs.",
            _POOL),
    _family("work_longest_running_seconds", "gauge", "Age of the task that has run for longest.", _POOL),
    _family("serialize_seconds", "histogram", "Encoding of a batch's arguments.", _POOL),
    _family("deserialize_seconds", "histogram", "Decoding of a batch's outcomes.", _POOL),
    _family("payload_bytes", "histogram", "Size of arguments and results that travel in memory of their own.", _POOL,
            _WAYS),
    # The engine and its record
    _family("loop_lag_seconds", "histogram", "How late the loop was for what was due: timers, samples."),
    _family("dispatch_busy_seconds_total", "counter", "Time for which the loop was not waiting."),
    _family("engine_cpu_seconds_total", "counter", "Processor time of the engine's process."),
    _family("engine_memory_bytes", "gauge", "Resident memory of the engine's process."),
    _family("engine_open_fds", "gauge", "Descriptors that the engine has open."),
    _family("engine_max_fds", "gauge", "Descriptors that the engine may have open."),
    _family("store_commit_seconds", "histogram", "Commits of the recorder."),
    _family("store_queue_depth_messages", "gauge", "Messages to the recorder that are not safe yet."),
    _family("store_rows_total", "counter", "Rows written by the recorder, each task counting as one."),
    _family("store_wal_bytes", "gauge", "Size of the database's log."),
    # Alerts
    _family("alerts_firing", "gauge", "Alerts that fire, by severity; absent where nobody knows.",
            Label("severity", ("info", "warning", "critical"))),
    _family("alert_detect_seconds", "histogram", "From when something happened, as far as that is known, until there "
            "was an alert about it: of alerts about events, by class.",
            Label("class", ("crash", "latency", "saturation", "error", "regression", "stale", "capacity", "self"))),
    # The machine
    _family("machine_cpu_ratio", "gauge", "Busy share of all cores."),
    _family("machine_cores", "gauge", "Cores that may be used."),
    _family("machine_memory_used_bytes", "gauge", "Memory in use: of the machine, or of the control group that is "
            "fuller."),
    _family("machine_memory_limit_bytes", "gauge", "Memory there is for that, or may be used."),
    _family("machine_load1", "gauge", "Load average of the last minute."),
    _family("cpu_pressure_ratio", "gauge", "Share of the last 10 s in which something waited for a processor (PSI)."),
    _family("memory_pressure_ratio", "gauge", "Share of the last 10 s in which something waited for memory (PSI)."),
    _family("io_pressure_ratio", "gauge", "Share of the last 10 s in which something waited for I/O (PSI)."),
    _family("cpu_throttled_seconds_total", "counter", "Time for which the engine's control group was not let run."),
    _family("runqueue_wait_seconds_total", "counter", "Time that the agents waited for a processor.", _POOL),
    _family("context_switches_total", "counter", "Context switches of the agents.", _POOL,
            Label("kind", ("voluntary", "involuntary"))),
    # What all this costs
    _family("observer_cpu_seconds_total", "counter", "Processor time spent on measuring and showing: samples, counts, "
            "what is made of them; alerts; frames; messages for readers, sending these, and pages of agents.",
            Label("part", ("sample", "count", "render", "alerts", "frames", "encoding", "sending", "pages"))),
    _family("observer_skipped_values_total", "counter", "Measurements that were not counted, as nobody sampled."),
    _family("snapshot_bytes", "gauge", "Memory of the histograms in a snapshot."),
    _family("build_info", "info", "Versions of what runs.", Label("version"), Label("python")),
)  # fmt: skip

FAMILIES: Final[Mapping[str, Family]] = {each.name: each for each in _ALL}
"""By name."""


def family(name: str) -> Family:
    """The family of this name. Raises ValueError if there is none."""
    found = FAMILIES.get(name)
    if found is None:
        raise ValueError(f"there is no metric {name}")
    return found


def table() -> str:
    """All families as a table in Markdown."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for each in _ALL:
        labels = ", ".join(
            f"`{label.name}`" + (f" ({', '.join(label.values)})" if label.values else "") for label in each.labels
        )
        lines.append(f"| `{each.name}` | {each.kind} | {labels} | {each.help} |")
    return "\n".join(lines) + "\n"
