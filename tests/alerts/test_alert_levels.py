"""Levels: two thresholds, `for`, `keep_for`, severities; a value that swings; values that are missing or none."""

from __future__ import annotations

import math

import pytest
from alerting import LEVEL, MAIN, TICK, Watched, fired, notified, one, states

from engine.alerts.kept import fingerprint
from engine.alerts.types import labels

AT_ONCE = """
[rules.depth]
mode = "level"
signal = "queue_depth"
warning = { raise = 100, clear = 50 }
keep_for = "0s"
"""


def test_it_waits_fires_recovers_and_is_resolved() -> None:
    watched = Watched(LEVEL)
    assert watched.level(100, 10) == []  # at the threshold is not beyond it
    (pending,) = watched.level(101)
    assert (pending.before, pending.after, pending.notify) == ("normal", "pending", False)
    began = watched.now
    told = watched.level(200, 1.9)
    assert states(told) == []
    (firing,) = watched.level(300, 0.1)
    assert (firing.before, firing.after, firing.severity, firing.notify) == ("pending", "firing", "warning", True)
    assert firing.at == pytest.approx(began + 2.0)
    assert firing.alert.text == "main: 300 wait, beyond 100"
    assert (firing.alert.labels, firing.alert.number, firing.alert.threshold) == ({"pool": "main"}, 1, 100)
    timeline = firing.alert.timeline
    assert timeline.happened == timeline.detected == began
    assert timeline.fired == firing.at
    assert states(watched.level(60, 60)) == []  # between the two thresholds it stays what it was
    assert watched.only.peak == 300
    assert states(watched.level(50, 4.9)) == ["recovering"]
    assert states(watched.level(99, 0.05)) == []  # not beyond the threshold: it goes on recovering
    (resolved,) = [found for found in watched.level(99, 0.2) if found.change == "state"]
    assert (resolved.before, resolved.after, resolved.notify) == ("recovering", "resolved", True)
    assert resolved.alert.timeline.resolved == resolved.at
    assert watched.core.alerts() == []


def test_what_is_over_before_it_has_lasted_is_nothing() -> None:
    watched = Watched(LEVEL)
    for _ in range(50):
        watched.level(500, 1.9)
        watched.level(0, 1.0)
    assert not fired(watched.told)
    assert notified(watched.told) == []


def test_it_fires_again_while_it_recovers() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    told = watched.level(0, 4.5) + watched.level(200, 0.1)
    assert states(told) == ["recovering", "firing"]
    assert len(notified(watched.told)) == 1
    assert watched.only.number == 1


def test_severity_rises_and_falls_by_thresholds_of_its_own() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    told = watched.level(2000, 1.9)
    assert [found for found in told if found.change == "severity"] == []  # `for` holds for each severity
    (worse,) = [found for found in watched.level(2000, 0.2) if found.change == "severity"]
    assert (worse.severity_before, worse.severity, worse.notify) == ("warning", "critical", True)
    assert watched.level(600, 30)[-1].severity == "critical"
    told = watched.level(400, 6)
    (better,) = [found for found in told if found.change == "severity"]
    assert (better.severity_before, better.severity, better.notify) == ("critical", "warning", False)
    assert watched.only.state == "firing"


def test_critical_from_the_start_is_told_once() -> None:
    watched = Watched(LEVEL)
    told = watched.level(5000, 3)
    assert [found.severity for found in fired(told)] == ["critical"]
    assert len(notified(told)) == 1


@pytest.mark.parametrize("period", [0.5, 4.0, 9.0])
@pytest.mark.parametrize("amplitude", [20.0, 99.0, 5000.0])
def test_a_sine_through_a_threshold_is_one_alert(period: float, amplitude: float) -> None:
    text = LEVEL.replace('for = "2s"', 'for = "0s"')
    watched = Watched(text)
    for step in range(round(600 / TICK)):
        watched.level(100 + amplitude * math.sin(2 * math.pi * step * TICK / period))
    assert len(fired(watched.told)) == 1
    told = [found for found in notified(watched.told) if found.change == "state"]
    assert len(told) == 1  # a severity that rises is told besides
    assert [found for found in watched.told if found.after == "resolved"] == []


@pytest.mark.parametrize("period", [12.0, 30.0, 120.0])
def test_a_slow_sine_stays_the_same_alert_and_is_resolved_ever_later(period: float) -> None:
    watched = Watched(AT_ONCE)
    for step in range(round(3600 / 0.1)):
        watched.tick(one("queue_depth", 100 + 200 * math.sin(2 * math.pi * step * 0.1 / period), {"pool": "main"}), 0.1)
    assert {found.alert.number for found in fired(watched.told)} == {1}
    assert len(fired(watched.told)) <= 9  # 2, 4, 8 ... seconds of keeping it, and no more after that
    assert len(notified(watched.told)) <= 18
    assert watched.only.reopened == len(fired(watched.told)) - 1


def test_what_comes_back_much_later_is_another_alert() -> None:
    watched = Watched(AT_ONCE)
    watched.level(200)
    watched.level(0, 400)
    watched.level(200)
    assert [found.alert.number for found in fired(watched.told)] == [1, 2]
    assert watched.only.reopened == 0


def test_flapping_is_said_once_and_then_how_it_ended() -> None:
    watched = Watched(LEVEL.replace('for = "2s"', 'for = "0s"'))
    for _ in range(600):
        watched.level(200)
        watched.level(0)
    changes = [found.change for found in watched.told if found.change != "update"]
    assert changes.count("flapping") == 1
    assert len(changes) < 10
    assert watched.only.flapping
    told = watched.level(200, 61)
    assert [found.change for found in told if found.change != "update"] == ["steady"]
    found = watched.only
    assert (found.flapping, found.state) == (False, "firing")


def test_pending_that_swings_does_not_flood_anybody() -> None:
    watched = Watched(LEVEL)
    for _ in range(2000):
        watched.level(200)
        watched.level(0)
    assert len(watched.told) < 15
    watched.level(0, 61)
    assert watched.core.alerts() == []
    assert watched.told[-1].change == "steady"
    assert watched.told[-1].after == "normal"


def test_pending_ones_beyond_the_cap_are_not_told_one_by_one() -> None:
    watched = Watched(LEVEL + "max_alerts = 3\n")
    many = {labels(pool=f"p{n}"): 200.0 for n in range(50)}
    watched.signals({"queue_depth": many})
    assert len(watched.told) == 6
    watched.signals({"queue_depth": many}, 3)
    alerts = watched.core.alerts()
    assert sorted(alert.more for alert in alerts) == [0, 0, 0, 47]
    assert {alert.state for alert in alerts} == {"firing"}
    assert len(notified(watched.told)) == 4
    assert [f.why for f in watched.told if f.before == "pending" and f.after == "normal"] == ["one of so many more"] * 3
    told = watched.signals({"queue_depth": dict.fromkeys(many, 0.0)}, 7)
    assert watched.core.alerts() == []
    assert len(notified(told)) == 4  # the three that were shown, and the rest


def test_a_flapping_alert_that_gets_worse_is_told() -> None:
    watched = Watched(LEVEL.replace('for = "2s"', 'for = "0s"'))
    for _ in range(20):
        watched.level(200)
        watched.level(0)
    assert watched.only.flapping
    watched.level(200)
    watched.level(0)
    watched.take()
    told = watched.level(5000)
    assert [(found.change, found.severity, found.notify) for found in told] == [("severity", "critical", True)]


def test_each_set_of_labels_is_an_alert_of_its_own() -> None:
    watched = Watched(AT_ONCE)
    other = labels(pool="other")
    watched.signals({"queue_depth": {MAIN: 200.0, other: 300.0, labels(pool="calm"): 0.0}})
    assert {alert.labels["pool"]: alert.value for alert in watched.core.alerts()} == {"main": 200, "other": 300}
    watched.signals({"queue_depth": {MAIN: 0.0, other: 300.0}})
    assert [alert.labels["pool"] for alert in watched.core.alerts()] == ["other"]


def test_the_order_of_labels_makes_no_other_alert() -> None:
    assert labels(a="1", b="2") == labels(b="2", a="1")
    one_way, other_way = (("pool", "x"), ("shard", "1")), (("shard", "1"), ("pool", "x"))
    assert fingerprint("depth", one_way) == fingerprint("depth", other_way)
    assert fingerprint("depth", one_way) != fingerprint("depth2", one_way)
    assert fingerprint("a", (("b", "c"),)) != fingerprint("ab", (("", "c"),))
    watched = Watched(AT_ONCE)
    for about in (one_way, other_way, one_way):
        watched.signals({"queue_depth": {about: 200.0}})
    assert len(fired(watched.told)) == 1
    assert states(watched.signals({"queue_depth": {other_way: 0.0}})) == ["resolved"]


def test_where_leaves_labels_out() -> None:
    watched = Watched(AT_ONCE + 'where = { pool = ["gpu*", "x"] }\n')
    watched.signals({"queue_depth": {labels(pool=name): 200.0 for name in ("gpu-1", "x", "xx", "main")}})
    assert {alert.labels["pool"] for alert in watched.core.alerts()} == {"gpu-1", "x"}


def test_samples_in_a_row() -> None:
    watched = Watched(AT_ONCE + "min_samples = 4\n")
    for _ in range(20):
        watched.level(200, 3 * TICK)
        watched.level(0)
    assert not fired(watched.told)
    watched.level(200, 4 * TICK)
    assert len(fired(watched.told)) == 1


def test_nothing_is_judged_below_the_least_load() -> None:
    watched = Watched(AT_ONCE + 'load = "queue_per_agent"\nmin_load = 2\n')
    watched.signals({"queue_depth": {MAIN: 200.0}, "queue_per_agent": {MAIN: 1.9}}, 5)
    watched.signals({"queue_depth": {MAIN: 200.0}}, 5)
    assert watched.told == []
    watched.signals({"queue_depth": {MAIN: 200.0}, "queue_per_agent": {MAIN: 2.0}})
    assert len(fired(watched.told)) == 1
    assert states(watched.signals({"queue_depth": {MAIN: 200.0}, "queue_per_agent": {MAIN: 1.0}})) == ["resolved"]


# -- no data, and what is none ---------------------------------------------------------------------------------------


def test_a_value_that_stays_away_is_a_state_of_its_own() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    assert states(watched.signals({}, 9.9)) == []
    assert states(watched.signals({}, 0.3)) == ["nodata"]
    assert states(watched.level(60)) == ["firing"]  # as it was, for it has not come back from it
    watched.signals({}, 11)
    assert states(watched.level(0)) == ["recovering"]


def test_a_value_that_never_comes_back_is_forgotten() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    told = watched.signals({}, 320)
    assert states(told) == ["nodata", "resolved"]
    assert told[-1].notify
    watched.level(0, 1)
    assert states(watched.signals({}, 330)) == ["nodata", "normal"]
    assert watched.core.alerts() == []


def test_a_gap_begins_the_waiting_anew() -> None:
    watched = Watched(LEVEL)
    for _ in range(10):
        watched.level(200, 1.5)
        watched.signals({}, 0.1)
    assert not fired(watched.told)


@pytest.mark.parametrize(("policy", "after"), [("ok", "recovering"), ("tell", "nodata"), ("alert", "firing")])
def test_what_no_data_counts_as(policy: str, after: str) -> None:
    watched = Watched(LEVEL + f'no_data = "{policy}"\nstale_after = "1s"\n')
    watched.level(200, 3)
    watched.signals({}, 1.5)
    assert watched.only.state == after
    calm = Watched(LEVEL + f'no_data = "{policy}"\nstale_after = "1s"\n')
    calm.level(0, 3)
    calm.signals({}, 1.5)
    assert [alert.state for alert in calm.core.alerts()] == {"ok": [], "tell": ["nodata"], "alert": ["firing"]}[policy]
    if policy == "alert":
        assert "no value for 1" in calm.only.text
        assert states(calm.level(0, 6)) == ["recovering", "resolved"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("policy", "after"), [("ok", []), ("tell", ["error"]), ("alert", ["firing"])])
def test_a_value_that_is_none(value: float, policy: str, after: list[str]) -> None:
    watched = Watched(LEVEL + f'on_error = "{policy}"\n')
    watched.level(0, 1)
    watched.level(value, 1)
    if value == -math.inf:  # well on the good side, and not looked at any closer
        after = []
    assert [alert.state for alert in watched.core.alerts()] == after
    watched.level(0, 10)
    assert watched.core.alerts() == []


def test_little_can_be_bad() -> None:
    watched = Watched(
        '[rules.disk]\nmode = "level"\nsignal = "disk_free_ratio"\nwhen = "below"\nkeep_for = "0s"\n'
        'warning = { raise = "10%", clear = "12%" }\ncritical = { raise = "3%", clear = "5%" }\n'
    )
    for value, state, severity in (
        (0.1, [], ""), (0.09, ["firing"], "warning"), (0.11, [], "warning"), (0.02, [], "critical"),
        (0.04, [], "critical"), (0.06, [], "warning"), (0.12, ["resolved"], "warning"),
    ):  # fmt: skip
        told = watched.level(value, signal="disk_free_ratio", about=labels(path="/"))
        assert states(told) == state, value
        if severity:
            assert watched.only.severity == severity
    assert watched.only.peak == 0.02


def test_a_clock_that_is_set_back_stands_still() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    watched.now -= 1000
    assert states(watched.level(0, 10)) == ["recovering"]
    watched.now += 1000
    assert states(watched.level(0, 6)) == ["resolved"]
