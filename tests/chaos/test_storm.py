"""The storm itself: the same for the same seed, and an account that finds what is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from processes import MARK, marked_processes, wait_for

from engine.chaos import nasty, storm, victims
from engine.chaos.accounting import account
from engine.chaos.cases import Case, cases, plan_file
from engine.plan.load import load
from engine.store import messages, queries
from engine.store.schema import open_database
from engine.store.writer import Writer

SHOAL = [sys.executable, "-P", "-m", "engine.cli"]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room: a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="shoal-") as found:
        yield Path(found)


@pytest.mark.needs("pooling")  # thousands of tasks would start a fresh interpreter each
def test_a_storm_of_three_seconds_loses_nothing(short: Path) -> None:
    environment = os.environ | {"TMPDIR": str(short)}
    done = subprocess.run(
        [*SHOAL, "chaos", "--seed", "7", "--seconds", "3", "--agents", "4", "--json"],
        capture_output=True, text=True, env=environment, timeout=110, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(report["fates"].values()) == report["tasks"] == report["told"]
    assert report["struck"]["agent"]
    assert report["deaths"] > 0
    assert not list(short.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_chaos_that_is_asked_to_end_leaves_nothing(short: Path, number: signal.Signals) -> None:
    environment = os.environ | {"TMPDIR": str(short)}
    process = subprocess.Popen(
        [*SHOAL, "chaos", "--seed", "1", "--seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment,
    )  # fmt: skip
    with process:
        wait_for(lambda: "shoal-agent" in marked_processes().values(), what="agents")
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (130, b"", b"")
    assert not marked_processes()
    assert not list(short.iterdir())


ENDED = """
import json, os, signal, sys, time
from engine.chaos import run
run._STALLED, run._AFTER = map(float, sys.argv[1:3])
storms = run.Chaos(1, 4.0, 2)

def begin():
    until = time.monotonic() + 60
    hang = "hang" in sys.argv
    while not (storms._outcomes() if hang else storms._up()) and time.monotonic() < until:
        time.sleep(0.01)
    if hang:
        os.kill(storms._engine.pid, signal.SIGSTOP)

storms._storm = begin
print(json.dumps(storms.run().faults))
"""


def ended(folder: Path, *arguments: str) -> list[str]:
    """What is found at fault with a run whose storm ends as soon as it has begun."""
    done = subprocess.run(
        [sys.executable, "-c", ENDED, *arguments], capture_output=True, text=True, check=False, timeout=110,
        env=os.environ | {"TMPDIR": str(folder)},
    )  # fmt: skip
    assert done.stdout, done.stderr
    faults: list[str] = json.loads(done.stdout)
    return faults


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["100", "0.5"], r"the run had not come to its end 1 s after the storm, and its last outcome was [01] s old"),
        (
            ["3", "100", "hang"],
            r"the run had not come to its end \d s after the storm, and its last outcome was 3 s old",
        ),
    ],
)
def test_a_run_that_does_not_come_to_its_end_is_ended_before_the_account(
    short: Path, arguments: list[str], told: str
) -> None:
    first, *others = ended(short, *arguments)
    assert re.fullmatch(told, first)
    assert not marked_processes()
    assert others
    for fault in others:  # and nothing that contradicts itself
        assert " have no outcome (task " in fault


def test_seeds_that_are_none_are_refused() -> None:
    for given in ("x", "3..1", "1..", ".."):
        done = subprocess.run([*SHOAL, "chaos", "--seed", given], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert given in done.stderr


def test_the_same_seed_is_the_same_storm() -> None:
    assert storm.plan(5, 10) == storm.plan(5, 10) != storm.plan(6, 10)
    assert cases(5, 10, 8, 1 << 30) == cases(5, 10, 8, 1 << 30) != cases(6, 10, 8, 1 << 30)
    for seed in range(20):
        strikes = storm.plan(seed, 10)
        assert {strike.role for strike in strikes} == set(storm.ROLES)
        assert [strike.at for strike in strikes] == sorted(strike.at for strike in strikes)
        assert all(0 < strike.at < 10 and 0 <= strike.pick < 1 for strike in strikes)


def test_the_plan_has_all_the_tasks(tmp_path: Path) -> None:
    wanted = cases(1, 10, 8, 1 << 30)
    (tmp_path / "plan.toml").write_text(plan_file(wanted, 8))
    spec = load(tmp_path / "plan.toml")
    assert [(step.name, step.total) for step in spec.steps] == [(case.name, case.count) for case in wanted]
    assert {name for case in wanted for name in [case.call]} <= set(vars(nasty))
    assert next(iter(spec.steps[-2].arguments)) == {"n": wanted[-2].first}


def test_only_what_has_the_mark_is_hit() -> None:
    name, _, mark = MARK.partition("=")
    assert name != victims.MARK
    marked = os.environ | {victims.MARK: mark}
    with subprocess.Popen(["sleep", "60"], env=marked) as ours, subprocess.Popen(["sleep", "60"]) as other:
        wait_for(lambda: victims.is_ours(ours.pid, mark), what="the program to be executed")
        assert [kin.pid for kin in victims.family(mark, 0)] == [ours.pid] == victims.strays(mark)
        assert victims.family(mark, ours.pid)[0].role == "engine"
        assert not victims.send(other.pid, mark, signal.SIGKILL)
        assert victims.limit(other.pid, mark, 7, 5) is None
        victims.end_all(mark, 5.0)
        assert other.poll() is None
        other.kill()
    assert not victims.send(ours.pid, mark, signal.SIGKILL)


# -- the account ------------------------------------------------------------------------------------------------------

CASES = [
    Case("good", "steady", 3, ("done",)),
    Case("bad", "poison", 1, ("poisoned",)),
    Case("large", "large", 1, ("done",), first=500),
    Case("complaint", "complain", 1, ("exception:ValueError",)),
]


def recorded(path: Path, *more: messages.ToRecorder, leave_out: tuple[int, ...] = ()) -> Path:
    """A database of a run in which all is as it must be, but for what is left out of it, or added."""
    nothing = [messages.Failed(0, "exception", "ValueError", "no", "")]
    told: list[messages.ToRecorder] = [
        messages.RunBegan("r1", "chaos", 1.0, os.getpid(), [], {}, "0", {}), messages.PoolMade(0, "main", 0, 4, 1),
        *(messages.JobMade(number, case.name, case.call, 0) for number, case in enumerate(CASES, 1)),
    ]  # fmt: skip
    every: list[messages.ToRecorder] = [
        messages.Finished(1, 0, 0, 1.0, bytes(24), [nasty.answer(n) for n in range(3)], [], [], {}),
        messages.Ended(2, 0, 1, "poisoned", "it died", 2.0),
        messages.Finished(3, 0, 0, 1.0, bytes(8), [["large", b""]], [], [], {}),
        messages.Finished(4, 0, 0, 1.0, bytes(8), [None], nothing, [], {}),
    ]
    told += [message for at, message in enumerate(every) if at not in leave_out]
    with closing(open_database(path)) as db:
        assert Writer(db).write([*told, *more, messages.RunEnded(3.0, "failed", {})], 3.0) == []
    return path


def lines() -> list[str]:
    """The results file of it."""
    rows: list[dict[str, Any]] = [
        *({"task": "good", "index": n, "ok": True, "result": nasty.answer(n)} for n in range(3)),
        {"task": "bad", "index": 0, "ok": False, "kind": "poisoned", "error": "it died"},
        {"task": "large", "index": 0, "ok": True, "result": "Large(500)"},
        {"task": "complaint", "index": 0, "ok": False, "kind": "exception", "error": "ValueError: no"},
    ]
    return [json.dumps(row) for row in rows]


def problems(
    path: Path, told: list[str], complete: bool = True, effects: Sequence[str] = (), resumed: bool = False
) -> list[str]:
    with closing(queries.open_readonly(path)) as db:
        return account(CASES, db, "r1", told, complete, effects, resumed).problems


def test_what_is_right_is_accounted_for(tmp_path: Path) -> None:
    with closing(queries.open_readonly(recorded(tmp_path / "runs.db"))) as db:
        found = account(CASES, db, "r1", lines(), complete=True)
    assert found.problems == []
    assert (found.tasks, found.told) == (6, 6)
    assert found.fates == {"done": 4, "poisoned": 1, "exception:ValueError": 1}


def test_what_is_lost_wrong_or_told_otherwise_is_found(tmp_path: Path) -> None:
    good = recorded(tmp_path / "good.db")
    assert problems(good, lines()[:3], complete=False) == []  # what was told before the end may be less
    assert problems(good, lines()[:-1]) == ["1 results were not told (complaint 0)"]
    assert problems(good, [*lines(), lines()[0]]) == ["1 results were told more than once (good 0)"]
    assert problems(good, [*lines(), "nonsense"]) == ["line 7 of the results can't be read: 'nonsense'"]
    other = [lines()[0].replace("1}", "2}"), *lines()[1:]]
    assert problems(good, other) == ["good: task 0 was told as 'wrong: 2' and kept as 'done'"]
    lost = recorded(tmp_path / "lost.db", leave_out=(0, 1))
    assert problems(lost, lines()[4:]) == [
        "good: 3 have no outcome (task 0, 1, 2)", "bad: 1 have no outcome (task 0)"
    ]  # fmt: skip
    wrong = recorded(tmp_path / "wrong.db", messages.Finished(2, 0, 0, 1.0, bytes(8), [5], [], [], {}), leave_out=(1,))
    assert problems(wrong, [*lines()[:3], *lines()[4:]])[0] == "bad: 1 ended as 'wrong: 5', not as poisoned (task 0)"
    more = recorded(tmp_path / "more.db", messages.Finished(1, 3, 0, 1.0, bytes(8), [22], [], [], {}))
    assert problems(more, lines())[0] == "good: 1 ended as 'done', not as done (task 3)"


def test_what_is_recorded_and_runs_again_is_found(tmp_path: Path) -> None:
    good = recorded(tmp_path / "good.db")
    before = ["steady 0 0.5", "steady 0 1.0", "steady 1 1.0", "poison 0 1.9", "large 500 1.0", "steady 2 0."]
    assert problems(good, lines(), effects=before) == []
    after = [*before, "steady 1 1.5", "steady 2 1.5", "large 0 9.0", "poison 0 2.5"]
    assert problems(good, lines(), effects=after) == [
        "good: 2 ran again though their outcome was recorded (task 1, 2)",
        "bad: 1 ran again though their outcome was recorded (task 0)",
    ]


def test_a_result_that_was_too_large_to_be_kept_may_be_made_again_for_a_run_that_is_resumed(tmp_path: Path) -> None:
    good = recorded(tmp_path / "good.db")
    after = ["large 500 9.0", "steady 1 1.5"]
    both = [
        "good: 1 ran again though their outcome was recorded (task 1)",
        "large: 1 ran again though their outcome was recorded (task 0)",
    ]
    assert problems(good, lines(), effects=after) == both
    assert problems(good, lines(), effects=after, resumed=True) == both[:1]


def test_tasks_note_what_they_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nasty.quick(4) == nasty.answer(4)
    monkeypatch.setenv(nasty.EFFECTS, str(tmp_path / "effects.txt"))
    assert nasty.quick(5) == nasty.answer(5)
    with pytest.raises(ValueError, match="task 6"):
        nasty.complain(6)
    noted = (tmp_path / "effects.txt").read_text().splitlines()
    assert [line.split()[:2] for line in noted] == [["quick", "5"], ["complain", "6"]]
    assert all(0 <= time.time() - float(line.split()[2]) < 60 for line in noted)
    every = [(case.call, case.first + index) for case in cases(3, 30, 8, 1 << 30) for index in range(case.count)]
    assert len(every) == len(set(every)), "each is of one task"
