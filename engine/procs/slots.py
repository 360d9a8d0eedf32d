"""What a host holds: batches in transit, and its agents with the channel to each."""

from __future__ import annotations

import os
import socket
import time
from collections import deque

from engine.procs.ring import Reader
from engine.procs.scoreboard import BATCH, OFFSET, Scoreboard
from engine.wire import channel, frames
from engine.wire.memory import Parcel


class Held:
    """A batch in transit."""

    __slots__ = (
        "alone", "data", "direct", "function", "id", "parcels", "prefetch", "rest", "seen", "size", "soft", "stops",
        "timeout",
    )  # fmt: skip

    def __init__(self, work: frames.Work, data: bytes, parcels: list[Parcel]) -> None:
        self.id = work.batch
        self.size = work.count
        """Tasks, but for those that its agent has given back."""
        self.seen = 0
        """Tasks, from the first on, whose outcomes its agent has written."""
        self.rest = False
        """What has not begun of it is to be given back."""
        self.function = work.function
        self.timeout = work.timeout
        self.soft = work.soft_timeout
        self.prefetch = work.prefetch
        self.data = data
        self.parcels = parcels
        self.stops: set[int] = set()
        """Offsets of tasks that were cancelled meanwhile: whoever runs one is ended."""
        self.direct = work.direct
        """The engine gave it to the agent itself, and is told itself what comes of it: nothing goes behind it."""
        self.alone = work.count == 1 and work.prefetch <= 1 and not (work.timeout or work.soft_timeout)
        """It is one task without a limit, and none like it waits behind it: its agent rings when it is over."""


class Mailbag:
    """A host's end of an agent's channel for messages."""

    __slots__ = ("outbox", "receiver", "sock")

    def __init__(self, sock: socket.socket, buffer: memoryview) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.receiver = channel.Receiver(sock, buffer)
        self.outbox = channel.Outbox(sock)


class Slot:
    """An agent, as its host sees it."""

    __slots__ = (
        "ahead", "ask_again", "asked", "current", "doomed", "generation", "given", "judged", "known", "leaving", "lent",
        "mail", "outbox", "parting", "peer", "pid", "pidfd", "pinged", "progress", "reader", "receiver", "row", "said",
        "seen", "sock", "taken", "told", "up", "weigh_next", "weighed", "weight", "why",
    )  # fmt: skip

    def __init__(
        self,
        row: int,
        generation: int,
        pid: int,
        sock: socket.socket,
        peer: socket.socket,
        board: Scoreboard,
        buffer: memoryview,
    ) -> None:
        self.row = row
        self.generation = generation
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.sock = sock
        self.peer = peer
        """The agent's own end, kept to take back what it has not begun."""
        self.receiver = channel.Receiver(sock, buffer)
        self.outbox = channel.Outbox(sock)
        self.reader = Reader(board, row)
        self.known: set[int] = set()
        self.up = False
        self.lent = False
        """The engine has it on loan (`engine.procs.loans`)."""
        self.doomed = False
        """It was killed by its host, and only has to be buried."""
        self.leaving = 0.0
        """When it was asked to end, 0 if it was not."""
        self.parting = ""
        """Why it is to be asked to end once it has done what it has begun; "" if it is not."""
        self.why = ""
        self.told = ""
        self.current: Held | None = None
        self.ahead: deque[Held] = deque()
        """Batches in its own queue, behind the current one."""
        self.taken = 0
        """Tasks it was given, ever."""
        self.given = 0.0
        """When it was given its current batch."""
        self.asked: tuple[int, int, int] = (0, 0, 0)
        """(batch, offset, bits) of what it was last asked for by a signal."""
        self.ask_again = (0.0, 0.0)
        """When to ask for that again if it has not come to pass, and how long that is after the last time."""
        self.judged: tuple[int, int] | None = None
        """(batch, offset + 1) of the task for which it was killed: no other is to be blamed for that."""
        self.progress = time.monotonic()
        """When it was last seen to get on."""
        self.seen = -1
        """Its processor time at that moment, in ticks."""
        self.mail: Mailbag | None = None
        """The channel for its messages, once it has opened one."""
        self.pinged = 0
        """Number of the ping it has not answered yet, 0 for none."""
        self.said = -1
        """What it had said of its memory when `weight` was taken from that, see `weight.Scales`."""
        self.weight = (0, 0)
        """Bytes of its own, and bytes that come from no file, when it was weighed last."""
        self.weighed = self.progress
        """When its host has last done that itself."""
        self.weigh_next = 0.0
        """When its host may do it again."""


def calm(slot: Slot) -> bool:
    """Whether nothing can become of what an agent does that its host is not told of at once, but that it stands
    still."""
    current = slot.current
    return current is not None and current.alone and not (current.stops or current.rest or slot.ahead)


def held(slot: Slot, board: Scoreboard) -> list[tuple[int, int]]:
    """The batches of a dead agent, as (batch, offset of the task that ran in it).

    That is -1 if none did, or if the agent was killed for another one, which was over before the signal came.
    """
    batch, offset = board.get(slot.row, BATCH), board.get(slot.row, OFFSET)
    if slot.judged not in (None, (batch, offset)):
        offset = 0
    return [(one.id, offset - 1 if one.id == batch else -1) for one in (slot.current, *slot.ahead) if one is not None]


def what_is_wrong(slot: Slot, record: bytes) -> str:
    """Why an agent can't have written a record that is in order: it speaks of another's tasks, or of such as are yet to
    run. "" if it may have. Else whoever passed it on would take the batch for over that the agent still runs.
    """
    if len(record) < frames.HEAD.size:
        return "a record without a head"
    batch, first, count, _ = frames.HEAD.unpack_from(record)
    current = slot.current
    if current is None or batch != current.id:
        return "outcomes of a batch that it does not run"
    if not count or first > current.seen or first + count > current.size:
        return f"outcomes of tasks {first} to {first + count} of {current.size}, of which {current.seen} were over"
    current.seen = max(current.seen, first + count)
    return ""
