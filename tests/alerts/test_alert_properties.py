"""What holds whatever happens, in whatever order."""

from __future__ import annotations

import math
from typing import Any, Final

from alerting import CRASH, MAIN, Watched, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.alerts.overlays import UnknownAlertError
from engine.alerts.types import SEVERITIES, Signals, Transition, labels

LASTING: Final = 2.0
KEEP: Final = 3.0
RULES: Final = """
[rules.depth]
mode = "level"
signal = "queue_depth"
warning = { raise = 100, clear = 50 }
critical = { raise = 1000, clear = 500 }
for = "2s"
keep_for = "3s"
max_alerts = 2
[rules.crash]
mode = "event"
on = ["agent.died"]
until = ["agent.retired"]
by = ["pool", "agent"]
keep_for = "3s"
max_alerts = 2
repeat = "7s"
[rules.loop]
mode = "event"
on = ["agent.died"]
by = ["pool"]
min_samples = 3
window = "5s"
severity = "critical"
keep_for = "4s"
inhibits = ["crash", "depth"]
equal = ["pool"]
[rules.errors]
mode = "ratio"
signal = "tasks_failed"
of = "tasks_over"
window = "4s"
warning = { raise = "10%", clear = "5%" }
min_samples = 5
keep_for = "0s"
[rules.grows]
mode = "rate"
signal = "queue_depth"
window = "3s"
info = { raise = 10, clear = 5 }
no_data = "alert"
stale_after = "2s"
[rules.absent]
mode = "absence"
signal = "loop_lag_seconds"
within = "4s"
"""
EDGES: Final = {
    "normal": {"pending", "firing", "nodata", "error"},
    "pending": {"normal", "firing", "nodata", "error"},
    "firing": {"recovering", "resolved", "nodata", "error"},
    "recovering": {"firing", "resolved", "nodata", "error"},
    "resolved": {"pending", "firing", "nodata", "error", "normal"},
    "nodata": {"normal", "firing", "recovering", "resolved", "pending", "error"},
    "error": {"normal", "firing", "recovering", "resolved", "pending", "nodata"},
}
"""What may follow what. From firing an alert is resolved at once if its rule keeps it for no time."""

values = st.sampled_from([0.0, 50.0, 60.0, 100.0, 101.0, 600.0, 5000.0, math.nan, math.inf, None])
pools = st.sampled_from(["a", "b", "c"])
spans = st.sampled_from([0.0, 0.05, 0.5, 1.0, 2.0, 3.0, 10.0, 70.0, 400.0])
steps = st.one_of(
    st.tuples(st.just("tick"), spans, st.dictionaries(pools, values, max_size=3)),
    st.tuples(st.just("time"), spans, st.none()),
    st.tuples(st.just("event"), spans, st.tuples(pools, st.integers(0, 3))),
    st.tuples(st.just("retired"), spans, pools),
    st.tuples(st.just("ack"), spans, st.integers(0, 3)),
    st.tuples(st.just("silence"), spans, st.tuples(pools, spans)),
    st.tuples(st.just("unsilence"), spans, st.integers(0, 3)),
)


def signals_of(given_: dict[str, float | None], step: int) -> Signals:
    depths = {labels(pool=pool): value for pool, value in given_.items() if value is not None}
    counts = dict.fromkeys(depths, step * 10.0)
    failed = {about: step * (2.0 if value > 100 else 0.0) for about, value in depths.items()}
    return {
        "queue_depth": depths, "tasks_over": counts, "tasks_failed": failed,
        "loop_lag_seconds": {(): 0.0} if len(depths) > 1 else {},
    }  # fmt: skip


def do(watched: Watched, number: int, what: str, arguments: Any) -> list[Transition]:
    core, now = watched.core, watched.now
    match what:
        case "tick":
            core.tick(now, signals_of(arguments, number))
        case "time":
            core.tick(now)
        case "event":
            pool, agent = arguments
            core.event(now, "agent.died", {"pool": pool, "agent": f"{pool}/{agent}"}, "it died", now - 0.01)
        case "retired":
            core.event(now, "agent.retired", {"pool": arguments}, "it is retired")
        case "ack":
            alerts = core.alerts()
            if alerts:
                try:
                    core.acknowledge(alerts[arguments % len(alerts)].fingerprint, now, "ada", "", now + 5)
                except UnknownAlertError:
                    pass
        case "silence":
            pool, span = arguments
            core.silence({"pool": pool}, now, now + span + 1, "ada", "known")
        case "unsilence":
            found = core.silences()
            if found:
                core.unsilence(found[arguments % len(found)].id, now)
    return watched.take()


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=60))
def test_whatever_happens(given_: list[tuple[str, float, Any]]) -> None:
    watched = Watched(RULES)
    told_state: dict[str, str] = {}
    numbers: set[int] = set()
    for number, (what, after, arguments) in enumerate(given_):
        watched.now += after
        for found in do(watched, number, what, arguments):
            alert = found.alert
            before = told_state.get(found.fingerprint, "normal")
            assert found.before == before or (before, found.before) == ("resolved", "normal")  # it is forgotten by then
            if found.change == "state":
                assert found.after in EDGES[before], (before, found.after)
            elif found.change != "steady":
                assert found.after == before
            told_state[found.fingerprint] = found.after
            assert found.at == watched.now
            assert alert.severity in SEVERITIES
            if found.notify:
                assert alert.silence is None
                assert alert.inhibited_by is None
                assert alert.ack is None or found.after == "resolved"
            if found.after == "firing":
                numbers.add(alert.number)
                timeline = alert.timeline
                assert timeline.happened is not None
                assert timeline.detected is not None
                assert timeline.fired is not None
                assert timeline.happened <= timeline.detected <= timeline.fired <= watched.now
            if found.after in ("resolved", "normal"):
                assert alert.ack is None or found.change == "acknowledged"
        # What is told adds up to what there is.
        live = {alert.fingerprint: alert for alert in watched.core.alerts()}
        assert {name for name, state in told_state.items() if state not in ("normal", "resolved")} == set(live)
        for rule in ("depth", "crash", "loop"):
            mine = [alert for alert in live.values() if alert.rule == rule and alert.state in ("firing", "recovering")]
            assert len(mine) <= 3
        # Whoever sleeps until it is due never wakes for nothing again and again.
        watched.core.tick(watched.now)
        due = watched.core.due()
        assert due is None or due > watched.now
        for found in watched.take():
            told_state[found.fingerprint] = found.after
    assert [found.number for found in watched.told] == list(range(1, len(watched.told) + 1))
    assert 0 not in numbers


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.05, 0.5, 1.0, 2.5]), st.sampled_from([0.0, 60.0, 101.0, 1001.0])), max_size=80
    )
)
def test_it_never_fires_before_and_never_ends_before_its_time(given_: list[tuple[float, float]]) -> None:
    """Against the plainest reading of the rule, threshold by threshold."""
    watched = Watched(RULES.partition("[rules.crash]")[0])
    bounds = {"warning": (100.0, 50.0), "critical": (1000.0, 500.0)}
    on = dict.fromkeys(bounds, False)
    since: dict[str, float | None] = dict.fromkeys(bounds)
    left: dict[str, float | None] = dict.fromkeys(bounds)
    reopened = 0
    resolved: float | None = None
    for after, value in given_:
        watched.level(value, after) if after == 0.05 else watched.signals({"queue_depth": {MAIN: value}}, after, after)
        now = watched.now
        was_on = any(on.values())
        keep = KEEP * 2**reopened
        for name, (raised, cleared) in bounds.items():
            if value > raised:
                left[name] = None
                began = since[name]
                since[name] = began = now if began is None else began
                on[name] = on[name] or now >= began + LASTING
            elif not on[name]:
                since[name] = None
            elif value <= cleared and left[name] is None:
                left[name] = now
            gone = left[name]
            if gone is not None and now >= gone + keep:
                on[name], since[name], left[name] = False, None, None
        is_on = any(on.values())
        if is_on and not was_on:
            reopened = reopened + 1 if resolved is not None and now <= resolved + 300 else 0
        elif was_on and not is_on:
            resolved = now
        if is_on:
            expected = "firing" if any(on[name] and left[name] is None for name in bounds) else "recovering"
            severity = "critical" if on["critical"] else "warning"
            (alert,) = watched.core.alerts()
            assert alert.severity == severity
            assert alert.state == expected
        else:
            assert [alert.state for alert in watched.core.alerts() if not alert.flapping] in ([], ["pending"])


@given(st.permutations(["pool", "shard", "zone"]), st.text(max_size=5))
def test_the_fingerprint_is_the_same_in_any_order(names: list[str], value: str) -> None:
    from engine.alerts.kept import fingerprint

    about = tuple((name, value + name) for name in names)
    assert fingerprint("r", about) == fingerprint("r", tuple(sorted(about)))
    assert len(fingerprint("r", about)) == 16
    assert fingerprint("r", about) != fingerprint("q", about)


def test_rules_of_the_same_text_are_equal() -> None:
    assert rules(RULES) == rules(RULES)


def test_alerts_that_are_put_off_again_and_again_are_remembered_once() -> None:
    watched = Watched(CRASH)
    for _ in range(20_000):
        watched.event(pool="main", after=0.001)
    assert len(watched.core._book._wakes) <= 1010
    watched.idle(12)
    assert watched.only.state == "resolved"


again = st.lists(st.tuples(spans, st.none() | st.dictionaries(pools, values, max_size=3)), max_size=40)


@settings(max_examples=150, deadline=None)
@given(again)
def test_what_is_handed_in_again_says_the_same_as_its_equal(
    given_: list[tuple[float, dict[str, float | None] | None]],
) -> None:
    one, other = Watched(RULES), Watched(RULES)
    last: Signals = {}
    for number, (after, arguments) in enumerate(given_):
        if arguments is not None:
            last = signals_of(arguments, number)
        told = one.tick(last, after)
        copied = {name: dict(readings) for name, readings in last.items()}
        assert [as_told(found) for found in told] == [as_told(found) for found in other.tick(copied, after)]


def as_told(found: Transition) -> tuple[Any, ...]:
    value = "nan" if found.alert.value is not None and math.isnan(found.alert.value) else found.alert.value
    return found.fingerprint, found.change, found.before, found.after, found.at, found.alert.severity, value
