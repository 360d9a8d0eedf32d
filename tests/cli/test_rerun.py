"""``shoal rerun``: what runs again, under which numbers, and what comes out."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from killing import SHOAL, kill_all, over, started
from processes import wait_for

from engine.cli.running.rerun import rerun as command

WORK = '''
import os, signal, time

def step(x):
    """Says that it ran; what is called bad, slow or deadly is so until there is a file ``mended``."""
    with open("ran.txt", "a") as file:
        file.write(f"{x}\\n")
    kind, mended = str(x).partition(" ")[0], os.path.exists("mended")
    while kind == "wait" and not os.path.exists("go"):
        time.sleep(0.005)
    if kind == "bad" and not mended:
        raise ValueError(f"bad item {x}")
    if kind == "slow" and not mended:
        time.sleep(60)
    if kind == "deadly" and not mended:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "large":
        return [x, "x" * 300_000]
    return {7: (x, 0.5)}

def gathered(arguments, values):
    return {"text": repr([(a, v if len(repr(v)) < 100 else len(v[1])) for a, v in zip(arguments, values)])}

def after(x):
    with open("ran.txt", "a") as file:
        file.write(f"after {x}\\n")
    return x * 2
'''
PLAN = """
name = "sweep"
[pools.main]
agents = 2
[[tasks]]
name = "first"
call = "work:step"
items = [1, "bad a", "slow a", "large a", "deadly a", 2.5]
timeout = 2.0
crash_limit = 1
[[tasks]]
name = "all"
call = "work:gathered"
gather = "first"
report = true
[[tasks]]
name = "last"
call = "work:after"
items = ["u", "v"]
after = ["all"]
"""
ONE = ("--batch-max", "1", "--agents", "2", "--db", "runs.db", "--headless")


def shoal(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SHOAL, *arguments], cwd=folder, input=stdin, capture_output=True, text=True, timeout=90, check=False
    )


def rerun(folder: Path, *arguments: str, run: str = "last") -> subprocess.CompletedProcess[str]:
    return shoal(folder, "rerun", run, "--db", "runs.db", "--headless", *arguments)


def ids(folder: Path) -> list[str]:
    """Of the runs, in order of time."""
    db = sqlite3.connect(folder / "runs.db")
    try:
        return [identity for (identity,) in db.execute("SELECT id FROM runs ORDER BY started, rowid")]
    finally:
        db.close()


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(folder / "runs.db")
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def refusal(folder: Path, *arguments: str, run: str = "last") -> str:
    """The one line that is all that comes of it; ``RUN`` stands for the newest run's id."""
    runs = ids(folder)
    done = rerun(folder, *arguments, run=run)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1
    assert ids(folder) == runs, "no run was begun"
    return done.stderr.strip().replace(runs[-1], "RUN")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def out(folder: Path) -> list[dict[str, Any]]:
    return lines((folder / "out.jsonl").read_text())


def ran(folder: Path) -> list[str]:
    """What ran since this was last asked, in no order."""
    path = folder / "ran.txt"
    found = sorted(path.read_text().splitlines()) if path.exists() else []
    path.unlink(missing_ok=True)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK)
    return tmp_path


def items(folder: Path, *found: str) -> Path:
    path = folder / "items.txt"
    path.write_text("".join(f"{item}\n" for item in found))
    return path


def forget(folder: Path, run: str) -> None:
    db = sqlite3.connect(folder / "runs.db")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("DELETE FROM runs WHERE id = ?", (run,))
    db.commit()
    db.close()


def mend(folder: Path) -> None:
    (folder / "mended").touch()


def test_a_plan_with_failures_of_every_kind(folder: Path) -> None:
    """What failed runs, and what comes after it; the rest is taken from the database as what it was."""
    (folder / "p.toml").write_text(PLAN)
    done = shoal(folder, "run", "p.toml", "--out", "out.jsonl", "--db", "runs.db", "--headless")
    assert done.returncode == 1, done.stderr
    first = ids(folder)[0]
    assert done.stderr.splitlines()[-1] == f"to run it again: shoal rerun --failed {first} --db runs.db"
    before = out(folder)
    assert [line.get("kind") for line in before] == [
        None, "exception", "timeout", None, "poisoned", None, "dependency", "dependency", "dependency",
    ]  # fmt: skip
    ran(folder)

    mend(folder)
    (folder / "p.toml").write_text("changed")
    done = rerun(folder, "--failed")
    assert done.returncode == 0, done.stderr
    second = ids(folder)[1]
    told = done.stderr.splitlines()
    assert told[:2] == [
        f"sweep {first}: 6 of 9 tasks run again, 3 were done",
        "p.toml has changed since: the run begins again with the plan as it was",
    ]
    assert told[2].startswith(f"sweep {second}: 9 of 9 done (3 before) in ")
    assert ran(folder) == ["after u", "after v", "bad a", "deadly a", "slow a"], "and nothing else"
    values = [{7: (x, 0.5)} for x in (1, "bad a", "slow a", "deadly a", 2.5)]
    values.insert(3, 300_000)  # type: ignore[arg-type]
    text = repr(list(zip([1, "bad a", "slow a", "large a", "deadly a", 2.5], values, strict=True)))
    assert done.stdout == text + "\n", "gathered values are what they were"
    after = out(folder)
    assert [(line["task"], line["index"]) for line in after] == [(line["task"], line["index"]) for line in before]
    assert all(line["ok"] for line in after)
    assert [line for line in after if line["index"] in (0, 3, 5) and line["task"] == "first"] == [
        before[0], before[3], before[5],
    ]  # fmt: skip

    query = "SELECT name, status, tasks, done, failed, origin, rerun FROM runs ORDER BY started"
    assert ask(folder, query) == [
        ("sweep", "failed", 9, 3, 6, None, None), ("sweep", "done", 6, 6, 0, first, "failed"),
    ]  # fmt: skip
    query = f"SELECT job, task FROM tasks WHERE run = '{second}' ORDER BY job, task"
    assert ask(folder, query) == [(1, 1), (1, 2), (1, 4), (2, 0), (3, 0), (3, 1)], "they keep their numbers"
    shown = shoal(folder, "show", second, "--db", "runs.db").stdout
    assert f"  rerun        what failed in {first}\n" in shown
    assert "  tasks        6: 6 done, 0 failed; 3 were done before it\n" in shown
    assert f"  rerun        again in {second}\n" in shoal(folder, "show", first, "--db", "runs.db").stdout
    listed = shoal(folder, "runs", "--db", "runs.db").stdout
    assert f"sweep (rerun of {first})" in listed
    assert lines(shoal(folder, "runs", "--db", "runs.db", "--json").stdout)[0]["origin"] == first
    assert shoal(folder, "db", "check", "--db", "runs.db").returncode == 0

    done = rerun(folder, "--failed")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"run {second} has no failed tasks: nothing is run again\n"
    assert len(ids(folder)) == 2


def test_again_and_again_until_nothing_fails(folder: Path) -> None:
    """What fails once more is all that a further rerun runs; what was done anywhere before is there."""
    given = ["a", "bad 1", "b", "bad 2", "bad 3"]
    items(folder, *given)
    shoal(folder, "run", "work:step", "--items", "items.txt", "--out", "out.jsonl", *ONE)
    assert ran(folder) == sorted(given)
    done = rerun(folder, "--failed", "--name", "second", "--out", "other.jsonl")
    assert done.returncode == 1, done.stderr
    assert ran(folder) == ["bad 1", "bad 2", "bad 3"]
    assert lines((folder / "other.jsonl").read_text()) == out(folder)
    mend(folder)
    done = rerun(folder, "--failed", "--json")
    assert done.returncode == 0, done.stderr
    assert ran(folder) == ["bad 1", "bad 2", "bad 3"]
    found = lines((folder / "other.jsonl").read_text())
    assert [(line["index"], line["result"]["7"][0]) for line in found] == list(enumerate(given))
    runs = ids(folder)
    summary = lines(done.stdout)[-1]
    assert {name: summary[name] for name in ("run", "origin", "tasks", "done", "failed", "before", "taken")} == {
        "run": runs[2], "origin": runs[1], "tasks": 5, "done": 5, "failed": 0, "before": 2, "taken": 2,
    }  # fmt: skip
    assert ask(folder, "SELECT name, tasks, done, failed FROM runs ORDER BY started") == [
        ("work:step", 5, 2, 3), ("second", 3, 0, 3), ("second", 3, 3, 0),
    ]  # fmt: skip

    done = rerun(folder, "--name", "anew", "--out", "-", run=runs[0])
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"work:step {runs[0]}: all 5 tasks run again"
    assert ran(folder) == sorted(given), "all of it"
    assert [line["index"] for line in lines(done.stdout)] == list(range(5))
    query = "SELECT name, tasks, done, origin, rerun FROM runs ORDER BY started DESC LIMIT 1"
    assert ask(folder, query) == [("anew", 5, 5, runs[0], "all")]


def test_a_rerun_that_is_killed_is_resumed(folder: Path) -> None:
    given = ["a", "bad 1", "b", "wait", "bad 2", "large c"]
    items(folder, *given)
    (folder / "go").touch()
    shoal(folder, "run", "work:step", "--items", "items.txt", "--out", "out.jsonl", *ONE)
    (folder / "go").unlink()
    items(folder, "a", "x", "b", "wait", "wait 2", "large c")
    end = "items.txt has changed: 6 items then, 6 now (--force goes on all the same)"
    assert refusal(folder, "--failed").endswith(end)
    ran(folder)
    process = started(folder, "rerun", "last", "--failed", "--force", "--db", "runs.db", "--headless")
    try:
        wait_for(lambda: over(folder / "runs.db") == 7, 60, "one of two is over")
        wait_for(lambda: "wait 2" in (folder / "ran.txt").read_text(), 60, "the other one has begun")
    finally:
        kill_all(process)
    assert sorted(set(ran(folder))) == ["wait 2", "x"]
    (folder / "go").touch()
    done = shoal(folder, "resume", "last", "--db", "runs.db", "--headless")
    assert done.returncode == 0, done.stderr
    first, second = ids(folder)
    told = done.stderr.splitlines()
    assert told[0] == f"work:step {second}: 5 of 6 tasks were over"
    assert told[1].startswith(f"work:step {second}: 6 of 6 done (5 before) in ")
    assert ran(folder) == ["wait 2"]
    results = [line["result"] for line in out(folder)]
    assert [result["7"][0] for result in results[:-1]] == ["a", "x", "b", "wait", "wait 2"]
    assert results[-1] == ["large c", "x" * 300_000]
    query = "SELECT status, tasks, done, failed, resumed, origin FROM runs ORDER BY started DESC LIMIT 1"
    assert ask(folder, query) == [("done", 2, 2, 0, 1, first)]
    assert shoal(folder, "db", "check", "--db", "runs.db").returncode == 0


def test_a_command_keeps_the_numbers_of_its_items(folder: Path) -> None:
    items(folder, "a", "b", "c", "d")
    script = folder / "script.sh"
    script.write_text('echo "$2 is $1"; [ -e mended ] || [ "$1" = a ] || [ "$1" = c ]\n')
    given = ["run", "--items", "items.txt", "--out", "out.jsonl", *ONE, "--", "sh", "script.sh", "{}", "{n}"]
    assert shoal(folder, *given).returncode == 1
    script.write_text(script.read_text() + "#\n")
    end = " (--force goes on all the same)"
    assert refusal(folder, "--failed") == f"shoal: run RUN is not rerun: {script} has changed{end}"
    mend(folder)
    done = rerun(folder, "--failed", "--force")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"shoal: warning: {script} has changed"
    assert [line["result"]["stdout"] for line in out(folder)] == ["1 is a\n", "2 is b\n", "3 is c\n", "4 is d\n"]
    assert ask(folder, "SELECT task FROM tasks JOIN runs ON run = id WHERE origin IS NOT NULL") == [(1,), (3,)]


def test_what_came_on_standard_input_is_there_again(folder: Path) -> None:
    given = ["a", "bad 1", "b"]
    stdin = "".join(f"{item}\n" for item in given)
    assert shoal(folder, "run", "work:step", "--items", "-", "--out", "out.jsonl", *ONE, stdin=stdin).returncode == 1
    ran(folder)
    assert rerun(folder, "--failed").returncode == 1
    mend(folder)
    done = rerun(folder, "--failed")
    assert done.returncode == 0, done.stderr
    assert ran(folder) == ["bad 1", "bad 1"]
    assert [line["result"]["7"][0] for line in out(folder)] == given
    first, _, third = ids(folder)
    assert shoal(folder, "rerun", third, "--db", "runs.db", "--headless").returncode == 0, "the items are the first's"
    forget(folder, first)
    why = f"its items were recorded with run {first}, which is no more"
    assert refusal(folder) == f"shoal: run RUN can't be rerun: {why}"


def test_options_that_change_what_is_run(folder: Path) -> None:
    items(folder, "a", "slow 1")
    given = ["run", "work:step", "--items", "items.txt", "--timeout", "2", "--out", "out.jsonl", *ONE]
    assert shoal(folder, *given).returncode == 1
    assert rerun(folder, "--failed").returncode == 1
    assert out(folder)[1]["error"] == "took longer than its timeout of 2 s", "as it was"
    mend(folder)
    done = rerun(folder, "--failed", "--timeout", "30", "--retries", "1", "--agents", "1")
    assert done.returncode == 0, done.stderr
    assert [line["ok"] for line in out(folder)] == [True, True]
    ((config,),) = ask(folder, "SELECT config FROM runs ORDER BY started DESC LIMIT 1")
    assert json.loads(config)["steps"][0]["timeout"] == 30.0
    assert json.loads(config)["agents"] == {"main": 1}


def test_a_result_that_was_not_kept_runs_again_where_it_is_needed(folder: Path) -> None:
    items(folder, "large a", "bad 1")
    given = ["run", "work:step", "--items", "items.txt", "--set", "record_result_max=200K", "--out", "out.jsonl", *ONE]
    assert shoal(folder, *given).returncode == 1
    mend(folder)
    ran(folder)
    done = rerun(folder, "--failed")
    assert done.returncode == 0, done.stderr
    assert "1 tasks ran again: their results are too large for the database, and were needed" in done.stderr
    assert ran(folder) == ["bad 1", "large a"]
    assert out(folder)[0]["result"] == ["large a", "x" * 300_000]


def test_runs_that_can_not_be_rerun(folder: Path) -> None:
    items(folder, "bad 1", "wait", "c")
    process = started(folder, "run", "work:step", "--items", "items.txt", "--batch-max", "1", "--agents", "1", *ONE[4:])
    try:
        wait_for(lambda: over(folder / "runs.db") == 1, 60, "one is over")
        assert refusal(folder, "--failed") == "shoal: run RUN is still running (shoal attach RUN)"
        assert refusal(folder) == "shoal: run RUN is still running (shoal attach RUN)"
    finally:
        kill_all(process)
    why = "it was cut off, and 2 of its tasks have not run: shoal resume RUN goes on with it"
    end = " (--force goes on all the same)"
    assert refusal(folder, "--failed") == f"shoal: run RUN is not rerun: {why}{end}"
    assert refusal(folder, run="nobody") == "shoal: no run 'nobody' (`shoal runs` lists them)"
    (folder / "work.py").rename(folder / "elsewhere.py")
    assert refusal(folder) == f"shoal: run RUN is not rerun: {folder / 'work.py'} is gone{end}"
    (folder / "elsewhere.py").rename(folder / "work.py")
    mend(folder)
    (folder / "go").touch()
    done = rerun(folder, "--failed", "--force", "--out", "-")
    assert done.returncode == 0, done.stderr
    assert [line["result"]["7"][0] for line in lines(done.stdout)] == ["bad 1", "wait", "c"], "what had not begun, too"

    code = """
import os
from shoal import Engine
with Engine(1, record="runs.db", attachable=False) as engine:
    os._exit(engine.submit(abs, -1).result())
"""
    assert subprocess.run([SHOAL[0], "-c", code], cwd=folder, check=False).returncode == 1
    line = "run RUN can't be rerun: only runs that `shoal run` has begun and recorded can"
    assert refusal(folder) == f"shoal: {line}"
    path = folder / "runs.db"
    os.chmod(path, 0o666)
    line = f"{path} is not yours alone to write to (chmod 600 if you trust it): results in it are not read"
    assert refusal(folder) == f"shoal: {line}"
    done = shoal(folder, "rerun", "last", "--db", "none.db", "--headless")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not (folder / "none.db").exists()


def test_a_run_whose_first_run_is_no_more(folder: Path) -> None:
    items(folder, "a", "bad 1")
    shoal(folder, "run", "work:step", "--items", "items.txt", *ONE)
    assert rerun(folder, "--failed").returncode == 1
    first, _ = ids(folder)
    forget(folder, first)
    why = f"what was done before it was recorded with run {first}, which is no more"
    assert refusal(folder, "--failed") == f"shoal: run RUN can't be rerun: {why}"


def test_a_rerun_is_not_what_a_scheduler_goes_on_with(folder: Path) -> None:
    """``--resume-or-start`` means the run of just this, and not one that ran a part of it again."""
    items(folder, "a", "bad 1", "wait 2")
    (folder / "go").touch()
    given = ["run", "--resume-or-start", "work:step", "--items", "items.txt", "--out", "out.jsonl", *ONE]
    assert shoal(folder, *given).returncode == 1
    (folder / "go").unlink()
    process = started(folder, "rerun", "last", "--db", "runs.db", "--headless")
    try:
        wait_for(lambda: over(folder / "runs.db") > 3, 60, "something of it is over")
    finally:
        kill_all(process)
    (folder / "go").touch()
    done = shoal(folder, *given)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "no unfinished run of this: starting one")


def test_its_help_says_what_the_results_file_holds() -> None:
    text = command.get_help(command.make_context("rerun", ["x"]))
    assert "a line for each task of RUN, the new one where it ran again" in " ".join(text.split())
