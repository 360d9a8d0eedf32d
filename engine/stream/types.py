"""What travels from an engine to whoever watches it, and back.

Everything is a msgspec struct in msgpack, one message a datagram of a Unix ``SOCK_SEQPACKET`` socket. Structs are
arrays on the wire (``array_like``), so fields may only ever be added at the end, with a default.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

STREAM_VERSION = 1
"""Raised when a reader of the older version could no longer understand the messages."""

RunState: TypeAlias = Literal["starting", "running", "draining", "ended"]
Level: TypeAlias = Literal["info", "warning", "error"]

# One byte an agent in `Frame.agents`: the same numbers as in the first column of the scoreboard.
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
    """One pool at the moment of a frame. Its agents are ``Frame.agents[first : first + size]``."""

    name: str
    first: int
    size: int
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


class MachineView(msgspec.Struct, frozen=True, array_like=True):
    """The machine at the moment of a frame."""

    cpu: float
    """Busy share of all cores since the frame before, 0..1."""
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
    """How the run is at one moment: sampled, never queued; a slow reader simply sees fewer."""

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
    """Outcomes accepted / tasks that are over, 0..1; 1.0 before the first."""
    restarts: int
    redelivered: int
    pools: tuple[PoolView, ...]
    agents: bytes
    """One state a byte, in the order of the scoreboard."""
    machine: MachineView


class Command(msgspec.Struct, frozen=True, array_like=True, tag="command"):
    """What a reader asks of the engine."""

    name: Literal["stop", "drain"]
    """``drain``: take no new work, finish what runs, end. ``stop``: end at once."""


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """A command or a reader the engine did not accept, and why."""

    why: str


ToReader: TypeAlias = Hello | Event | Frame | Refused

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding garbage may raise."""

encoder = msgspec.msgpack.Encoder()
to_reader = msgspec.msgpack.Decoder(ToReader)
to_engine = msgspec.msgpack.Decoder(Command)
