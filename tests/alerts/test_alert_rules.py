"""Rules as they are written: what they mean, and one line for each thing that is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from alerting import LEVEL, rules
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts.places import users_file
from engine.alerts.rules import RulesError, Text, parse
from engine.alerts.sources import built_in, load, read
from engine.alerts.types import Match, Rule, Threshold
from engine.alerts.values import parse_amount, parse_rate, parse_seconds
from engine.alerts.wording import amount, condition, duration


def only(text: str) -> Rule:
    (rule,) = rules(text)
    return rule


def test_a_rule_with_all_that_it_may_say() -> None:
    rule = only("""
        [rules.full]
        title = "queue is long"
        class = "latency"
        mode = "level"
        signal = "queue_depth"
        when = "above"
        info = { raise = 10, clear = 5 }
        critical = { raise = 1000, clear = 500 }
        for = "250ms"
        keep_for = "2m"
        min_samples = 3
        load = "queue_per_agent"
        min_load = "50%"
        where = { pool = ["a", "b*"] }
        inhibits = []
        equal = ["pool", "agent"]
        max_alerts = 7
        repeat = "1h"
        no_data = "alert"
        on_error = "ok"
        stale_after = "3s"
        summary = "{pool}: {value} of {threshold}"
        hint = "too few"
        action = "more"
        enabled = false
    """)
    assert rule == Rule(
        id="full", title="queue is long", area="latency", mode="level", source="rules1.toml", signal="queue_depth",
        thresholds=(Threshold("info", 10, 5), Threshold("critical", 1000, 500)), lasting=0.25, keep_for=120.0,
        min_samples=3, load="queue_per_agent", min_load=0.5, where=(("pool", ("a", "b*")),),
        equal=("pool", "agent"), max_alerts=7, repeat=3600.0, no_data="alert", on_error="ok", stale_after=3.0,
        summary="{pool}: {value} of {threshold}", hint="too few", action="more", enabled=False,
    )  # fmt: skip


def test_events_with_and_without_labels() -> None:
    rule = only(
        '[rules.x]\nmode = "event"\non = ["agent.failed", { event = "agent.died", why = "start", agent = ["a/*"] }]\n'
        'until = ["recorder.*"]\nseverity = "info"\n'
    )
    assert rule.on == (
        Match("agent.failed"), Match("agent.died", (("why", ("start",)), ("agent", ("a/*",)))),
    )  # fmt: skip
    assert {match.event for match in rule.until} >= {"recorder.died", "recorder.resumed"}
    assert rule.by == ("pool",)
    assert rule.keep_for is None  # an event ends it, and not time
    assert rule.thresholds[0].severity == "info"


def test_a_later_file_changes_what_it_names_and_adds_to_it() -> None:
    changed, added = rules(LEVEL, '[rules.depth]\nfor = "9s"\nwarning = { raise = 200 }\n[rules.own]\n' + LEVEL[15:])
    assert (changed.lasting, changed.keep_for) == (9.0, 5.0)
    assert changed.thresholds == (Threshold("warning", 200, 50), Threshold("critical", 1000, 500))
    assert changed.source == "rules1.toml + rules2.toml"
    assert (added.id, added.source) == ("own", "rules2.toml")


def test_a_later_file_switches_off_and_takes_away() -> None:
    off, _ = rules(LEVEL, "[rules.depth]\nenabled = false\n[rules.own]\n" + LEVEL[15:])
    assert not off.enabled
    (less,) = rules(LEVEL, "[rules.depth]\ncritical = false\n")
    assert [threshold.severity for threshold in less.thresholds] == ["warning"]


def test_a_rule_with_a_mode_of_its_own_is_a_new_one() -> None:
    (rule,) = rules(LEVEL, '[rules.depth]\nmode = "event"\non = ["agent.died"]\n')
    assert (rule.mode, rule.source, rule.summary) == ("event", "rules2.toml", "{text}")


HEAD = '[rules.x]\nmode = "level"\nsignal = "queue_depth"\n'
BOUNDS = "warning = { raise = 10, clear = 5 }\n"
GOOD = HEAD + BOUNDS
EVENT = '[rules.x]\nmode = "event"\non = ["agent.died"]\n'

WRONG: list[tuple[str, str]] = [
    (
        "a = ",
        "! not TOML: Invalid value (at end of document)",
    ),
    (
        "[rule.x]\n",
        "! unknown key 'rule': did you mean 'rules'?; a rule is written [rules.NAME]",
    ),
    (
        "rules = 3\n",
        "! rules are tables, written [rules.NAME]",
    ),
    (
        "[rules]\nx = 3\n",
        "a table, written [rules.x]",
    ),
    (
        '[rules."a b"]\n',
        "! a name has letters, digits and -, and begins with a letter, not 'a b'",
    ),
    (
        "[rules.x]\n",
        "mode: is missing; one of event, level, rate, ratio, absence",
    ),
    (
        '[rules.x]\nmode = "levels"\n',
        "mode: one of event, level, rate, ratio, absence, not 'levels': did you mean 'level'?",
    ),
    (
        GOOD + "fro = 1\n",
        "fro: unknown key: did you mean 'for'?",
    ),
    (
        GOOD + 'on = ["agent.died"]\n',
        "on: mode level has no such key; that is for absence, event",
    ),
    (
        HEAD,
        'warning: is missing (or critical, info): such as warning = { raise = "90%", clear = "85%" }',
    ),
    (
        '[rules.x]\nmode = "level"\nsignal = "queue_dept"\nwarning = { raise = 10, clear = 5 }\n',
        "signal: no signal 'queue_dept': did you mean 'queue_depth'?",
    ),
    (
        '[rules.x]\nmode = "level"\nsignal = "zzz"\nwarning = { raise = 10, clear = 5 }\n',
        "signal: no signal 'zzz'; `shoal alerts signals` lists them",
    ),
    (
        '[rules.x]\nmode = "level"\nsignal = "tasks_over"\nwarning = { raise = 10, clear = 5 }\n',
        "signal: tasks_over only ever grows: take its rate, or a ratio",
    ),
    (
        '[rules.x]\nmode = "level"\nwarning = { raise = 10, clear = 5 }\n',
        "signal: is missing: the name of a signal, such as queue_depth",
    ),
    (
        HEAD + "warning = { raise = 5, clear = 5 }\n",
        "warning.clear: must lie below raise, which is 5",
    ),
    (
        HEAD + "warning = { raise = 5, clear = 9 }\n",
        'warning.clear: must lie below raise, which is 5, or say when = "below"',
    ),
    (
        GOOD + 'when = "below"\n',
        'warning.clear: must lie above raise, which is 10, or say when = "above"',
    ),
    (
        HEAD + "warning = { raise = 5 }\n",
        "warning.clear: is missing: a condition begins at raise, and is over at clear",
    ),
    (
        HEAD + "warning = { raise = 5, claer = 2 }\n",
        (
            "warning.claer: unknown key: did you mean 'clear'?\nwarning.clear: is missing: a "
            "condition begins at raise, and is over at clear"
        ),
    ),
    (
        HEAD + "warning = 7\n",
        'warning: such as { raise = "90%", clear = "85%" }, not 7',
    ),
    (
        HEAD + 'warning = { raise = "many", clear = 2 }\n',
        "warning.raise: a number, not 'many'",
    ),
    (
        HEAD + "warning = { raise = inf, clear = 2 }\n",
        "warning.raise: a number, not inf",
    ),
    (
        HEAD + "warning = { raise = true, clear = 2 }\n",
        "warning.raise: a number, not true",
    ),
    (
        GOOD + "critical = { raise = 9, clear = 6 }\n",
        "critical.raise: must lie beyond that of warning, which is 10",
    ),
    (
        GOOD + "critical = { raise = 20, clear = 4 }\n",
        "critical.clear: must not lie on the good side of that of warning, which is 5",
    ),
    (
        ('[rules.x]\nmode = "level"\nsignal = "memory_used_ratio"\nwarning = { raise = 90, clear = "80%" }\n'),
        "warning.raise: from 0 to 1 (100%), not 90",
    ),
    (
        GOOD + 'for = "soon"\n',
        'for: a time such as "250ms", "10s" or 10, not \'soon\'',
    ),
    (
        GOOD + "for = -1\n",
        'for: a time such as "250ms", "10s" or 10, not -1',
    ),
    (
        GOOD + 'for = "400d"\n',
        "for: at least 0 s and at most a year, not '400d'",
    ),
    (
        GOOD + "min_samples = 0\n",
        "min_samples: a whole number from 1 to 10,000, not 0",
    ),
    (
        GOOD + "max_alerts = 501\n",
        "max_alerts: a whole number from 1 to 500, not 501",
    ),
    (
        GOOD + "min_load = 1\n",
        "load: is missing: the name of a signal, such as queue_depth",
    ),
    (
        GOOD + 'load = "queue_per_agent"\n',
        "min_load: is missing: below which queue_per_agent nothing is judged",
    ),
    (
        GOOD + 'load = "tasks_over"\nmin_load = 1\n',
        "load: tasks_over only ever grows: how much is going on is told by what goes up and down",
    ),
    (
        GOOD + 'load = "disk_free_ratio"\nmin_load = 1\n',
        "load: disk_free_ratio and queue_depth have different labels",
    ),
    (
        GOOD + 'where = { shard = "1" }\n',
        "where: no label 'shard'; known: pool",
    ),
    (
        GOOD + "where = { pool = 1 }\n",
        "where: pool is a text or a list of texts, not 1",
    ),
    (
        GOOD + "where = 1\n",
        'where: labels and their values, such as { pool = ["main"] }, not 1',
    ),
    (
        GOOD + 'equal = ["pol"]\n',
        "equal: no label 'pol': did you mean 'pool'?",
    ),
    (
        GOOD + 'inhibits = ["y"]\n',
        "inhibits: no rule 'y'; known: x",
    ),
    (
        GOOD + "inhibits = 1\n",
        "inhibits: a list of texts, not 1",
    ),
    (
        GOOD + 'no_data = "nodata"\n',
        "no_data: one of ok, tell, alert, not 'nodata'",
    ),
    (
        GOOD + 'class = "crashes"\n',
        (
            "class: one of crash, latency, saturation, error, regression, stale, capacity, self, not "
            "'crashes': did you mean 'crash'?"
        ),
    ),
    (
        GOOD + 'enabled = "no"\n',
        "enabled: true or false, not 'no'",
    ),
    (
        GOOD + "title = 3\n",
        "title: a text of up to 1000 letters, not 3",
    ),
    (
        GOOD + 'summary = "{pol}"\n',
        "summary: nothing is known by the name 'pol': did you mean 'pool'?",
    ),
    (
        GOOD + 'summary = "{value:3}"\n',
        "summary: a text with names in braces such as {value}, not '{value:3}'",
    ),
    (
        GOOD + 'summary = "{"\n',
        "summary: a text with names in braces such as {value}, not '{'",
    ),
    (
        '[rules.x]\nmode = "event"\non = ["agent.dyed"]\n',
        "on: no event 'agent.dyed': did you mean 'agent.died'?",
    ),
    (
        '[rules.x]\nmode = "event"\non = ["zzz"]\n',
        "on: no event 'zzz'; `shoal alerts signals` lists them",
    ),
    (
        '[rules.x]\nmode = "event"\n',
        'on: is missing: the events it is about, such as on = ["agent.died"]',
    ),
    (
        '[rules.x]\nmode = "event"\non = [1]\n',
        'on: a list of events such as ["agent.died", { event = "agent.died", why = ["memory"] }], not 1',
    ),
    (
        '[rules.x]\nmode = "event"\non = [{ event = "agent.died", whi = "x" }]\n',
        "on: no label 'whi': did you mean 'why'?",
    ),
    (
        EVENT + "keep_for = 0\n",
        "keep_for: at least 0.001 s and at most a year, not 0",
    ),
    (
        EVENT + "min_samples = 3\n",
        "window: is missing: min_samples = 3 within how long?",
    ),
    (
        EVENT + 'by = ["queue"]\n',
        "by: no label 'queue'; known: agent, pool, why",
    ),
    (
        EVENT + 'severity = "bad"\n',
        "severity: one of info, warning, critical, not 'bad'",
    ),
    (
        '[rules.x]\nmode = "rate"\nsignal = "queue_depth"\nwarning = { raise = "5/s", clear = 1 }\n',
        'window: is missing: over how long the rate is taken, such as window = "30s"',
    ),
    (
        ('[rules.x]\nmode = "rate"\nsignal = "queue_depth"\nwindow = 9\nwarning = { raise = "5", clear = 1 }\n'),
        'warning.raise: a rate such as "5/s" or "100/min", not \'5\'',
    ),
    (
        (
            '[rules.x]\nmode = "ratio"\nsignal = "tasks_failed"\nof = "queue_depth"\nwarning = { raise = '
            "0.5, clear = 0.1 }\n"
        ),
        "of: tasks_failed counts, and queue_depth does not: a ratio is of two that are alike",
    ),
    (
        (
            '[rules.x]\nmode = "ratio"\nsignal = "tasks_failed"\nof = "tasks_over"\nwarning = { raise = '
            "0.5, clear = 0.1 }\n"
        ),
        'window: is missing: over how long they are counted, such as window = "30s"',
    ),
    (
        '[rules.x]\nmode = "absence"\nwithin = "1s"\n',
        "on: absence is of a signal, or of events: give signal or on",
    ),
    (
        '[rules.x]\nmode = "absence"\nsignal = "queue_depth"\n',
        'within: is missing: how long it may stay away, such as within = "10s"',
    ),
]
"""A file, and what is said of its rule x; after a !, of the file as a whole."""


@pytest.mark.parametrize(("text", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_a_line(text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        parse([Text("f.toml", text)])
    place = "f.toml: " if said.startswith("! ") else "f.toml: rule x: "
    assert str(caught.value).splitlines() == [place + line for line in said.removeprefix("! ").splitlines()]


def test_all_that_is_wrong_is_said_at_once_and_where() -> None:
    with pytest.raises(RulesError) as caught:
        rules(LEVEL, '[rules.depth]\nfor = "x"\nwarning = { raise = 10 }\n[rules.y]\nmode = "nope"\n')
    assert [(problem.file, problem.rule, problem.key) for problem in caught.value.problems] == [
        ("rules2.toml", "depth", "warning.clear"), ("rules2.toml", "depth", "for"), ("rules2.toml", "y", "mode"),
    ]  # fmt: skip


@given(st.text(max_size=60) | st.text("[]rules.x=\n\"'{}modelvent,1", max_size=60))
def test_any_text_is_rules_or_an_error(text: str) -> None:
    with contextlib.suppress(RulesError):
        parse([Text("f.toml", text)])


@given(
    st.dictionaries(
        st.sampled_from(["mode", "signal", "on", "for", "warning", "critical", "when", "window", "load", "min_load"]),
        st.sampled_from(
            ["1", '"level"', '"event"', '"rate"', '"queue_depth"', '["agent.died"]', "{ raise = 2, clear = 1 }", '"9s"',
             "[]", "{}", "true", '"below"', "nan", "-5", "1e400", "2020-01-01", "[[1]]", '"50%"', '{ raise = "x" }']
        ),
    )
)  # fmt: skip
def test_any_table_is_a_rule_or_an_error(table: dict[str, str]) -> None:
    text = "[rules.x]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
    found: Sequence[object] = ()
    try:
        found = parse([Text("f.toml", text)])
    except RulesError as error:
        found = error.problems
    assert found
    assert all("\n" not in str(one) for one in found)


# -- values ------------------------------------------------------------------------------------------------------------


def test_times_parts_sizes_and_rates() -> None:
    assert [parse_seconds(text) for text in (10, 0.5, "250ms", "10s", "5m", "2 h", "1d")] == [
        10, 0.5, 0.25, 10, 300, 7200, 86400,
    ]  # fmt: skip
    assert parse_amount("90%", "ratio") == parse_amount(0.9, "ratio") == 0.9
    assert parse_amount("0.5 %", "ratio") == 0.005
    assert parse_amount("500M", "bytes") == 500 << 20
    assert parse_amount("1m", "seconds") == 60
    assert parse_rate("120/min", "count") == parse_rate(2, "count") == 2
    assert parse_rate("60%/h", "ratio") == pytest.approx(1 / 6000)
    assert parse_rate("1M/s", "bytes") == 1 << 20


@pytest.mark.parametrize(
    ("value", "unit"),
    [("9", "ratio"), ("%", "ratio"), ("1s", "count"), ("5 apples", "bytes"), (10**400, "count"), (None, "ratio")],
    ids=range(6),
)
def test_values_that_are_none(value: object, unit: str) -> None:
    with pytest.raises(ValueError, match="not "):
        parse_amount(value, unit)  # type: ignore[arg-type]


def test_how_values_read() -> None:
    assert [amount(0.123, "ratio"), amount(12.0, "ratio"), amount(0.34, "seconds"), amount(3.2e9, "bytes")] == [
        "12.3%", "12x", "340 ms", "2.98 GB",
    ]  # fmt: skip
    assert [amount(1234.0, "count"), amount(1.5, "count"), amount(float("nan"), "count")] == ["1,234", "1.5", "nan"]
    assert [duration(0), duration(0.05), duration(60), duration(300), duration(9000)] == [
        "0 s", "50 ms", "60 s", "5 min", "2.5 h",
    ]  # fmt: skip
    assert [duration(days * 86_400) for days in (1.5, 2, 30, 5000)] == ["36 h", "2 d", "30 d", "5,000 d"]
    assert [condition(rule) for rule in rules(GOOD)] == ["queue_depth > 10"]


# -- where they lie ----------------------------------------------------------------------------------------------------


def test_the_built_in_rules_come_along() -> None:
    found = load(None)
    assert {rule.source for rule in found} == {"built-in"}
    assert {rule.mode for rule in found} == {"event", "level", "rate", "ratio"}, "absence is for rules of one's own"
    assert all(rule.hint or rule.action or rule.mode == "event" for rule in found)
    assert Path(__file__).parents[2].joinpath("engine/alerts/builtin.toml").read_text() == built_in().text


def test_the_users_file(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert users_file(None, environ) is None
    path = tmp_path / "shoal" / "alerts.toml"
    path.parent.mkdir()
    path.write_text("[rules.memory]\nenabled = false\n")
    assert users_file(None, environ) == path
    assert users_file("", environ) is None
    assert users_file("~/x.toml", environ) == Path.home() / "x.toml"
    assert [rule.id for rule in load(path) if not rule.enabled] == ["memory"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a folder, not a file of rules"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not a text file (byte 0 is no UTF-8)"),
        (lambda path: path.write_bytes(b"#" * (2 << 20)), "more than 1 MiB: not a file of rules"),
    ],
)
def test_files_that_are_none(make: object, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    make(path)  # type: ignore[operator]
    with pytest.raises(RulesError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {text}"
