"""``shoal search``: what is found, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded_runs import START, began, call, group, made, write

from engine.cli.recorded.search import search
from engine.store.messages import Failed, Happened, RunEnded
from engine.stream.types import Event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "runs.db"
    for run, at in (("aaa1", START), ("bbb2", START + 60)):
        write(
            found,
            began(run, "sweep", at),
            *made("fit"),
            group(0, [None, 1], Failed(0, "exception", "ValueError", "Segmentation\x1b[31m of the sea", "Traceback")),
            Happened([
                Event(1, at, "info", "agent.stderr", "local/0: segments", {"line": "3 segments segmentation"}),
                Event(2, at, "warning", "agent.died", "agent local/2 was killed by SIGSEGV", {}),
            ]),
            RunEnded(at + 2, "failed", {}),
        )  # fmt: skip
    return found


def test_found_in_failures_and_output(path: Path) -> None:
    result = call(search, "segmentation", "--db", path)
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["RUN", "NAME", "WHERE", "WHEN", "TEXT"]
    assert [row.split()[0] for row in rows] == ["bbb2", "bbb2", "aaa1", "aaa1"]
    failure = next(row for row in rows if "failure fit[0]" in row)
    assert "ValueError: Segmentation" in failure
    assert any("output" in row and "3 segments segmentation" in row for row in rows)
    assert "\x1b" not in result.stdout


def test_in_one_run_and_for_programs(path: Path) -> None:
    result = call(search, "kill", "sigsegv", "--db", path, "--run", "aa", "--json")
    (found,) = map(json.loads, result.stdout.splitlines())
    assert (found["run"], found["source"], found["number"]) == ("aaa1", "event", 2)
    assert found["text"] == "agent local/2 was killed by SIGSEGV"


def test_the_first_ones(path: Path) -> None:
    result = call(search, "segmentation", "--db", path, "--limit", 1)
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "there may be more: --limit says how many are shown\n"


@pytest.mark.parametrize("text", ["nowhere", '"', "!!!", "AND", "a* OR (", "NEAR(", "-x", "text:segmentation"])
def test_nothing_is_found_by_odd_words(path: Path, text: str) -> None:
    result = call(search, "--db", path, "--", text)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing found\n")


def test_a_run_that_is_not_there(path: Path) -> None:
    result = call(search, "x", "--db", path, "--run", "zzz")
    assert (result.exit_code, result.stderr) == (2, "Error: no run 'zzz' (`shoal runs` lists them)\n")
