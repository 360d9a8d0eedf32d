"""Lanes beside plans: in the config file, in variables, and on the command line."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from killing import SHOAL


def shoal(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_CONFIG_HOME": str(folder), **variables}
    return subprocess.run(
        [*SHOAL, *words], cwd=folder, capture_output=True, text=True, timeout=90, env=env, check=False
    )


def most(folder: Path) -> int:
    """Tasks of the last run that ran at a time."""
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as db:
        query = (
            "SELECT started, started + seconds FROM all_tasks WHERE run = (SELECT id FROM runs ORDER BY started DESC)"
        )
        found = db.execute(query).fetchall()
    edges = sorted([(began, 1) for began, _ in found] + [(ended, -1) for _, ended in found])
    running = highest = 0
    for _, change in edges:
        running += change
        highest = max(highest, running)
    return highest


@pytest.mark.needs("pooling")
def test_tasks_of_a_callable_and_of_a_command_run_in_a_lane(tmp_path: Path) -> None:
    (tmp_path / "shoal").mkdir()
    (tmp_path / "shoal" / "config.toml").write_text("[lanes]\ncloud = 2\n")
    (tmp_path / "items.jsonl").write_text("0.05\n" * 12)
    words = ("run", "time:sleep", "--items", "items.jsonl", "--agents", "4", "--headless", "--db", "runs.db")
    for more, variables, limit in (
        (("--lane", "cloud"), {}, 2),
        (("--lane", "cloud=1"), {}, 1),
        (("--lane", "cloud"), {"SHOAL_LANES": "cloud=3"}, 3),
    ):  # fmt: skip
        done = shoal(tmp_path, *words, *more, **variables)
        assert done.returncode == 0, done.stderr
        assert most(tmp_path) == limit
    again = shoal(tmp_path, "rerun", "last", "--db", "runs.db", "--headless")
    assert again.returncode == 0, again.stderr
    assert most(tmp_path) == 3, "as it was begun"
    shown = shoal(tmp_path, "config", "show", SHOAL_LANES="cloud=3 local=1").stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("lanes ")]
    assert "cloud=3 local=1" in line
    assert "SHOAL_LANES" in line


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--lane", "cloud"), "--lane cloud: nobody says how many tasks of it run at a time: --lane cloud=N"),
        (("--lane", "a=1", "--lane", "b=1"), "--lane b=1: these tasks run in one lane, and that is 'a'"),
        (("--lane", "a=x"), "--lane is names with whole numbers, such as local=1 cloud=10, or none, not 'a=x'"),
        (("--lane", "a=1", "--set", "lanes=a=2"), "--lane and --set lanes are the same: leave one out"),
    ],
)
def test_what_is_no_lane_is_refused_in_one_line(tmp_path: Path, more: tuple[str, ...], told: str) -> None:
    (tmp_path / "items.txt").write_text("1\n")
    done = shoal(tmp_path, "run", "builtins:len", "--items", "items.txt", "--no-record", *more)
    assert (done.returncode, done.stderr) == (2, f"shoal: {told}\n")


def test_a_lane_of_a_plan_has_another_limit(tmp_path: Path) -> None:
    plan = '[lanes.l]\nlimit = 2\n[[tasks]]\nname = "a"\ncall = "builtins:abs"\nlane = "l"\nitems = [1]\n'
    (tmp_path / "p.toml").write_text(plan)
    words = ("run", "p.toml", "--headless", "--db", "runs.db")
    assert shoal(tmp_path, *words, "--lane", "l=5").returncode == 0
    assert '"lanes":{"l":5}' in shoal(tmp_path, "show", "last", "--db", "runs.db", "--json").stdout
    done = shoal(tmp_path, *words, "--lane", "m=5")
    assert (done.returncode, done.stderr) == (2, "shoal: --lane m=5: no lane of that name in p.toml; known: l\n")
