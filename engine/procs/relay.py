"""A host's part in the messages between agents: each has a channel for them, opened at its first use.

What an agent sends goes to the engine, which alone looks inside; what the engine delivers goes to the agent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from engine.procs.poll import Poll
from engine.procs.slots import Mailbag, Slot
from engine.wire import channel, frames
from engine.wire.memory import Parcel


class Relay:
    """Passes messages on, between the agents of one host and the engine."""

    def __init__(self, poll: Poll, buffer: memoryview, pass_on: Callable[[bytes, list[Parcel]], None]) -> None:
        """`pass_on` sends to the engine, in order; `buffer` is what is received into, shared with the host."""
        self._poll = poll
        self._buffer = buffer
        self._pass_on = pass_on

    def open(self, slot: Slot, end: Parcel) -> None:
        """An agent has opened a channel, of which this is the host's end. Raises ValueError if it is none."""
        sock = _socket(end)
        if slot.mail is not None:  # it lost its first one: what it had sent by it is passed on
            self.take(slot)
            self.close(slot)
        bag = slot.mail = Mailbag(sock, self._buffer)
        self._poll.watch(bag.sock.fileno(), lambda: self.take(slot))

    def take(self, slot: Slot) -> None:
        """Pass on what an agent has sent so far. One that has opened no channel has sent nothing."""
        bag = slot.mail
        if bag is None:
            return
        try:
            while (received := bag.receiver.receive()) is not None:
                self._pass_on(bytes(received[0]), received[1])
        except (channel.Closed, ValueError):
            self.close(slot)

    def deliver(self, slot: Slot | None, frame: frames.ToMailbox, data: bytes, parcels: list[Parcel]) -> None:
        """A message for an agent; if that has died meanwhile, the engine hears of it and keeps what is to be kept."""
        if slot is None or slot.generation != frame.generation or slot.mail is None:
            return
        outbox = slot.mail.outbox
        outbox.put(data, parcels)
        if len(outbox):
            self._poll.crowded(outbox)

    def close(self, slot: Slot) -> None:
        """Give an agent's channel back, if it has opened one."""
        if slot.mail is not None:
            self._poll.unwatch(slot.mail.sock.fileno())
            slot.mail.sock.close()
            slot.mail = None


def _socket(parcel: Parcel) -> socket.socket:
    """The end of a channel that an agent has sent. Raises ValueError if it is none."""
    fd = os.dup(parcel.fd)
    try:
        return socket.socket(fileno=fd)
    except OSError as error:
        os.close(fd)
        raise ValueError("a channel for messages that is no socket") from error
