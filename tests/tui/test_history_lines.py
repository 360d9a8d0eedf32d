"""Runs, comparisons and alerts as lines and rows, without any screen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_alerts import ALERTS, CRASH, MEMORY, NOW, SILENCE, alerting
from msgspec.structs import replace as changed
from past_runs import comparison_of, past_alert, runs_of, summary_of
from rich.cells import cell_len

from tui import alerts, runs
from tui.alert_lines import delay, detail_lines, value_of
from tui.archive import AlertSample, ArchiveError, Figure
from tui.compare_lines import comparison_lines, interval, plot, ratio, span_of
from tui.inks import INKS
from tui.run_lines import summary_lines
from tui.view import Replaying, View
from tui.widgets.lines import Line

RUNS = runs_of(300)


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


def texts(lines: list[Line]) -> str:
    return "\n".join(map(text_of, lines))


def moment(text: str, last: bool) -> float:
    """As an archive reads times."""
    if text in ("1d", "2025-11-20"):
        return RUNS[0].started - 86_400 + (3_600 if last else 0)
    raise ArchiveError(f"{text!r} is no time")


# -- runs --------------------------------------------------------------------------------------------------------------


def test_a_filter_is_words_and_conditions() -> None:
    found = runs.parse("Sweep failed live since=1d until=2025-11-20", moment)
    assert found.words == ("sweep",)
    assert found.statuses == {"failed", "live"}
    assert (found.since, found.until) == (moment("1d", False), moment("1d", True))
    assert found
    assert not runs.parse("  ", moment)
    assert runs.parse("status=failed|crashed name=heart", moment) == runs.RunFilter(
        ("heart",), frozenset({"failed", "crashed"})
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [("status=gone", "no status 'gone'"), ("since=x", "'x' is no time"), ("color=red", "none of name, status")],
)
def test_what_is_no_filter(text: str, told: str) -> None:
    with pytest.raises((ValueError, ArchiveError), match=told):
        runs.parse(text, moment)


def test_what_a_filter_lets_through() -> None:
    def ids(text: str) -> set[str]:
        wanted = runs.parse(text, moment)
        return {run.id for run in RUNS if wanted.fits(run)}

    assert ids("") == {run.id for run in RUNS}
    assert ids("SWEEP failed") == {run.id for run in RUNS if "sweep" in run.name and run.status == "failed"}
    assert ids("live") == {"7f3a", "c0ffee12"}
    assert ids("running") == {"7f3a", "c0ffee12"}
    assert ids("c0ff") == {"c0ffee12"}, "the beginning of an id"
    assert ids("ffee12") == set(), "and not its end"
    assert ids("since=1d") == {run.id for run in RUNS if run.started >= moment("1d", False)}
    assert ids("until=1d") == {run.id for run in RUNS if run.started < moment("1d", True)}


@given(st.sampled_from(runs.SORTS), st.booleans(), st.randoms(use_true_random=False))
def test_order(by: str, descending: bool, chance: object) -> None:
    mixed = list(RUNS)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    found = runs.ordered(mixed, by, descending)
    assert found == runs.ordered(RUNS, by, descending), "however they came"
    assert [run.live for run in found[:2]] == [True, True]
    keys = [runs._KEYS[by](run) for run in found[2:]]
    assert keys == sorted(keys, reverse=descending)


@pytest.mark.parametrize("width", [50, 52, 76, 110, 136])
def test_everything_of_a_run_fits(width: int) -> None:
    for run in RUNS[:20]:
        lines = summary_lines(summary_of(run), width)
        for line in lines:
            assert cell_len(text_of(line)) <= width, text_of(line)
            assert {ink for _, ink in line} <= {*INKS, ""}
        told = texts(lines)
        assert run.id in told
        assert "matrix is" in told
        assert "ValueError 190, exit 10" in told or width < 52


def test_what_is_not_known_of_a_run_is_not_there() -> None:
    run = RUNS[2]
    empty = replace(
        summary_of(run), times=None, pools=(), shards=(), slowest=(), failures=(), failure_kinds=(), alerts=(),
        events=(), memory=None, rates=(),
    )  # fmt: skip
    told = texts(summary_lines(empty, 80))
    for word in ("throughput", "task time", "pools", "slowest", "failures", "alerts", "events", "memory at"):
        assert word not in told
    one = replace(summary_of(run), pools=summary_of(run).pools[2:])
    assert "shards  worked" not in texts(summary_lines(one, 80)), "a pool with one shard says it all"


# -- comparisons -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [52, 76, 110, 136])
def test_a_comparison_fits(width: int) -> None:
    lines = comparison_lines(comparison_of(RUNS[2], RUNS[3]), width)
    assert all(cell_len(text_of(line)) <= width for line in lines)
    told = texts(lines)
    assert "▲ 1.27×" in told
    assert "probability of 95%" in " ".join(told.split())
    assert ("not told apart" in told) == (width >= 110)


def test_the_same_beginning_is_said() -> None:
    same = replace(comparison_of(RUNS[2], RUNS[3]), differences=())
    assert "✓ both were begun with the same" in texts(comparison_lines(same, 80))


def test_ratios_and_intervals() -> None:
    assert [ratio(value) for value in (1.275, 0.9534, 12.44, 141.2, 52_300.0, math.inf)] == [
        "1.27×", "0.953×", "12.4×", "141×", "52.3k×", "∞",
    ]  # fmt: skip
    figure = Figure("x", "rate", 1.0, 2.0, "more", 2.0, 1.5, 2.5)
    assert interval(figure) == "1.5–2.5×"
    assert interval(replace(figure, high=math.inf)) == "above 1.5×"
    assert interval(replace(figure, low=0.0)) == "below 2.5×"
    assert interval(replace(figure, low=None)) == ""


def test_verdicts() -> None:
    up = Figure("x", "rate", 1.0, 2.0, "more", 2.0, 1.5, 2.5)
    assert up.verdict == "better"
    assert replace(up, better="less").verdict == "worse"
    assert replace(up, low=0.9).verdict == "same"
    assert replace(up, low=0.1, high=0.9).verdict == "worse"
    assert replace(up, better="").verdict == "unknown"
    assert replace(up, high=None).verdict == "unknown"


def test_an_interval_is_drawn_where_it_lies() -> None:
    figure = Figure("x", "rate", 1.0, 1.0, "more", 1.0, 0.5, 2.0)
    assert span_of([figure]) == 2.0
    assert plot(figure, 2.0, 21) == "┣" + "━" * 9 + "●" + "━" * 9 + "┫"
    assert plot(figure, 4.0, 21) == "─────┣━━━━●━━━━┫─────"
    above = replace(figure, ratio=None, low=2.0, high=math.inf)
    assert plot(above, 4.0, 21) == "──────────┼────┣━━━━▸"
    assert plot(replace(figure, low=None), 4.0, 21) == ""
    assert span_of([above]) == 2.0
    assert span_of([]) == 1.1


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.integers(5, 61))
def test_any_interval_can_be_drawn(one: float, two: float, three: float, width: int) -> None:
    low, middle, high = sorted((one, two, three))
    figure = Figure("x", "rate", 1.0, 1.0, "more", middle, low, high)
    assert len(plot(figure, span_of([figure]), width)) == width


# -- alerts ------------------------------------------------------------------------------------------------------------


def test_groups_and_their_order(running: View) -> None:
    past = [past_alert(number) for number in (12, 11, 1)]
    found = alerts.entries(alerting(running), past, "7f3a")
    groups = alerts.grouped(found)
    assert {group: [entry.rule for entry in entries] for group, entries in groups.items()} == {
        "firing": ["memory", "agent-crash", "agent-silent", "queue-growing"],
        "pending": ["hit-rate"],
        "silences": ["rule=agent-silent pool=prime"],
        "resolved": ["long-task"],
        "earlier": ["memory", "long-task", "agent-crash"],
    }
    assert [entry.state for entry in groups["firing"]] == ["firing", "firing", "silenced", "acknowledged"]


def test_the_same_alert_is_not_there_twice_and_knows_its_evidence(running: View) -> None:
    same = replace(past_alert(1), number=CRASH.number, rule=CRASH.rule)
    another = replace(past_alert(2), number=MEMORY.number, rule="another")
    elsewhere = replace(past_alert(1, "ffff"), number=CRASH.number, rule=CRASH.rule)
    found = alerts.entries(alerting(running), [same, another, elsewhere], "7f3a")
    by_key = {entry.key: entry for entry in found}
    assert by_key[f"alert:{CRASH.fingerprint}"].past == same
    assert by_key[f"alert:{MEMORY.fingerprint}"].past is None, "another version's number"
    assert f"past:7f3a/{CRASH.number}" not in by_key
    assert f"past:7f3a/{MEMORY.number}" in by_key
    assert f"past:ffff/{CRASH.number}" in by_key
    assert "evidence" in texts(detail_lines(by_key[f"alert:{CRASH.fingerprint}"], 100, NOW))


def test_what_was_never_seen_to_fire_is_not_told(running: View) -> None:
    calm = changed(CRASH, number=0, state="normal", fired=None)
    assert alerts.entries(alerting(running, (calm,), ()), []) == []


def test_a_replay_knows_the_past_alone(running: View) -> None:
    past = [past_alert(number) for number in (12, 11, 10)]
    fired = past[1].fired
    assert fired is not None
    view = replace(alerting(running, (), ()), replay=Replaying(fired, fired - 9, fired + 9, 1.0, True))
    assert [entry.key for entry in alerts.entries(view, past)] == ["past:7f3a/11", "past:7f3a/12"]


@pytest.mark.parametrize("width", [30, 52, 76, 110])
def test_details_fit(running: View, width: int) -> None:
    for entry in alerts.entries(alerting(running), [past_alert(n) for n in range(8, 12)], "7f3a"):
        lines = detail_lines(entry, width, NOW)
        assert all(cell_len(text_of(line)) <= width for line in lines[1:]), entry.key
        assert {ink for line in lines for _, ink in line} <= {*INKS, ""}


def test_how_fast_something_grows_is_told_of_a_minute() -> None:
    alert = changed(
        MEMORY, text="20%/min more waiting", value=1 / 300, threshold=1 / 600, peak=0.01, mode="rate"
    )  # fmt: skip
    entry = alerts.of_now(alert)
    assert value_of(entry) == "20%/min / 10%/min"
    told = texts(detail_lines(entry, 100, NOW))
    assert "value     20%/min, the threshold is 10%/min; at the worst 60%/min" in told
    past = replace(
        past_alert(11), unit="ratio", mode="rate", value=-0.05, threshold=1 / 600, peak=None,
        samples=(AlertSample(NOW, "", 0.01),),
    )  # fmt: skip
    told = texts(detail_lines(alerts.of_record(past), 100, NOW))
    assert "value     -300%/min, the threshold is 10%/min" in told
    assert "60%/min" in told.partition("evidence")[2]


def test_what_an_older_version_has_told_of_a_rate_is_seen_by_its_text() -> None:
    old = changed(MEMORY, text="-338%/min more waiting", value=-0.0563, threshold=1 / 600, mode="")
    assert value_of(alerts.of_now(old)) == "-338%/min / 10%/min"
    other = changed(old, text="5 calls/min at most", mode="")
    assert value_of(alerts.of_now(other)) == "-5.63% / 0.167%"
    level = changed(old, mode="level")
    assert value_of(alerts.of_now(level)) == "-5.63% / 0.167%"


def test_details_of_an_alert() -> None:
    told = texts(detail_lines(alerts.of_now(MEMORY), 100, NOW))
    assert "● critical  firing  memory  #4" in told
    assert "value     93.2%, the threshold is 90%; at the worst 96.1%" in told
    assert "happened 12:00:38.691 → detected +4.1 ms → fired +8.3 ms → shown +20.2 ms" in told
    acknowledged = next(alert for alert in ALERTS if alert.ack is not None)
    told = texts(detail_lines(alerts.of_now(acknowledged), 100, NOW))
    assert "taken on  by root, 40s ago, until 13:01:42: a larger batch came in" in told
    silenced = next(alert for alert in ALERTS if alert.silence is not None)
    assert "silence 7 (u ends that)" in texts(detail_lines(alerts.of_now(silenced), 100, NOW))
    told = texts(detail_lines(alerts.of_silence(SILENCE), 100, NOW))
    assert "until     2025-11-21 12:28, 26m40s more" in told
    past = texts(detail_lines(alerts.of_record(past_alert(11)), 100, NOW))
    assert "resolved +42.5s" in " ".join(past.split())
    assert "by root, 2025-11-21 11:37: known: the batch of Tuesday" in past
    assert past.count("killed by SIGKILL  micro/13") == 3, "one names its agent itself"


def test_delays_are_in_milliseconds() -> None:
    assert [delay(seconds) for seconds in (0.0000123, 0.0042, 1.5, 42.5)] == ["0.0 ms", "4.2 ms", "1500.0 ms", "42.5s"]


def test_a_silence_matches_the_alert_and_nothing_more() -> None:
    odd = changed(CRASH, labels={"pool": "a*[b]?", "": "more", "agent": ""})
    assert alerts.matchers(odd, False) == ["agent-crash", "pool=a[*][[]b][?]"]
    assert alerts.matchers(odd, True) == ["agent-crash"]
    from fnmatch import fnmatchcase

    assert fnmatchcase("a*[b]?", "a[*][[]b][?]")
    assert not fnmatchcase("axb", "a[*][[]b][?]")


def test_lengths_of_time() -> None:
    assert [alerts.span(text) for text in ("90s", "10m", "1h", "2D", " 5 ", "1.5h")] == [
        90, 600, 3_600, 172_800, 300, 5_400,
    ]  # fmt: skip
    for text in ("", "m", "-1h", "0s", "soon", "nan", "inf", "1e12d"):
        with pytest.raises(ValueError, match="is no time such as"):
            alerts.span(text)
