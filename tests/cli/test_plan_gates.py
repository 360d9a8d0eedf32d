"""Gates of a plan in a run: what is decided, what that does to what comes after, and what people and programs see."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from killing import SHOAL, kill_all, over, started
from processes import wait_for

WORK = """
import os, time

def measure(speed):
    return {"speed": speed, "rows": [{"name": "x", "lost": 0}]}

def wait(speed):
    while not os.path.exists("go"):
        time.sleep(0.005)
    return speed

def bad(speed):
    raise ValueError("no")
"""
PLAN = """
[[tasks]]
name = "bench"
call = "work:measure"
arguments = { speed = SPEED }
[tasks.gate]
go = [{ result = "speed", at_least = 2 }, { result = "rows.x.lost", equals = 0 }, { metric = "failed", at_most = 0 }]
pivot = [{ result = "speed", below = 1.5 }]
stop = [{ result = "speed", below = 1 }]
[[tasks]]
name = "next"
call = "work:measure"
arguments = { speed = 1 }
after = ["bench"]
[[tasks]]
name = "last"
call = "work:measure"
over = { speed = [1, 2] }
after = ["next"]
[[tasks]]
name = "beside"
call = "work:measure"
arguments = { speed = 1 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK)
    return tmp_path


def shoal(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHOAL, *words], cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def ran(folder: Path, plan: str, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "p.toml").write_text(plan)
    return shoal(folder, "run", "p.toml", "--headless", "--db", "runs.db", "--out", "out.jsonl", *more)


def out(folder: Path) -> dict[str, list[tuple[bool, str]]]:
    """What came of tasks: by their names whether they are well, and why not."""
    found: dict[str, list[tuple[bool, str]]] = {}
    for line in (folder / "out.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["task"], []).append((row["ok"], "" if row["ok"] else f"{row['kind']}: {row['error']}"))
    return found


def decided(folder: Path) -> list[dict[str, Any]]:
    db = sqlite3.connect(folder / "runs.db")
    try:
        query = "SELECT data FROM events WHERE kind = 'gate.decided' ORDER BY at"
        return [json.loads(row) for (row,) in db.execute(query)]
    finally:
        db.close()


def test_what_comes_after_a_gate_that_lets_go_on_runs(folder: Path) -> None:
    done = ran(folder, PLAN.replace("SPEED", "2.5"))
    assert done.returncode == 0, done.stderr
    text = "bench: go (speed is 2.5, >= 2; rows.x.lost is 0, = 0; failed is 0, <= 0)"
    assert f"gate {text}" in done.stderr.splitlines()
    assert f"  gate      {text}" in done.stderr.splitlines()
    assert all(ok for rows in out(folder).values() for ok, _ in rows)
    reasons = ["speed is 2.5, >= 2", "rows.x.lost is 0, = 0", "failed is 0, <= 0"]
    assert decided(folder) == [{"gate": "bench", "decided": "go", "reasons": reasons}]


@pytest.mark.parametrize(
    ("speed", "verdict", "reason"),
    [
        ("1.2", "pivot", "speed is 1.2, < 1.5"),
        ("0.5", "stop", "speed is 0.5, < 1"),
        ("1.7", "hold", "speed is 1.7, not >= 2"),
    ],
)
def test_what_comes_after_any_other_fails_with_the_reason(folder: Path, speed: str, verdict: str, reason: str) -> None:
    done = ran(folder, PLAN.replace("SPEED", speed), "--json")
    assert done.returncode == 1, done.stderr
    text = f"gate bench: {verdict} ({reason})"
    found = out(folder)
    assert found["bench"] == found["beside"] == [(True, "")]
    assert found["next"] == [(False, f"dependency: {text}")]
    assert found["last"] == [(False, f"dependency: {text}")] * 2
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (told,) = [line for line in lines if line["event"] == "gate.decided"]
    assert (told["level"], told["text"], told["decided"], told["reasons"]) == ("warning", text, verdict, [reason])
    summary = lines[-1]
    assert (summary["status"], summary["done"], summary["failed"]) == ("failed", 2, 3)
    assert summary["gates"] == [{"gate": "bench", "decided": verdict, "reasons": [reason], "text": text}]


def test_a_gate_that_nothing_comes_after_decides_on_the_run(folder: Path) -> None:
    plan = '[[tasks]]\nname = "a"\ncall = "work:measure"\narguments = { speed = 1 }\n'
    done = ran(folder, plan + 'gate = { result = "speed", above = 1 }\n')
    assert done.returncode == 1
    assert "  gate      a: hold (speed is 1, not > 1)" in done.stderr.splitlines()
    assert [gate["decided"] for gate in decided(folder)] == ["hold"]


def test_gates_that_do_nothing_themselves_look_at_what_others_found(folder: Path) -> None:
    plan = '[[tasks]]\nname = "a"\ncall = "work:measure"\narguments = { speed = 3 }\n'
    plan += '[[tasks]]\nname = "b"\ncall = "work:measure"\narguments = { speed = 4 }\n'
    plan += '[[tasks]]\nname = "one"\nafter = ["a"]\ngate = { result = "speed", equals = 3 }\n'
    plan += '[[tasks]]\nname = "two"\nafter = ["one"]\n[tasks.gate]\n'
    plan += 'go = [{ result = "speed", of = "a", at_most = 3 }, { result = "speed", of = "b", at_least = 5 }]\n'
    plan += '[[tasks]]\nname = "c"\ncall = "work:measure"\narguments = { speed = 5 }\nafter = ["two"]\n'
    done = ran(folder, plan)
    assert done.returncode == 1
    assert [(gate["gate"], gate["decided"]) for gate in decided(folder)] == [("one", "go"), ("two", "hold")]
    assert out(folder)["c"] == [(False, "dependency: gate two: hold (speed of b is 4, not >= 5)")]
    results = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    (given,) = [row["result"] for row in results if row["task"] == "one"]
    assert given == {"a": {"speed": 3, "rows": [{"name": "x", "lost": 0}]}}, "what it looked at is recorded"


def test_a_command_whose_success_is_asked_for_and_what_it_prints(folder: Path) -> None:
    after = '[[tasks]]\nname = "b"\ncall = "work:measure"\narguments = { speed = 1 }\nafter = ["a"]\n'
    done = ran(folder, '[[tasks]]\nname = "a"\ngate = { command = ["false"] }\n' + after)
    assert done.returncode == 1
    assert decided(folder) == [{"gate": "a", "decided": "stop", "reasons": ["its task failed"]}]
    assert out(folder)["b"] == [(False, "dependency: gate a: stop (its task failed)")]
    script = "echo checked; echo '{\"error\": 1e-13}'"
    command = f'command = ["sh", "-c", {json.dumps(script)}], result = "error", at_most = 1e-12'
    done = ran(folder, f'[[tasks]]\nname = "a"\ngate = {{ {command} }}\n' + after)
    assert done.returncode == 0, done.stderr
    assert decided(folder)[1:] == [{"gate": "a", "decided": "go", "reasons": ["error is 1e-13, <= 1e-12"]}]


def test_a_resumed_run_decides_by_what_was_found_before(folder: Path) -> None:
    plan = PLAN.replace("SPEED", "1.2").replace('"beside"\ncall = "work:measure"', '"beside"\ncall = "work:wait"')
    (folder / "p.toml").write_text(plan)
    process = started(folder, "run", "p.toml", "--headless", "--db", "runs.db", "--out", "out.jsonl")
    try:
        wait_for(lambda: over(folder / "runs.db") >= 1, 60)
    finally:
        kill_all(process)
    (folder / "go").touch()
    done = shoal(folder, "resume", "last", "--db", "runs.db")
    assert done.returncode == 1, done.stderr
    found = out(folder)
    assert found["bench"] == found["beside"] == [(True, "")]
    assert found["last"] == [(False, "dependency: gate bench: pivot (speed is 1.2, < 1.5)")] * 2
    assert {gate["decided"] for gate in decided(folder)} == {"pivot"}


def test_what_waits_begins_no_sooner(folder: Path) -> None:
    plan = '[[tasks]]\nname = "a"\ncall = "work:measure"\narguments = { speed = 1 }\n'
    plan += '[[tasks]]\nname = "b"\ncall = "work:measure"\narguments = { speed = 1 }\nafter = ["a"]\nwait = "300ms"\n'
    done = ran(folder, plan)
    assert done.returncode == 0, done.stderr
    assert "b begins in 300 ms" in done.stderr.splitlines()
    db = sqlite3.connect(folder / "runs.db")
    (_, ended), (began, _) = db.execute("SELECT started, started + seconds FROM all_tasks ORDER BY job").fetchall()
    db.close()
    assert began - ended >= 0.3
