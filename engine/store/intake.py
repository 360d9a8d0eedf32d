"""What the engine says to its recorder: taken from the channel, and kept until it is written."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from engine.store.messages import (
    MESSAGE_MAX,
    Ended,
    Finished,
    Happened,
    ToRecorder,
    one_by_one,
    one_to_recorder,
    to_recorder,
)
from engine.store.pieces import most_at_once, place
from engine.stream.types import UNREADABLE
from engine.wire.channel import Closed, Receiver, Starved, buffer
from engine.wire.memory import Parcel

ROWS: Final = 256
"""Rows that are committed together at the most, but for those of the last message."""
PATIENCE: Final = 0.05
"""Seconds from the first message of a transaction to its commit, at the most, while messages keep coming."""
BACKLOG: Final = 32 << 20
"""Bytes of messages, and of large results beside them, kept while the database does not take them; so many are
committed together at the most, but for those of the last message.
"""


def _rows(message: ToRecorder) -> int:
    match message:
        case Finished():
            return len(message.results)
        case Ended():
            return message.count
        case Happened():
            return len(message.events)
        case _:
            return 1


class Intake:
    """Messages that have come and are not written yet."""

    def __init__(self, sock: socket.socket, complain: Callable[[str], None]) -> None:
        """`complain`: is told of what can't be written, and never will be."""
        self._receiver = Receiver(sock, buffer(MESSAGE_MAX))
        self._complain = complain
        self._ends = 0
        self._most = most_at_once()
        self._since = 0.0
        self._bytes = 0
        self._parcels: list[Parcel] = []
        """Large results among what is held."""
        self.over = False
        """Whether the channel is empty for good."""
        self.unfit = ""
        """What came that can't be taken in, nor confirmed: nothing after it can be."""
        self.starved = False
        """Whether a message came that could not be taken for want of descriptors."""
        self.received = 0
        """Messages, whether or not they were understood."""
        self.held: list[ToRecorder] = []
        self.rows = 0
        """In what is held."""

    def _enough(self, stuck: bool) -> bool:
        """Whether a transaction should not wait for more messages."""
        if self._bytes >= BACKLOG or len(self._parcels) >= self._most:
            return True
        if stuck or not self.held:
            return False
        return self.rows >= ROWS or time.monotonic() - self._since >= PATIENCE

    def take(self, gone: bool, stuck: bool) -> None:
        """Take messages until there are no more now, or enough for a transaction.

        Args:
            gone: whether the engine is: then nobody is told of what could not be taken, nor asked for more.
            stuck: whether what is held can't be written for now: then as much is taken as is ever kept.
        """
        while not self.over and not self.unfit and not self._enough(stuck):
            try:
                received = self._receiver.receive(socket.MSG_DONTWAIT)
            except Closed:
                # An engine that dies with an answer unread leaves an error in front of its last messages. So
                # the first end is not believed, only the second one.
                self._ends += 1
                self.over = self._ends == 2
                continue
            except ValueError as error:
                if isinstance(error, Starved) and not gone:
                    self.starved = True
                    return
                # Nobody knows how many there were in it, so those that follow could not be confirmed either.
                self.unfit = f"something came that can't be recorded: {error}"
                return
            if received is None:
                # A dead engine's end may stay open in a process that it forked; nobody writes to it.
                self.over = gone
                return
            self._hear(*received)

    def _hear(self, view: memoryview, parcels: list[Parcel]) -> None:
        if not self.held:
            self._since = time.monotonic()
        self._bytes += len(view) + sum(parcel.size() for parcel in parcels)
        try:
            found = to_recorder.decode(view)
            self.received += len(found)
        except UNREADABLE:
            found = self._understood(view)
        if parcels:
            place(found, parcels)
            self._parcels += parcels
        self.held += found
        self.rows += sum(map(_rows, found))

    def _understood(self, view: memoryview) -> list[ToRecorder]:
        """Those of the messages that can be read."""
        found = []
        try:
            raw = one_by_one.decode(view)
        except UNREADABLE as error:
            self.received += 1
            self._complain(f"a message was not understood: {error}")
            return []
        for data in raw:
            self.received += 1
            try:
                found.append(one_to_recorder.decode(data))
            except UNREADABLE as error:
                self._complain(f"a message was not understood: {error}")
        return found

    def written(self) -> None:
        """All that has come is written, or never will be: nothing is held any more."""
        self.held.clear()
        self.rows = self._bytes = 0
        for parcel in self._parcels:
            parcel.close()
        self._parcels.clear()
