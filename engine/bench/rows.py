"""The rows of the benchmark: what is measured, at which size, and what is wanted of it. Data, no measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.stream.benchmarks import Better

MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """What a measured figure must not pass.

    Attributes:
        of: "ours" (median), "ratio" (median of ours / theirs, round by round), or a figure that the measurement of
            ours gives besides.
        op: "<", "<=", ">", or ">=".
        bound: in the figure's own unit.
        text: as people read it.
    """

    of: str
    op: str
    bound: float
    text: str

    def holds(self, figure: float) -> bool:
        """Whether a figure is on the right side."""
        return {
            "<": figure < self.bound,
            "<=": figure <= self.bound,
            ">": figure > self.bound,
            ">=": figure >= self.bound,
        }[self.op]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        name: as ``--only`` has it.
        title: with its sizes in braces.
        unit: of the values: "s", "/s", "B", "x" for a ratio, or "%" for a share.
        peer: what it is beside, "" for nothing.
        size: arguments of the measurement.
        quick: what is smaller with ``--quick``.
        must, aim: all of them are to hold.
        rounds: at the most; 0 for no limit. One alone has no warm-up round before it.
        repeat: pairs in each round.
        timeout: seconds for one measurement.
        watched: the dropped warm-up round watches memory instead, which would disturb the clock.
    """

    name: str
    title: str
    unit: str
    peer: str
    size: Mapping[str, Any]
    quick: Mapping[str, Any]
    must: tuple[Limit, ...] = ()
    aim: tuple[Limit, ...] = ()
    rounds: int = 0
    repeat: int = 1
    timeout: float = 120.0
    watched: bool = False
    quick_repeat: int = 1
    function: str = field(default="")

    def sized(self, quick: bool) -> dict[str, Any]:
        """The arguments of its measurement."""
        return {**self.size, **(self.quick if quick else {})}

    @property
    def measured_by(self) -> str:
        """Name of the measurement."""
        return self.function or self.name.replace("-", "_")

    def titled(self, quick: bool) -> str:
        """The title, with its sizes."""
        return self.title.format(**{key: _size(value) for key, value in self.sized(quick).items()})

    @property
    def better(self) -> Better:
        """Which values are: what its limits on the value, or the ratio, want."""
        ops = [limit.op for limit in (*self.must, *self.aim) if limit.of in ("ours", "ratio")]
        return "high" if ops and ops[0].startswith(">") else "low"

    @property
    def sides(self) -> tuple[str, ...]:
        """Who is measured."""
        return ("ours", "peer") if self.peer else ("ours",)


def _size(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _below(of: str, bound: float, text: str) -> Limit:
    return Limit(of, "<", bound, text)


def _above(of: str, bound: float, text: str) -> Limit:
    return Limit(of, ">", bound, text)


_POOL: Final = "multiprocessing.Pool"
_PPE: Final = "ProcessPoolExecutor"
_FASTER: Final = _below("ratio", 1.0, "faster")
_HALF: Final = _below("ratio", 0.5, "half the time")

ROWS: Final = (
    Row(
        "start", "{agents} agents: start, {agents} trivial tasks, every answer", "s", _POOL,
        {"agents": 500}, {"agents": 60},
        must=(_below("ours", 1.5, "< 1.5 s"), _FASTER), aim=(_HALF,),
    ),
    Row(
        "start-each", "{agents} agents: the same, each agent has one of them", "s", _POOL,
        {"agents": 500}, {"agents": 60},
        must=(_below("ours", 1.5, "< 1.5 s"), _FASTER), aim=(_HALF,),
    ),
    Row(
        "start-many", "{agents} agents: start, {agents} trivial tasks, every answer", "s", "",
        {"agents": 3_435}, {"agents": 150},
        must=(_below("ours", 9.0, "< 9 s"),), aim=(_below("ours", 5.0, "< 5 s"),), function="start",
    ),
    Row(
        "start-many-each", "{agents} agents: the same, each agent has one of them", "s", "",
        {"agents": 3_435}, {"agents": 150},
        must=(_below("ours", 9.0, "< 9 s"),), aim=(_below("ours", 5.0, "< 5 s"),), function="start_each",
    ),
    Row(
        "submit", "{tasks} trivial tasks submitted one by one, 2 agents", "/s", _PPE,
        {"tasks": 10_000}, {"tasks": 1_500},
        must=(_above("ratio", 5.0, "> 5x"),), aim=(_above("ratio", 10.0, "> 10x"),),
    ),
    Row(
        "map", "map of {tasks} trivial tasks, 2 agents (theirs: chunks of 500)", "/s", _POOL,
        {"tasks": 1_000_000}, {"tasks": 100_000},
        must=(Limit("ratio", ">=", 0.7, ">= 0.7x"),), aim=(_above("ratio", 1.0, "> 1x"),),
    ),
    Row(
        "round-trip", "one warm task, submit to result, median of {tasks}", "s", _PPE,
        {"tasks": 1_000}, {"tasks": 200},
        must=(_FASTER,), aim=(_HALF,),
    ),
    Row(
        "overhead-10ms", "{tasks} tasks of 10 ms of work, 2 agents", "s", "2 bare processes",
        {"tasks": 600, "task_seconds": 0.010}, {"tasks": 40},
        must=(_below("ratio", 1.02, "< 2 % more"),), aim=(_below("ratio", 1.01, "< 1 % more"),), function="overhead",
    ),
    Row(
        "overhead-1ms", "{tasks} tasks of 1 ms of work, 2 agents", "s", "2 bare processes",
        {"tasks": 6_000, "task_seconds": 0.001}, {"tasks": 400},
        must=(_below("ratio", 1.05, "< 5 % more"),), aim=(_below("ratio", 1.02, "< 2 % more"),), function="overhead",
    ),
    Row(
        "idle", "{agents} idle agents, memory of their own", "B", "",
        {"agents": 20, "settle": 0.5}, {"agents": 5, "settle": 0.05},
        must=(_below("ours", 30 * MB, "< 30 MB"),), aim=(_below("ours", 15 * MB, "< 15 MB"),), rounds=3,
    ),
    Row(
        "stream", "{tasks} streamed tasks: growth of the engine's memory", "B", "",
        {"tasks": 10_000_000, "buffersize": 20_000}, {"tasks": 300_000},
        must=(_below("ours", 2 * MB, "flat"),), aim=(_below("ours", 2 * MB, "flat"),), rounds=1, timeout=300.0,
    ),
    Row(
        "array", "a {megabytes} MB array to an agent and back", "s", _PPE,
        {"megabytes": 1_000}, {"megabytes": 50},
        must=(_FASTER, Limit("peak", "<=", 2.0, "peak <= 2 arrays")), watched=True,
    ),
    Row(
        "help", "shoal --help", "s", "import click",
        {}, {},
        must=(_below("ratio", 1.5, "< 1.5x"),), aim=(_below("ratio", 1.1, "< 1.1x"),), repeat=10, quick_repeat=2,
    ),
)  # fmt: skip

_UNRECORDED: Final = "no record"

RECORDER: Final = (
    Row(
        "record-10ms", "{tasks} tasks of 10 ms, recorded / not, 2 agents, {pairs} pairs in turns", "x", "",
        {"tasks": 200, "pairs": 15, "task_seconds": 0.010}, {"tasks": 20, "pairs": 2},
        must=(_below("ours", 1.01, "< 1 % more"),), function="recorded_work",
    ),
    Row(
        "record-1ms", "{tasks} tasks of 1 ms, recorded / not, 2 agents, {pairs} pairs in turns", "x", "",
        {"tasks": 2_000, "pairs": 15, "task_seconds": 0.001}, {"tasks": 200, "pairs": 2},
        must=(_below("ours", 1.05, "< 5 % more"),), function="recorded_work",
    ),
    Row(
        "recorder-rows", "{tasks} trivial tasks until the last is in the database, a row for each", "/s", _UNRECORDED,
        {"tasks": 1_000_000}, {"tasks": 50_000},
        must=(_above("ours", 30_000, "> 30,000/s"),), aim=(_above("ours", 100_000, "> 100,000/s"),),
        function="recorded_rows",
    ),
    Row(
        "recorder-single", "{tasks} tasks told one by one to the recorder alone, a row for each", "/s", "",
        {"tasks": 200_000}, {"tasks": 2_000},
        must=(_above("ours", 30_000, "> 30,000/s"),), function="recorder_alone",
    ),
    Row(
        "recorder-blocks", "map of {tasks} trivial tasks until the last is in the database", "/s", _UNRECORDED,
        {"tasks": 2_000_000}, {"tasks": 100_000},
        must=(_above("ours", 100_000, "> 100,000/s"), Limit("in_blocks", ">=", 0.99, "in blocks")),
        aim=(_above("ours", 1_000_000, "> 1,000,000/s"),),
        function="recorded_map",
    ),
)  # fmt: skip

_IDLE: Final = "{agents} idle agents, a reader of %s at 10 Hz: the engine's processor, of a core"
_WORK: Final = "{agents} agents, tasks of 1 ms: throughput with a reader of %s / without, {pairs} pairs"
_WATCHED: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "idle": ({"agents": 3_435, "seconds": 5.0, "pairs": 6}, {"agents": 40, "seconds": 0.5, "pairs": 1}),
    "work": (
        {"agents": 3_435, "seconds": 4.0, "pairs": 12, "task_seconds": 0.001},
        {"agents": 40, "seconds": 0.3, "pairs": 2},
    ),
}

WATCH: Final = tuple(
    Row(
        f"watch-{what}{suffix}", title % topics, unit, "", {**_WATCHED[what][0], "greedy": greedy}, _WATCHED[what][1],
        must=(limit,), function=f"watched_{what}", rounds=1, timeout=300.0,
    )
    for what, title, unit, limit in (
        ("idle", _IDLE, "%", _below("ours", 0.02, "< 2 %")),
        ("work", _WORK, "x", _above("ours", 0.98, "< 2 % less")),
    )
    for suffix, topics, greedy in (("", "frames and events", False), ("-all", "everything", True))
)  # fmt: skip

SCREENS: Final = (
    Row(
        "tui-processor", "screens of {agents} agents at work, 120x36: processor on Fleet, of a core, {seconds} s each",
        "%", "",
        {"agents": 3_435, "seconds": 30, "settle": 3.0}, {"agents": 50, "seconds": 1, "settle": 0.5},
        must=(
            _below("ours", 0.25, "< 25 %"), _below("elsewhere", 0.10, "elsewhere < 10 %"),
            _below("memory", 120 * MB, "< 120 MB"),
        ),
        aim=(_below("ours", 0.15, "< 15 %"),), function="screens_processor", rounds=1, timeout=600.0,
    ),
    Row(
        "tui-keys", "screens of {agents} agents at work: a key until it shows, 95th percentile of {presses}", "s", "",
        {"agents": 3_435, "presses": 200, "settle": 3.0}, {"agents": 50, "presses": 5, "settle": 0.5},
        must=(_below("ours", 0.050, "< 50 ms"),), function="screens_keys", rounds=1, timeout=600.0,
    ),
    Row(
        "tui-start", "a run of 20 agents until its first screen / import textual.app, {pairs} pairs", "x", "",
        {"agents": 20, "pairs": 15}, {"agents": 2, "pairs": 2},
        must=(_below("ours", 1.7, "< 1.7x"),), function="screens_start", rounds=1, timeout=600.0,
    ),
    Row(
        "tui-work", "{agents} agents, tasks of 1 ms: throughput with the screens / without, {pairs} pairs, {seconds} s",
        "x", "",
        {"agents": 3_435, "seconds": 10.0, "pairs": 16, "settle": 3.0, "task_seconds": 0.001},
        {"agents": 50, "seconds": 0.5, "pairs": 2, "settle": 0.5},
        must=(_above("ours", 0.98, "< 2 % less"), _above("left", 0.98, "tasks/s but for their own share")),
        function="screens_work", rounds=1, timeout=900.0,
    ),
)  # fmt: skip

_ONE_BY_ONE: Final = "warm forks, one by one"
_UNBATCHED: Final = "unbatched"
_ONE_SHARD: Final = "one shard"

SPAWN: Final = (
    Row(
        "spawn-parallel", "{agents} agents until all are up", "s", "fresh interpreters, one by one",
        {"agents": 700}, {"agents": 20},
        must=(_below("ratio", 0.2, "> 5x faster"), _below("failed", 0.01, "< 1 % fail")), function="spawn_direct",
        timeout=900.0,
    ),
    Row(  # both fork warm processes, and two cores are not more than two
        "spawn-forks", "{agents} agents until all are up", "s", _ONE_BY_ONE,
        {"agents": 700}, {"agents": 20},
        must=(_below("failed", 0.01, "< 1 % fail"),), aim=(_below("ratio", 0.5, "> 2x faster"),), function="spawned",
        timeout=900.0,
    ),
    Row(
        "spawn-500", "{agents} agents until all are up", "s", "",
        {"agents": 500}, {"agents": 20},
        must=(_below("ours", 2.0, "< 2 s"),), aim=(_below("ours", 1.0, "< 1 s"),), function="spawned",
    ),
    Row(
        "spawn-direct", "{agents} agents until all are up", "s", "fresh interpreters, one by one",
        {"agents": 50}, {"agents": 5},
        must=(_below("ratio", 0.5, "> 2x faster"), _below("ours", 1.0, "< 1 s")), function="spawn_direct",
    ),
)  # fmt: skip

POOL: Final = (
    Row(
        "pool-hits", "{tasks} tasks on {agents} agents, half of them busy: an idle one was there", "%", "",
        {"agents": 20, "tasks": 1_000, "seconds": 0.05}, {"agents": 4, "tasks": 40, "seconds": 0.02},
        must=(Limit("ours", ">=", 0.7, ">= 70 %"),),
    ),
    Row(
        "pool-assigned", "{tasks} tasks on {agents} agents, half of them busy: submit to begun, p99", "s", "",
        {"agents": 20, "tasks": 1_000, "seconds": 0.05}, {"agents": 4, "tasks": 40, "seconds": 0.02},
        must=(_below("ours", 0.010, "< 10 ms"),), aim=(_below("ours", 0.001, "< 1 ms"),),
    ),
    Row(
        "pool-exhausted", "{tasks} tasks at once on {agents} agents: time by that of the sleep alone", "x", "",
        {"agents": 20, "tasks": 100, "seconds": 0.05}, {"agents": 4, "tasks": 20, "seconds": 0.02},
    ),
    Row(
        "pool-growth", "a pool of {least} grows to {agents} agents, each with a task", "s", "",
        {"least": 2, "agents": 20}, {"agents": 5},
    ),
)  # fmt: skip

_SLEEPING: Final[Mapping[str, Any]] = {"tasks": 6_400, "seconds": 0.005}

QUEUES: Final = tuple(
    Row(
        f"queues-{shards}", "{shards} shards, {agents} agents, {tasks} trivial tasks at once: mean wait", "s",
        _ONE_SHARD,
        {"shards": shards, "agents": 32, "tasks": 20_000}, {"tasks": 1_000},
        aim=(_below("ratio", 0.5, "half the wait"),), function="queued",
    )
    for shards in (2, 4, 8, 16, 32)
) + tuple(
    Row(
        f"balance-{name}",
        f"{{shards}} shards, {{tasks}} tasks that {what}, placed by {by}: how far one is off the mean", "%", "",
        {"shards": shards, "agents": 32, "strategy": strategy, **size}, {"tasks": size["tasks"] // 2},
        must=(_below("ours", 0.1, "+-10 %"),), function="balanced",
    )
    for name, shards, strategy, what, by, size in (
        ("4", 4, "least-loaded", "sleep 5 ms", "load", _SLEEPING),
        ("32", 32, "least-loaded", "sleep 5 ms", "load", _SLEEPING),
        ("computing", 8, "least-loaded", "compute 1 ms", "load", {"tasks": 8_000, "task_seconds": 0.001}),
        ("waited", 8, "least-loaded", "come one by one", "load", {"tasks": 4_000, "waited": True}),
        ("hash", 8, "hash", "sleep 5 ms", "hash", _SLEEPING),
        ("round-robin", 8, "round-robin", "sleep 5 ms", "turns", _SLEEPING),
        ("random", 8, "random", "sleep 5 ms", "chance", _SLEEPING),
    )
)  # fmt: skip

THROUGHPUT: Final = tuple(
    Row(
        f"throughput-{tasks}", "{tasks} trivial tasks submitted one by one, 2 agents", "/s", _UNBATCHED,
        {"tasks": tasks}, {"tasks": tasks // 10},
        must=(_above("ratio", 10.0, "> 10x"),), function="batched",
    )
    for tasks in (1_000, 10_000, 100_000)
)  # fmt: skip

_HELD: Final = "one in {slow} of {tasks} tasks sleeps {seconds} s, %s: another's end to its answer, p99"
LATENCY: Final = tuple(
    Row(
        f"latency-{'off' if timeout is None else f'{timeout * 1000:g}ms'}",
        _HELD % ("batching off" if timeout is None else "batch_timeout {batch_timeout} s"), "s", "",
        {"tasks": 2_000, "slow": 100, "seconds": 0.3, "batching": timeout is not None, "batch_timeout": timeout or 0.1},
        {"tasks": 100, "slow": 20},
        must=(_below("worst", 0.1, "worst < 100 ms"),) if timeout == 0.1 else (), function="held_back",
    )
    for timeout in (None, 0.001, 0.01, 0.1, 0.5)
)  # fmt: skip

MEMORY: Final = tuple(
    Row(
        f"memory-{agents}", "{agents} idle agents, memory of their own", "B", "",
        {"agents": agents, "settle": 0.5}, {"agents": min(agents, 30), "settle": 0.05},
        must=(_below("ours", 50 * MB, "< 50 MB"),) if agents == 20 else (),
        aim=(_below("ours", 20 * MB, "< 20 MB"),) if agents == 20 else (), function="idle",
    )
    for agents in (20, 100, 500)
)  # fmt: skip

SUITES: Final[Mapping[str, tuple[Row, ...]]] = {
    "speed": ROWS, "recorder": RECORDER, "watch": WATCH, "tui": SCREENS,
    "spawn": SPAWN, "pool": POOL, "queues": QUEUES, "throughput": THROUGHPUT, "latency": LATENCY, "memory": MEMORY,
}  # fmt: skip
"""What can be asked for: how fast the engine is beside others; what it costs to record what it does, and to be
watched; what the screens cost; and each mechanism by itself.
"""
