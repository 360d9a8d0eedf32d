"""Events in a row, whatever was missed."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from engine.stream.follow import Follower, Missed
from engine.stream.types import Event


def event(number: int) -> Event:
    return Event(number, 0.0, "info", "x", str(number), {})


def told(follower: Follower, numbers: Iterable[int]) -> list[int | Missed]:
    found: list[int | Missed] = []
    for number in numbers:
        found += [each.number if isinstance(each, Event) else each for each in follower.put(event(number))]
    return found


def test_what_was_missed_is_filled_in() -> None:
    asked = []

    def fill(first: int, stop: int) -> list[Event]:
        asked.append((first, stop))
        return [event(number) for number in range(first, stop)]

    assert told(Follower(fill, last=0), [3, 4, 9]) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert asked == [(1, 3), (5, 9)]


def test_what_cannot_be_had_is_said() -> None:
    def fill(first: int, stop: int) -> list[Event]:
        return [event(number) for number in (2, 5, 6)]

    assert told(Follower(fill, last=0), [9]) == [Missed(1, 2), 2, Missed(3, 5), 5, 6, Missed(7, 9), 9]
    assert told(Follower(lambda first, stop: [], last=0), [1, 3]) == [1, Missed(2, 3), 3]


def test_a_follower_that_wants_no_history_begins_anywhere() -> None:
    assert told(Follower(lambda first, stop: []), [41, 42, 42, 40, 44]) == [41, 42, Missed(43, 44), 44]


@given(st.sets(st.integers(1, 50)), st.sets(st.integers(1, 50)))
def test_every_number_is_told_of_once_and_in_order(came: set[int], recorded: set[int]) -> None:
    """Whatever came by the stream, and whatever the record had by then, even of what was not asked for."""
    follower = Follower(lambda first, stop: [event(number) for number in sorted(recorded)], last=0)
    numbers: list[int] = []
    for each in told(follower, sorted(came)):
        numbers += range(each.first, each.stop) if isinstance(each, Missed) else [each]
    assert numbers == list(range(1, max(came, default=0) + 1))
