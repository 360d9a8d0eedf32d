"""Channels: whole messages in order, descriptors that belong to somebody, and a sender that never waits."""

from __future__ import annotations

import os
import resource
import socket
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.wire.channel import Closed, Outbox, Receiver, Starved, buffer, pair, send
from engine.wire.memory import Parcel, pack

SIZE = 1 << 18
VIEW = buffer(SIZE)
"""Shared by the receivers of this thread, as theirs is by those of a host."""

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two connected ends that do not block."""
    found = pair()
    for end in found:
        end.setblocking(False)
    yield found
    for end in found:
        end.close()


def receive(receiver: Receiver) -> bytes | None:
    found = receiver.receive()
    return None if found is None else bytes(found[0])


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_messages_arrive_one_by_one_and_whole(messages: list[bytes]) -> None:
    ours, theirs = pair()
    with ours, theirs:
        theirs.setblocking(False)
        receiver = Receiver(theirs, VIEW)
        for message in messages:
            assert send(ours, (message,))
        assert [receive(receiver) for _ in messages] == messages
        assert receiver.receive() is None


def test_the_parts_of_a_message_are_joined(ends: Ends) -> None:
    send(ends[0], (b"head ", memoryview(b"the body")[4:], b"!"))
    assert receive(Receiver(ends[1], VIEW)) == b"head body!"


def test_a_frame_of_the_largest_size_fits(ends: Ends) -> None:
    from engine.wire.frames import FRAME_MAX

    assert send(ends[0], (b"x" * FRAME_MAX,))
    assert receive(Receiver(ends[1], VIEW)) == b"x" * FRAME_MAX


def test_neither_end_is_inherited_across_exec(ends: Ends) -> None:
    assert not any(os.get_inheritable(end.fileno()) for end in ends)


def test_descriptors_come_along_and_are_the_receivers_own(ends: Ends) -> None:
    before = descriptors()
    sent = [pack(b"\x80\x05K" + bytes((n,)) + b".", []) for n in (1, 2)]
    send(ends[0], (b"two",), [parcel.fd for parcel in sent])
    del sent
    found = Receiver(ends[1], VIEW).receive()
    assert found is not None
    assert [parcel.load() for parcel in found[1]] == [1, 2]
    assert not any(os.get_inheritable(parcel.fd) for parcel in found[1])
    del found
    assert descriptors() == before


def test_as_many_descriptors_as_a_frame_may_have(ends: Ends) -> None:
    from engine.wire.frames import FDS_MAX

    parcel = pack(b"N.", [])
    send(ends[0], (b"many",), [parcel.fd] * FDS_MAX)
    found = Receiver(ends[1], VIEW).receive()
    assert found is not None
    assert len(found[1]) == FDS_MAX


def test_a_message_longer_than_the_buffer_is_refused_and_its_descriptors_closed(ends: Ends) -> None:
    parcel = pack(b"N.", [])
    before = descriptors()
    receiver = Receiver(ends[1], VIEW[:100])
    send(ends[0], (b"x" * 101,), [parcel.fd])
    send(ends[0], (b"y" * 100,))
    with pytest.raises(ValueError, match="longer than any frame"):
        receiver.receive()
    assert descriptors() == before
    assert receive(receiver) == b"y" * 100


def test_more_descriptors_than_may_be_opened_are_refused_and_closed(ends: Ends) -> None:
    parcel = pack(b"N.", [])
    before = descriptors()
    send(ends[0], (b"x",), [parcel.fd] * 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 4, hard))
    try:
        with pytest.raises(Starved, match="more descriptors"):
            Receiver(ends[1], VIEW).receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert descriptors() == before


def test_the_end_of_the_other_side_is_told_after_all_it_had_sent(ends: Ends) -> None:
    send(ends[0], (b"last",))
    ends[0].close()
    receiver = Receiver(ends[1], VIEW)
    assert receive(receiver) == b"last"
    for _ in range(2):
        with pytest.raises(Closed):
            receiver.receive()


def test_whoever_dies_with_unread_messages_is_still_heard_to_the_end(ends: Ends) -> None:
    # The kernel then reports a reset first, and once: finished work behind it must not be lost with the agent.
    send(ends[0], (b"one",))
    send(ends[0], (b"two",))
    send(ends[1], (b"never read",))
    ends[0].close()
    receiver = Receiver(ends[1], VIEW)
    assert [receive(receiver), receive(receiver)] == [b"one", b"two"]
    with pytest.raises(Closed):
        receiver.receive()


def test_sending_to_nobody(ends: Ends) -> None:
    ends[1].close()
    with pytest.raises(Closed):
        send(ends[0], (b"x",))


def test_no_room_is_no_error(ends: Ends) -> None:
    sent = 0
    while send(ends[0], (b"x" * 50_000,)):
        sent += 1
    assert sent > 1
    receiver = Receiver(ends[1], VIEW)
    for _ in range(sent):
        assert receive(receiver) == b"x" * 50_000
    assert receiver.receive() is None


def test_an_outbox_keeps_the_order_however_slow_the_other_end_is(ends: Ends) -> None:
    outbox, receiver = Outbox(ends[0]), Receiver(ends[1], VIEW)
    expected = [f"{n} ".encode() * 5_000 for n in range(200)]
    for message in expected:
        outbox.put(message)
    assert len(outbox) > 0
    found: list[bytes | None] = []
    while len(found) < 200:
        found.append(receive(receiver))
        outbox.flush()
    assert found == expected
    assert outbox.flush()
    assert receiver.receive() is None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["put", "take", "flush"]), max_size=60), st.integers(1, 120_000))
def test_an_outbox_against_a_plain_queue(steps: list[str], size: int) -> None:
    ours, theirs = pair()
    with ours, theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        outbox, receiver, model = Outbox(ours), Receiver(theirs, VIEW), deque[bytes]()
        for number, step in enumerate(steps):
            if step == "put":
                message = number.to_bytes(4, "big") + bytes(size)
                outbox.put(message)
                model.append(message)
            elif step == "flush":
                assert outbox.flush() == (len(outbox) == 0)
            else:
                found = receive(receiver)
                assert found == (model.popleft() if len(model) > len(outbox) else None)
        while model:
            outbox.flush()
            assert receive(receiver) == model.popleft()


def test_parcels_wait_with_their_message_and_are_given_back_after_it(ends: Ends) -> None:
    outbox, receiver, before = Outbox(ends[0]), Receiver(ends[1], VIEW), descriptors()
    while not len(outbox):
        outbox.put(b"x" * 50_000)
    outbox.put(b"with", [pack(b"K\7.", [])])
    assert descriptors() == before + 1
    parcels: list[Parcel] = []
    while not parcels:
        outbox.flush()
        found = receiver.receive()
        assert found is not None
        parcels = found[1]
    del found
    assert descriptors() == before + 1  # sent and gone here, arrived there
    assert parcels.pop().load() == 7
    assert descriptors() == before


def test_an_outbox_waits_for_the_descriptor_of_a_stowed_parcel(ends: Ends) -> None:
    parcel = pack(b"K\7.", [])
    parcel.stow()
    outbox, receiver = Outbox(ends[0]), Receiver(ends[1], VIEW)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        outbox.put(b"with", [parcel])
        assert not outbox.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outbox.flush()
    found = receiver.receive()
    assert found is not None
    assert found[1][0].load() == 7


def test_an_outbox_whose_other_end_is_gone_takes_everything_and_keeps_nothing(ends: Ends) -> None:
    outbox, before = Outbox(ends[0]), descriptors()
    while not len(outbox):
        outbox.put(b"x" * 50_000)
    outbox.put(b"x", [pack(b"N.", [])])
    ends[1].close()
    assert outbox.flush()
    assert outbox.closed
    assert len(outbox) == 0
    outbox.put(b"y", [pack(b"N.", [])])
    assert outbox.flush()
    assert descriptors() == before - 1


def test_an_outbox_hears_of_the_end_when_it_sends(ends: Ends) -> None:
    outbox = Outbox(ends[0])
    ends[1].close()
    outbox.put(b"x")
    assert outbox.closed
    assert len(outbox) == 0
