"""A host's relay of messages: nothing is lost where an agent opens a second channel, or reads slowly, or is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from engine.procs import agent, mail, outlet
from engine.procs.poll import Poll
from engine.procs.relay import Relay
from engine.procs.slots import Slot
from engine.wire import channel, frames
from engine.wire.memory import Parcel

TAKEN = frames.MailTaken(0, 1, 1)


class Told:
    """A relay, and what it has passed on to the engine."""

    def __init__(self) -> None:
        self.poll = Poll()
        self.passed: list[bytes] = []
        self.relay = Relay(self.poll, channel.buffer(1 << 16), lambda data, parcels: self.passed.append(data))
        self.slot = cast(Slot, SimpleNamespace(mail=None, generation=1))

    @contextmanager
    def opened(self) -> Iterator[socket.socket]:
        """The agent's end of a channel that it has opened."""
        ours, theirs = channel.pair()
        end = Parcel(theirs.detach())
        self.relay.open(self.slot, end)
        end.close()
        with closing(ours):
            yield ours


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.relay.close(told.slot)
    assert told.slot.mail is None
    told.poll._epoll.close()  # a host leaves that to its end


def test_what_was_sent_by_a_first_channel_is_passed_on_before_the_second_is_heard(told: Told) -> None:
    with told.opened() as first:
        assert channel.send(first, (b"one",))
        with told.opened() as second:
            assert channel.send(second, (b"two",))
            assert told.passed == [b"one"]
            told.poll.wait(None)
            assert told.passed == [b"one", b"two"]
            assert first.recv(1) == b"", "the host has closed its end"
            told.relay.deliver(told.slot, TAKEN, b"for you", [])
            assert second.recv(100) == b"for you"


def test_what_finds_no_room_waits_for_it(told: Told) -> None:
    with told.opened() as agent:
        for number in range(1000):
            told.relay.deliver(told.slot, TAKEN, b"%d" % number + bytes(10_000), [])
        assert told.slot.mail is not None
        assert len(told.slot.mail.outbox)
        for number in range(1000):
            assert agent.recv(20_000).rstrip(b"\0") == b"%d" % number
            told.poll.wait(0.0)
        assert not len(told.slot.mail.outbox)


def test_what_comes_for_an_agent_that_is_gone_or_has_no_channel_is_dropped(told: Told) -> None:
    told.relay.deliver(None, TAKEN, b"x", [])
    told.relay.deliver(told.slot, TAKEN, b"x", [])
    told.relay.take(told.slot)
    with told.opened() as agent:
        told.relay.deliver(told.slot, frames.MailTaken(0, 2, 1), b"for its successor", [])
        told.relay.deliver(told.slot, TAKEN, b"for it", [])
        assert agent.recv(100) == b"for it"


def test_an_end_that_is_gone_is_heard_once(told: Told) -> None:
    with told.opened() as agent:
        assert channel.send(agent, (b"last words",))
    told.poll.wait(None)
    assert told.passed == [b"last words"]
    told.poll.wait(0.0)
    for _ in range(100):
        told.relay.deliver(told.slot, TAKEN, b"x", [])
    told.relay.close(told.slot)


def test_what_an_agent_says_is_told_apart_by_its_first_byte() -> None:
    kinds = (agent.UP, agent.NOT_UP, outlet.BELL, outlet.REST, mail.OPEN, frames.RECORD)
    assert len(set(kinds)) == len(kinds)
