"""The Grafana dashboard shows metrics that there are, by labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana import DASHBOARD, expressions

from engine.metrics.families import FAMILIES

SAMPLES = {sample: family for family in FAMILIES.values() for sample in family.samples}
EXPRESSIONS = expressions()


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_name_and_label_is_in_the_table(expression: str) -> None:
    names = re.findall(r"shoal_\w+", expression)
    assert names
    for name in names:
        assert name in SAMPLES, f"there is no {name}"
    labels = {"instance", "job"} | {label for name in names for label in SAMPLES[name].label_names}
    if any(SAMPLES[name].kind == "histogram" for name in names):
        labels.add("le")
    for listed in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", listed)) <= labels
    for name, selector in re.findall(r"(shoal_\w+)\{([^}]*)\}", expression):
        told = {label.name: label.values for label in SAMPLES[name].labels}
        for label, how, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', selector):
            assert label in {"instance", *told}, f"{name} has no label {label}"
            if not value.startswith("$"):
                assert set(value.split("|") if how == "=~" else [value]) <= set(told[label] or ())


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_counters_are_asked_for_their_rate_and_quantiles_for_merged_buckets(expression: str) -> None:
    for name in re.findall(r"shoal_\w+", expression):
        counts = SAMPLES[name].kind in {"counter", "histogram"}
        assert counts == bool(re.search(rf"rate\({name}\{{[^}}]*\}}\[\$__rate_interval\]\)", expression))
    if "histogram_quantile" in expression:
        assert re.search(r"histogram_quantile\([\d.]+, sum by \(le\b", expression)


def test_the_legend_uses_labels_that_are_left() -> None:
    for panel in panels():
        for target in panel.get("targets", ()):
            kept = {
                label for listed in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in re.split(r",\s*", listed)
            }
            if " by " not in target["expr"] and "sum(" not in target["expr"]:
                kept.add("instance")
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        taken |= cells
    numbers = [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers)


def test_the_variables_are_of_the_table_and_no_address_is_built_in() -> None:
    told = json.loads(DASHBOARD.read_text())
    queries = [variable["query"] for variable in told["templating"]["list"] if variable["type"] == "query"]
    for query in queries:
        name, label = re.fullmatch(r"label_values\((shoal_\w+)(?:\{.*\})?, (\w+)\)", query).groups()  # type: ignore[union-attr]
        assert label in {"instance", *SAMPLES[name].label_names}
    assert "http" not in DASHBOARD.read_text()
    used = set(re.findall(r"\$\{?([a-z]\w*)", DASHBOARD.read_text())) - {"__rate_interval", "__all"}
    assert used == {variable["name"] for variable in told["templating"]["list"]}


def test_every_subject_has_a_row() -> None:
    rows = [panel["title"] for panel in panels() if panel["type"] == "row"]
    assert rows == [
        "Overview", "Pools", "Batches", "Starts and ends of agents", "Shards", "Coordination", "Engine and machine",
    ]  # fmt: skip
    assert Path(DASHBOARD).suffix == ".json"
