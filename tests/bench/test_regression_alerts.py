"""A regression as an alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.bench.guard import alerting
from engine.bench.guard.decide import Estimate, State, Verdict
from engine.settings.types import Settings


def verdict(state: State, effect: float = 0.2) -> Verdict:
    return Verdict(state, Estimate(effect, 0.01, 10, 24), 1e-6, True)


def test_each_regression_is_an_alert_of_its_own_and_nothing_else_is() -> None:
    verdicts = {
        "map": verdict("regression"), "start": verdict("regression", 0.5), "idle": verdict("suspected"),
        "help": verdict("slightly worse", 0.05), "submit": verdict("improved", -0.3), "array": Verdict("unmeasured"),
    }  # fmt: skip
    found = alerting.raised(alerting.rules(Settings()), "speed", "5e55", "baseline ba5e", verdicts)
    assert [one.message["alert"]["labels"]["cell"] for one in found] == ["map", "start"]
    assert found[0].line == (
        "warning: slower than it was: speed map: 22% worse than baseline ba5e (19% to 25%, p 1e-06, confirmed), "
        "session 5e55"
    )
    assert (found[0].row["rule"], found[0].row["level"]) == ("bench-regression", "warning")
    assert found[0].row["fired"] == pytest.approx(found[0].message["at"])


def test_a_rule_of_ones_own_changes_it_or_switches_it_off(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.toml"

    def lines(text: str) -> list[str]:
        rules.write_text(f"[rules.bench-regression]\n{text}\n")
        wanted = alerting.rules(Settings(alert_rules=str(rules)))
        return [one.line for one in alerting.raised(wanted, "speed", "5", "b", {"map": verdict("regression")})]

    assert lines("enabled = false") == []
    (line,) = lines('severity = "critical"')
    assert line.startswith("critical: ")
    with pytest.raises(alerting.AlertingError, match="bench-regression"):
        lines("enabled = 7")
