"""What a run without a screen tells of its alerts, from what the alert core tells of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from alerting import CRASH, LEVEL, Watched
from stream_frames import START

from engine.alerts.told import as_event
from engine.alerts.types import Transition
from engine.cli.running import summary
from engine.cli.running.reporter import Reporter
from engine.stream.types import Event

INFO = """
[rules.many]
mode = "event"
on = ["fleet.ready"]
severity = "info"
keep_for = "5s"
"""
ODD = """
[rules.odd]
mode = "event"
on = ["host.died"]
severity = "critical"
inhibits = ["crash"]
keep_for = "60s"
"""


def told(transitions: Sequence[Transition]) -> list[Event]:
    """As events of a run that began at `START`."""
    return [Event(one.number, START + one.at, *as_event(one, START)) for one in transitions]


def passed(reporter: Reporter, transitions: Sequence[Transition]) -> list[str]:
    """What is live once all of this was told."""
    for event in told(transitions):
        reporter.event(event)
    return [alert.text for alert in reporter.progress.alerts.live]


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(as_json=False, quiet=False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_an_alert_that_is_only_information_is_not_over_either(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched(INFO)
    assert passed(reporter, watched.event("fleet.ready", "it is up")), "it is shown while it lasts"
    assert passed(reporter, watched.idle(10)) == []
    assert [found.after for found in watched.told] == ["firing", "resolved"]
    assert lines(capsys) == []


def test_what_fires_under_a_silence_is_neither_shown_nor_over(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched(CRASH)
    watched.core.silence({"rule": "crash"}, 0.0, 60.0, "ada", "known")
    assert passed(reporter, watched.event(pool="main")) == []
    assert passed(reporter, watched.idle(15)) == []
    assert [found.after for found in watched.told] == ["firing", "resolved"]
    watched.event(pool="io", after=1.0)
    passed(reporter, watched.told[2:])
    watched.core.unsilence(1, watched.now)
    assert passed(reporter, watched.take()) == ["crash: it died"], "now that it is told, it is shown"
    passed(reporter, watched.idle(15))
    assert len(lines(capsys)) == 2, "that it fires, and that it is over"


def test_what_another_one_hides_is_not_shown(reporter: Reporter, capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched(CRASH, ODD)
    (shown,) = passed(reporter, watched.event("host.died", "a host died"))
    assert passed(reporter, watched.event(pool="main")) == [shown]
    assert passed(reporter, watched.idle(15)) == [shown]
    assert lines(capsys) == ["alert: critical: odd: a host died"]


def test_what_was_told_and_then_silenced_ends_without_a_word(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched(CRASH)
    passed(reporter, watched.event(pool="main"))
    watched.core.silence({"rule": "crash"}, watched.now, 60.0, "ada", "known")
    assert passed(reporter, watched.take()) == []
    assert passed(reporter, watched.idle(15)) == []
    assert lines(capsys) == ["alert: warning: crash: it died"]
    passed(reporter, watched.idle(60))
    passed(reporter, watched.event(pool="main"))
    assert lines(capsys) == ["alert: warning: crash: it died (2 times)"], "the silence has ended"


def test_what_comes_back_while_it_recovers_stays_what_it_was(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched(LEVEL)
    for value, seconds in ((200, 3), (10, 2), (300, 1)):
        assert len(passed(reporter, watched.level(value, seconds))) == 1
    assert [found.after for found in watched.told if found.change == "state"][-2:] == ["recovering", "firing"]
    assert passed(reporter, watched.level(10, 6)) == []
    fired, over = lines(capsys)
    assert fired.startswith("alert: warning: depth: main: 200 wait")
    assert over.startswith("alert: over after ")


def test_what_was_only_counted_is_not_over(reporter: Reporter, capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched(CRASH.replace('by = ["pool"]', 'by = ["agent"]\nmax_alerts = 100'))
    for number in range(15):
        passed(reporter, watched.event(agent=f"main/{number}"))
    assert len(lines(capsys)) == 10
    passed(reporter, watched.idle(15))
    assert sum(line.startswith("alert: over after ") for line in lines(capsys)) == 10


def test_what_is_shown_of_an_alert_is_what_it_is_about(reporter: Reporter, capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched(LEVEL)
    passed(reporter, watched.level(2000, 3))
    (shown,) = passed(reporter, watched.level(200, 6))
    assert shown == "depth: main: 200 wait, beyond 100", "now it is only a warning"
    watched.core.acknowledge(watched.only.fingerprint, watched.now, "ada", "mine")
    assert passed(reporter, watched.take()) == [shown]
    assert passed(reporter, watched.level(10, 2)) == [shown], "it recovers"
    (alert,) = reporter.progress.alerts.live
    assert (alert.severity, alert.worst) == ("warning", "critical")
    assert lines(capsys)[0] == "alert: critical: depth: main: 2,000 wait, beyond 1,000"


def test_the_summary_names_what_was_worse_than_information(reporter: Reporter) -> None:
    watched = Watched(LEVEL.replace("critical", "info").replace("raise = 1000, clear = 500", "raise = 50, clear = 5"))
    passed(reporter, watched.level(200, 3))
    (text,) = passed(reporter, watched.level(40, 6))
    assert [alert.severity for alert in reporter.progress.alerts.live] == ["info"]
    assert summary.lines({"run": "abcd", "done": 0}, reporter.progress, None) == [
        f"  alerts    1 alert not resolved: {text}"
    ]
