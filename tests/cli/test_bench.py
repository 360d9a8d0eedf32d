"""``shoal bench`` as it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import enabled, wait_for

SHOAL = [sys.executable, "-P", "-m", "engine.cli", "bench"]


def bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHOAL, *arguments], cwd=cwd, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
                          capture_output=True)  # fmt: skip


def test_a_table_on_stdout_and_all_of_it_in_a_file(tmp_path: Path) -> None:
    script = tmp_path / "peers.py"
    script.write_text('print(\'{"other": {"one_s": 980}}\')')
    names, titles = (
        (("round-trip", "idle"), ("one warm task, submit to result, median of 200 ", "5 idle agents"))
        if enabled("pooling")
        else (("start", "start-each"), ("60 agents: start, 60 trivial tasks, ", "60 agents: the same, each "))
    )
    done = bench("speed", "--quick", "--rounds", "2", "--only", ",".join(names), "--json", "b.json",
                 "--peers", "peers.py", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.startswith("WHAT ")
    assert lines[0].startswith(titles[0])
    assert lines[1].startswith(titles[1])
    assert [line.split() for line in lines[-2:]] == [["PEER", "one_s"], ["other", "980"]]
    assert f"warm-up: {names[0]}" in done.stderr
    assert f"round 2/2: {names[1]}" in done.stderr
    data: dict[str, Any] = json.loads((tmp_path / "b.json").read_text())
    assert (data["benchmark"], data["quick"], data["rounds"], data["failures"]) == ("speed", True, 2, {})
    assert data["machine"]["cores"] >= 1
    assert data["machine"]["versions"]["msgspec"]
    assert data["peers"] == {"other": {"one_s": 980}}
    first = data["rows"][0]
    assert (first["name"], first["pairs"]) == (names[0], 2)
    assert len(first["samples"]["ours"]) == len(first["samples"]["peer"]) == 2
    assert first["interval"]["low"] <= first["ratio"] <= first["interval"]["high"]
    assert set(first["must"]) == {"reached", "certain", "text"}


@pytest.mark.needs("pooling")  # a process for each task is too much of them
def test_what_a_record_costs(tmp_path: Path) -> None:
    done = bench("--quick", "--rounds", "1", "--only", "recorder-single,record-1ms", "recorder", "--json", "b.json",
                 cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("200 tasks of 1 ms, recorded / not, 2 agents, 2 pairs in turns ")
    assert lines[2].startswith("2,000 tasks told one by one to the recorder alone, ")
    data = json.loads((tmp_path / "b.json").read_text())
    assert data["benchmark"] == "recorder"
    assert [(row["name"], row["peer"]) for row in data["rows"]] == [
        ("record-1ms", ""),
        ("recorder-single", ""),
    ]
    assert data["rows"][0]["figures"]["processor"] > 0


@pytest.mark.needs("pooling")  # a process for each task is too much of them
def test_what_a_reader_costs(tmp_path: Path) -> None:
    done = bench("--quick", "--rounds", "1", "--only", "watch-idle,watch-work-all", "watch", "--json", "b.json",
                 cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("40 idle agents, a reader of frames and events at 10 Hz: the engine's processor, ")
    assert lines[2].startswith("40 agents, tasks of 1 ms: throughput with a reader of everything / without, ")
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["watch-idle", "watch-work-all"]
    assert rows[0]["medians"]["ours"] > 0
    assert rows[0]["figures"]["alone"] > 0
    assert 0 < rows[1]["medians"]["ours"] < 2, "the share of agents, over another share"
    assert all(rows[1]["figures"][name] > 0 for name in ("gross", "processor", "agents", "watcher"))
    assert "observer" in rows[1]["figures"]


def test_nothing_is_left_of_one_that_is_ended(tmp_path: Path) -> None:
    places = tmp_path / "temporary"
    places.mkdir()
    process = subprocess.Popen([*SHOAL, "recorder", "--only", "recorder-single"], stdin=subprocess.DEVNULL,
                               env=os.environ | {"TMPDIR": str(places)}, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_for(lambda: list(places.rglob("runs.db-wal")), what="a database")
    finally:
        process.terminate()
    assert process.wait(30) == 143
    assert list(places.iterdir()) == []


def test_json_on_stdout_is_nothing_else(tmp_path: Path) -> None:
    row = "map" if enabled("pooling") else "start"
    done = bench("--quick", "--rounds", "1", "--only", row, "--json", "-", "--profile", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    profiles = list(tmp_path.glob("*.txt"))
    short = not (data["rows"][0]["must"]["reached"] and data["rows"][0]["aim"]["reached"])
    assert len(profiles) == short
    for path in profiles:
        assert path.name == f"shoal-bench.{row}.txt"
        assert "== thread main" in path.read_text()


def test_bad_usage_is_one_line(tmp_path: Path) -> None:
    for arguments in (
        ["slowness"],
        ["--only", "nothing"],
        ["--only", "record-1ms"],
        ["--only", "map", "recorder"],
        ["--rounds", "0"],
        ["--peers", "absent.py"],
        ["--json", "absent/b.json"],
        ["--json", "."],
    ):
        done = bench(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.glob("*.json")) == []


def test_a_row_that_fails_is_told_and_the_exit_code_says_so(tmp_path: Path) -> None:
    script = tmp_path / "peers.py"
    script.write_text("1/0")
    done = bench("--quick", "--rounds", "1", "--only", "help", "--peers", "peers.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("shoal --help")
    assert "peers: not measured: peers.py: ZeroDivisionError: division by zero" in done.stdout
