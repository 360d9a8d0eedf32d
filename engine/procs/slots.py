"""What a host holds: batches in transit, and its agents with the channel to each."""

from __future__ import annotations

import os
import socket

from engine.procs.ring import Reader
from engine.procs.scoreboard import Scoreboard
from engine.wire import channel, frames
from engine.wire.memory import Parcel


class Held:
    """A batch in transit."""

    __slots__ = ("data", "function", "id", "parcels", "prefetch", "size", "timeout")

    def __init__(self, work: frames.Work, data: bytes, parcels: list[Parcel]) -> None:
        self.id = work.batch
        self.size = work.count
        self.function = work.function
        self.timeout = work.timeout
        self.prefetch = work.prefetch
        self.data = data
        self.parcels = parcels


class Slot:
    """An agent, as its host sees it."""

    __slots__ = (
        "current", "doomed", "generation", "known", "next", "outbox", "peer", "pid", "pidfd", "reader", "receiver",
        "row", "sock", "told", "up", "why",
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
        self.doomed = False
        """It was killed by its host, and only has to be buried."""
        self.why = ""
        self.told = ""
        self.current: Held | None = None
        self.next: Held | None = None
