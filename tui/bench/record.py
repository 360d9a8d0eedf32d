"""What the screens ask of benchmarks: declared here, made by whoever opens them, so that no screen knows a file.

All times are seconds since the Unix epoch, all lengths of time seconds. A factor says how many times better something
is, above 1 for better, whatever the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from engine.stream.benchmarks import Better, Message

State: TypeAlias = Literal[
    "", "fine", "slightly worse", "suspected", "regression", "improved", "unsure", "unmeasured", "first"
]
"""What the gate says of a cell, or of the worst one of a session; "" for one that it did not judge."""
LAST_GOOD: Final = "last-good"
"""The name under which a session is accepted."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What can be measured.

    Attributes:
        name: as the command has it.
        title: a few words.
        about: what it measures.
        gate: whether the gate takes it.
        quick: whether there are small sizes.
    """

    name: str
    title: str
    about: str
    gate: bool = True
    quick: bool = True


@dataclass(frozen=True, slots=True)
class How:
    """How a suite is to be measured.

    Attributes:
        quick: small sizes, to see whether it works.
        baseline: by the gate, beside the session of this name; "" for the suite alone.
    """

    quick: bool = False
    baseline: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a line.

    Attributes:
        text: for people.
        reached: it is so, by the figures.
        certain: at either end of their intervals as well; None where there is none to say so.
        at: as a factor; None where it is about something else.
    """

    text: str
    reached: bool
    certain: bool | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate says of a cell: how many times worse it is than in the session that it was compared with."""

    state: State
    baseline: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    rounds: int | None = None
    confirmed: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """Every sample of a line.

    Attributes:
        sides: by name, ours first, in the order in which they were taken.
        repeat: samples of a side in each round.
        again: how many rounds at the end are of a re-run.
    """

    sides: Mapping[str, tuple[float, ...]]
    repeat: int = 1
    again: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what a suite has found.

    Attributes:
        part: heading that it stands under; "" for none.
        name: unique within its part.
        title: for people.
        unit: of `value`: "s", "/s", "B", "x", "%", or "" for a number.
        value: ours; None for a line that only compares.
        low, high: of its interval.
        confidence: of that, and of the factor's.
        rounds: that it is taken from.
        beside: what it is compared with; "" for nothing.
        other: the value of that.
        factor: by which ours is better.
        factor_low, factor_high: of its interval; an open end is None.
        of: what a factor of 1 is: as good as what is "beside", or just what it "must" be.
        must, aim: what is wanted.
        figures: what was found besides: name, value, unit.
        note: for people.
        cell: by which it is known in other sessions; "" for none.
        samples: None where there are none.
        judged: None where the gate did not look.
        better: which values are.
    """

    name: str
    title: str
    part: str = ""
    unit: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    rounds: int = 0
    beside: str = ""
    other: float | None = None
    factor: float | None = None
    factor_low: float | None = None
    factor_high: float | None = None
    of: Literal["", "beside", "must"] = ""
    must: Wanted | None = None
    aim: Wanted | None = None
    figures: tuple[tuple[str, float, str], ...] = ()
    note: str = ""
    cell: str = ""
    samples: Samples | None = None
    judged: Judged | None = None
    better: Better = "low"

    @property
    def key(self) -> str:
        """Unique within the session."""
        return f"{self.part}/{self.name}"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session.

    Attributes:
        quick: small sizes.
        code: version and commit.
        machine: short form of its fingerprint.
        alike: that is the one of this machine.
        whole: nothing of the suite was left out.
        gate: by the gate, whose worst verdict is `state`, and `count` cells have it.
        against: the other code that was measured beside it, "" for none.
        names: that it has as a baseline.
        accepted: whatever was found of it is good.
        steady: the machine was as fast at the end as at the beginning.
        must, aim: how many of those there are were reached.
        failures: rows that were not measured.
    """

    id: str
    suite: str
    began: float
    seconds: float
    quick: bool = False
    code: str = ""
    machine: str = ""
    alike: bool = True
    whole: bool = True
    gate: bool = False
    state: State = ""
    count: int = 0
    against: str = ""
    names: tuple[str, ...] = ()
    accepted: bool = False
    steady: bool = True
    must: tuple[int, int] = (0, 0)
    aim: tuple[int, int] = (0, 0)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A cell in one of the sessions that are like each other."""

    session: str
    began: float
    value: float
    factor: float | None = None
    state: State = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """A cell over sessions of one size on one machine, the oldest first, and the steps in it, in words."""

    points: tuple[Point, ...]
    steps: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    """The first session after each step."""


@dataclass(frozen=True, slots=True)
class SessionTold:
    """All there is to tell of a session.

    Attributes:
        lines: in the order of the tables.
        failures: why rows were not measured, by name.
        facts: what else is known of it, by name: machine, versions, calibration, settings.
        command: that measures it again.
        banners: what is to be known before the figures are believed.
        alerts: that it raised.
        trends: by cell.
    """

    row: SessionRow
    lines: tuple[Line, ...]
    failures: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""
    banners: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    trends: Mapping[str, Trend] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell in two sessions: how many times better it is in the right one; why that can't be said, if it can't."""

    name: str
    title: str
    unit: str
    left: float | None
    right: float | None
    factor: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sessions side by side; `differences`: a name, and how it is in each."""

    left: SessionRow
    right: SessionRow
    lines: tuple[Compared, ...]
    differences: tuple[tuple[str, str, str], ...] = ()
    banners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """How a measuring process ended: its exit code, below 0 for a signal, and the last line that was no message."""

    code: int
    words: str = ""


class Measuring(Protocol):
    """A benchmark that measures, in a process of its own, which ends with us."""

    def next(self) -> Message | None:
        """What it tells next, once it does; None when there is no more. For one thread."""

    def stop(self) -> None:
        """Have it end. At once, from any thread, and as often as one likes."""

    def wait(self, seconds: float) -> End | None:
        """How it ended, and that nothing is left of it; None if it has not within so many seconds."""


class Benches(Protocol):
    """The benchmarks of this machine. Every method may take a while and raise `tui.archive.ArchiveError`, and may be
    called from any thread."""

    def suites(self) -> tuple[Suite, ...]:
        """What can be measured."""

    def sessions(self) -> list[SessionRow]:
        """All that are kept, the newest first."""

    def session(self, session: str) -> SessionTold:
        """One of them."""

    def compare(self, left: str, right: str) -> Comparison:
        """Two side by side."""

    def name(self, session: str, name: str) -> str:
        """Give a session a name, or under `LAST_GOOD` accept it. What was done, for people."""

    def measure(self, suite: str, how: How) -> Measuring:
        """Begin to measure."""
