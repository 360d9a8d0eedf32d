"""Groups of outcomes that become one message."""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.fleet.jobs import Group
from engine.runtime.record.gathering import MOST, Gathered, small
from engine.store import messages
from engine.store.blocks import FEWEST
from engine.wire import frames

_OFFSET = 1_700_000_000_000_000_000


def group(first: int, items: list[Any], started: int, times: list[int], **more: Any) -> Group:
    ends = array("Q")
    at = started
    for time in times:
        at += time
        ends.append(at)
    return Group(first, items, [], {}, more.pop("retried", {}), more.pop("attempts", {}), 3, started,
                 memoryview(ends), plain=more.pop("plain", True), **more)  # fmt: skip


def read(data: bytes) -> messages.Finished:
    return msgspec.msgpack.decode(data, type=messages.Finished)


@given(st.lists(st.lists(st.integers(1, 10**9), min_size=1, max_size=5), min_size=1, max_size=20), st.integers(0, 9))
def test_groups_one_after_the_other_are_one_message(parts: list[list[int]], gap: int) -> None:
    gathered = None
    first, at = 7, 1_000
    starts = []
    for times in parts:
        starts += [at - 1_000 + sum(times[:place]) for place in range(len(times))]
        found = group(first, [float(time) for time in times], at, times)
        if gathered is None:
            gathered = Gathered(5, 100, found, _OFFSET)
        else:
            assert gathered.continues(5, 100, found)
            gathered.add(found)
        first += len(times)
        at += sum(times) + gap
    assert gathered is not None
    message = read(gathered.encoded())
    every = [time for times in parts for time in times]
    assert (message.job, message.first, message.row) == (5, 107, 3)
    assert message.started == (1_000 + _OFFSET) / 1e9
    assert list(array("Q", message.nanoseconds)) == every
    assert list(array("Q", message.starts)) == starts
    assert message.results == [float(time) for time in every]
    assert (message.failures, message.skipped, message.attempts) == ([], [], {})
    assert gathered.closed
    assert not gathered.continues(5, 100, group(first, [1], at, [1]))


def test_only_what_follows_at_once_continues() -> None:
    gathered = Gathered(5, 100, group(0, [1, 2], 1_000, [10, 20]), _OFFSET)
    assert gathered.continues(5, 100, group(2, [3], 1_030, [1]))
    assert not gathered.continues(5, 100, group(3, [3], 1_030, [1]))
    assert not gathered.continues(5, 100, group(2, [3], 999, [1]))
    assert not gathered.continues(6, 100, group(2, [3], 1_030, [1]))
    assert not gathered.continues(5, 100, group(2, [3] * MOST, 1_030, [1] * MOST))


def test_what_is_told_by_itself() -> None:
    failure = frames.Failure(0, "exception", "E", "", "", b"")
    assert small(group(0, [1, 2.5, None, True], 0, [1] * 4))
    for found in (
        group(0, ["a text of any length"], 0, [1]),
        group(0, [1], 0, [1], plain=False),
        group(0, [1], 0, [1], retried={0: failure}),
        group(0, [1], 0, [1], attempts={0: 2}),
        group(0, [1], 0, [1], gone=frozenset({0})),
        group(0, [1] * FEWEST, 0, [1] * FEWEST),
        group(0, [], 0, []),
    ):
        assert not small(found)


def test_times_that_a_task_has_tampered_with_harm_nobody() -> None:
    for ends in ([2_000, 5, 9], [2**64 - 1, 5, 7], [0, 0, 0]):
        found = Group(0, [1, 2, 3], [], {}, {}, {}, 3, 1_000, memoryview(array("Q", ends)), plain=True)
        message = read(Gathered(5, 0, found, _OFFSET).encoded())
        assert len(message.nanoseconds) == len(message.starts) == 24
