"""``shoal resume`` and ``--resume-or-start``: what a person sees, and what comes out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from killing import SHOAL, kill_all, over, started
from processes import wait_for

from engine.cli.running import again
from engine.cli.running.again import keep
from engine.cli.running.headless import run_headless
from engine.cli.running.leftovers import Way
from engine.cli.running.resume import go_on
from engine.cli.running.run import run as command
from engine.plan import kept as plan
from engine.plan.steps import RunSpec, Step
from engine.runtime.plans import driver
from engine.runtime.record import recording
from engine.runtime.results import OrderedWriter
from engine.settings.types import PoolSettings
from engine.store.aside import Aside
from engine.store.messages import Finished, JobMade, PoolMade, RunBegan, encode

WORK = '''
import os, time

def held(x):
    """Waits where it is told to, as long as there is no file ``go``; says that it ran."""
    with open("ran.txt", "a") as file:
        file.write(f"{x}\\n")
    while str(x).startswith("wait") and not os.path.exists("go"):
        time.sleep(0.005)
    if str(x).startswith("bad"):
        raise ValueError(f"bad item {x}")
    if str(x).startswith("large"):
        return "x" * 200_000
    return {"tuple": (x, 1.5), 7: None}

def pair(arguments, values):
    while not os.path.exists("go"):
        time.sleep(0.005)
    return {"text": repr((arguments, values))}

def last(x):
    return x * 2
'''
PLAN = """
[pools.main]
agents = 2
[[tasks]]
name = "first"
call = "work:held"
items = [1, "two", 3.5]
[[tasks]]
name = "all"
call = "work:pair"
gather = "first"
report = true
[[tasks]]
name = "after"
call = "work:last"
items = [1, 2]
after = ["all"]
"""
ONE = ("--batch-max", "1", "--agents", "2", "--db", "runs.db", "--headless")


def shoal(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SHOAL, *arguments], cwd=folder, input=stdin, capture_output=True, text=True, timeout=90, check=False
    )


def resume(folder: Path, *arguments: str, run: str = "last") -> subprocess.CompletedProcess[str]:
    return shoal(folder, "resume", run, "--db", "runs.db", "--headless", *arguments)


def refusal(folder: Path, *arguments: str, run: str = "last") -> str:
    """The one line that a resumption is refused with; ``RUN`` stands for the run's id."""
    done = resume(folder, *arguments, run=run)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr.strip().replace(run_id(folder), "RUN")


def run_id(folder: Path) -> str:
    db = sqlite3.connect(folder / "runs.db")
    try:
        return str(db.execute("SELECT id FROM runs ORDER BY started DESC LIMIT 1").fetchone()[0])
    finally:
        db.close()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ran(folder: Path) -> list[str]:
    return (folder / "ran.txt").read_text().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK)
    return tmp_path


@pytest.fixture
def killed(folder: Path) -> Any:
    """Starts a run, and kills all of it once so many of its tasks are recorded, and the one that waits has begun.

    `waits`: whether one does, and says that it ran.
    """

    def kill(tasks: int, *arguments: str, waits: bool = True, **given: Any) -> None:
        process = started(folder, *arguments, **given)
        try:
            wait_for(lambda: over(folder / "runs.db") >= tasks, 60, f"{tasks} tasks are over")
            if waits:
                wait_for(lambda: "wait" in ran(folder), 60, "a task waits")
        finally:
            kill_all(process)

    return kill


def items(folder: Path, *found: str) -> Path:
    path = folder / "items.txt"
    path.write_text("".join(f"{item}\n" for item in found))
    return path


def go(folder: Path) -> None:
    (folder / "go").touch()


def test_a_killed_run_goes_on_and_its_results_are_as_if_it_had_not_been(folder: Path, killed: Any) -> None:
    given = ["a", "wait", "bad", "b", "c"]
    items(folder, *given)
    killed(4, "run", "work:held", "--items", "items.txt", "--out", "out.jsonl", *ONE)
    (folder / "out.jsonl").write_text('{"index": 0, "ok": tr')  # cut off, as a file system may leave it
    go(folder)
    done = resume(folder)
    assert done.returncode == 1, done.stderr
    assert sorted(each.name for each in folder.glob("runs.db*")) == ["runs.db"], "the log was folded in"
    identity = run_id(folder)
    told = done.stderr.splitlines()
    assert told[0] == f"work:held {identity}: 4 of 5 tasks were over"
    assert told[1].startswith(f"work:held {identity}: 4 of 5 done (4 before), 1 failed in ")
    assert sorted(ran(folder)) == sorted([*given, "wait"]), "what was done, or has failed, did not run again"
    out = (folder / "out.jsonl").read_text()

    (folder / "ran.txt").unlink()
    straight = shoal(folder, "run", "work:held", "--items", "items.txt", "--out", "-", "--no-record", "--headless")
    assert lines(out) == lines(straight.stdout)
    assert [line["index"] for line in lines(out)] == [0, 1, 2, 3, 4]

    db = sqlite3.connect(folder / "runs.db")
    query = "SELECT status, resumed, tasks, done, failed, json_extract(summary, '$.before') FROM runs"
    assert db.execute(query).fetchall() == [("failed", 1, 5, 4, 1, 4)]
    numbers = [number for (number,) in db.execute("SELECT number FROM events ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    db.close()
    line = "run RUN is over, and 1 of its tasks has failed: nothing is left to resume (shoal rerun --failed RUN runs"
    line += " what failed, shoal resume RUN --out FILE writes its results anew)"
    assert refusal(folder) == f"shoal: {line}"


def test_what_was_put_aside_is_taken_in_before_anything_runs(
    folder: Path, killed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recorder was killed, too, and somebody else is just at the file that it has left."""
    items(folder, "a", "wait", "b", "c")
    killed(3, "run", "work:held", "--items", "items.txt", *ONE)
    (folder / "ran.txt").unlink()
    identity = run_id(folder)
    db = sqlite3.connect(folder / "runs.db")
    started_at, pid = db.execute("SELECT started, pid FROM runs").fetchone()
    db.close()
    aside = Aside(folder / "runs.db", identity, durable=False)
    messages = [
        RunBegan(identity, "work:held", started_at, pid, [], {}, "0", {}), PoolMade(0, "main", 0, 2, 1),
        JobMade(1, "tasks", "work:held", 0), Finished(1, 1, 0, started_at, bytes(8), ["known"], [], [], {}),
    ]  # fmt: skip
    aside.append(map(encode, messages))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        aside.close()

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", sleep)
        found = again.find("last", {"db": str(folder / "runs.db")}, Way("resumed", "goes on"))
    assert len(slept) == 1, "it has waited for whoever was at it"
    assert found.run.done == 4
    assert not aside.path.exists()
    done = resume(folder, "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"work:held {identity}: 4 of 4 tasks were over\n")
    assert not (folder / "ran.txt").exists(), "what is recorded is not run again"
    assert lines((folder / "out.jsonl").read_text())[1]["result"] == "known"


def test_what_cannot_be_taken_in_is_said(folder: Path, killed: Any) -> None:
    items(folder, "a", "wait")
    killed(1, "run", "work:held", "--items", "items.txt", *ONE)
    aside = folder / f"runs.db.{run_id(folder)}.aside"
    aside.symlink_to("elsewhere")
    why = f"run RUN is not resumed: {aside} was not taken into {folder / 'runs.db'}: Too many levels of symbolic links"
    assert refusal(folder) == f"shoal: {why}".replace(run_id(folder), "RUN")
    aside.unlink()
    aside.write_bytes(b"x" * 100)
    go(folder)
    done = resume(folder)
    assert done.returncode == 0
    assert f"shoal: warning: {aside} was not wholly taken into" in done.stderr


@pytest.mark.needs("pooling")  # hundreds of tasks
def test_an_engine_killed_alone_and_ctrl_c(folder: Path) -> None:
    """The recorder of a killed engine still writes: it is waited for. Then the first ctrl-c, and to the end."""
    items(folder, *map(str, range(300)), "wait 1", "wait 2", "x", "y")
    process = started(folder, "run", "work:held", "--items", "items.txt", *ONE)
    wait_for(lambda: _held(folder) == 2, 60, "both agents are held")
    process.kill()
    process.communicate()
    process = started(folder, "resume", "last", "--db", "runs.db", "--headless")
    wait_for(lambda: _held(folder) == 4, 60, "they are held again")
    process.send_signal(signal.SIGINT)
    wait_for(lambda: _draining(process), 20, "it has heard of it")
    go(folder)
    told = process.communicate()[1]
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == f"to go on: shoal resume {run_id(folder)} --db {folder / 'runs.db'}"
    done = resume(folder, "--out", "-")
    assert done.returncode == 0, done.stderr
    assert [line["index"] for line in lines(done.stdout)] == list(range(304))


def test_results_outlive_a_resumption_that_is_cut_off(
    folder: Path, killed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed, then interrupted, when it has looked up but some of what was done."""
    items(folder, *map(str, range(100)), "wait")
    killed(100, "run", "work:held", "--items", "items.txt", "--out", "out.jsonl", *ONE)
    before = (folder / "out.jsonl").read_text()
    process = started(folder, "resume", "last", "--db", "runs.db", "--headless")
    wait_for((folder / ".out.jsonl.part").exists, 60, "it writes")
    kill_all(process)
    assert (folder / "out.jsonl").read_text() == before

    begin = OrderedWriter.begin

    def interrupts(writer: OrderedWriter) -> None:
        begin(writer)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(OrderedWriter, "begin", interrupts)
    monkeypatch.setattr(driver, "CHUNK", 10)
    monkeypatch.setattr(driver, "_LOOKED_UP", 10)
    monkeypatch.chdir(folder)
    options = dict.fromkeys(("out", "metrics_port", "serve")) | {"db": "runs.db", "as_json": False}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert go_on("last", options) == 130
    finally:  # who was interrupted once ignores it while it ends
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert [line["index"] for line in lines((folder / "out.jsonl").read_text())] == list(range(100))
    db = sqlite3.connect(folder / "runs.db")
    assert db.execute("SELECT json_extract(summary, '$.tasks'), done FROM runs").fetchall() == [(101, 100)]
    db.close()


def _held(folder: Path) -> int:
    """How many of the items that wait have begun, in all attempts."""
    ran = folder / "ran.txt"
    return ran.read_text().count("wait") if ran.exists() else 0


def _draining(process: subprocess.Popen[str]) -> bool:
    assert process.stderr is not None
    return "interrupted: finishing what runs" in process.stderr.readline()


def test_steps_after_steps_and_what_they_gather(folder: Path, killed: Any) -> None:
    """Gathered values are what they were: tuples, and numbers as keys, which JSON does not know."""
    (folder / "p.toml").write_text(PLAN)
    killed(3, "run", "p.toml", "--out", "out.jsonl", "--db", "runs.db", "--headless", waits=False)
    (folder / "p.toml").write_text("changed")
    go(folder)
    done = resume(folder)
    assert done.returncode == 0, done.stderr
    assert "p.toml has changed since: the run goes on with the plan as it was\n" in done.stderr
    values = [{"tuple": (x, 1.5), 7: None} for x in (1, "two", 3.5)]
    assert done.stdout == repr(([1, "two", 3.5], values)) + "\n"
    out = lines((folder / "out.jsonl").read_text())
    assert [(line["task"], line["index"]) for line in out] == [
        ("first", 0), ("first", 1), ("first", 2), ("all", 0), ("after", 0), ("after", 1),
    ]  # fmt: skip
    assert sorted(ran(folder)) == ["1", "3.5", "two"]
    anew = "shoal resume RUN --out FILE writes its results anew"
    assert refusal(folder) == f"shoal: run RUN is done: nothing is left to resume ({anew})"


TAKING = """
include = ["more.toml"]
[[tasks]]
name = "together"
call = "work:pair"
results = { arguments = "one", values = "many" }
arguments = { more = "${said}" }
report = true
[[tasks]]
name = "many"
call = "work:held"
items = [2, "wait"]
[parameters]
said = 1
"""


def test_results_that_are_arguments_and_what_was_set_and_included(folder: Path, killed: Any) -> None:
    """Of a set of one task its result, of more a list of theirs; both are what they were."""
    work = WORK.replace("pair(arguments, values):", "pair(arguments, values, more):")
    (folder / "work.py").write_text(work.replace("repr((arguments, values))", "repr((arguments, values, more))"))
    (folder / "p.toml").write_text(TAKING)
    (folder / "more.toml").write_text('[[tasks]]\nname = "one"\ncall = "work:held"\nitems = [1]\n')
    killed(2, "run", "p.toml", "--set", "said=9", "--set", "tasks.many.retries=2", "--db", "runs.db", "--headless")
    (folder / "more.toml").unlink()
    go(folder)
    done = resume(folder)
    assert done.returncode == 0, done.stderr
    values = [{"tuple": (x, 1.5), 7: None} for x in (1, 2, "wait")]
    assert done.stdout == repr((values[0], values[1:], 9)) + "\n"
    assert sorted(ran(folder)) == ["1", "2", "wait", "wait"]


def test_a_step_after_one_that_had_failures_before(folder: Path, killed: Any) -> None:
    (folder / "p.toml").write_text(PLAN.replace('"two"', '"bad"').replace("3.5", '"wait"'))
    killed(2, "run", "p.toml", "--out", "out.jsonl", "--db", "runs.db", "--headless")
    go(folder)
    done = resume(folder)
    assert done.returncode == 1, done.stderr
    out = lines((folder / "out.jsonl").read_text())
    assert [(line["task"], line.get("kind")) for line in out] == [
        ("first", None), ("first", "exception"), ("first", None), ("all", "dependency"), ("after", "dependency"),
        ("after", "dependency"),
    ]  # fmt: skip


def test_large_results_come_from_the_database(folder: Path, killed: Any) -> None:
    items(folder, "large 1", "wait", "b")
    killed(2, "run", "work:held", "--items", "items.txt", "--out", "out.jsonl", *ONE)
    go(folder)
    done = resume(folder)
    assert done.returncode == 0, done.stderr
    assert [line["index"] for line in lines((folder / "out.jsonl").read_text())] == [0, 1, 2]
    assert lines((folder / "out.jsonl").read_text())[0]["result"] == "x" * 200_000
    assert sorted(ran(folder)) == ["b", "large 1", "wait", "wait"]


def test_results_that_were_too_large_run_again_where_they_are_needed(folder: Path, killed: Any) -> None:
    items(folder, "large 1", "wait", "b")
    largest = "--set", "record_result_max=100K"
    killed(2, "run", "work:held", "--items", "items.txt", "--out", "out.jsonl", *largest, *ONE)
    go(folder)
    done = resume(folder)
    assert done.returncode == 0, done.stderr
    assert "1 tasks ran again: their results are too large for the database, and were needed" in done.stderr
    assert lines((folder / "out.jsonl").read_text())[0]["result"] == "x" * 200_000
    assert sorted(ran(folder)) == ["b", "large 1", "large 1", "wait", "wait"]
    db = sqlite3.connect(folder / "runs.db")
    assert db.execute("SELECT status, done FROM runs").fetchall() == [("done", 3)]
    db.close()


def test_a_command_and_what_it_has_left(folder: Path, killed: Any) -> None:
    items(folder, "1", "wait", "3")
    script = folder / "script.sh"
    script.write_text(
        "echo out $1; echo err $1 >&2; if [ $1 = wait ]; then while [ ! -e go ]; do sleep 0.01; done; fi\n[ $1 != 3 ]\n"
    )
    command = ["run", "--items", "items.txt", "--out", "out.jsonl", *ONE, "--", "sh", "script.sh", "{}"]
    killed(2, *command, waits=False)
    script.write_text(script.read_text() + "#\n")
    assert refusal(folder) == f"shoal: run RUN is not resumed: {script} has changed (--force goes on all the same)"
    go(folder)
    done = resume(folder, "--force")
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[0] == f"shoal: warning: {script} has changed"
    out = lines((folder / "out.jsonl").read_text())
    assert [line["ok"] for line in out] == [True, True, False]
    assert out[2]["result"] == {"exit_code": 1, "stdout": "out 3\n", "stderr": "err 3\n"}


def test_what_has_changed_is_said(folder: Path, killed: Any) -> None:
    path = items(folder, "1", "wait", "3")
    killed(2, "run", "work:held", "--items", "items.txt", *ONE)
    end = " (--force goes on all the same)"
    (folder / "work.py").write_text(WORK + "\n")
    assert refusal(folder) == f"shoal: run RUN is not resumed: {folder / 'work.py'} has changed{end}"
    (folder / "work.py").rename(folder / "elsewhere.py")
    assert refusal(folder) == f"shoal: run RUN is not resumed: {folder / 'work.py'} is gone{end}"
    (folder / "work.py").write_text(WORK)
    items(folder, "1", "2", "3", "4")
    assert refusal(folder) == f"shoal: run RUN is not resumed: {path} has changed: 3 items then, 4 now{end}"
    done = resume(folder, "--force", "--out", "-")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"shoal: warning: {path} has changed: 3 items then, 4 now"
    assert [line["result"]["tuple"][0] for line in lines(done.stdout)] == ["1", "2", "3", "4"]
    assert ran(folder)[-2:] in (["2", "4"], ["4", "2"]), "what was done stays"


def test_items_that_are_fewer_than_what_was_done(folder: Path, killed: Any) -> None:
    items(folder, "1", "2", "bad", "4", "5", "wait")
    killed(5, "run", "work:held", "--items", "items.txt", *ONE)
    items(folder, "1", "2", "bad")
    done = resume(folder, "--force", "--out", "-")
    assert done.returncode == 1, done.stderr
    told = done.stderr.replace(run_id(folder), "RUN").splitlines()
    assert told[1:3] == [
        "work:held RUN: 3 of 3 tasks were over",
        "2 recorded tasks have no item any more: kept in the record, and not in the results",
    ]
    assert told[3].startswith("work:held RUN: 2 of 3 done (3 before), 1 failed in ")
    assert told[4].endswith(" (of 5 tasks on record)")
    assert [line["index"] for line in lines(done.stdout)] == [0, 1, 2]
    anew = resume(folder, "--force", "--out", "-")
    assert (anew.returncode, anew.stdout) == (1, done.stdout)
    assert anew.stderr.endswith(": 3 results written to standard output from the record; nothing ran again\n")
    check = shoal(folder, "db", "check", "--db", "runs.db")
    assert check.returncode == 0, check.stderr
    done = shoal(folder, "rerun", "--failed", "last", "--db", "runs.db", "--headless", "--force")
    told = done.stderr.splitlines()
    assert told[1].endswith(": 1 of 3 tasks run again, 2 were done")
    assert told[2] == "2 recorded tasks have no item any more: kept in the record, and not in the results"


def test_what_came_on_standard_input_is_kept(folder: Path, killed: Any) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1\nwait\n3\n")
    try:
        killed(2, "run", "work:held", "--items", "-", "--out", "out.jsonl", *ONE, stdin=reading)
    finally:
        os.close(reading)
        os.close(writing)
    why = "standard input had not ended: 3 items came before the run was cut off"
    assert refusal(folder) == f"shoal: run RUN is not resumed: {why} (--force goes on all the same)"
    go(folder)
    done = resume(folder, "--force", "--json")
    assert done.returncode == 0, done.stderr
    assert [line["result"]["tuple"][0] for line in lines((folder / "out.jsonl").read_text())] == ["1", "wait", "3"]
    summary = lines(done.stdout)[-1]
    assert [summary[name] for name in ("run", "tasks", "done", "resumed", "before")] == [run_id(folder), 3, 3, 1, 2]


@pytest.mark.needs("pooling")  # hundreds of tasks
def test_standard_input_that_had_ended(folder: Path, killed: Any) -> None:
    path = items(folder, "wait", *map(str, range(5000)))
    with path.open() as file:
        killed(3000, "run", "work:held", "--items", "-", "--out", "out.jsonl", *ONE[2:], stdin=file.fileno())
    go(folder)
    done = resume(folder)
    assert done.returncode == 0, done.stderr
    out = lines((folder / "out.jsonl").read_text())
    assert [line["result"]["tuple"][0] for line in out] == path.read_text().split()


def test_runs_that_cannot_be_resumed(folder: Path) -> None:
    items(folder, "wait")
    process = started(folder, "run", "work:held", "--items", "items.txt", *ONE)
    try:
        wait_for(lambda: (folder / "ran.txt").exists(), 60, "it runs")
        assert refusal(folder) == "shoal: run RUN is still running (shoal attach RUN)"
        done = shoal(folder, "run", "--resume-or-start", "work:held", "--items", "items.txt", *ONE)
        line = f"run {run_id(folder)} does just this, and is still running (shoal attach {run_id(folder)})"
        assert (done.returncode, done.stderr) == (2, f"shoal: {line}\n")
        go(folder)
    finally:
        process.communicate()
    code = """
import os
from shoal import Engine
with Engine(1, record="runs.db", attachable=False) as engine:
    os._exit(engine.submit(abs, -1).result())
"""
    assert subprocess.run([SHOAL[0], "-c", code], cwd=folder, check=False).returncode == 1
    line = "run RUN can't be resumed: only runs that `shoal run` has begun and recorded can"
    assert refusal(folder) == f"shoal: {line}"
    assert refusal(folder, run="nobody") == "shoal: no run 'nobody' (`shoal runs` lists them)"
    os.chmod(folder / "runs.db", 0o666)
    path = folder / "runs.db"
    line = f"{path} is not yours alone to write to (chmod 600 if you trust it): results in it are not read"
    assert refusal(folder) == f"shoal: {line}"


def _here(folder: Path, monkeypatch: pytest.MonkeyPatch, *found: str) -> int:
    """A run in this process, of items that come by a stream."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    step = Step("tasks", call="work:held", arguments=iter(found), stream=True)
    spec = RunSpec("r", [PoolSettings(size=1)], [step])
    options = command.make_context("run", ["work:held", "--items", "-", *ONE]).params
    kept = keep(("work:held",), options, False, spec)
    return run_headless(spec, options | {"items": None}, [], kept)


def test_more_on_standard_input_than_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recording, "_ITEMS_BYTES", 100)
    assert _here(folder, monkeypatch, *("x" * 30 for _ in range(5)), "bad") == 1
    told = capsys.readouterr().err
    assert "there is more on standard input than the database keeps: this run can't be resumed" in told
    why = "it was given more on standard input than the database keeps"
    assert refusal(folder) == f"shoal: run RUN can't be resumed: {why}"


def test_a_run_that_is_too_large_to_be_kept_says_so_when_it_begins(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plan, "SPEC_BYTES", 10)
    assert _here(folder, monkeypatch, "bad") == 1
    why = "this run can't be resumed: what would be kept of its plan takes 0 MiB, and 0 MiB is the most"
    assert capsys.readouterr().err.startswith(f"shoal: warning: {why}\n")
    assert refusal(folder) == f"shoal: {why.replace('this run', 'run RUN')}"


def test_resume_or_start(folder: Path, killed: Any) -> None:
    items(folder, "1", "wait", "3")
    command = ["run", "--resume-or-start", "work:held", "--items", "items.txt", "--out", "out.jsonl", *ONE]
    killed(2, *command)
    first = run_id(folder)
    go(folder)
    done = shoal(folder, *command)
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"resuming run {first}")
    assert len(lines((folder / "out.jsonl").read_text())) == 3
    done = shoal(folder, *command)
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, "no unfinished run of this: starting one")
    assert run_id(folder) != first
    for options, why in (
        (["--items", "items.txt", "--no-record"], "--resume-or-start goes by what is recorded: leave --no-record out"),
        (["--items", "-"], "--resume-or-start needs items that can be read again: put them into a file"),
    ):
        done = shoal(folder, "run", "--resume-or-start", "work:held", *options, "--headless", stdin="1\n")
        assert (done.returncode, done.stderr) == (2, f"shoal: {why}\n")
