"""What a run without a screen tells: the fold over its stream, and lines in a log and for programs."""

from __future__ import annotations

import io
import json
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_frames import START, event, frame, pool

from engine.alerts import told
from engine.alerts.types import Alert, Timeline, Transition
from engine.cli.running.progress import Alerts, Pace, Progress, Thinning
from engine.cli.running.reporter import Reporter
from engine.cli.running.summary import Times, data, lines, quantiles
from engine.cli.words import clean, countdown
from engine.store.queries import Durations
from engine.stream.types import Event, Level


def alert(kind: str, name: str, said: str = "", severity: str = "warning", at: float = 0.0, **data: object) -> Event:
    """As `engine.alerts.told.as_event` has it."""
    states = {"firing": "firing", "resolved": "resolved", "pending": "pending"}
    level: Level = {"warning": "warning", "critical": "error"}.get(severity, "info")  # type: ignore[assignment]
    found = {
        "rule": name, "fingerprint": name, "severity": severity, "state": states.get(kind, "firing"), "summary": said,
        **data,
    }  # fmt: skip
    text = said if kind == "firing" else f"over after 3 s: {said}" if kind == "resolved" else f"{kind}: {said}"
    return event(f"alert.{kind}", text, level if kind == "firing" else "info", at, **found)


def live(alerts: Alerts) -> list[str]:
    return [alert.id for alert in alerts.live]


def test_alerts_are_live_until_they_are_resolved() -> None:
    alerts = Alerts()
    for one in (
        alert("firing", "a", at=1), alert("firing", "b", severity="critical", at=2), alert("firing", "c", at=3),
        alert("pending", "d"), event("agent.died"),
    ):  # fmt: skip
        alerts.event(one)
    assert live(alerts) == ["b", "c", "a"], "the worst first, then the latest"
    alerts.event(alert("resolved", "b"))
    alerts.event(alert("resolved", "never fired"))
    alerts.event(alert("severity", "a", severity="critical", at=9))
    assert [(one.id, one.since - START) for one in alerts.live] == [("a", 1), ("c", 3)], "it began when it did"
    alerts.event(alert("recovering", "c", state="recovering"))
    assert live(alerts) == ["a", "c"]
    alerts.event(alert("silenced", "a"))
    alerts.event(alert("update", "a"))
    assert live(alerts) == ["c"]
    alerts.event(alert("unsilenced", "a"))
    assert live(alerts) == ["c", "a"]


def test_alerts_that_say_little() -> None:
    alerts = Alerts()
    alerts.event(event("alert.fired", "a line", level="error"))
    alerts.event(event("alert.fired", id="x", severity="critical", summary="a text"))
    assert {(one.severity, one.text) for one in alerts.live} == {("error", "a line"), ("critical", "a text")}
    alerts.event(event("alert.odd", "a line"))
    assert len(alerts.live) == 2
    alerts.event(event("alert.resolved", id="x"))
    assert live(alerts) == ["a line"]


def test_alerts_are_what_the_alert_core_tells() -> None:
    """The kinds, and what is in the data of events, are those of the package that makes them."""
    fields: dict[str, Any] = dict.fromkeys(Alert.__struct_fields__, 0) | {
        "rule": "memory", "title": "Memory", "fingerprint": "f1", "severity": "critical", "state": "firing",
        "text": "memory is short", "labels": {}, "samples": (), "timeline": Timeline(fired=1.0), "count": 1,
    }  # fmt: skip
    same: dict[str, Any] = {
        "number": 1, "severity_before": "critical", "severity": "critical", "notify": True, "why": "",
        "alert": Alert(**fields),
    }  # fmt: skip
    fires = Transition(at=1.0, change="state", before="normal", after="firing", **same)
    ends = Transition(at=9.0, change="state", before="firing", after="resolved", **same)
    alerts = Alerts()
    for transition, text in ((fires, ["memory is short"]), (ends, [])):
        level, kind, said, found = told.as_event(transition, START)
        alerts.event(Event(1, START, level, kind, said, found))
        assert [(shown.id, shown.severity, shown.text) for shown in alerts.live] == [
            ("f1", "critical", line) for line in text
        ]


def test_how_busy_agents_were_is_weighed_by_time() -> None:
    progress = Progress()
    progress.frame_came(frame(0.0, pool(starting=4)))
    assert progress.busy is None
    progress.frame_came(frame(1.0, pool(busy=1, idle=3)))
    progress.frame_came(frame(4.0, pool(busy=4), pool("io", idle=4)))
    assert progress.busy == pytest.approx((1 * 1 + 3 * 4) / (1 * 4 + 3 * 8))
    progress.frame_came(frame(100.0, pool(idle=4), state="ended"))
    assert progress.busy == pytest.approx(13 / 28), "the end is no time"


def test_a_flood_of_one_kind_is_thinned_and_counted() -> None:
    thinning = Thinning()
    told = [thinning.admits("agent.died", at / 10) for at in range(250)]
    assert sum(told) == 30
    assert told[:10] == [True] * 10
    assert not any(told[10:100])
    assert told[100], "the next ten seconds have ten of their own"
    assert thinning.admits("host.died", 0.5), "each kind for itself"
    assert thinning.due(25.0) == {}
    assert thinning.due(30.0) == {"agent.died": 220}
    assert thinning.due(None) == {}


def test_in_a_flood_of_alerts_none_of_another_rule_and_none_that_is_critical_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = Reporter(as_json=False, quiet=True)

    def fires(rule: str, severity: str, number: int) -> None:
        level: Level = "error" if severity == "critical" else "warning"
        text = f"{rule} {number}"
        reporter.event(
            event("alert.firing", text, level, id=f"{rule}{number}", rule=rule, severity=severity, state="firing")
        )

    for number in range(15):
        fires("crash", "warning", number)
        fires("host-crash", "critical", number)
    fires("memory", "warning", 1)
    lines = capsys.readouterr().err.splitlines()
    assert sum("warning: crash" in line for line in lines) == 10
    assert sum("critical: host-crash" in line for line in lines) == 15
    assert "memory 1" in lines[-1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 1e6)), max_size=200))
def test_what_is_thinned_is_told_or_counted(events: list[tuple[str, float]]) -> None:
    thinning = Thinning()
    told = sum(thinning.admits(kind, at) for kind, at in events)
    assert told + sum(thinning.due(None).values()) == len(events)


def test_lines_of_a_log_get_seldom_but_never_stop() -> None:
    pace = Pace()
    day = [float(second) for second in range(86_400) if pace.due(frame(second))]
    assert day[:3] == [10, 20, 30]
    assert len(day) < 250
    assert max(after - before for before, after in pairwise(day)) <= 600


def test_a_change_of_state_is_a_line() -> None:
    pace = Pace()
    states = ["starting", "running", "running", "draining", "draining", "ended"]
    assert [pace.due(frame(at, state=state)) for at, state in enumerate(states)] == [
        False, False, False, True, False, False,
    ]  # fmt: skip


Captured = pytest.CaptureFixture[str]


def test_lines_in_a_log(capsys: Captured) -> None:
    reporter = Reporter(as_json=False, quiet=False)
    reporter.event(event("fleet.ready", "image ready", level="info"))
    reporter.event(event("agent.died", "agent main/0 was killed by SIGKILL"))
    reporter.event(event("host.died", "the host of shard main/0 died\nodd", level="error"))
    reporter.event(event("agent.stdout", "main/0:   \x1b[31mred\x1b[0m\tand plain", level="info"))
    reporter.event(alert("pending", "slow", "it is slow"))
    reporter.event(alert("firing", "slow", "it is slow", severity="critical"))
    reporter.event(alert("acknowledged", "slow", "it is slow", severity="critical"))
    reporter.event(alert("resolved", "slow", "it is slow"))
    reporter.event(alert("resolved", "slow", "it is slow"))
    reporter.event(event("run.ended", "run done"))
    reporter.frame(frame(3.0))
    reporter.frame(frame(12.0, done=300, failed=12, total=1000, rate=26.0, eta=26.4))
    reporter.frame(frame(13.0))
    reporter.close()
    reporter.frame(frame(99.0))
    assert capsys.readouterr().err.splitlines() == [
        "warning: agent main/0 was killed by SIGKILL",
        "error: the host of shard main/0 died odd",
        "main/0:   red   and plain",
        "alert: critical: it is slow",
        "alert: over after 3 s: it is slow",
        "00:12  312/1,000  31%  26 tasks/s  ETA 00:27  12 failed",
    ]


def test_an_alert_that_only_says_again_what_was_just_said_is_no_line(capsys: Captured) -> None:
    reporter = Reporter(as_json=False, quiet=False)
    died = event("agent.died", "agent main/0 was killed")
    again = alert("firing", "agent-crash", "agent crashed: agent main/0 was killed", count=1)
    for one in (died, again, alert("firing", "mine", "mine: agent main/0 was killed", count=1)):
        reporter.event(one)
    assert capsys.readouterr().err.splitlines() == ["warning: agent main/0 was killed"]
    reporter.event(alert("firing", "crash-loop", "10 agents crashed; the last: agent main/0 was killed", count=10))
    reporter.event(alert("firing", "mine", "mine: agent main/0 was killed", severity="critical", count=1))
    assert capsys.readouterr().err.splitlines() == [
        "alert: warning: 10 agents crashed; the last: agent main/0 was killed",
        "alert: critical: mine: agent main/0 was killed",
    ], "those say more"


@pytest.mark.parametrize(
    "between",
    [event("fleet.ready", "ready", level="info"), alert("resolved", "agent-crash"), event("host.died", "a host died")],
    ids=["information", "an alert that is over", "another event"],
)
def test_what_was_said_before_is_forgotten(between: Event, capsys: Captured) -> None:
    reporter = Reporter(as_json=False, quiet=False)
    for one in (event("agent.died", "an agent died"), between):
        reporter.event(one)
    capsys.readouterr()
    reporter.event(alert("firing", "agent-crash", "agent crashed: an agent died", count=1))
    assert capsys.readouterr().err.splitlines() == ["alert: warning: agent crashed: an agent died"]


def test_a_thousand_deaths_make_no_thousand_lines(capsys: Captured) -> None:
    reporter = Reporter(as_json=False, quiet=False)
    for number in range(1000):
        reporter.event(event("agent.died", f"agent main/{number} died", at=number / 1000))
    reporter.frame(frame(5.0))
    assert len(capsys.readouterr().err.splitlines()) == 10
    reporter.frame(frame(11.0))
    assert capsys.readouterr().err.splitlines() == [
        "warning: and 990 more events of this kind: agent.died",
        "00:11  0  0 tasks/s  ETA --:--",
    ]
    assert reporter.progress.died == 1000


def test_json_lines_have_every_event_and_a_frame_a_second(capsys: Captured) -> None:
    reporter = Reporter(as_json=True, quiet=False)
    for number in range(30):
        reporter.event(event("agent.died", "gone", at=number / 10, agent=f"main/{number}"))
        reporter.frame(frame(number / 10, pool(busy=2, idle=1), done=number, total=30, rate=10.04))
    reporter.close()
    captured = capsys.readouterr()
    found = [json.loads(line) for line in captured.out.splitlines()]
    assert [one["agent"] for one in found if one["event"] == "agent.died"] == [f"main/{n}" for n in range(30)]
    progress = [one for one in found if one["event"] == "progress"]
    assert [one["elapsed"] for one in progress] == [0.0, 1.0, 2.0]
    assert progress[1] == {
        "event": "progress", "at": START + 1, "state": "running", "elapsed": 1.0, "done": 10, "failed": 0, "tasks": 30,
        "queued": 0, "running": 0, "tasks_per_second": 10.0, "eta": None,
        "pools": [
            {
                "pool": "main", "busy": 2, "idle": 1, "starting": 0, "queued": 0, "done": 0, "failed": 0, "restarts": 0,
            }
        ],
    }  # fmt: skip
    assert captured.err == ""


SHARES: dict[float, float | None] = {0.5: 0.012, 0.9: 1.5, 0.99: None}


def test_the_summary_says_what_it_knows() -> None:
    assert quantiles(SHARES) == "p50 12 ms, p90 1.5 s, p99 (n too small)"
    progress = Progress()
    summary = {"run": "abcd", "done": 150, "failed": 2}
    assert lines(summary, progress, None) == ["  run time  shoal report abcd"]
    assert lines(summary | {"done": 0}, progress, None) == []
    progress.frame_came(frame(0.0))
    progress.frame_came(frame(2.0, pool(busy=3, idle=1)))
    for one in (event("agent.died"), event("host.died"), alert("firing", "x", "memory is short")):
        progress.event(one)
    times = Times(Durations(150, 30.0, 4.25, SHARES), "fit[17]", 3 << 30)
    assert lines(summary, progress, times) == [
        "  run time  p50 12 ms, p90 1.5 s, p99 (n too small), max 4.25 s (fit[17]) (of 150 tasks)",
        "  agents    75% busy, 1 died, 1 host died, 3 GB of memory at the peak",
        "  alerts    1 alert not resolved: memory is short",
    ]
    assert data(progress, times) == {
        "busy": 0.75, "died": 1, "hosts_died": 1, "slowest": "fit[17]", "peak_memory": 3 << 30,
        "run_seconds": {"count": 150, "mean": 0.2, "p50": 0.012, "p90": 1.5, "p99": None, "max": 4.25},
    }  # fmt: skip
    assert data(Progress(), None)["run_seconds"] is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  kept   spaces", "  kept   spaces"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;title\x1b\\text", "text"),
        (" 10%|#\r 20%|##\r", " 20%|##"),
        ("a\x00b\u202ec", "a�b�c"),
        ("a\tb\nc", "a       b c"),
        ("\r", ""),
        ("é 漢", "é 漢"),
    ],
)
def test_lines_are_cleaned_of_what_a_terminal_obeys(text: str, shown: str) -> None:
    assert clean(text) == shown


@settings(deadline=None)
@given(st.text())
def test_cleaned_text_is_printable(text: str) -> None:
    assert clean(text).isprintable()


def test_times_that_are_watched() -> None:
    assert [countdown(seconds) for seconds in (None, float("inf"), 0, 0.2, 59.5, 60, 3599.5, 100 * 3600)] == [
        "--:--", "--:--", "00:00", "00:01", "01:00", "01:00", "1:00:00", "100:00:00",
    ]  # fmt: skip


@pytest.mark.parametrize("level", ["warning", "error"])
def test_results_of_a_reader_that_left_do_not_raise(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    class Left(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Left())
    reporter = Reporter(as_json=True, quiet=False)
    reporter.event(event("odd", "odd", level))
    assert isinstance(reporter.failed, BrokenPipeError)
