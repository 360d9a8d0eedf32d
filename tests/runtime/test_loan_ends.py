"""The engine's side of loans, with a test in the place of host and agent: when one begins, and how each ends."""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from processes import at_most

from engine.runtime.fleet import loans
from engine.runtime.fleet.loans import Loans
from engine.runtime.fleet.loop import Loop
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

SHARD, ROW, GENERATION = 0, 3, 7
BATCH = 41


class Bank:
    """Loans of one shard. What its host is told is in `said`, what agents told in `heard`, in order."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.said: list[Any] = []
        self.heard: list[tuple[int, int]] = []
        self.distrusted: list[tuple[int, int]] = []
        self.repeated: list[tuple[int, int]] = []
        self.loans = Loans(self.loop, self, self._put, channel.buffer(frames.RECEIVE))
        self.hosts, self.agent = channel.pair()
        self.line: socket.socket | None = None
        """The agent's end of the line by which it tells."""

    def _put(self, shard: int, data: bytes) -> None:
        assert shard == SHARD
        self.said.append(frames.to_host.decode(data))

    def record(self, row: int, record: bytes | memoryview, parcels: list[Parcel]) -> None:
        self.heard.append((row, frames.HEAD.unpack_from(record)[0]))

    def distrust(self, row: int, batch: int, error: BaseException) -> None:
        self.distrusted.append((row, batch))

    def repeat(self, row: int, batch: int) -> None:
        self.repeated.append((row, batch))

    def come(self, tasks: int = loans.AFTER) -> None:
        """So many tasks come alone."""
        for _ in range(tasks):
            self.loans.alone(SHARD)

    def lend(self) -> None:
        """The host lends its agent."""
        self.loans.lent(SHARD, frames.Lent(ROW, GENERATION), [Parcel(os.dup(self.hosts.fileno()))])

    def borrow(self) -> loans.Loan:
        self.come()
        assert self.said.pop() == frames.Lend()
        self.lend()
        loan = self.loans.take(SHARD)
        assert loan is not None
        _, (end,) = self.read()
        self.line = socket.socket(fileno=os.dup(end.fd))
        return loan

    def read(self) -> tuple[Any, list[Parcel]]:
        """What the agent is told next."""
        received = channel.Receiver(self.agent, channel.buffer(frames.RECEIVE)).receive(socket.MSG_DONTWAIT)
        assert received is not None
        return frames.to_agent.decode(bytes(received[0])), received[1]

    def give(self, loan: loans.Loan, batch: int = BATCH) -> None:
        work = frames.Work(batch, 1, False, 0.0, 0, 1, msgspec.Raw(values.encode([1])), 0.0, True)
        assert loan.give(batch, 1, frames.encode(work), [])

    def tell(self, batch: int = BATCH, offset: int = 0, count: int = 1) -> None:
        """The agent says what came of it."""
        assert self.line is not None
        body = frames.Outcomes(msgspec.Raw(values.encode([1])), array("Q", [2]).tobytes(), [], True)
        assert channel.send(self.line, (frames.HEAD.pack(batch, offset, count, 1), frames.encode(body)))

    def close(self) -> None:
        self.loans.close()
        self.loop.close()
        for end in (self.hosts, self.agent, self.line):
            if end is not None:
                end.close()


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.close()


HAND_BACK = frames.HandBack(ROW, GENERATION, 0, 0)
"""With nothing."""


def test_an_agent_is_asked_for_after_some_tasks_that_came_alone(bank: Bank) -> None:
    bank.come(loans.AFTER - 1)
    bank.loans.other(SHARD)
    bank.come(loans.AFTER - 1)
    assert not bank.said
    bank.come(1)
    assert bank.said == [frames.Lend()]
    bank.come(10)
    assert bank.said == [frames.Lend()], "once"


def test_it_is_given_tasks_and_tells_what_came_of_them(bank: Bank) -> None:
    loan = bank.borrow()
    for batch in (41, 42):
        bank.give(loan, batch)
        assert bank.read()[0].batch == batch
        assert bank.loans.take(SHARD) is None, "it is busy"
        bank.tell(batch)
        bank.loop.step(1)
        assert bank.loans.take(SHARD) is loan
    assert bank.heard == [(ROW, 41), (ROW, 42)]
    assert not bank.said


def test_who_was_spoken_to_meanwhile_gets_his_agent_back_at_once(bank: Bank) -> None:
    bank.come()
    bank.loans.before(SHARD)  # other limits, say, or that its agents are to leave
    bank.lend()
    assert bank.said == [frames.Lend(), HAND_BACK]
    assert bank.loans.take(SHARD) is None
    bank.come(loans.AFTER)
    assert len(bank.said) == 2, "it is asked more seldom"
    bank.come(loans.AFTER)
    assert bank.said[2:] == [frames.Lend()]


def test_what_was_never_asked_for_goes_back(bank: Bank) -> None:
    bank.lend()
    assert bank.said == [HAND_BACK]


def test_before_anything_else_is_said_it_is_handed_back_with_what_it_runs(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    bank.loans.before(SHARD)
    assert bank.said == [frames.HandBack(ROW, GENERATION, BATCH, 1)]
    bank.tell()
    bank.loop.step(1)
    assert bank.heard == [(ROW, BATCH)]
    assert bank.said[1:] == [frames.Over(ROW, GENERATION, BATCH)]


def test_long_tasks_and_long_waits_end_it(bank: Bank) -> None:
    loan = bank.borrow()
    bank.loans.tick(loan.since + loans.IDLE / 2)
    assert not bank.said
    bank.give(loan)
    bank.loans.tick(loan.since + loans.IDLE / 2 + loans.LONG)
    assert bank.said == [frames.HandBack(ROW, GENERATION, BATCH, 1)]
    assert bank.loans.take(SHARD) is None


def test_an_idle_one_goes_back(bank: Bank) -> None:
    loan = bank.borrow()
    bank.loans.tick(loan.since + loans.IDLE + loans.LONG)
    assert bank.said == [HAND_BACK]


@pytest.mark.parametrize(("batch", "offset", "count"), [(BATCH + 1, 0, 1), (BATCH, 1, 1), (BATCH, 0, 2), (0, 0, 1)])
def test_what_it_can_not_know_is_not_believed(bank: Bank, batch: int, offset: int, count: int) -> None:
    loan = bank.borrow()
    bank.give(loan)
    bank.tell(batch, offset, count)
    bank.loop.step(1)
    assert (bank.heard, bank.distrusted) == ([], [(ROW, BATCH)])
    assert bank.loans.take(SHARD) is None


def test_one_that_has_nothing_has_nothing_to_tell(bank: Bank) -> None:
    bank.borrow()
    bank.tell(0)
    bank.loop.step(1)
    assert (bank.heard, bank.distrusted) == ([], [(ROW, 0)])


def test_who_tells_no_more_is_handed_back_with_what_it_runs(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    assert bank.line is not None
    bank.line.close()
    bank.loop.step(1)
    assert bank.said == [frames.HandBack(ROW, GENERATION, BATCH, 1)]


def test_what_is_lost_for_want_of_a_descriptor_runs_again(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    assert bank.line is not None
    channel.send(bank.line, (frames.HEAD.pack(BATCH, 0, 1, 1),), [bank.line.fileno()])
    with at_most(3):
        bank.loop.step(1)
    assert bank.said == [frames.HandBack(ROW, GENERATION, BATCH, 1), frames.Over(ROW, GENERATION, BATCH)]
    assert (bank.heard, bank.distrusted, bank.repeated) == ([], [], [(ROW, BATCH)])
    assert bank.loans.take(SHARD) is None


def test_an_agent_that_comes_without_its_channel_goes_back(bank: Bank) -> None:
    bank.come()
    bank.loans.lent(SHARD, frames.Lent(ROW, GENERATION), [])
    assert bank.said == [frames.Lend(), HAND_BACK]
    assert bank.loans.take(SHARD) is None


def test_what_a_dead_agent_had_told_is_heard_before_its_death(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    bank.tell()
    assert bank.loans.down(ROW, GENERATION, SHARD) == 0
    assert bank.heard == [(ROW, BATCH)]
    assert bank.loans.take(SHARD) is None


def test_what_a_dead_agent_had_and_told_nothing_of_is_known(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    assert bank.loans.down(ROW, GENERATION + 1, SHARD) == 0, "another one"
    assert bank.loans.down(ROW, GENERATION, SHARD) == BATCH


def test_of_what_was_handed_back_its_host_tells(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    bank.loans.before(SHARD)
    assert bank.loans.down(ROW, GENERATION, SHARD) == 0


def test_with_its_host_it_is_gone_and_the_next_may_lend(bank: Bank) -> None:
    loan = bank.borrow()
    bank.give(loan)
    bank.tell()
    bank.loans.lost(SHARD)
    assert bank.heard == [(ROW, BATCH)]
    assert bank.loans.take(SHARD) is None
    bank.come(2 * loans.AFTER)
    assert bank.said == [frames.Lend()]


def test_a_channel_without_room_is_no_place_for_a_task(bank: Bank) -> None:
    loan = bank.borrow()
    batch, sent = BATCH, 0
    large = msgspec.Raw(values.encode([bytes(100_000)]))
    while loan.give(batch + sent, 1, frames.encode(frames.Work(batch + sent, 1, False, 0.0, 0, 1, large)), []):
        sent += 1
    assert sent
    assert loan.batch == batch + sent - 1, "it has not got the last"
