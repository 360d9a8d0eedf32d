"""The summary of real runs: the same with a record and without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import pathlib, time
def work(n):
    seen = pathlib.Path(f"seen-{n}")
    if n == 3 and not seen.exists():  # this attempt is the slowest of all, and does not count
        seen.touch()
        time.sleep(0.5)
        raise ValueError("not yet")
    time.sleep(0.2 if n == 17 else 0.001)
    return n
"""


@pytest.mark.parametrize("record", [["--db", "runs.db"], ["--no-record"]], ids=["recorded", "not recorded"])
def test_the_summary_knows_run_times(record: list[str], tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(WORK)
    (tmp_path / "items.jsonl").write_text("".join(f"{number}\n" for number in range(40)))
    command = ["run", "job:work", "--items", "items.jsonl", "--agents", "2", "--retries", "1", "--json", *record]
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "run.started"
    assert any(event["event"] == "progress" for event in events)
    summary = events[-1]
    assert summary["event"] == "summary"
    assert summary["slowest"] == "tasks[17]"
    times = summary["run_seconds"]
    assert times["count"] == 40
    assert 0.001 <= times["p50"] <= times["max"]
    assert times["max"] >= 0.2
    assert times["p90"] is None, "there are too few"
    assert 0 < summary["busy"] <= 1
    assert summary["died"] == 0
