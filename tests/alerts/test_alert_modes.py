"""Rates, ratios and absence."""

from __future__ import annotations

import random

import pytest
from alerting import MAIN, Watched, fired, one, states

from engine.alerts.types import labels
from engine.alerts.windows import Trend, Window

RATE = """
[rules.grows]
mode = "rate"
signal = "queue_depth"
window = "10s"
warning = { raise = "5/s", clear = "1/s" }
keep_for = "0s"
"""
RATIO = """
[rules.errors]
mode = "ratio"
signal = "tasks_failed"
of = "tasks_over"
window = "10s"
warning = { raise = "1%", clear = "0.5%" }
min_samples = 100
keep_for = "0s"
"""
ABSENT = """
[rules.absent]
mode = "absence"
signal = "loop_lag_seconds"
within = "5s"
keep_for = "1s"
summary = "nothing for {value}"
"""


def test_a_rate_is_the_growth_over_the_window() -> None:
    watched = Watched(RATE)
    depth = 1000.0
    for step in range(2000):
        depth += 0.2 if step < 1000 else 0.3  # 4 a second, then 6
        watched.level(depth)
        if step == 1000:
            assert watched.told == []
    (found,) = fired(watched.told)
    assert found.at > 50.0
    assert found.alert.value is not None
    assert found.alert.value > 5.0
    assert found.alert.unit == "count"
    assert states(watched.level(depth, 12)) == ["resolved"]


def test_a_trend_is_not_misled_by_noise() -> None:
    chance = random.Random(1)
    trend = Trend(60.0)
    worst = 0.0
    for step in range(36_000):
        seconds, slope, mean = trend.slope(1e6 + step * 0.1, 500 + chance.gauss(0, 150))
        if step > 600:
            worst = max(worst, abs(slope) * 60)
            assert 60 <= seconds <= 64
            assert 400 < mean < 600
    assert 10 < worst < 100  # two single values differ by up to 800
    for step in range(36_000, 37_000):
        _, slope, _ = trend.slope(1e6 + step * 0.1, 500 + step * 2.0)
    assert slope == pytest.approx(20.0)


def test_a_rate_is_not_judged_before_its_window_is_full() -> None:
    watched = Watched(RATE)
    for step in range(190):
        watched.level(step * 100.0)
    assert watched.told == []


def test_a_rate_in_parts_of_what_it_was() -> None:
    text = RATE.replace('raise = "5/s", clear = "1/s"', 'raise = "60%/min", clear = "0%/min"') + "relative = true\n"
    large, small = Watched(text), Watched(text)
    for step in range(1200):
        large.level(1_000_000 + step * 0.25)  # 5 a second are nothing here
        small.level(100 + step * 0.25)
    assert fired(large.told) == []
    assert len(fired(small.told)) == 1


def test_a_count_that_begins_anew_is_no_fall() -> None:
    watched = Watched(
        '[rules.slow]\nmode = "rate"\nsignal = "tasks_over"\nwindow = "2s"\nwhen = "below"\n'
        'warning = { raise = "1/s", clear = "2/s" }\nkeep_for = "0s"\n'
    )
    for step in range(100):
        watched.level(step * 10.0, signal="tasks_over")
    for step in range(100):
        watched.level(step * 10.0, signal="tasks_over")
    assert watched.told == []
    watched.level(990.0, 3, signal="tasks_over")
    assert len(fired(watched.told)) == 1


def test_a_ratio_is_that_of_the_increments() -> None:
    watched = Watched(RATIO)
    over = failed = 0.0

    def run(seconds: float, errors: float) -> None:
        nonlocal over, failed
        for _ in range(round(seconds / 0.05)):
            over += 10
            failed += 10 * errors
            watched.tick({"tasks_over": {MAIN: over}, "tasks_failed": {MAIN: failed}})

    run(600, 0.009)
    assert watched.told == []
    run(5, 0.05)
    (found,) = fired(watched.told)
    assert found.alert.text == f"errors: {found.alert.text.split()[-1]}"
    assert found.alert.unit == "ratio"
    run(20, 0.0)
    assert states(watched.told)[-1] == "resolved"


def test_a_ratio_needs_enough_of_it() -> None:
    watched = Watched(RATIO)
    for over in range(99):  # all of them fail, but they are few
        watched.tick({"tasks_over": {MAIN: float(over)}, "tasks_failed": {MAIN: float(over)}})
    watched.idle(20)
    assert watched.told == []
    watched.tick({"tasks_over": {MAIN: 250.0}, "tasks_failed": {MAIN: 250.0}})
    assert len(fired(watched.told)) == 1


def test_what_comes_while_there_is_too_little_load_is_not_counted() -> None:
    text = RATIO + 'load = "pool_idle_ratio"\nmin_load = "10%"\n'
    watched = Watched(text)
    over = 0.0
    for step in range(400):
        over += 10
        busy = step < 200
        failed = min(over, 2000.0)
        watched.tick(
            {
                "tasks_over": {MAIN: over},
                "tasks_failed": {MAIN: failed},
                "pool_idle_ratio": {MAIN: 0.0 if busy else 0.5},
            }
        )
    assert watched.told == []


def test_counts_that_begin_anew() -> None:
    watched = Watched(RATIO)
    watched.tick({"tasks_over": {MAIN: 1e6}, "tasks_failed": {MAIN: 0.0}})
    watched.tick({"tasks_over": {MAIN: 0.0}, "tasks_failed": {MAIN: 0.0}})
    watched.tick({"tasks_over": {MAIN: 500.0}, "tasks_failed": {MAIN: 1.0}})
    assert watched.told == []


def test_a_ratio_of_two_levels() -> None:
    watched = Watched(
        '[rules.r]\nmode = "ratio"\nsignal = "disk_free_bytes"\nof = "disk_free_bytes"\nwhen = "below"\n'
        "warning = { raise = 0.5, clear = 0.6 }\n"
    )
    about = labels(path="/")
    for value in (0.0, 10.0):
        watched.tick({"disk_free_bytes": {about: value}})
    assert watched.told == []


def test_absence_of_a_signal() -> None:
    watched = Watched(ABSENT)
    watched.tick(one("loop_lag_seconds", 0.0))
    due = watched.core.due()
    assert due == watched.now + 5.0
    assert states(watched.signals({}, 4.9)) == []
    told = watched.signals({}, 0.2)
    assert states(told) == ["firing"]
    assert told[0].alert.text.startswith("nothing for 5")
    assert watched.core.due() is None or watched.core.due() != due
    assert states(watched.signals(one("loop_lag_seconds", 0.0), 2)) == ["recovering", "resolved"]


def test_absence_of_what_never_came() -> None:
    watched = Watched(ABSENT)
    assert states(watched.idle(5.2)) == ["firing"]  # counted from the first tick on, measured or not


def test_absence_of_what_has_labels_is_missed_once_it_was_there() -> None:
    watched = Watched(ABSENT.replace("loop_lag_seconds", "queue_depth"))
    watched.idle(60)
    assert watched.told == []
    watched.signals({"queue_depth": {MAIN: 1.0, labels(pool="b"): 1.0}})
    watched.level(1.0, 6)
    assert [alert.labels for alert in watched.core.alerts()] == [{"pool": "b"}]


def test_absence_of_an_event() -> None:
    watched = Watched(
        '[rules.quiet]\nmode = "absence"\non = ["agent.retired"]\nwithin = "10s"\nby = []\nkeep_for = "0s"\n'
    )
    for _ in range(20):
        watched.event("agent.retired", pool="a", after=5)
        watched.tick()
    assert watched.told == []
    assert states(watched.idle(11)) == ["firing"]
    watched.event("agent.retired", pool="b")
    assert states(watched.tick()) == ["resolved"]


def test_windows_are_of_bounded_size() -> None:
    window = Window(10.0)
    for step in range(100_000):
        found = window.grown(step * 0.001, step * 1.0, step * 2.0)
    assert len(window._kept) <= 34
    seconds, first, second, _ = found
    assert 10.0 <= seconds <= 10.32
    assert first == second / 2 == round(seconds * 1000)
