"""The table of metrics: its names follow the conventions, its labels have few values, the README has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.metrics import families
from engine.metrics.families import FAMILIES, Family

README = Path(families.__file__).with_name("README.md")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_names_follow_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"shoal(_[a-z0-9]+)+", family.name)
    assert (family.kind == "counter") == family.name.endswith("_total")
    assert (family.kind == "info") == family.name.endswith("_info")
    assert not family.name.endswith(("_count", "_sum", "_bucket", "_created"))
    if family.unit:
        assert family.name.removesuffix("_total").endswith(f"_{family.unit}")
    if family.kind == "histogram":
        assert len(family.edges) <= 32
    assert family.help.endswith(".")
    assert "|" not in family.help


def test_no_label_has_many_values() -> None:
    for family in FAMILIES.values():
        for label in family.labels:
            assert label.name not in {"agent", "pid", "task", "function", "le", "run"}
            assert label.name in {"pool", "shard", "version", "python"} or 1 < len(label.values or ()) <= 10
        combinations = 1
        for label in family.labels:
            combinations *= len(label.values or [0])
        assert combinations <= 10


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ("pools", "pool_agents pool_agents_limit pool_acquires_total pool_acquire_seconds pool_refills_total"),
        ("batches", "batch_bytes batch_messages batch_flushes_total batch_linger_seconds"),
        ("starts", "agent_spawn_seconds agent_spawns_total agent_spawns_running"),
        ("shards", "shard_depth_messages queue_wait_seconds shard_utilization_ratio shard_balance_ratio"),
        ("coordination", "coordination_seconds delivery_ratio"),
        ("machine", "machine_cpu_ratio machine_memory_used_bytes engine_open_fds machine_load1 cpu_pressure_ratio"),
        ("alerts", "alerts_firing alert_detect_seconds"),
        ("observer", "observer_cpu_seconds_total"),
    ],
)
def test_each_subject_is_measured(subject: str, names: str) -> None:
    assert {f"shoal_{name}" for name in names.split()} <= set(FAMILIES)


def test_the_readme_has_the_table() -> None:
    assert families.table() in README.read_text()


def test_labels_are_checked() -> None:
    told = families.family("shoal_pool_agents")
    told.check(("any name", "idle"))
    with pytest.raises(ValueError, match="has the labels pool, state, not 1 values"):
        told.check(("main",))
    with pytest.raises(ValueError, match="state is one of starting, idle, busy, draining, dead, not 'asleep'"):
        told.check(("main", "asleep"))
    with pytest.raises(ValueError, match="has the labels none, not 1 values"):
        families.family("shoal_machine_cores").check(("main",))
