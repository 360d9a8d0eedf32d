"""The page of metrics, read back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_samples import full_snapshot, label_values
from prometheus_client import generate_latest, parser
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser

from engine.metrics.families import FAMILIES
from engine.metrics.observer import Observer
from engine.metrics.openmetrics import registry
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder, Snapshot

Sample = tuple[str, tuple[tuple[str, str], ...]]
openmetrics: Callable[[object], bytes] = openmetrics_exposition.generate_latest
read_openmetrics: Callable[[str], Iterable[Any]] = openmetrics_parser.text_string_to_metric_families
read_text: Callable[[str], Iterable[Any]] = parser.text_string_to_metric_families


def page(snapshot: Snapshot | None) -> str:
    return openmetrics(registry(lambda: snapshot)).decode()


def text(snapshot: Snapshot | None) -> str:
    return generate_latest(registry(lambda: snapshot)).decode()


def samples(families: Iterable[Any]) -> dict[Sample, float]:
    found: dict[Sample, float] = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_everything_is_on_it() -> None:
    snapshot = full_snapshot()
    read = samples(read_openmetrics(page(snapshot)))
    older = samples(read_text(text(snapshot)))
    assert read == older
    expected = set()
    for family in FAMILIES.values():
        for values in label_values(family, ("main", "io")):
            labels = dict(zip(family.label_names, values, strict=True))
            if family.kind == "histogram":
                held = snapshot.histograms[family.name][values]
                key = tuple(sorted(labels.items()))
                assert read[f"{family.name}_count", key] == held.count
                assert read[f"{family.name}_sum", key] == held.sum / family.scale
                ends = [each for each in read if each[0] == f"{family.name}_bucket" and set(key) <= set(each[1])]
                assert len(ends) == len(family.edges) + 1
                expected |= {(f"{family.name}_count", key), (f"{family.name}_sum", key), *ends}
            else:
                key = tuple(sorted(labels.items()))
                assert read[family.name, key] == (1 if family.kind == "info" else snapshot.values[family.name][values])
                expected.add((family.name, key))
    assert set(read) == expected


def test_types_units_and_help_are_those_of_the_table() -> None:
    told = {}
    for line in page(full_snapshot()).splitlines():
        if line.startswith("# ") and line != "# EOF":
            what, name, rest = line[2:].split(" ", 2)
            told[what, name] = rest
    for family in FAMILIES.values():
        name = family.name.removesuffix("_total").removesuffix("_info")
        assert told["TYPE", name] == family.kind
        assert told["HELP", name] == family.help
        assert told.get(("UNIT", name), "") == family.unit


@given(st.lists(st.one_of(st.integers(0, 100), st.integers(0, 1 << 41)), min_size=1, max_size=60))
def test_buckets_are_exact(values: list[int]) -> None:
    histograms = Histograms()
    for value in values:
        histograms.of("shoal_loop_lag_seconds", ()).record(value)
        histograms.of("shoal_batch_messages", ("main", "out")).record(value)
    builder = Builder(0.0)
    builder.histograms(histograms)
    snapshot = builder.snapshot()
    for read in (samples(read_openmetrics(page(snapshot))), samples(read_text(text(snapshot)))):
        for (name, labels), count in read.items():
            end = dict(labels).get("le")
            if end is not None:
                scale = 1_000_000_000 if name.startswith("shoal_loop") else 1
                assert count == sum(value / scale <= float(end) for value in values)


def test_a_pool_that_is_gone_is_gone_from_it() -> None:
    assert 'pool="io"' in page(full_snapshot(pools=("main", "io")))
    left = page(full_snapshot(pools=("main",)))
    assert 'pool="io"' not in left
    assert 'pool="main"' in left


@given(st.text(min_size=1, max_size=20).filter(lambda name: "\r" not in name and name.splitlines() == [name]))
def test_any_name_of_a_pool_comes_back(name: str) -> None:
    builder = Builder(0.0)
    builder.set("shoal_pool_agents", 3, name, "idle")
    for read in (samples(read_openmetrics(page(builder.snapshot()))), samples(read_text(text(builder.snapshot())))):
        assert read == {("shoal_pool_agents", (("pool", name), ("state", "idle"))): 3}


def test_before_the_first_snapshot_it_is_empty() -> None:
    assert page(None) == "# EOF\n"
    assert text(None) == ""


def test_a_reader_may_ask_for_some() -> None:
    made = registry(full_snapshot)
    asked = ["shoal_machine_cores", *FAMILIES["shoal_loop_lag_seconds"].samples, "shoal_pool_acquires_total"]
    read = openmetrics(made.restricted_registry(asked)).decode()
    assert {sample for sample, _ in samples(read_openmetrics(read))} == set(asked)


def test_what_rendering_costs_is_told() -> None:
    observer, snapshot = Observer(), full_snapshot()
    generate_latest(registry(lambda: snapshot, observer))
    assert observer.seconds["render"] > 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (package prometheus) is not installed")
@pytest.mark.parametrize("pools", [("main", "io"), ('odd "name" \\ é',)])
def test_promtool_finds_nothing_to_object_to(pools: tuple[str, ...]) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text(full_snapshot(pools=pools)), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
