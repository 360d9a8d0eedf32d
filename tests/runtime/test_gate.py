"""The gate by itself: what is told, in which order, and when."""

from __future__ import annotations

from functools import partial

import pytest

from engine.runtime.fleet.gate import Gate


class Log:
    def __init__(self) -> None:
        self.told = 0
        self.safe = 0


@pytest.fixture
def log() -> Log:
    return Log()


def test_what_nothing_waits_for_is_told_at_once(log: Log) -> None:
    heard: list[int] = []
    gate = Gate(log)
    gate.tell(0, heard.append, 1)
    log.told = log.safe = 7
    gate.tell(0, heard.append, 2)
    gate.follow(heard.append, 3)
    assert heard == [1, 2, 3]


def test_all_is_told_in_order_and_not_before_it_is_safe(log: Log) -> None:
    heard: list[str] = []
    gate = Gate(log)
    for number in range(5):
        log.told += 2  # a group may take several messages
        gate.tell(10, heard.append, f"outcome {number}")
    gate.follow(heard.append, "finished")
    assert (heard, gate.bytes, len(gate)) == ([], 50, 6)
    log.safe = 3
    gate.look()
    assert (heard, gate.bytes) == (["outcome 0"], 40)
    log.safe = 9
    gate.look()
    assert heard == [f"outcome {number}" for number in range(4)]
    log.safe = 10
    gate.look()
    assert heard[-2:] == ["outcome 4", "finished"]
    assert (gate.bytes, len(gate)) == (0, 0)


def test_the_last_word_waits_for_no_message_that_came_between(log: Log) -> None:
    """Else a step would look over while it is not known yet that a task of it has failed."""
    heard: list[str] = []
    gate = Gate(log)
    log.told = 1
    gate.tell(0, heard.append, "outcome")
    log.told = 2  # an event
    gate.follow(heard.append, "finished")
    log.safe = 1
    gate.look()
    assert heard == ["outcome", "finished"]


def test_an_open_gate_holds_nothing(log: Log) -> None:
    heard: list[int] = []
    gate = Gate(log)
    log.told = 1
    gate.tell(0, heard.append, 1)
    gate.open()
    gate.tell(0, heard.append, 2)
    gate.follow(heard.append, 3)
    assert heard == [1, 2, 3]


def test_what_is_told_may_tell_more(log: Log) -> None:
    heard: list[int] = []
    gate = Gate(log)
    log.told = 1

    def more() -> None:
        heard.append(1)
        gate.tell(0, heard.append, 3)

    gate.tell(0, more)
    gate.tell(0, partial(heard.append, 2))
    log.safe = 1
    gate.look()
    assert heard == [1, 2, 3]
