"""The benchmark of coordination: what one measurement finds, what is made of them, and how failures are told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.bench.ablation.cells import cells
from engine.bench.coordination import suite
from engine.bench.coordination.findings import findings
from engine.bench.coordination.mechanisms import FLAGS
from engine.bench.coordination.tables import tables
from engine.bench.progress import narrated
from engine.bench.run import MeasurementFailed, measure


def result(value: float, delivered: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "value": value, "start": value / 2, "tasks": value / 2, "answered": [value * n / 10 for n in range(1, 11)],
        "asked": 10, "delivered": delivered, "messages": 20 / value, "processor": value, "errors": {}, **more,
    }  # fmt: skip


@pytest.mark.parametrize("on", [(), FLAGS], ids=["none", "all"])
def test_each_agent_has_one_task_and_every_answer_is_counted(on: tuple[str, ...]) -> None:
    found = measure("coordinate", "ours", {"agents": 3, "on": list(on), "patience": 60.0, "looked": True}, 90)
    assert (found["asked"], found["delivered"], found["agents_that_answered"], found["errors"]) == (3, 3, 3, {})
    assert len(found["came"]) == len(found["answered"]) == 3
    assert 0 < found["came"][0] <= found["came"][-1] <= found["start"] < found["value"]
    assert found["start"] <= found["answered"][0] <= found["answered"][-1] <= found["value"]
    assert found["start"] + found["tasks"] == pytest.approx(found["value"])
    assert found["messages"] == pytest.approx(6 / found["value"])
    assert found["processor"] > 0
    assert found["memory"] > found["own"] > 0
    assert found["processes"] > 4
    assert found["descriptors"] > found["processes"]


def test_what_does_not_come_in_time_is_not_delivered() -> None:
    """Two agents, and patience for none of them: the gate opens all the same, and nothing hangs."""
    found = measure("coordinate", "ours", {"agents": 2, "on": list(FLAGS), "patience": 0.0}, 60)
    assert found["came"] == []
    assert found["errors"] == {"not with its agent within 0 s": 2}
    assert 0 <= found["delivered"] <= 2
    assert found["asked"] == 2


def test_a_mechanism_that_there_is_not() -> None:
    with pytest.raises(MeasurementFailed, match="no mechanism 'magic'"):
        measure("coordinate", "ours", {"agents": 2, "on": ["magic"], "patience": 1.0}, 60)


def test_targets_and_verdicts() -> None:
    taken = {cell: [result(20.0 if not cell.on else 1.0 + n / 200) for n in range(4)] for cell in cells(FLAGS)}
    found = findings(500, FLAGS, taken, {})
    time, faster, delivered = found.wanted
    assert [one.value for one in found.wanted] == pytest.approx([1.0075, 19.85, 1], rel=1e-2)
    for one, must, aim in ((time, "yes", "no"), (faster, "yes", "yes"), (delivered, "yes", "yes")):
        assert one.must is not None
        assert one.aim is not None
        assert (one.must.short, one.aim.short) == (must, aim)
    assert findings(7, FLAGS, taken, {}).wanted[0].must is None


def test_the_tables_name_what_brings_nothing_and_what_failed() -> None:
    on = frozenset(("pooling",))
    taken = {
        cell: [result(8.0 if not cell.on & on else 1.0 + n / 100) for n in range(3)]
        for cell in cells(FLAGS)
        if cell.name != "all but batching"
    }
    lost = [result(9.0, delivered=8, errors={"RuntimeError: gone": 2}) for _ in range(3)]
    taken[next(cell for cell in taken if cell.name == "sharding")] = lost
    looked = {cell: {"memory": 50_000_000, "own": 30_000_000, "descriptors": 1_234} for cell in taken}
    found = findings(10, FLAGS, taken, looked)
    text = tables(suite.Outcome([found], {"10 agents, all but batching": "no answer within 5 s"}, {}, []))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert " 7.92x " in lines["pooling"]
    assert "no measurable effect" in lines["batching"]
    assert text.splitlines()[5].startswith("sharding ")
    assert " 80 % " in text.splitlines()[5]
    assert "sharding: 6 of 30 tasks: RuntimeError: gone" in text
    assert "1,234" in text
    assert text.splitlines()[-1] == "10 agents, all but batching: not measured: no answer within 5 s"


def test_a_combination_that_fails_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(function: str, side: str, size: dict[str, Any], timeout: float) -> dict[str, Any]:
        assert timeout > size["patience"] > size["agents"]
        if size["on"] == ["batching"]:
            raise MeasurementFailed("ended by signal 9")
        return result(1.0, memory=1, own=1, descriptors=1) if size["looked"] else result(2.0)

    monkeypatch.setattr(suite, "measure", measured)
    said: list[str] = []
    outcome = suite.run([5, 6], FLAGS, 2, True, narrated(said.append), seed=1)
    assert set(outcome.failures) == {"5 agents, batching", "6 agents, batching"}
    assert said.count("5 agents, batching: ended by signal 9") == 1
    assert said[0].startswith("60 measurements, up to about ")
    assert said[0].endswith(" of memory")
    assert [len(found.lines) for found in outcome.findings] == [9, 9]
    assert "batching" not in outcome.findings[0].impact.alone
    assert outcome.findings[0].impact.interaction is None
    assert [cell.beside for cell in outcome.cells if cell.name == "5-all"] == ["none"]
    assert len(outcome.cells) == 18
    entry = outcome.data["agents"][0]
    assert len(entry["samples"]["all"]) == 2
    assert entry["warm_up"]["all"]["memory"] == 1
    assert entry["samples"]["batching"] == []


def test_the_command_coordination(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "bench", "coordination", "--agents", "3", "--rounds", "1",
         "--only", "sharding", "--json", "c.json"],
        cwd=tmp_path, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    narrated = done.stderr.splitlines()
    assert narrated[0] == "on in every combination: batching, parallel spawn, pooling"
    assert narrated[1].startswith("4 measurements, up to about ")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("3 AGENTS WITH ")
    assert lines[1].startswith("none (baseline) ")
    assert next(line for line in lines if line.startswith("delivered ")).split()[1:3] == ["100", "%"]
    data = json.loads((tmp_path / "c.json").read_text())
    assert (data["flags"], data["failures"]) == (["sharding"], {})
    (entry,) = data["agents"]
    assert {name: len(taken) for name, taken in entry["samples"].items()} == {"none": 1, "sharding": 1}
    assert entry["samples"]["none"][0]["delivered"] == 3
    assert entry["warm_up"]["sharding"]["memory"] > 0
    (kept,) = (tmp_path / "xdg-data").rglob("*-coordination-*.json")
    assert [cell["name"] for cell in json.loads(kept.read_text())["cells"]] == ["3-none", "3-sharding"]
