"""What an engine tells its recorder, and what that answers.

msgspec arrays, columnar where there are many of something: tasks travel as groups of outcomes. To the recorder several
messages are one array, and that a datagram; its answers are a datagram each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from engine.stream.types import Event

MESSAGE_MAX = 256 << 10
"""Bytes of the longest message, and of the longest datagram."""
PIECE = 128 << 10
"""Bytes of a piece of a large result; only the last one is shorter."""

P = TypeVar("P")
E = TypeVar("E")


class RunBegan(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The first message."""

    run: str
    name: str
    started: float
    """Seconds since the Unix epoch."""
    pid: int
    command: list[str]
    """What the user typed."""
    config: dict[str, Any]
    """Settings that were in force: agents, shards, batch_max, retries, timeout ..."""
    version: str
    machine: dict[str, Any]
    """cores, memory, host, kernel, python."""
    spec: str = ""
    """What a resumption needs, as JSON; "" where there is nothing to be resumed, or where it comes as `SpecPart`."""
    resumed: int = 0
    """Which resumption of the run this is: 0 the run's first beginning, n what `queries.Run.resumed` said, and 1. Then
    the run is there already, and `started` is when it was resumed.
    """
    origin: str = ""
    """The run whose tasks this one runs again; "" for none."""
    rerun: str = ""
    """Which of them: ``failed`` or ``all``."""
    process: str = ""
    """What tells the engine from later processes with its pid (`engine.store.liveness.identity`)."""


class SpecPart(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """A part of a spec that is too long for one message; it counts once all `parts` are there."""

    part: int
    """From 0 on."""
    parts: int
    text: str


class BeginningPart(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """A part of what does not fit a `RunBegan`, which has neither command nor config then; it counts once all `parts`
    are there.
    """

    part: int
    """From 0 on."""
    parts: int
    text: str
    """Of the JSON of an object with `command` and `config`."""


class ItemsRead(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Items that came by a stream, which nobody can read again: kept for a resumption."""

    first: int
    """How many came before them; -1: more came than are kept."""
    items: list[str]
    """Empty: these were all there are."""


class PoolMade(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A pool, and which of the scoreboard's rows are its agents."""

    pool: int
    name: str
    first: int
    size: int
    shards: int


class JobMade(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A named set of tasks, such as one ``[[tasks]]`` of a plan. Its tasks arrive in ranges of it."""

    job: int
    name: str
    call: str
    pool: int


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Consecutive tasks of a job that are over because an agent ran them."""

    job: int
    first: int
    """Index of the first in its job."""
    row: int
    started: float
    """When the first began, seconds since the Unix epoch."""
    nanoseconds: bytes
    """Run times, unsigned 8-byte native integers: as many as there are tasks."""
    results: list[Any]
    """Plain values as they are; None where the task failed.

    What is not plain comes as ``[kind, data]``: ``pickle`` and its bytes, ``json`` and its text (a container of plain
    values), ``large`` and nothing: it is not kept; ``pieces`` and nothing: it comes beside the message, in memory of
    its own, whose descriptors have the order of these results, and the recorder puts an `engine.wire.memory.Parcel` in
    its place. Or it came before, as messages of type `Piece`.
    """
    failures: list[Failed]
    skipped: list[int]
    """Indexes among these that are not over after all: they run again."""
    attempts: dict[int, int]
    """By index, where it was not the first attempt."""
    starts: bytes = b""
    """When each began, nanoseconds after the first, likewise; empty: when the one before it had ended."""


class Piece(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """A piece of the pickle of a large result, where it can't travel beside its `Finished`: told before that."""

    job: int
    task: int
    piece: int
    """From 0 on."""
    data: bytes


class Failed(msgspec.Struct, frozen=True, array_like=True):
    """Why one task failed."""

    index: int
    kind: str
    """``exception``, ``arguments``, ``result``, ``exit``, ``timeout``, ``poisoned``, ``dependency``, ``pool``,
    ``cancelled``.
    """
    type: str
    message: str
    traceback: str
    detail: str = ""
    """What a command that failed has left, as JSON; "" where there is nothing."""


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Tasks that the engine itself ended: poisoned, cancelled, their dependency failed ..."""

    job: int
    first: int
    count: int
    kind: str
    text: str
    at: float


class Attempt(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """An attempt that came to nothing: the agent died, or the task failed and is tried again."""

    job: int
    index: int
    attempt: int
    row: int
    pid: int
    at: float
    kind: str
    """``died``, ``timeout``, or the kind of a failure."""
    text: str


class Happened(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Events, in order."""

    events: list[Event]


class PoolSample(msgspec.Struct, frozen=True, array_like=True):
    """One pool at the moment of a `Sampled`. Counts of tasks are since the engine began."""

    pool: int
    done: int
    failed: int
    queued: int
    """Tasks that are ready and not yet running."""
    starting: int
    idle: int
    busy: int
    draining: int
    dead: int
    restarts: int
    memory: int | None = None
    """Bytes that its agents hold, None where that was not measured."""


class Sampled(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """How the run is, told about once a second. May be left out when there is too much to tell."""

    at: float
    """Seconds since the Unix epoch."""
    done: int
    failed: int
    rate: float
    """Tasks finished per second, lately."""
    restarts: int
    redelivered: int
    cpu: float
    """Busy share of all cores, 0..1."""
    memory_used: int
    """Bytes in use on the machine."""
    load: float
    fds: int
    """Descriptors open in the engine."""
    pools: list[PoolSample]


class Moment(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """What readers of the stream were told within about a second, for a replay. May be left out as `Sampled` may."""

    at: float
    """Seconds since the Unix epoch."""
    event: int
    """Number of the newest event by then: counts up from 1 in each engine of a run."""
    keyframe: bool
    """Whether it has all there is. The others go once they are old."""
    data: bytes
    """As `engine.stream.moments` has it."""


class Distribution(msgspec.Struct, frozen=True, array_like=True):
    """How some times of one pool were distributed, since the engine began."""

    name: str
    """``run``, or ``queue_wait``."""
    pool: int
    count: int
    total: int
    """In nanoseconds, as the two that follow."""
    least: int | None
    most: int | None
    packed: bytes
    """As `engine.metrics.packed` has it."""


class Measured(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Distributions as they are by now, in place of what was said of them before."""

    found: list[Distribution]


class AlertKept(msgspec.Struct, Generic[P, E], frozen=True):
    """What is kept of an alert that has fired. Times are in seconds since the Unix epoch."""

    number: int
    """Counts up from 1; in an engine that resumes a run, from the last one of those before it."""
    rule: str
    level: str
    """``info``, ``warning`` or ``critical``."""
    pool: P
    """None: it is about none of them, or about all."""
    agent: str | None
    began: float
    """When its cause came about."""
    fired: float | None
    resolved: float | None
    """None: it was firing when that was last told, which may be the end of the run."""
    acknowledged: float | None
    value: float | None
    threshold: float | None
    text: str
    evidence: E
    """What else is known: ``title``, ``count``, ``detected``, ``shown``, ``samples`` and more."""


class AlertNow(AlertKept[int | None, str], frozen=True, array_like=True, tag=15):
    """An alert as it is now, told anew whenever that has changed: its pool by number, its evidence as JSON."""


class Total(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """How many tasks the run has: told once that is known, and when it is another number. A run whose items come one
    by one, or that is part of a program, never knows.
    """

    tasks: int


class RunEnded(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """The last message: a run without it was cut off."""

    ended: float
    status: str
    """``done``, ``failed`` or ``interrupted``."""
    summary: dict[str, Any]


class Committed(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """The first `count` messages that came through this channel are where no death of a process reaches them."""

    count: int
    rows: int = 0
    """Rows that were written for this, a task counting as one even in a block."""
    seconds: float = 0.0
    """How long the commit took; 0 where there was none."""


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """The database is open; or it can't be, for this reason, one line, and the recorder ends."""

    error: str


class Complaint(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """Some of what came could not be written, and never will be; it counts among what a `Committed` confirms."""

    count: int
    text: str
    """What is wrong with the first of it, one line."""


class Held(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """The database takes nothing for now: why, as part of a sentence. Over with the next `Committed`."""

    why: str


class Aside(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """The database will not take anything any more: what comes is written to a file that stands in for it."""

    path: str
    text: str
    """For people, one line."""


class Busy(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """It is at something that takes long, and goes on: told every few seconds."""

    text: str
    """For people, one line."""


ToRecorder: TypeAlias = (
    RunBegan
    | SpecPart
    | BeginningPart
    | ItemsRead
    | PoolMade
    | JobMade
    | Piece
    | Finished
    | Ended
    | Attempt
    | Happened
    | Sampled
    | Moment
    | Measured
    | AlertNow
    | Total
    | RunEnded
)
FromRecorder: TypeAlias = Committed | Ready | Complaint | Held | Aside | Busy
Opening: TypeAlias = RunBegan | SpecPart | BeginningPart | PoolMade | JobMade
"""What every recorder of a run must hear, before anything else."""

encode = msgspec.msgpack.Encoder().encode
to_recorder = msgspec.msgpack.Decoder(list[ToRecorder])
one_by_one = msgspec.msgpack.Decoder(list[msgspec.Raw])
"""Where one of them is not understood, which says nothing about the others."""
one_to_recorder = msgspec.msgpack.Decoder(ToRecorder)
from_recorder = msgspec.msgpack.Decoder(FromRecorder)


def packed(messages: Sequence[bytes]) -> bytes:
    """Encoded messages, fewer than 65,536, as a datagram."""
    return b"".join((b"\xdc", len(messages).to_bytes(2, "big"), *messages))
