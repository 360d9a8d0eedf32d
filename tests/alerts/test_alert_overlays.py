"""Acknowledgements, silences and inhibition: they hide the noise, and never the state."""

from __future__ import annotations

import pytest
from alerting import CRASH, LEVEL, MAIN, Watched, notified, states

from engine.alerts.overlays import RefusedError, UnknownAlertError, in_order
from engine.alerts.rules import RulesError
from engine.alerts.types import labels
from engine.alerts.urgency import order

INHIBITING = (
    CRASH
    + """
[rules.broken]
mode = "event"
on = ["pool.broken"]
severity = "critical"
keep_for = "20s"
inhibits = ["crash", "depth"]
equal = ["pool"]
"""
    + LEVEL
)


def changes(watched: Watched) -> list[str]:
    return [found.change for found in watched.take() if found.change != "update"]


def firing(text: str = CRASH) -> tuple[Watched, str]:
    watched = Watched(text)
    return watched, watched.event(pool="main")[0].fingerprint


# -- acknowledgements ------------------------------------------------------------------------------------------------


def test_an_acknowledgement_has_an_owner_and_a_note_and_ends_on_resolve() -> None:
    watched, fingerprint = firing()
    watched.core.acknowledge(fingerprint, 1.0, "ada", "I am on it")
    assert changes(watched) == ["acknowledged"]
    ack = watched.only.ack
    assert ack is not None
    assert (ack.by, ack.at, ack.note, ack.until) == ("ada", 1.0, "I am on it", None)
    assert watched.only.state == "firing"
    told = watched.idle(12)
    assert [(found.change, found.after, found.why) for found in told if found.change != "update"] == [
        ("state", "resolved", ""), ("unacknowledged", "resolved", "resolved"),
    ]  # fmt: skip
    watched.event(pool="main")
    assert watched.only.ack is None
    assert notified(watched.told)[-1].after == "firing"


def test_it_ends_when_the_alert_gets_more_severe() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    watched.core.acknowledge(watched.only.fingerprint, watched.now, "ada")
    watched.take()
    watched.told.clear()
    watched.level(2000, 3)
    assert [(found.change, found.notify) for found in watched.told if found.change != "update"] == [
        ("severity", True), ("unacknowledged", False),
    ]  # fmt: skip
    watched.core.acknowledge(watched.only.fingerprint, watched.now, "ada")
    watched.level(200, 10)
    assert watched.only.severity == "warning"
    assert watched.only.ack is not None  # less severe ends nothing


def test_it_expires_and_people_are_told_again() -> None:
    watched = Watched(LEVEL)
    watched.level(200, 3)
    watched.core.acknowledge(watched.only.fingerprint, watched.now, "ada", until=watched.now + 10)
    assert watched.core.due() is not None
    told = watched.level(200, 9.9)
    assert all(found.change in ("acknowledged", "update") for found in told)
    (ended,) = [found for found in watched.level(200, 0.2) if found.change == "unacknowledged"]
    assert (ended.why, ended.notify) == ("expired", True)
    assert watched.only.ack is None


def test_taken_back_by_hand() -> None:
    watched, fingerprint = firing()
    watched.core.acknowledge(fingerprint, 1.0, "ada")
    watched.core.unacknowledge(fingerprint, 2.0, "bob")
    watched.core.unacknowledge(fingerprint, 2.0, "bob")
    assert changes(watched) == ["acknowledged", "unacknowledged"]
    assert watched.only.ack is None


def test_what_can_not_be_acknowledged() -> None:
    watched, fingerprint = firing()
    with pytest.raises(UnknownAlertError, match="no alert 0123 fires"):
        watched.core.acknowledge("0123", 1.0, "ada")
    with pytest.raises(RefusedError, match="somebody whose it is"):
        watched.core.acknowledge(fingerprint, 1.0, " ")
    with pytest.raises(RefusedError, match="a note has 200 characters at the most, not 4,000"):
        watched.core.acknowledge(fingerprint, 1.0, "ada", "x" * 4000)
    with pytest.raises(RefusedError, match="is to come"):
        watched.core.acknowledge(fingerprint, 1.0, "ada", until=0.5)
    watched.idle(12)
    with pytest.raises(UnknownAlertError):
        watched.core.acknowledge(fingerprint, watched.now, "ada")


# -- silences ----------------------------------------------------------------------------------------------------------


def test_a_silence_hides_what_matches_and_ends() -> None:
    watched = Watched(LEVEL)
    number = watched.core.silence({"rule": "dep*", "pool": "main"}, 0.0, 60.0, "ada", "a large plan")
    (silence,) = watched.core.silences()
    assert (silence.id, silence.by, silence.reason, silence.until) == (number, "ada", "a large plan", 60.0)
    other = labels(pool="other")
    watched.signals({"queue_depth": {MAIN: 200.0, other: 200.0}}, 3)
    assert [found.alert.labels["pool"] for found in notified(watched.told)] == ["other"]
    by_pool = {alert.labels["pool"]: alert for alert in watched.core.alerts()}
    assert (by_pool["main"].state, by_pool["main"].silence) == ("firing", number)
    assert by_pool["other"].silence is None
    watched.signals({"queue_depth": {MAIN: 200.0, other: 200.0}}, 56)
    assert len(notified(watched.told)) == 1
    (ended,) = [f for f in watched.signals({"queue_depth": {MAIN: 200.0, other: 200.0}}, 2) if f.change == "unsilenced"]
    assert ended.notify  # it fires still, and nobody knew
    assert watched.core.silences() == []


def test_what_is_resolved_under_a_silence_is_not_told() -> None:
    watched, _ = firing()
    watched.core.silence({"class": "sat*"}, watched.now, 100.0, "ada", "known")
    assert changes(watched) == ["silenced"]
    told = watched.idle(12)
    assert states(told) == ["resolved"]
    assert notified(told) == []


def test_a_silence_of_any_pool_is_not_about_what_has_none() -> None:
    watched = Watched(CRASH)
    watched.core.silence({"pool": "*"}, watched.now, 100.0, "ada", "known")
    watched.event(pool="main")
    watched.event()
    assert [alert.labels for alert in watched.core.alerts() if alert.silence is None] == [{}]


def test_so_many_more_are_silenced_if_all_of_them_are() -> None:
    watched = Watched(CRASH + "max_alerts = 1\n")
    watched.core.silence({"pool": "gpu*"}, watched.now, 100.0, "ada", "known")
    watched.event(pool="other")
    told = len(notified(watched.told))
    for number in range(3):
        watched.event(pool=f"gpu{number}")
    (rest,) = [alert for alert in watched.core.alerts() if alert.more]
    assert (rest.more, rest.silence) == (3, 1)
    assert notified(watched.told)[told:] == []
    watched.event(pool="main")
    (rest,) = [alert for alert in watched.core.alerts() if alert.more]
    assert (rest.more, rest.silence) == (4, None)
    assert [found.change for found in notified(watched.told)[told:]] == ["unsilenced"]


def test_a_silence_that_is_ended_by_hand() -> None:
    watched, _ = firing()
    number = watched.core.silence({"severity": "warning"}, 1.0, 100.0, "ada", "known")
    watched.core.unsilence(number, 2.0, "bob")
    assert changes(watched) == ["silenced", "unsilenced"]
    with pytest.raises(UnknownAlertError, match=f"no silence {number}"):
        watched.core.unsilence(number, 2.0)


@pytest.mark.parametrize(
    ("matchers", "until", "by", "reason", "text"),
    [
        ({}, 9.0, "ada", "known", "something to match"),
        ({"pool": ""}, 9.0, "ada", "known", "something to match"),
        ({"pool": "a"}, 9.0, "", "known", "somebody whose it is"),
        ({"pool": "a"}, 9.0, "ada", " ", "a reason"),
        ({"pool": "a"}, 1.0, "ada", "known", "an end, which is to come"),
        ({"pool": "a"}, float("inf"), "ada", "known", "an end, which is to come"),
        ({"pool": "a"}, float("nan"), "ada", "known", "an end, which is to come"),
        ({"pool": "a"}, 9.0, "ada", "x" * 201, "a reason has 200 characters at the most, not 201"),
        ({"pool": "x" * 201}, 9.0, "ada", "known", "what pool is to be has 200 characters at the most, not 201"),
    ],
)
def test_silences_that_can_not_be(matchers: dict[str, str], until: float, by: str, reason: str, text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        Watched(CRASH).core.silence(matchers, 1.0, until, by, reason)


# -- inhibition --------------------------------------------------------------------------------------------------------


def test_one_alert_keeps_others_of_the_same_labels_from_being_told() -> None:
    watched = Watched(INHIBITING)
    watched.event("pool.broken", pool="main")
    watched.event(pool="main")
    watched.event(pool="other")
    by = {(alert.rule, alert.labels["pool"]): alert for alert in watched.core.alerts()}
    assert by["crash", "main"].inhibited_by == by["broken", "main"].fingerprint
    assert by["crash", "other"].inhibited_by is None
    assert by["crash", "main"].state == "firing"
    assert [(found.alert.rule, found.alert.labels["pool"]) for found in notified(watched.told)] == [
        ("broken", "main"), ("crash", "other"),
    ]  # fmt: skip


def test_what_fires_still_is_told_when_the_other_is_over() -> None:
    watched = Watched(INHIBITING)
    watched.event("pool.broken", pool="main")
    watched.level(200, 5)
    assert len(notified(watched.told)) == 1
    (ended,) = [found for found in watched.level(200, 17) if found.change == "uninhibited"]
    assert (ended.alert.rule, ended.notify) == ("depth", True)


def test_what_was_there_before_is_inhibited_from_then_on() -> None:
    watched = Watched(INHIBITING)
    watched.event(pool="main")
    told = watched.event("pool.broken", pool="main")
    assert [(found.alert.rule, found.change) for found in told] == [("crash", "inhibited"), ("broken", "state")]
    told = watched.idle(12)
    assert [(found.alert.rule, found.after, found.notify) for found in told if found.change == "state"] == [
        ("crash", "resolved", False),
    ]  # fmt: skip


def test_rules_that_inhibit_others_are_looked_at_first() -> None:
    watched = Watched(INHIBITING)
    assert next(iter(watched.core.rules)) == "broken"
    with pytest.raises(RulesError, match="inhibit each other in a circle"):
        Watched(INHIBITING + 'inhibits = ["broken"]\n')
    with pytest.raises(RulesError, match="inhibits: itself"):
        Watched(CRASH + 'inhibits = ["crash"]\n')
    assert in_order([]) == []


# -- their order, and telling again ------------------------------------------------------------------------------------


def test_the_most_urgent_come_first() -> None:
    watched = Watched(INHIBITING)
    for pool in ("a", "b"):
        watched.event(pool=pool, after=1)
    watched.event("pool.broken", pool="b", after=1)
    watched.event("pool.broken", pool="c", after=1)
    found = sorted(watched.core.alerts(), key=order)
    assert [(alert.severity, alert.labels["pool"], alert.inhibited_by is None) for alert in found] == [
        ("critical", "c", True), ("critical", "b", True), ("warning", "a", True), ("warning", "b", False),
    ]  # fmt: skip


def test_it_is_told_again_as_long_as_it_fires() -> None:
    watched = Watched(LEVEL + 'repeat = "60s"\n')
    watched.level(200, 300)
    told = notified(watched.told)
    assert [found.change for found in told] == ["state", "repeat", "repeat", "repeat", "repeat"][: len(told)]
    assert len(told) == 5
    watched.core.acknowledge(watched.only.fingerprint, watched.now, "ada")
    watched.level(200, 300)
    assert len(notified(watched.told)) == 5
