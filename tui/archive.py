"""What the screens ask of the past: declared here, made by whoever opens them, so that no screen knows a database.

All times are seconds since the Unix epoch, all lengths of time seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from tui.bench.record import Benches
from tui.feed import Feed

Status: TypeAlias = Literal["running", "done", "failed", "interrupted", "crashed"]
Verdict: TypeAlias = Literal["better", "worse", "same", "unknown"]


class ArchiveError(Exception):
    """The past can't be asked, or does not know. The text is one line for people."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as far as it is known now."""

    id: str
    name: str
    status: Status
    started: float
    ended: float | None
    seconds: float
    """That it has worked: without the time from an end to a resumption."""
    tasks: int
    done: int
    failed: int
    resumed: int = 0
    """How often it was resumed."""
    live: bool = False
    """Whether its engine answers: one may attach to it."""
    recorded: bool = True
    origin: str = ""
    """Of a rerun: the run whose tasks it ran again."""
    command: str = ""
    """As it was typed."""
    version: str = ""
    known: bool = True
    """Whether `tasks` are all that there are, or were to be."""

    @property
    def left(self) -> int:
        """Tasks that are not over, of those that are known of: they are to come, or if it has ended never ran."""
        return max(0, self.tasks - self.done - self.failed)

    @property
    def rate(self) -> float:
        """Tasks that were over per second of the run."""
        return (self.done + self.failed) / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class PastTask:
    """A task that is over, as it was recorded.

    Attributes:
        name: ``job[number]``.
        state: ``done``, ``failed`` or ``cancelled``.
        attempts: how often it was begun.
        started: seconds since the Unix epoch; None where that is not known, as is `seconds`, which it ran.
        error: why it failed, one line; "" if it did not.
        agent: that ran it to its end; "" where none did.
        words: the last lines of its traceback.
    """

    name: str
    state: str
    attempts: int
    started: float | None
    seconds: float | None
    error: str = ""
    agent: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastPool:
    """One pool of a run and what came of its tasks."""

    name: str
    agents: int
    shards: int
    done: int
    failed: int
    seconds: float
    """Run time of its tasks together."""
    times: TaskTimes | None = None


@dataclass(frozen=True, slots=True)
class PastShard:
    """One shard of a pool and what its agents did."""

    pool: str
    shard: int
    agents: int
    worked: int
    """Agents that ran a task to its end."""
    done: int
    failed: int
    died: int
    """Attempts that ended with their agent."""
    seconds: float


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """How long tasks took; a quantile is None where there are too few of them to say."""

    count: int
    mean: float
    p50: float | None
    p90: float | None
    p99: float | None
    most: float


@dataclass(frozen=True, slots=True)
class PastEvent:
    """Something that happened to a run, more than information."""

    at: float
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class AlertSample:
    """Something that made an alert: an event, or a value."""

    at: float
    text: str
    value: float | None
    agent: str = ""


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert that has fired, as it was last."""

    run: str
    run_name: str
    number: int
    rule: str
    title: str
    severity: str
    text: str
    count: int
    happened: float
    """When its cause came about."""
    fired: float | None
    resolved: float | None
    """None: it fired to the end of the run, or still does."""
    fingerprint: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    """Of the values, as in `engine.stream.types.AlertView`; "" where it is not known."""
    value: float | None = None
    threshold: float | None = None
    peak: float | None = None
    reopened: int = 0
    detected: float | None = None
    shown: float | None = None
    acknowledged: float | None = None
    by: str = ""
    """Who acknowledged it."""
    note: str = ""
    hint: str = ""
    action: str = ""
    samples: tuple[AlertSample, ...] = ()
    mode: str = ""
    """As in `engine.stream.types.AlertView`."""

    @property
    def agent(self) -> str:
        """The agent that it is about: by its labels, else the one of the last thing that made it; "" for none."""
        return self.labels.get("agent", "") or next((s.agent for s in reversed(self.samples) if s.agent), "")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """All there is to tell of one run on one screen."""

    run: RunRow
    facts: tuple[tuple[str, str], ...]
    """What else is known of it, by name: settings, machine, reruns ..."""
    times: TaskTimes | None
    pools: tuple[PastPool, ...]
    shards: tuple[PastShard, ...]
    slowest: tuple[PastTask, ...]
    failure_kinds: tuple[tuple[str, int], ...]
    """How many tasks failed by what, the most frequent first."""
    failures: tuple[PastTask, ...]
    alerts: tuple[PastAlert, ...]
    events: tuple[PastEvent, ...]
    restarts: int = 0
    redelivered: int = 0
    memory: int | None = None
    """Bytes that its agents held, at the most."""
    rates: tuple[float, ...] = ()
    """Tasks a second, stretch by stretch."""
    step: float = 0.0
    """How long a stretch is."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of two runs, side by side."""

    name: str
    unit: str
    """``rate`` (a second), ``seconds``, ``ratio``, ``bytes`` or ``count``."""
    left: float | None
    right: float | None
    better: Literal["more", "less", ""]
    """Which way is better; "" for neither."""
    ratio: float | None = None
    """Right by left; None where it can't be said."""
    low: float | None = None
    """Of the interval that holds the true ratio, as is `high`, which may be infinite."""
    high: float | None = None
    note: str = ""
    """Why there is no ratio, or no interval."""

    @property
    def verdict(self) -> Verdict:
        """How the right one is beside the left one, as far as the interval lets one say."""
        if self.low is None or self.high is None or not self.better:
            return "unknown"
        if self.low <= 1 <= self.high:
            return "same"
        return "better" if (self.low > 1) == (self.better == "more") else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side."""

    left: RunRow
    right: RunRow
    figures: tuple[Figure, ...]
    differences: tuple[tuple[str, str, str], ...]
    """What was not the same in both: a name, and how it is in each."""
    confidence: float = 0.95
    """Of the intervals."""


class Archive(Protocol):
    """The record of all runs. Every method may take a while, and may be called from any thread."""

    @property
    def benches(self) -> Benches:
        """The benchmarks of this machine."""

    def prepare(self) -> None:
        """Load what answers take: better before somebody waits for one."""

    def runs(self) -> list[RunRow]:
        """All runs: those that go on first, then the newest first. Raises `ArchiveError`."""

    def summary(self, run: str) -> RunSummary:
        """One run. Raises `ArchiveError`."""

    def compare(self, left: str, right: str) -> Comparison:
        """Two runs side by side. Raises `ArchiveError`."""

    def alerts(self, run: str | None = None, limit: int = 500) -> list[PastAlert]:
        """Alerts that have fired, of one run or of all, the newest first. Raises `ArchiveError`."""

    def tasks_of(self, run: str, agent: str, limit: int = 20) -> list[PastTask]:
        """The last tasks that an agent ran to their end, the newest first. Raises `ArchiveError`."""

    def open(self, run: str) -> Feed:
        """A feed of a run: of its engine while it goes on, else of its recording. Raises `ArchiveError`."""

    def attach(self, run: str) -> Feed:
        """A feed of the engine of a run that goes on. Raises `ArchiveError` where it does not."""

    def report(self, run: str) -> str:
        """What there is to tell of a recorded run, in Markdown. Raises `ArchiveError`."""

    def moment(self, text: str, last: bool = False) -> float:
        """A time as people write it on the command line: so long ago (``3d``), or a date, with `last` its end. Raises
        `ArchiveError`."""
