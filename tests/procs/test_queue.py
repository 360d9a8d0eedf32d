"""A host's queue and the queues of its agents. The agents are channels that the test reads, or does not."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import msgspec
import pytest

from engine.procs.queue import ShardQueue
from engine.procs.scoreboard import BATCH, Scoreboard, create
from engine.procs.slots import Held, Mailbag, Slot
from engine.wire import channel, frames

AGENTS = 2


class Shard:
    """A queue with agents, all idle, that know function 1."""

    def __init__(self) -> None:
        fd = create(AGENTS, 1 << 13)
        self.board = Scoreboard(fd, AGENTS, 1 << 13)
        os.close(fd)
        self.queue = ShardQueue(self.board, lambda slot: pytest.fail("a channel is full"))
        self.queue.define(1, frames.encode(frames.Define(1, "operator:neg", b"")), [])
        buffer = channel.buffer(frames.RECEIVE)
        self.slots: list[Slot] = []
        self.ends: list[socket.socket] = []
        for row in range(AGENTS):
            ends = channel.pair()
            slot = Slot(row, 1, os.getpid(), *ends, self.board, buffer)
            slot.known.add(1)
            self.ends += ends
            self.slots.append(slot)
            self.queue.ready(slot)

    def add(self, *numbers: int, prefetch: int = 9, count: int = 1) -> None:
        for number in numbers:
            work = frames.Work(number, 1, False, 0.0, prefetch, count, msgspec.Raw(b"\x91\x01"))
            self.queue.add(Held(work, frames.encode(work), []))
        self.queue.dispatch()

    def reads(self, row: int) -> int:
        """The agent reads its next batch, and begins it; its number."""
        work = frames.to_agent.decode(self.slots[row].peer.recv(1 << 16))
        assert isinstance(work, frames.Work)
        self.board.set(row, BATCH, work.batch)
        return work.batch

    def finished(self, row: int) -> None:
        self.queue.finished(self.slots[row])
        self.queue.dispatch()

    @property
    def given(self) -> list[list[int]]:
        """What the host takes each agent to have: its batch, and those in its own queue."""
        return [[held.id for held in (slot.current, *slot.ahead) if held is not None] for slot in self.slots]

    def close(self) -> None:
        while self.slots:
            os.close(self.slots.pop().pidfd)
        for end in self.ends:
            end.close()
        del self.queue
        self.board.close()


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard()
    yield shard
    shard.close()


def test_idle_agents_come_first_then_everybodys_queue_is_filled_in_turn(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, 5, 6, 7)
    assert sorted(map(len, shard.given)) == [3, 4]
    assert [numbers[0] for numbers in shard.given] in ([1, 2], [2, 1])
    assert {numbers[1] for numbers in shard.given} == {3, 4}


def test_a_batch_says_how_many_may_wait(shard: Shard) -> None:
    shard.add(1, 2)
    shard.add(3, 4, 5, prefetch=1)
    assert sorted(map(len, shard.given)) == [2, 2]
    shard.add(6, prefetch=0)
    shard.add(7)
    assert sorted(map(len, shard.given)) == [2, 2], "none overtakes"


def test_an_agent_goes_on_with_its_own_queue_in_order(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, 5, 6)
    row = next(row for row, numbers in enumerate(shard.given) if numbers[0] == 1)
    had = shard.given[row]
    for number in had:
        assert shard.reads(row) == number
        if number != had[-1]:
            shard.finished(row)
    assert shard.given[row] == had[-1:]


def test_who_falls_idle_gets_what_others_have_not_begun(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, 5, 6)
    busy = next(row for row, numbers in enumerate(shard.given) if numbers[0] == 1)
    idle = 1 - busy
    shard.reads(busy)
    theirs = shard.given[busy]
    for _ in shard.given[idle]:
        shard.reads(idle)
        shard.finished(idle)
    assert shard.given[idle] == [theirs[1]], "the one that waits longest"
    assert shard.given[busy] == [theirs[0], *theirs[2:]]
    assert shard.reads(idle) == theirs[1]


def test_an_agent_that_went_on_meanwhile_keeps_what_it_has_begun(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, 5, 6, 7, 8)
    busy = next(row for row, numbers in enumerate(shard.given) if numbers[0] == 1)
    first, second, third, *rest = shard.given[busy]
    shard.reads(busy)
    assert frames.to_agent.decode(shard.slots[busy].peer.recv(1 << 16)) == frames.to_agent.decode(
        shard.slots[busy].ahead[0].data
    ), "it has read the second, and not said so yet"
    for _ in shard.given[1 - busy]:
        shard.reads(1 - busy)
        shard.finished(1 - busy)
    assert shard.given[1 - busy] == [third]
    assert shard.given[busy] == [first, second, *rest]


def test_nothing_is_taken_back_before_the_agent_has_read_its_batch(shard: Shard) -> None:
    shard.add(1, 2, 3, 4)
    before = shard.given
    assert shard.queue.recall() == []
    assert shard.given == before


def test_recall_takes_back_all_that_no_agent_has_begun(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, 5, 6)
    shard.add(7, prefetch=0)
    for row in range(AGENTS):
        shard.reads(row)
    assert sorted(shard.queue.recall()) == [3, 4, 5, 6, 7]
    assert sorted(shard.given) == [[1], [2]]


def test_recall_marks_the_batches_whose_rest_is_wanted_too(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, count=5)
    row = next(row for row, numbers in enumerate(shard.given) if numbers[0] == 1)
    shard.reads(row)
    first, second = (slot.current for slot in (shard.slots[row], shard.slots[1 - row]))
    assert first is not None
    assert second is not None
    (stuck,) = shard.slots[1 - row].ahead
    (back,) = (held.id for held in shard.slots[row].ahead)
    assert shard.queue.recall({1, 3, 4}) == [back]
    assert [first.rest, second.rest, stuck.rest] == [True, False, True], "the second has not been read"


def test_what_an_agent_gives_back_counts_for_it_no_more(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, count=5)
    slot = shard.slots[0]
    assert slot.taken == 10
    assert slot.current is not None
    for held, taken in ((slot.current, 7), (slot.ahead[0], 4)):  # the bell that tells of the next batch may be to come
        held.rest = True
        assert shard.queue.given_back(slot, held.id, 2)
        assert (held.size, held.rest, slot.taken) == (2, False, taken)
        for offset in (2, 3, 0, 5):
            assert not shard.queue.given_back(slot, held.id, offset)
    assert not shard.queue.given_back(slot, 99, 1)
    assert slot.taken == 4


def test_a_cancelled_batch_is_taken_out_of_the_midst_of_a_queue(shard: Shard) -> None:
    shard.add(1, 2, 3, 4, 5, 6, 7, 8)
    row = next(row for row, numbers in enumerate(shard.given) if numbers[0] == 1)
    first, *queued = shard.given[row]
    shard.reads(row)
    assert shard.queue.stop(queued[1], 0) == queued[1]
    shard.queue.dispatch()
    assert shard.given[row] == [first, queued[2], queued[0]], "what was before it is given out anew"
    assert all(queued[1] not in numbers for numbers in shard.given)


def test_a_cancelled_task_of_several_stays_and_is_marked(shard: Shard) -> None:
    shard.add(1, 2)
    shard.add(3, 4, count=2)
    held = shard.slots[0].ahead[0]
    shard.reads(0)
    assert shard.queue.stop(held.id, 1) is None
    assert held.stops == {1}
    assert held in shard.slots[0].ahead


def test_a_cancelled_batch_that_has_begun_is_marked(shard: Shard) -> None:
    shard.add(1, 2, 3)
    current = shard.slots[0].current
    assert current is not None
    assert shard.queue.stop(current.id, 0) is None
    assert current.stops == {0}


def test_the_time_an_agent_was_given_its_batch(shard: Shard) -> None:
    before = time.monotonic()
    shard.add(1)
    (slot,) = (slot for slot in shard.slots if slot.current is not None)
    assert before <= slot.given <= time.monotonic()


def test_nothing_stands_behind_a_task_that_waits(shard: Shard) -> None:
    shard.add(1, 2, 3, 4)
    row = next(row for row in range(AGENTS) if shard.given[row][0] == 1)
    other = 1 - row
    shard.reads(row)
    shard.reads(other)
    behind = shard.given[row][1:]
    assert behind
    shard.queue.stand_aside(shard.slots[row])
    shard.queue.dispatch()
    assert shard.given[row] == [1]
    assert set(behind) <= set(shard.given[other])
    shard.queue.recall([1])
    current = shard.slots[row].current
    assert current is not None
    assert current.rest, "what it has not begun is asked back all the same"
    assert shard.queue.stop(1, 0) is None, "it has begun"
    shard.finished(row)
    shard.add(9)
    assert [9] in shard.given


def test_one_is_lent_once_all_are_idle_and_given_nothing_until_it_is_back(shard: Shard) -> None:
    shard.add(1)
    assert shard.queue.lend() is None
    shard.finished(next(row for row, numbers in enumerate(shard.given) if numbers))
    lent = shard.queue.lend()
    assert lent is not None
    shard.add(2, 3)
    assert not shard.given[lent.row]
    assert shard.given[1 - lent.row] == [2, 3]
    shard.reads(1 - lent.row)
    shard.queue.ready(lent)
    shard.queue.dispatch()
    assert shard.given[lent.row] == [3]


def test_who_has_a_mailbox_is_not_lent(shard: Shard) -> None:
    one, other = channel.pair()
    shard.slots[1].mail = Mailbag(one, channel.buffer(frames.RECEIVE))
    lent = shard.queue.lend()
    assert lent is shard.slots[0]
    assert shard.queue.lend() is None
    shard.queue.ready(lent)
    assert shard.queue.lend() is lent
    one.close()
    other.close()


def test_nothing_waits_behind_a_batch_that_others_are_told_of(shard: Shard) -> None:
    lent = shard.queue.lend()
    assert lent is not None
    work = frames.Work(1, 1, False, 0.0, 0, 1, msgspec.Raw(b""), 0.0, True)
    shard.queue.adopt(lent, Held(work, b"", []))
    shard.add(2, 3, 4)
    assert shard.given[lent.row] == [1]
    assert shard.given[1 - lent.row] == [2, 3, 4]
    shard.reads(1 - lent.row)
    shard.finished(lent.row)
    assert shard.given[lent.row] == [3]
