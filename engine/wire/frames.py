"""The messages between engine, nursery, hosts and agents.

msgspec structs as msgpack arrays, tagged by a small number. Every process of a run comes from one installation, so
there is one `VERSION`, checked once, by the nursery. Work and outcomes are columnar: one frame a batch, never one a
task.

A batch's outcomes travel as *records*, which hosts pass on without looking inside: a fixed head (`HEAD`) and a msgpack
body.
"""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

import msgspec

from engine.wire.failure import Failure as Failure
from engine.wire.letters import Delivered as Delivered
from engine.wire.letters import MailOpened as MailOpened
from engine.wire.letters import MailPools as MailPools
from engine.wire.letters import MailRead as MailRead
from engine.wire.letters import MailTaken as MailTaken
from engine.wire.letters import Posted as Posted
from engine.wire.loans import Direct as Direct
from engine.wire.loans import HandBack as HandBack
from engine.wire.loans import Lend as Lend
from engine.wire.loans import Lent as Lent
from engine.wire.loans import Over as Over
from engine.wire.subtasks import Answered as Answered
from engine.wire.subtasks import Awaits as Awaits
from engine.wire.subtasks import Submitted as Submitted
from engine.wire.subtasks import SubtaskOptions as SubtaskOptions
from engine.wire.subtasks import Withdrawn as Withdrawn

VERSION: Final = 3

FRAME_MAX: Final = 200_000
"""Bytes of the largest frame but for its parcels; a longer column travels as a parcel itself.

An unprivileged socket takes 212,960.
"""
RECEIVE: Final = 256 << 10
"""Bytes of a buffer that any frame fits."""
FDS_MAX: Final = 250
"""Descriptors with one frame; the kernel stops at 253."""


class Prepare(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Engine to nursery: where user code is found, and what to import before anything is forked."""

    version: int
    path: list[str]
    engine: int
    """Process id of the engine; the nursery ends with it."""
    socket: str
    """Path of the engine's control socket, removed by the nursery if the engine could not; "" for none."""
    preload: list[str]
    """Modules to import."""
    check: list[str]
    """``module:function`` to resolve."""
    warm: list[str]
    """``module:function`` to call once, without arguments, so that its work is inherited by every agent."""
    hints: list[str]
    """Modules to import if that works."""
    board: int
    """Bytes of the scoreboard, whose descriptor comes with this message."""


class Prepared(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Nursery to engine: ready to fork, or why not."""

    error: str
    """One line for people, "" if all is well."""
    threads: int
    """Threads of the nursery beyond the first; with any, nothing may be forked from it."""
    seconds: float


class StartHost(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Engine to nursery: fork a host.

    Its end of the channel comes with this message as a parcel, and so does a large initializer.
    """

    shard: int
    config: HostConfig


class HostConfig(msgspec.Struct, frozen=True, array_like=True):
    """What a host needs to know of its shard."""

    pool: str
    first: int
    """First row of its agents on the scoreboard; agent i of the shard has row ``first + i``."""
    size: int
    capacity: int
    """Bytes of each agent's ring."""
    rows: int
    """Rows of the whole scoreboard."""
    engine: int
    """Process id of the engine."""
    late: list[str]
    """Modules an agent imports after its fork, because importing them starts threads."""
    initializer: bytes
    """A pickled ``(function, args)`` each agent calls before its first task, b"" for none."""
    care: Care


class Care(msgspec.Struct, frozen=True, array_like=True):
    """What a host sees to for its agents. Times are in seconds; 0 is no limit."""

    spawn_timeout: float = 5.0
    """How long a start may stand still."""
    warmup_timeout: float = 60.0
    """How long an agent may import and initialise."""
    flush_after: float = 0.05
    """Age of a running task at which the outcomes before it are asked for."""
    max_tasks: int = 0
    """Tasks after which an agent is replaced."""
    max_bytes: int = 0
    """Bytes of its own after a task beyond which an agent is replaced."""
    memory_limit: int = 0
    """Bytes of its own beyond which an agent is killed."""
    bundle: bool = True
    """Records of several agents may travel to the engine in one message."""
    fresh: list[str] | None = None
    """The modules to import first, if agents are to be freshly executed processes; None: they are forks of the host."""
    stuck: float = 5.0
    """How long an agent may show no sign of life before it is replaced; those that wait are asked for one as often."""


class HostExited(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Nursery to engine: a host is gone."""

    shard: int
    pid: int
    status: int
    """Exit code, or minus the signal."""


class HostStarted(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Nursery to engine: a host was forked (pid > 0), or could not be (pid 0 and why)."""

    shard: int
    pid: int
    error: str


class Define(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """Engine to host to agent: a function, once. `reference` is ``module:qualname``, or "" where `body` is a pickle.

    A large body comes as the message's parcel, and `body` is empty.
    """

    function: int
    reference: str
    body: bytes


class Work(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Engine to host to agent: a batch. Its parcels, if any, come as descriptors with the message."""

    batch: int
    function: int
    star: bool
    """Each item is ``(args, kwargs)``, not the one argument."""
    timeout: float
    """Seconds that one task may take, 0 for no limit."""
    prefetch: int
    """Batches that may wait in the queue of an agent that is still busy, this one included: more than one where they
    are very short; 0 if it must wait for an agent that is idle.
    """
    count: int
    column: msgspec.Raw
    """The arguments: a column of `engine.wire.values`; or an integer, the index of the parcel that the whole column
    travels in.
    """
    soft_timeout: float = 0.0
    """Seconds after which `SoftTimeout` is raised in a task, 0 for never."""
    direct: bool = False
    """It comes from the engine itself, which has the agent on loan, and is told itself what comes of it."""


class Spawn(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Engine to host: start agents."""

    rows: list[tuple[int, int]]


class Kill(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Engine to host: end agents (row, generation)."""

    rows: list[tuple[int, int]]
    why: str


class Recall(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Engine to host: give back every batch that no agent has begun; and of some, what their agents have not begun."""

    rest: list[int]
    """Batches that may be cut in two."""


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """Engine to host: end the agents and yourself."""


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """Host to agent: store this number in your PONG cell."""

    number: int


class Retire(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Host to agent: end, with code 0. Nothing follows it."""


class Begin(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """Host to an agent that was not forked but executed: who it is. What else it needs has come with its command."""

    row: int
    host: int
    """Process id of the host."""
    rows: int
    capacity: int
    path: list[str]
    preload: list[str]
    late: list[str]
    initializer: bytes
    """A large one comes as the message's parcel, and this is empty."""


class RetireIdle(msgspec.Struct, frozen=True, array_like=True, tag=19):
    """Engine to host: end up to so many agents that wait for work, those first that have waited longest."""

    count: int


class StopTask(msgspec.Struct, frozen=True, array_like=True, tag=31):
    """Engine to host: a task was cancelled; if it runs, end its agent."""

    batch: int
    offset: int


class Leave(msgspec.Struct, frozen=True, array_like=True, tag=32):
    """Engine to host: end an agent once the task that it runs is over, and give back what it has not begun."""

    row: int
    generation: int
    why: str


class Mind(msgspec.Struct, frozen=True, array_like=True, tag=33):
    """Engine to host: see to other limits from now on."""

    care: Care


class StandAside(msgspec.Struct, frozen=True, array_like=True, tag=38):
    """Engine to host: the task of an agent waits for subtasks; until its batch is over nothing is put behind it."""

    row: int
    generation: int


class AgentsUp(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """Host to engine: agents that wait for work, as (row, generation, pid)."""

    rows: list[tuple[int, int, int]]
    times: list[tuple[int, int]] = []
    """When each began to import and to initialise, and when its host heard of it (CLOCK_MONOTONIC, ns)."""


class AgentDown(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """Host to engine: an agent is gone; all it had finished has been sent before."""

    row: int
    generation: int
    pid: int
    status: int
    """Exit code, or minus the signal."""
    why: str
    """"" where it died by itself, else why it was ended: ``timeout``, ``memory``, ``start`` (it could not start),
    ``spawn`` (its start stood still), ``health`` (it did nothing any more), ``cancelled``, ``killed`` (on request),
    ``recycled``, ``retired``, ``stopped``.
    """
    batches: list[tuple[int, int]]
    """(batch, offset of the task that ran in it, -1 if none did)."""
    words: str
    """The last lines it wrote to stderr; for ``start``, why it could not start."""
    memory: int
    """Resident bytes at its peak, with what it shared; 0 where that is not known."""
    noticed: float = 0.0
    """When the kernel woke its host for it, in seconds of CLOCK_MONOTONIC; 0: that is not known."""


class Returned(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """Host to engine: tasks that no agent had begun, after `Recall`."""

    batches: list[tuple[int, int, int]]
    """(batch, offset from which on it comes back, nanoseconds that the task before that has run by now); offset 0 for a
    whole batch.
    """


class Output(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """Host to engine: lines written by agents, as (row or -1, pid, 1 stdout or 2 stderr, line), and how many were left
    out.
    """

    lines: list[tuple[int, int, int, str]]
    dropped: int


class SpawnFailed(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """Host to engine: the kernel did not let it fork."""

    row: int
    generation: int
    error: str


ToNursery: TypeAlias = Prepare | StartHost
FromNursery: TypeAlias = Prepared | HostStarted | HostExited
ToMailbox: TypeAlias = MailPools | MailTaken | Delivered | Answered
ToHost: TypeAlias = (
    Define
    | Work
    | Spawn
    | Kill
    | Recall
    | RetireIdle
    | StopTask
    | Leave
    | Mind
    | StandAside
    | Stop
    | Lend
    | HandBack
    | Over
    | ToMailbox
)
FromSubtasks: TypeAlias = Submitted | Awaits | Withdrawn
FromMailbox: TypeAlias = MailOpened | Posted | MailRead | FromSubtasks
FromHost: TypeAlias = AgentsUp | AgentDown | Returned | Output | SpawnFailed | Lent | FromMailbox

encode = msgspec.msgpack.Encoder().encode
to_nursery = msgspec.msgpack.Decoder(ToNursery)
from_nursery = msgspec.msgpack.Decoder(FromNursery)
to_host = msgspec.msgpack.Decoder(ToHost)
from_host = msgspec.msgpack.Decoder(FromHost)
to_mailbox = msgspec.msgpack.Decoder(ToMailbox)
to_begin = msgspec.msgpack.Decoder(Begin)
to_agent = msgspec.msgpack.Decoder(Define | Work | Ping | Retire | Direct)

RECORD: Final = 0xC1
"""First byte of a message that holds records. msgpack never uses it, so it can't be mistaken for a frame."""

HEAD: Final = struct.Struct("<QIIQ")
"""Head of a record: batch, offset of its first task, how many tasks, start of the first (CLOCK_MONOTONIC, ns)."""


class Outcomes(msgspec.Struct, frozen=True, array_like=True):
    """Body of a record: what came of tasks that ran one after the other in one batch."""

    values: msgspec.Raw
    """A column of results, None where a task failed."""
    ends: bytes
    """When each task ended and the next one began (CLOCK_MONOTONIC, ns), unsigned 8-byte native integers."""
    errors: list[Failure]
    plain: bool
    """All values are plain ones: none has to be unwrapped."""


outcomes_decoder = msgspec.msgpack.Decoder(Outcomes)
