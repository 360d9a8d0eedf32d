"""``shoal compare``, as people and as programs read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from recorded_runs import GONE, START, began, group, made, write

from engine.cli.recorded.compare import compare
from engine.store.messages import PoolMade, RunEnded


def call(*arguments: str, path: Path) -> Result:
    return CliRunner().invoke(compare, [*arguments, "--db", str(path)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two runs of 2,000 tasks, of which the second one's took twice as long."""
    found = tmp_path / "runs.db"
    for run, seconds in (("aaa1", 0.010), ("bbb2", 0.020)):
        tasks = [group(n * 50, [1] * 50, seconds=seconds * (0.9 + n % 7 / 30), row=n % 4) for n in range(40)]
        ended = RunEnded(START + 50, "done", {})
        write(found, began(run, "steady", START, GONE), PoolMade(0, "local", 0, 4, 1), *made("fit")[1:], *tasks, ended)
    return found


def test_the_figures_of_both_and_their_ratios(path: Path) -> None:
    done = call("aaa1", "bbb2", path=path)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A  aaa1 ")
    assert any(line.startswith("B  bbb2 ") for line in lines)
    median = next(line for line in lines if line.startswith("task time p50"))
    assert "2×" in median
    assert "worse" in median
    assert max(map(len, lines)) <= 100


def test_the_same_for_programs(path: Path) -> None:
    found = json.loads(call("aaa1", "last", "--json", path=path).stdout)
    assert (found["left"]["run"], found["right"]["run"], found["confidence"]) == ("aaa1", "bbb2", 0.95)
    median = next(one for one in found["figures"] if one["name"] == "task time p50")
    assert median["low"] <= median["ratio"] <= median["high"]
    assert (median["unit"], median["better"], median["verdict"]) == ("seconds", "less", "worse")
    failed = next(one for one in found["figures"] if one["name"] == "failed")
    assert (failed["ratio"], failed["note"]) == (None, "both below 0.15%")
    assert found["differences"] == []


def test_a_run_that_is_not_there_is_one_line(path: Path) -> None:
    done = call("aaa1", "zzz", path=path)
    assert done.exit_code == 2
    assert "zzz" in done.output
    assert len(done.output.splitlines()) == 1
