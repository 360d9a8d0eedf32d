"""``shoal run`` as a person uses it: real processes, real files."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from processes import enabled, scaled

ROOT = Path(__file__).resolve().parent.parent.parent
ECHO = "engine.workloads.coordination:echo"


def shoal(*arguments: str, cwd: Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", *arguments],
        input=stdin, capture_output=True, text=True, timeout=90, cwd=cwd, env={**os.environ, **env}, check=False,
    )  # fmt: skip


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_hundred_thousand_echoes_on_five_hundred_agents(tmp_path: Path) -> None:
    tasks = 100_000 if enabled("pooling") else 100
    done = shoal(
        "run", ECHO, "--items", "-", "--agents", "500", "--headless", "--json", "--out", "out.jsonl",
        cwd=tmp_path, stdin="".join(f"{n}\n" for n in range(1, tasks + 1)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    summary = events[-1]
    assert summary["event"] == "summary"
    assert (summary["tasks"], summary["done"], summary["failed"], summary["delivered"]) == (tasks, tasks, 0, 1.0)
    assert summary["agents"] == 500
    assert {"run", "seconds", "tasks_per_second", "restarts", "redelivered"} <= summary.keys()
    out = rows(tmp_path / "out.jsonl")
    assert [row["index"] for row in out] == list(range(tasks))
    assert [row["result"] for row in out] == [str(n) for n in range(1, tasks + 1)]


def test_results_come_in_input_order_and_are_recorded(tmp_path: Path) -> None:
    tasks = scaled(500)
    (tmp_path / "items.jsonl").write_text("".join(json.dumps({"n": n, "s": "é"}) + "\n" for n in range(tasks)))
    done = shoal(
        "run",
        ECHO,
        "--items",
        "items.jsonl",
        "--agents",
        "3",
        "--out",
        "-",
        "--db",
        "here.db",
        "--name",
        "mine",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["result"] for row in out] == [{"n": n, "s": "é"} for n in range(tasks)]
    assert "mine" in done.stderr
    assert f"{tasks} of {tasks} done" in done.stderr
    with sqlite3.connect(tmp_path / "here.db") as connection:
        assert connection.execute("SELECT name, status, tasks, done FROM runs").fetchall() == [
            ("mine", "done", tasks, tasks)
        ]
        stored = connection.execute(
            "SELECT task, state, json_extract(result, '$.n') FROM all_tasks ORDER BY task"
        ).fetchall()
    connection.close()
    assert stored == [(n, "done", n) for n in range(tasks)]
    shown = shoal("show", "last", "--db", "here.db", cwd=tmp_path)
    assert shown.returncode == 0
    assert "mine" in shown.stdout
    listed = shoal("runs", "--db", "here.db", "--json", cwd=tmp_path)
    assert json.loads(listed.stdout)["name"] == "mine"


def test_csv_rows_and_a_failing_task(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("def invert(row):\n    return 1 / float(row['x'])\n")
    (tmp_path / "items.csv").write_text("x,name\n2,a\n0,b\n4,c\n")
    done = shoal("run", "job:invert", "--items", "items.csv", "--out", "o.jsonl", "--agents", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 failed" in done.stderr
    out = rows(tmp_path / "o.jsonl")
    assert [row["ok"] for row in out] == [True, False, True]
    assert out[1]["error"] == "ZeroDivisionError: float division by zero"
    assert "job.py" in out[1]["traceback"]
    told = shoal("show", "last", cwd=tmp_path)
    assert "ZeroDivisionError" in told.stdout


def test_without_a_record_the_first_failure_is_told(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text("def f(x):\n    if x == '2':\n        raise ValueError('no\\nsuch thing')\n")
    (tmp_path / "items.txt").write_text("1\n2\n3\n")
    done = shoal("run", "user:f", "--items", "items.txt", "--headless", "--no-record", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "the first that failed: tasks[1]: ValueError: no such thing"


def test_a_result_that_cannot_be_serialised_fails_its_task_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("import threading\ndef lock(_):\n    return threading.Lock()\n")
    done = shoal("run", "job:lock", "--items", "-", "--out", "-", "--agents", "1", cwd=tmp_path, stdin="1\n")
    assert done.returncode == 1
    row = json.loads(done.stdout)
    assert row["kind"] == "result"
    assert "cannot pickle" in row["error"]


def test_command_tasks(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("a b\n$HOME\n{n}\n")
    script = "import sys; print(sys.argv[1:]); sys.exit(int(sys.argv[2]) == 3)"
    done = shoal(
        "run", "--items", "items.txt", "--agents", "2", "--out", "-", "--", sys.executable, "-c", script, "<{}>", "{n}",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["result"]["stdout"] for row in out] == ["['<a b>', '1']\n", "['<$HOME>', '2']\n", "['<{n}>', '3']\n"]
    assert [row["ok"] for row in out] == [True, True, False]
    assert "exit code 1" in out[2]["error"]


def test_a_command_is_killed_whole_on_timeout(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("1000\n")
    begun = time.monotonic()
    done = shoal(
        "run", "--items", "items.txt", "--timeout", "0.5", "--out", "-",
        "--", "sh", "-c", "echo begun; sleep {} & sleep {}", cwd=tmp_path,
    )  # fmt: skip
    assert time.monotonic() - begun < 60
    assert done.returncode == 1
    row = json.loads(done.stdout)
    assert row["kind"] == "timeout"
    assert row["result"]["stdout"] == "begun\n"
    # The leak fixture sees to it that no sleep is left.


def test_timeout_and_retries_of_a_callable(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("1000\n0.01\n")
    done = shoal(
        "run", "engine.workloads.coordination:sleep", "--items", "items.txt", "--agents", "1", "--timeout", "0.4",
        "--retries", "1", "--json", "--db", "x.db", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    summary = json.loads(done.stdout.splitlines()[-1])
    restarts = 2 if enabled("pooling") else 0  # without it an agent is started for its task, in nobody's place
    assert (summary["done"], summary["failed"], summary["restarts"], summary["redelivered"]) == (1, 1, restarts, 1)
    with sqlite3.connect(tmp_path / "x.db") as connection:
        attempts = connection.execute("SELECT task, attempt, kind FROM attempts ORDER BY attempt").fetchall()
        kinds = connection.execute("SELECT task, error_kind FROM tasks WHERE state = 'failed'").fetchall()
    connection.close()
    assert attempts == [(0, 1, "timeout"), (0, 2, "timeout")]
    assert kinds == [(0, "timeout")]


def test_a_poison_task_names_its_signal_and_last_words(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("segfault\n")
    done = shoal("run", "engine.workloads.coordination:crash", "--items", "items.txt", "--out", "-", cwd=tmp_path)
    assert done.returncode == 1
    row = json.loads(done.stdout)
    assert row["kind"] == "poisoned"
    assert "died 5 times" in row["error"]
    assert "SIGSEGV" in row["error"]
    assert "Segmentation fault" in row["error"]


def test_output_of_agents_goes_to_stderr_as_narration(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import os, sys\ndef talk(x):\n    print('said', x)\n"
        "    os.system('echo from a child')\n    sys.stderr.write('oops\\n')\n"
    )
    done = shoal("run", "job:talk", "--items", "-", "--agents", "1", cwd=tmp_path, stdin="1\n")
    assert done.returncode == 0
    assert done.stdout == ""
    for line in ("main/0: said 1", "main/0: oops"):
        assert line in done.stderr
    # A child that is gone when its line is read can't be traced to its agent any more: then it has its number.
    assert re.search(r"^(main/0|process \d+): from a child$", done.stderr, re.MULTILINE)


BAD = [
    (["run"], "nothing to run"),
    (["run", "nope.toml"], "no such plan"),
    (["run", "broken.toml"], "line 2"),
    (["run", "unknown.toml"], "did you mean 'agents'?"),
    (["run", "user"], "neither a plan"),
    (["run", "user:f"], "--items"),
    (["run", "nope:f", "--items", "items.txt"], "No module named 'nope'"),
    (["run", "user:g", "--items", "items.txt"], "no g"),
    (["run", "user:fy", "--items", "items.txt"], "did you mean f?"),
    (["run", "user:N", "--items", "items.txt"], "not callable"),
    (["run", "raises:f", "--items", "items.txt"], "ValueError: two lines"),
    (["run", "user:f", "--items", "missing.txt"], "no such items file"),
    (["run", "user:f", "--items", "empty.txt"], "no items"),
    (["run", "user:f", "--items", "binary.txt"], "binary"),
    (["run", "user:f", "--items", "broken.jsonl"], "broken.jsonl, line 2: not JSON"),
    (["run", "user:f", "--items", "-"], "no items on standard input"),
    (["run", "user:f", "--items", "items.txt", "--agents", "-1"], "--agents"),
    (["run", "user:f", "--items", "items.txt", "--agents", "many"], "'auto'"),
    (["run", "user:f", "--items", "items.txt", "--retries", "-1"], "--retries"),
    (["run", "user:f", "--items", "items.txt", "--batch-max", "0"], "--batch-max"),
    (["run", "user:f", "--items", "items.txt", "--timeout", "0"], "above 0"),
    (["run", "user:f", "--items", "items.txt", "--agents", "10000000"], "do not fit"),
    (["run", "user:f", "--items", "items.txt", "--out", "no/such/folder"], "can't write"),
    (["run", "user:f", "--items", "items.txt", "--db", "items.txt/x.db"], "items.txt"),
    (["run", "user:f", "--items", "items.txt", "--db", "items.txt"], "items.txt"),
    (["run", "user:f", "--items", "items.txt", "--db", "runs.db", "--no-record"], "leave one of them out"),
    (["run", "--items", "items.txt", "--", "no-such-program"], "no-such-program"),
    (["run", "user:f", "--item", "items.txt"], "--items"),
    (["rum"], "did you mean 'run'?"),
    (["attach", "zzz"], "no run 'zzz'"),
]


@pytest.mark.parametrize(
    ("arguments", "told"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(arguments: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text("N = 3\ndef f(x):\n    return x\n")
    (tmp_path / "raises.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "items.txt").write_text("a\nb\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01\x02" * 100)
    (tmp_path / "broken.jsonl").write_text('{"a": 1}\n{"a": }\n')
    (tmp_path / "broken.toml").write_text("name = 'x'\nb = \n")
    (tmp_path / "unknown.toml").write_text("[pools.a]\nagent = 3\n[[tasks]]\nname = 'x'\ncall = 'a:b'\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = shoal(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert told in lines[0]
    assert lines[0].startswith("shoal: ")
    left = {"xdg-data", "no", "__pycache__"} | set(before)  # the last is Python's own, of the module that was imported
    assert {path.name for path in tmp_path.iterdir()} <= left


def test_help_reads_well_and_needs_nothing_heavy(tmp_path: Path) -> None:
    done = shoal("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "shoal run PLAN.toml" in done.stdout
    code = "import sys, engine.cli.main; print([m for m in sys.modules if m.split('.')[0] in "
    code += "('numpy', 'numba', 'textual', 'rich', 'sqlite_utils', 'msgspec', 'multiprocess', 'asyncio')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_heartbeat_plan_agrees_with_the_published_values(tmp_path: Path) -> None:
    cases = json.loads((ROOT / "tests" / "oracles" / "ksg_cases.json").read_text())["cases"]
    expected = {
        "heart->breath" if case["source"] == 0 else "breath->heart": case
        for case in cases
        if case["file"] == "heart_breath.txt" and case["parameters"]["normalise"] == "calc"
    }
    assert set(expected) == {"heart->breath", "breath->heart"}
    plan = (ROOT / "fixtures" / "plans" / "heartbeat.toml").read_text()
    surrogates = 19 if enabled("pooling") else 4  # else each has an interpreter that loads a compiler
    small = (
        plan.replace("to = 8", "to = 2")
        .replace("to = 200", f"to = {surrogates}")
        .replace("../data", str(ROOT / "fixtures" / "data"))
    )
    assert small != plan
    (tmp_path / "small.toml").write_text(small)
    done = shoal("run", "small.toml", "--out", "out.jsonl", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])["report"]
    at_two = {row["direction"]: row for row in report["rows"] if row["history"] == 2}
    for direction, case in expected.items():
        assert at_two[direction]["te"] == pytest.approx(case["value"], abs=case["tolerance"])
    assert "direction" in report["text"]


def test_a_plan_runs_with_its_own_module_beside_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.py").write_text(
        "def square(x, by):\n    return x * x + by\n"
        "def total(arguments, values):\n    return f'{len(arguments)} {sum(values)}'\n"
    )
    (tmp_path / "sub" / "plan.toml").write_text(
        """
        [pools.a]
        agents = 2
        [pools.b]
        agents = 1
        [[tasks]]
        name = "squares"
        call = "mine:square"
        pool = "a"
        arguments = { by = 1 }
        over = { x = { from = 1, to = 10 } }
        [[tasks]]
        name = "sum"
        call = "mine:total"
        pool = "b"
        gather = "squares"
        report = true
        """
    )
    done = shoal("run", "sub/plan.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "10 395\n"


def test_a_failed_step_fails_what_comes_after_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def bad(x):\n    raise OSError('no')\ndef after(x):\n    return x\n")
    (tmp_path / "plan.toml").write_text(
        "[[tasks]]\nname='a'\ncall='mine:bad'\nitems=[1]\n"
        "[[tasks]]\nname='b'\ncall='mine:after'\nitems=[1,2]\nafter=['a']\n"
    )
    done = shoal("run", "plan.toml", "--out", "-", cwd=tmp_path)
    assert done.returncode == 1
    kinds = [json.loads(line).get("kind") for line in done.stdout.splitlines()]
    assert kinds == ["exception", "dependency", "dependency"]


def test_a_plans_command_without_items_runs_once_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("[[tasks]]\nname='a'\ncommand=['echo', 'just this']\n")
    done = shoal("run", "plan.toml", "--agents", "auto", "--out", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["stdout"] == "just this\n"
