"""A host's eye on an agent: what it asks it for, and whom it judges. The agent is a row that the test writes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from engine.procs import slots, weight
from engine.procs.scoreboard import (
    ASK,
    ASK_FLUSH,
    ASK_REST,
    ASK_SOFT,
    BATCH,
    HELD,
    OFFSET,
    START,
    Scoreboard,
    asking,
    create,
)  # fmt: skip
from engine.procs.slots import Held, Slot
from engine.procs.watch import Watch
from engine.wire import channel, frames

BOTH = ASK_FLUSH | ASK_SOFT


class Row:
    """An agent in its sixth task of ten, which began at 100 s; the third is the first whose outcome is held back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **care: Any) -> None:
        fd = create(1, 1 << 13)
        self.board = Scoreboard(fd, 1, 1 << 13)
        os.close(fd)
        self.ends = channel.pair()
        self.slot = Slot(0, 1, os.getpid(), *self.ends, self.board, channel.buffer(frames.RECEIVE))
        work = frames.Work(7, 1, False, 2.0, 0, 10, msgspec.Raw(b""), 1.0)
        self.slot.current = Held(work, b"", [])
        self.killed: list[str] = []
        self.signals = 0
        monkeypatch.setattr(signal, "pidfd_send_signal", self._signalled)
        self.watch = Watch(self.board, frames.Care(**care), set(), self._kill)
        for cell, value in ((BATCH, 7), (OFFSET, 6), (HELD, 3), (START, 100_000_000_000)):
            self.board.set(0, cell, value)

    def _signalled(self, fd: int, number: int) -> None:
        assert (fd, number) == (self.slot.pidfd, signal.SIGURG)
        self.signals += 1

    def _kill(self, slot: Slot, why: str, text: str) -> None:
        self.killed.append(why)

    def look(self, age: float) -> tuple[int, int]:
        """What is asked for, and how many signals that took, when the task has run for so many seconds."""
        self.signals = 0
        self.watch.working(self.slot, 100.0 + age)
        return self.board.get(0, ASK) & 0xFF, self.signals

    def close(self) -> None:
        os.close(self.slot.pidfd)
        for end in self.ends:
            end.close()
        del self.slot, self.watch
        self.board.close()


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Iterator[Row]:
    row = Row(monkeypatch, memory_limit=1 << 20, stuck=1000.0)
    monkeypatch.setattr(weight, "held", lambda pid: (0, 0))
    yield row
    monkeypatch.undo()
    row.close()


def test_what_was_asked_for_stays_asked_for(row: Row) -> None:
    """C code may have kept the agent from looking."""
    assert row.look(0.04) == (0, 0)
    assert row.look(0.06) == (ASK_FLUSH, 1)
    assert row.look(1.01) == (BOTH, 1)


def test_outcomes_are_asked_for_again_until_they_are_there_but_more_and_more_seldom(row: Row) -> None:
    assert row.look(0.06) == (ASK_FLUSH, 1)
    asked = [age for age in range(61, 900) if row.look(age / 1000)[1]]
    assert asked == [110, 210, 410, 810]
    row.board.set(0, HELD, 6)
    assert row.look(0.99) == (ASK_FLUSH, 0)
    row.board.set(0, OFFSET, 7)
    assert row.look(0.06) == (ASK_FLUSH, 1), "what was asked of one task is not asked of the next"


def test_a_soft_timeout_is_told_again_for_the_signal_may_have_come_just_before_a_system_call_that_waits(
    row: Row,
) -> None:
    row.board.set(0, HELD, 6)
    assert row.look(0.99) == (0, 0)
    assert row.look(1.01) == (ASK_SOFT, 1)
    asked = [age for age in range(1010, 2500) if row.look(age / 1000)[1]]
    assert asked == [1060, 1160, 1360, 1760]
    row.board.set(0, OFFSET, 7)
    assert row.look(0.06) == (ASK_FLUSH, 1), "the next task has not run for so long"


def test_the_rest_of_a_batch_is_asked_for_until_it_is_given_back(row: Row) -> None:
    assert row.slot.current is not None
    row.slot.current.rest = True
    assert row.look(0.01) == (ASK_REST, 1)
    assert row.board.get(0, ASK) == asking(ASK_REST, 7)
    assert [age for age in range(11, 50) if row.look(age / 1000)[1]] == []
    assert row.look(0.051) == (ASK_REST | ASK_FLUSH, 1)
    row.board.set(0, HELD, 6)
    assert [age for age in range(61, 400) if row.look(age / 1000)[1]] == [101, 201]
    row.board.set(0, OFFSET, 7)
    assert row.look(0.01) == (ASK_REST, 1)
    row.board.set(0, OFFSET, 10)
    assert row.look(0.01)[1] == 0, "it is the last"
    row.board.set(0, OFFSET, 6)
    row.slot.current.size = 6
    assert row.look(0.01)[1] == 0


def test_the_task_that_is_judged_is_the_one_to_blame(row: Row) -> None:
    row.look(2.01)
    assert row.killed == ["timeout"]
    assert slots.held(row.slot, row.board) == [(7, 5)]
    row.board.set(0, OFFSET, 7)  # it came to its end before the signal did
    assert slots.held(row.slot, row.board) == [(7, -1)]


def test_who_is_judged_by_nobody_died_of_the_task_that_ran(row: Row) -> None:
    row.slot.ahead.extend(
        Held(frames.Work(number, 1, False, 0.0, 2, 3, msgspec.Raw(b"")), b"", []) for number in (8, 9)
    )
    assert slots.held(row.slot, row.board) == [(7, 5), (8, -1), (9, -1)]


def test_a_task_is_not_judged_by_the_memory_that_the_one_before_it_took(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(pid: int) -> int:
        row.board.set(0, OFFSET, row.board.get(0, OFFSET) + moves)
        return 2 << 20

    monkeypatch.setattr(weight, "held", lambda pid: (2 << 20, 2 << 20))
    monkeypatch.setattr(weight, "own", own)
    moves = 1
    row.look(0.01)
    assert row.killed == []
    moves = 0
    row.look(0.5)
    assert row.killed == ["memory"]
    assert row.slot.judged == (7, 7)
