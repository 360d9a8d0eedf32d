"""Events: at once, each counted once, folded into one alert; caps; what ends them."""

from __future__ import annotations

import random

import pytest
from alerting import CRASH, Watched, fired, notified, states
from hypothesis import given
from hypothesis import strategies as st

LOOP = """
[rules.loop]
mode = "event"
on = [{ event = "agent.died", why = ["died", "memory"] }]
by = ["pool"]
min_samples = 5
window = "10s"
severity = "critical"
keep_for = "10s"
summary = "{pool}: {count} died; the last: {text}"
"""
HELD = """
[rules.held]
mode = "event"
on = ["recorder.held"]
until = ["recorder.resumed"]
severity = "critical"
"""
AGENTS = """
[rules.agents]
mode = "event"
on = ["agent.died"]
by = ["pool", "agent"]
keep_for = "10s"
max_alerts = 3
"""


def test_the_first_event_fires_in_the_same_call() -> None:
    watched = Watched(CRASH)
    watched.now = 5.0
    (firing,) = watched.event(pool="main", agent="main/3", text="agent main/3 was killed by SIGKILL")
    assert (firing.before, firing.after, firing.notify, firing.at) == ("normal", "firing", True, 5.0)
    alert = firing.alert
    assert (alert.text, alert.labels, alert.count) == ("agent main/3 was killed by SIGKILL", {"pool": "main"}, 1)
    assert alert.samples[0].labels == {"pool": "main", "agent": "main/3"}
    timeline = alert.timeline
    assert (timeline.happened, timeline.detected, timeline.fired, timeline.shown) == (4.996, 5.0, 5.0, None)
    watched.core.shown(firing.fingerprint, 5.02)
    watched.core.shown(firing.fingerprint, 7.0)  # the first time counts
    assert watched.only.timeline.shown == 5.02


def test_many_fold_into_one_alert_and_it_ends_after_the_last() -> None:
    watched = Watched(CRASH)
    for number in range(100):
        watched.event(pool="main", agent=f"main/{number}", text=f"agent {number} died", after=0.2)
    assert len(fired(watched.told)) == len(notified(watched.told)) == 1
    alert = watched.only
    assert (alert.count, alert.text) == (100, "agent 99 died")
    assert [sample.text for sample in alert.samples] == [f"agent {n} died" for n in (*range(7), 99)]
    updates = [found for found in watched.told if found.change == "update"]
    assert 10 < len(updates) <= 20  # once a second
    assert watched.idle(1.0)[-1].alert.count == 100
    assert states(watched.idle(8.8)) == []
    assert states(watched.idle(0.2)) == ["resolved"]
    assert watched.told[-1].alert.count == 100


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.floats(0, 30), st.booleans(), st.integers(0, 6)), max_size=60
    )
)
def test_each_event_is_counted_exactly_once(events: list[tuple[str, float, bool, int]]) -> None:
    """Whatever the times between them, and however many alerts there may be: the last words on them have all."""
    watched = Watched(AGENTS)
    for pool, after, tick, agent in events:
        watched.event(pool=pool, agent=f"{pool}/{agent}", after=after)
        if tick:
            watched.tick()
    watched.idle(1200, 5)
    assert watched.core.alerts() == []
    last = {found.alert.number: found.alert.count for found in watched.told if found.alert.number}
    assert sum(last.values()) == len(events)


@pytest.mark.parametrize("agents", [2000, 5])
def test_a_storm_is_counted_to_the_last_event_and_stays_small(agents: int) -> None:
    watched = Watched(AGENTS)
    chance = random.Random(agents)
    for _ in range(10_000):
        number = chance.randrange(agents)
        watched.event(pool="main", agent=f"main/{number}", after=0.0005)
        if chance.random() < 0.02:
            watched.tick()
    alerts = watched.core.alerts()
    assert len(alerts) == 4
    assert sum(alert.count for alert in alerts) == 10_000
    (rest,) = [alert for alert in alerts if alert.more]
    assert rest.more == min(agents, 1000) - 3
    assert rest.text == f"and {rest.more:,} more: agents"
    assert rest.labels == {}
    assert len(notified(watched.told)) == 4
    watched.idle(700, 1)
    assert watched.core.alerts() == []
    last = {found.alert.number: found.alert.count for found in watched.told if found.alert.number}
    assert sum(last.values()) == 10_000
    assert len(notified(watched.told)) <= 8  # nobody is told of each that was one of so many


def test_one_that_was_hidden_takes_the_place_of_one_that_is_over() -> None:
    watched = Watched(AGENTS)
    for number in range(4):
        watched.event(pool="main", agent=f"main/{number}", after=1.0)
    shown = {alert.labels.get("agent") for alert in watched.core.alerts()}
    assert shown == {"main/0", "main/1", "main/2", None}
    watched.idle(7.5)
    assert {alert.labels.get("agent") for alert in watched.core.alerts()} == {"main/1", "main/2", "main/3"}
    assert [found.alert.more for found in watched.told if found.after == "resolved"] == [0, 1]


def test_so_many_within_a_window() -> None:
    watched = Watched(LOOP)
    for _ in range(30):
        watched.event(pool="main", why="died", after=2.6)  # never five in ten seconds
    assert watched.told == []
    watched.now += 100
    for _ in range(4):
        watched.event(pool="main", why="memory", after=1.0)
        watched.event(pool="main", why="health", after=0.1)  # none of these
        watched.event(pool="other", why="died")
    assert watched.told == []
    (firing,) = watched.event(pool="main", why="died", text="it died")
    assert (firing.severity, firing.alert.count) == ("critical", 5)
    assert firing.alert.text == "main: 5 died; the last: it died"
    assert firing.alert.timeline.happened == pytest.approx(firing.at - 3.4 - 0.004)
    watched.event(pool="main", why="died", after=3)
    assert watched.only.count == 6


def test_an_event_ends_it() -> None:
    watched = Watched(HELD)
    watched.event("recorder.resumed")
    watched.event("recorder.held", text="the disk is full")
    watched.idle(3600, 10)
    assert watched.only.state == "firing"
    (resolved,) = watched.event("recorder.resumed")
    assert (resolved.after, resolved.notify) == ("resolved", True)


def test_an_event_ends_what_has_its_labels() -> None:
    text = CRASH.replace('keep_for = "10s"', 'until = ["agent.retired"]')
    watched = Watched(text)
    for pool in ("a", "b"):
        watched.event(pool=pool)
    watched.event("agent.retired", pool="a")
    assert [alert.labels for alert in watched.core.alerts()] == [{"pool": "b"}]
    watched.event("agent.retired")  # of all that there are
    assert watched.core.alerts() == []


def test_an_event_without_the_label_is_counted_too() -> None:
    watched = Watched(CRASH)
    watched.event()
    assert watched.only.labels == {}


def test_events_that_no_rule_is_about() -> None:
    watched = Watched(CRASH)
    assert not watched.core.event(1.0, "agent.stdout", {}, "hello")
    assert watched.core.event(1.0, "agent.died", {}, "it died")


def test_crashes_that_go_on_stay_one_alert() -> None:
    watched = Watched(CRASH)
    for _ in range(200):
        watched.event(pool="main", after=0.0)
        watched.idle(15, 0.5)  # longer than it is kept
    assert {found.alert.number for found in fired(watched.told)} == {1}
    assert len(fired(watched.told)) == 2  # it came back once, and was kept for longer from then on
    assert watched.only.count == 200


def test_an_event_that_happened_later_than_it_is_told_happened_now() -> None:
    watched = Watched(CRASH)
    watched.core.event(10.0, "agent.died", {}, "it died", happened=11.0)
    assert watched.only.timeline.happened == 10.0


def test_all_events_of_a_kind() -> None:
    watched = Watched('[rules.recorder]\nmode = "event"\non = ["recorder.*"]\n')
    watched.event("recorder.died")
    watched.event("recorder.restarted")
    watched.event("run.ended")
    assert watched.only.count == 2
