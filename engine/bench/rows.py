"""The rows of the benchmark: what is measured, at which size, and what is wanted of it. Data, no measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

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
        unit: of the values: "s", "/s", "B", or "x" for a ratio.
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

    @property
    def sides(self) -> tuple[str, ...]:
        """Who is measured."""
        return ("ours", "peer") if self.peer else ("ours",)


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
        {"agents": 20}, {},
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
        {"tasks": 200_000}, {"tasks": 10_000},
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

SUITES: Final[Mapping[str, tuple[Row, ...]]] = {"speed": ROWS, "recorder": RECORDER}
"""What can be asked for: how fast the engine is beside others; and what it costs to record what it does."""
