"""What readers are shown of samples is made no oftener than it says something new."""

from __future__ import annotations

from engine.metrics.observer import Observer
from engine.runtime.meters.shown import Shown


class Made:
    """Counts how often something was made, and of which sample."""

    def __init__(self, seconds: float) -> None:
        self.sample = object()
        self.of: list[object] = []
        self.shown = Shown(self._make, seconds, Observer(), lambda: self.sample)

    def _make(self, at: float) -> int:
        assert at > 1e9, "seconds since the Unix epoch"
        self.of.append(self.sample)
        return len(self.of)


def test_it_is_made_when_it_is_asked_for_and_once_for_each_sample() -> None:
    made = Made(0.0)
    assert made.of == []
    assert [made.shown.get() for _ in range(3)] == [1, 1, 1]
    made.sample = second = object()
    assert [made.shown.get() for _ in range(3)] == [2, 2, 2]
    assert made.of[-1] is second


def test_a_newer_sample_waits_until_what_was_made_is_no_longer_fresh() -> None:
    made = Made(3600.0)
    assert made.shown.get() == 1
    made.sample = object()
    assert made.shown.get() == 1
    assert made.shown.get(fresh=True) == 2, "of now in any case"


def test_what_is_to_be_of_now_is_made_anew_of_the_same_sample() -> None:
    made = Made(0.0)
    assert made.shown.get() == 1
    assert made.shown.get(fresh=True) == 2
    assert made.of[0] is made.of[1]
