"""What travels from an engine to whoever watches it, and back.

Everything is a msgspec struct in msgpack, one message a datagram of a Unix ``SOCK_SEQPACKET`` socket. Structs are
arrays on the wire (``array_like``), so fields may only ever be added at the end, with a default.

A reader that says nothing is told of frames and events. What else there is, and how often, it asks for with
`Subscribe`; details of agents with `Page`; and with `Command` for something to be done. Each of these is answered by a
`Reply` with its number.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.stream.claims import ClaimsNow as ClaimsNow
from engine.stream.claims import ClaimView as ClaimView
from engine.stream.claims import HolderView as HolderView
from engine.stream.claims import LaneView as LaneView
from engine.stream.claims import WaitView as WaitView
from engine.stream.measures import MetricsNow as MetricsNow
from engine.stream.measures import PoolMetrics as PoolMetrics
from engine.stream.measures import PoolQueue as PoolQueue
from engine.stream.measures import QueuesNow as QueuesNow
from engine.stream.measures import Shape as Shape
from engine.stream.measures import ShapesNow as ShapesNow
from engine.stream.measures import ShardView as ShardView
from engine.stream.measures import Spread as Spread
from engine.stream.plans import PlanNow as PlanNow
from engine.stream.plans import PlanOutline as PlanOutline

STREAM_VERSION = 2
"""Raised when a reader of the older version could no longer understand the messages."""

RunState: TypeAlias = Literal["starting", "running", "paused", "draining", "ended"]
Level: TypeAlias = Literal["info", "warning", "error"]
Topic: TypeAlias = Literal["frames", "events", "cells", "alerts", "metrics", "queues", "shapes", "claims", "plan"]

MESSAGE_MAX: Final = 120_000
"""Bytes of the largest message of an engine."""
REQUEST_MAX: Final = 4096
"""Bytes of the largest message of a reader."""
CELLS_MAX: Final = 32_768
"""Agents in one message of states."""
PAGE_MAX: Final = 500
"""Rows of one page."""
RATE_MAX: Final = 20.0
"""Frames a second, at the most."""

# One byte an agent in `Cells`: the same numbers as in the first column of the scoreboard.
ABSENT, STARTING, IDLE, BUSY, DRAINING, DEAD = range(6)
AGENT_STATES = ("absent", "starting", "idle", "busy", "draining", "dead")


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """The engine's first message to a reader."""

    version: int
    run: str
    """Short id of the run, unique in its database."""
    name: str
    pid: int
    """Process id of the engine."""
    started: float
    """Seconds since the Unix epoch."""
    database: str = ""
    """Absolute path of where the run is recorded, "" for nowhere."""


class Event(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """Something that happened to a run, a pool, a shard or an agent. Never one task: those are counted in frames."""

    number: int
    """Counts up from 1 without gaps, so a reader sees what it missed."""
    at: float
    """Seconds since the Unix epoch."""
    level: Level
    kind: str
    """What happened, dotted, for programs: ``agent.died``, ``run.ended``."""
    text: str
    """What happened, one line, for people."""
    data: dict[str, Any]
    """The details by name: ``agent``, ``pid``, ``signal`` and so on; only plain values."""


class PoolView(msgspec.Struct, frozen=True, array_like=True):
    """One pool at the moment of a frame. Its agents are those from `first` on in `Cells`."""

    name: str
    first: int
    size: int
    """Agents there are or may have been, the absent included."""
    starting: int
    idle: int
    busy: int
    draining: int
    dead: int
    queued: int
    """Tasks that are ready and not yet running."""
    done: int
    failed: int
    restarts: int
    minimum: int = 0
    """Agents that there are to be, at the least and at the most."""
    maximum: int = 0


class MachineView(msgspec.Struct, frozen=True, array_like=True):
    """The machine at the moment of a frame, or a quarter of a second before."""

    cpu: float
    """Busy share of all cores since the look before, 0..1."""
    cores: int
    memory_used: int
    """Bytes."""
    memory_total: int
    """Bytes."""
    load: float
    """Load average of the last minute."""
    fds: int
    """Descriptors open in the engine."""


class Frame(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """How the run is at one moment: sampled, never queued; a slow reader simply sees fewer. It is as large for
    thousands of agents as for two.
    """

    number: int
    at: float
    """Seconds since the Unix epoch."""
    elapsed: float
    """Seconds since the run began; stands still once it has ended."""
    state: RunState
    tasks: int
    """Tasks submitted so far."""
    total: int | None
    """Tasks expected in all, None while nobody knows (an open stream of items)."""
    done: int
    failed: int
    queued: int
    running: int
    rate: float
    """Tasks finished per second, over the last two seconds."""
    eta: float | None
    """Seconds to the end at this rate, None where it can't be said."""
    delivered: float
    """Tasks that are over by an outcome of an agent / all that are, cancelled ones left out, 0..1; 1.0 before the
    first. The engine ended the others: poisoned, timed out, their pool broken, or what they come after failed."""
    restarts: int
    redelivered: int
    pools: tuple[PoolView, ...]
    machine: MachineView
    alerts: tuple[int, int] | None = (0, 0)
    """Alerts that fire: of level warning, and of level error. None: nobody knows, for what judges them has failed."""
    watching: float | None = None
    """Processor time of the engine that measuring, judging and showing took so far, seconds; None where that is not
    known."""


class Cells(msgspec.Struct, frozen=True, array_like=True, tag="cells"):
    """The states of agents, where they have changed: one byte each, in the order of the scoreboard."""

    first: int
    """Row of the first."""
    states: bytes


class AckView(msgspec.Struct, frozen=True, array_like=True):
    """Somebody has taken an alert on."""

    by: str
    at: float
    """Seconds since the Unix epoch, as are all times of alerts."""
    note: str
    until: float | None
    """When it ends though the alert fires; None: once that is resolved or gets more severe."""


class SilenceView(msgspec.Struct, frozen=True, array_like=True):
    """Alerts that nobody is told of for a while."""

    id: int
    matchers: dict[str, str]
    """By ``rule``, ``class``, ``severity`` or the name of a label: a text, ``*`` and ``?`` leave something open."""
    since: float
    until: float
    by: str
    reason: str


class AlertView(msgspec.Struct, frozen=True, array_like=True):
    """An alert as it is at one moment."""

    number: int
    """Counts up with each that fires; 0: it has not."""
    fingerprint: str
    """The same for the same rule and labels, always."""
    rule: str
    title: str
    area: str
    """What its rule is about: ``crash``, ``latency``, ``saturation`` ..."""
    severity: str
    """``info``, ``warning`` or ``critical``."""
    state: str
    """``pending``, ``firing``, ``recovering``, ``resolved``, ``nodata``, ``error`` or ``normal``."""
    text: str
    """One line."""
    labels: dict[str, str]
    hint: str
    """What is most likely the cause."""
    action: str
    """What to do."""
    unit: str
    """Of the values: ``ratio``, ``seconds``, ``bytes`` or ``count``."""
    value: float | None
    threshold: float | None
    peak: float | None
    """The worst value so far."""
    count: int
    """Events that are folded in; how often it has fired, if it is not about events."""
    more: int
    """Alerts that this one stands for, because there are too many of its rule."""
    reopened: int
    """How often it has come back soon after it was resolved."""
    flapping: bool
    happened: float | None
    """When its cause came about, as exactly as that is known."""
    detected: float | None
    """When the engine was told."""
    fired: float | None
    shown: float | None
    """When somebody could see it."""
    last: float | None
    """When the condition was true, or something happened, for the last time."""
    resolved: float | None
    ack: AckView | None
    silence: int | None
    """The id of a silence that it is under."""
    inhibited_by: str | None
    """The fingerprint of an alert because of which nobody is told of this one."""
    mode: str = ""
    """How its rule looks at what it is about: ``event``, ``level``, ``rate`` (its values are of a second), ``ratio`` or
    ``absence``; "" where that was not told yet."""


class AlertsNow(msgspec.Struct, frozen=True, array_like=True, tag="alerts"):
    """All alerts that are not over: what a reader is told first that asks for alerts; again when silences change, and
    when it was so slow that changes were lost on it."""

    at: float
    """Seconds since the Unix epoch."""
    alerts: list[AlertView]
    """The most urgent first."""
    silences: list[SilenceView]
    part: int = 0
    """From 0 on: many alerts come in several messages, each with all silences."""
    parts: int = 1
    unknown: str = ""
    """Why nobody knows which alerts there are; "" where they are known."""
    number: int = 0
    """Of the last `AlertChanged` before this."""


class AlertChanged(msgspec.Struct, frozen=True, array_like=True, tag="alert"):
    """Something about an alert has changed."""

    at: float
    """Seconds since the Unix epoch."""
    change: str
    """``state``, ``severity``, ``acknowledged``, ``silenced``, ``update`` (of its value or count alone) ..."""
    before: str
    """Its state before."""
    notify: bool
    """Whether people are to be told; the rest is for whoever keeps account."""
    why: str
    """Who did it, or what ended it, where that is not plain."""
    alert: AlertView
    """As it is right after it."""
    number: int = 0
    """Counts up from 1 without gaps: a reader that sees one has missed changes, and will be told of all there is."""


class AgentRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One agent, in a page of them."""

    agent: str
    """``pool/number``."""
    pool: str
    shard: int
    pid: int
    """0 where there is none."""
    state: str
    """One of `AGENT_STATES`."""
    task: str
    """``job[number]`` of the task that it runs, "" for none."""
    batch: int
    """Number of the batch that it runs, 0 for none."""
    offset: int
    """Which task of that batch, -1 for none."""
    running: float
    """Seconds that the task has run, 0 where none does."""
    done: int
    """Since the run began, by all agents that there were in its place, as are `failed` and `restarts`."""
    failed: int
    memory: int
    """Bytes that it shares with nobody, as it last reported; 0 until it has, for at first it shares all, and where
    there is none.
    """
    busy: float
    """Share of the time since it is up that it has spent in tasks, 0..1."""
    restarts: int


class Subscribe(msgspec.Struct, frozen=True, array_like=True, tag="subscribe"):
    """A reader's wish to be told of just these topics from now on."""

    id: int
    topics: list[str]
    hz: float = RATE_MAX
    """Frames and the like a second, at the most; never more than the engine makes (the setting ``frame_rate``)."""


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """What a row of a page must fulfil. `engine.stream.filters` reads it from text."""

    field: str
    """Of `AgentRow`."""
    operator: str
    """One of ``= != < <= > >= ~``; ~ is "contains"."""
    values: list[str | float]
    """One of them must fit; of ``!=`` all must differ."""


class Page(msgspec.Struct, frozen=True, array_like=True, tag="page"):
    """A reader's wish for rows `offset` .. `offset` + `limit` - 1 of those that fulfil all conditions, in order."""

    id: int
    of: str = "agents"
    filter: list[Condition] = []
    sort: str = ""
    """Field to sort by, "" for the order of the scoreboard."""
    descending: bool = False
    offset: int = 0
    limit: int = 50


class Command(msgspec.Struct, frozen=True, array_like=True, tag="command"):
    """What a reader asks to be done: a name and its arguments, as `shoal ctl` has them."""

    id: int
    name: str
    args: list[str] = []


class Reply(msgspec.Struct, frozen=True, array_like=True, tag="reply"):
    """The engine's answer to one request."""

    id: int
    """Of the request."""
    ok: bool
    text: str
    """What was done, or why it was not; one line for people."""
    data: dict[str, Any] = {}
    """Of a page: ``total``, ``offset`` and ``rows``, `AgentRow` as arrays. Of a subscription: ``topics``, ``hz``, and
    ``event``, the number of the newest event."""


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """A reader that the engine does not accept, or a message that is no request, and why."""

    why: str


ToReader: TypeAlias = (
    Hello
    | Event
    | Frame
    | Cells
    | MetricsNow
    | QueuesNow
    | ShapesNow
    | ClaimsNow
    | PlanOutline
    | PlanNow
    | AlertsNow
    | AlertChanged
    | Reply
    | Refused
)
ToEngine: TypeAlias = Subscribe | Page | Command

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding garbage may raise."""

encoder = msgspec.msgpack.Encoder()
to_reader = msgspec.msgpack.Decoder(ToReader)
to_engine = msgspec.msgpack.Decoder(ToEngine)
