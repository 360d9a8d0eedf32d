"""Plans with work of people, run by real engines: it waits until somebody says so, whatever dies meanwhile."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from asked_runs import ctl, out, rows, shoal, waiting
from killing import kill_all, over, started
from processes import enabled, wait_for

from engine.runtime.plans.driver import CHUNK, READY

PLAN = """
[owners.ada]
title = "Ada"
[[tasks]]
name = "build"
call = "builtins:dict"
arguments = { x = 1 }
[[tasks]]
name = "review"
estimate = "1h"
owner = "ada"
after = ["build"]
over = { part = ["a", "b", "c"] }
[[tasks]]
name = "sign"
estimate = "10min"
after = ["review"]
[[tasks]]
name = "ship"
call = "builtins:dict"
results = { signed = "sign", reviews = "review" }
[[tasks]]
name = "beside"
call = "builtins:abs"
items = [-1, -2]
"""
NAN = '{"x":NaN}'
DEEP = '{"x":' + 600 * "[" + 600 * "]" + "}"
RUN = ("run", "p.toml", "--headless", "--db", "runs.db", "--out", "out.jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.toml").write_text(PLAN)
    return tmp_path


def test_without_a_word_such_a_plan_is_refused_in_one_line(folder: Path) -> None:
    done = shoal(folder, *RUN)
    assert done.returncode == 2
    assert done.stderr == (
        "shoal: p.toml: tasks 2 ('review'): neither a call nor a command: it is work of people, as is 1 more set: "
        "--people wait waits until `shoal ctl done` says it is done, --people skip goes on as if it were\n"
    )
    assert not (folder / "runs.db").exists()


def test_skipped_it_is_as_if_it_were_done(folder: Path) -> None:
    done = shoal(folder, *RUN, "--people", "skip")
    assert done.returncode == 0, done.stderr
    found = out(folder)
    assert found["review"] == [{"skipped": True}] * 3
    assert found["ship"] == [{"signed": {"skipped": True}, "reviews": [{"skipped": True}] * 3}]
    assert rows(folder, "SELECT tasks, done, failed, status FROM runs") == [(8, 8, 0, "done")]


def test_it_waits_until_somebody_says_it_is_done_though_all_is_killed(folder: Path) -> None:
    process = started(folder, *RUN, "--people", "wait")
    try:
        wait_for(lambda: over(folder / "runs.db") >= 3 and waiting(folder), 60)
        (review,) = waiting(folder)
        assert (review["task"], review["owner"], review["tasks"]) == ("review[0]", "ada", 3)
        assert ctl(folder, "done", "review[1]", "--note", "fine by me").startswith("review[1] is done (fine by me)")
        for words, why in (
            (("done", "review[1]"), "review[1] is over"), (("done", "review[3]"), "no task review[3]: it has 3"),
            (("done", "review"), "review has 3 tasks: say which, such as review[0]"),
            (("done", "sign"), "sign is not waited for yet: what it comes after is not over"),
            (("done", "build"), "build is not work of people: agents do it"),
            (("done", "reviw"), "no task 'reviw': did you mean 'review'?"),
            (("done", "review[0]", "--result", "3"), "'3' is no JSON object, such as {\"speedup\": 3}"),
            (("done", "review[0]", "--result", NAN), f"{NAN!r} is no JSON object, such as " + '{"speedup": 3}'),
            (("done", "review[0]", "--result", DEEP), "a result is nested 100 deep at the most"),
            (("failed", "review[0]", "--why", " "), "say why it failed: --why TEXT"),
        ):  # fmt: skip
            refused = shoal(folder, "ctl", "--run", "p", *words)
            assert (refused.returncode, refused.stderr) == (2, f"shoal: {why}\n"), words
        told = shoal(folder, "explain", "sign", "--run", "p")
        assert told.stdout.splitlines() == [
            "sign  waits for what it comes after",
            "  it comes after review, of which 1 of 3 tasks are done: 2 tasks wait to be done by ada",
        ]
        told = shoal(folder, "explain", "review[0]", "--run", "p")
        assert told.stdout.startswith("review[0]  waits to be done by ada for ")
        told = shoal(folder, "explain", "ship", "--run", "p")
        assert "  it comes after sign, which has not begun" in told.stdout.splitlines()
        status = shoal(folder, "status", "p")
        assert "  waits for somebody: review: 2 tasks wait to be done by ada for " in status.stdout
    finally:
        kill_all(process)
    wait_for(lambda: over(folder / "runs.db") == 4)
    process = started(folder, "resume", "last", "--db", "runs.db")
    try:
        wait_for(lambda: waiting(folder), 60)
        assert waiting(folder)[0]["tasks"] == 2, "what was said stands"
        ctl(folder, "done", "review[0]", "--result", '{"grade": 1.5}')
        ctl(folder, "done", "review[2]")
        wait_for(lambda: [one["task"] for one in waiting(folder)] == ["sign"])
        ctl(folder, "done", "sign")
        _, told_last = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 0, told_last
    found = out(folder)
    assert [one.get("note") for one in found["review"]] == [None, "fine by me", None]
    assert found["review"][0]["grade"] == 1.5
    assert all(one["by"] and one["at"] for one in (*found["review"], *found["sign"]))
    assert found["ship"] == [{"signed": found["sign"][0], "reviews": found["review"]}]
    assert rows(folder, "SELECT tasks, done, failed, status FROM runs") == [(8, 8, 0, "done")]
    said = [json.loads(data) for (data,) in rows(folder, "SELECT data FROM events WHERE kind = 'work.done'")]
    assert [one["task"] for one in said] == ["review[1]", "review[0]", "review[2]", "sign"]
    assert all("by" in one for one in said)


def test_what_comes_after_work_that_failed_fails_and_a_rerun_asks_again(folder: Path) -> None:
    process = started(folder, *RUN, "--people", "wait")
    try:
        wait_for(lambda: waiting(folder), 60)
        for number in range(3):
            ctl(folder, "done", f"review[{number}]")
        wait_for(lambda: [one["task"] for one in waiting(folder)] == ["sign"])
        ctl(folder, "failed", "sign", "--why", "no stamp")
        _, told = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 1, told
    found = out(folder)
    assert found["sign"][0].startswith("people: no stamp (said by ")
    assert found["ship"][0].startswith("dependency: ")
    process = started(folder, "rerun", "--failed", "last", "--db", "runs.db")
    try:
        wait_for(lambda: [one["task"] for one in waiting(folder)] == ["sign"], 60)
        ctl(folder, "done", "sign")
        _, told = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 0, told
    assert "review" not in told, "what was done is not waited for again"


def test_ctrl_c_drains_and_says_how_to_go_on(folder: Path) -> None:
    process = started(folder, *RUN, "--people", "wait")
    try:
        wait_for(lambda: waiting(folder), 60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 130
    lines = told.splitlines()
    assert lines.count("review: 3 tasks wait to be done by ada: shoal ctl done review[0]") == 1
    assert lines[-1].startswith("to go on: shoal resume ")


def test_people_hold_what_they_claim(folder: Path) -> None:
    """Work of people and of agents on the same files: never at the same time."""
    plan = "[pools.main]\nagents = 2\n[lanes.desk]\nlimit = 1\n"
    plan += '[[tasks]]\nname = "write"\nestimate = "1h"\nclaims = ["src/{n}"]\nitems = ["x", "y"]\n'
    plan += '[[tasks]]\nname = "read"\nestimate = "1h"\nclaims = ["src/**"]\n'
    plan += '[[tasks]]\nname = "talk"\nestimate = "1h"\nlane = "desk"\nitems = [1, 2]\n'
    plan += '[[tasks]]\nname = "scan"\ncall = "builtins:dict"\nafter = ["first"]\nclaims = ["src/1"]\n'
    plan += '[[tasks]]\nname = "first"\ncall = "builtins:dict"\n'
    (folder / "p.toml").write_text(plan)
    process = started(folder, *RUN, "--people", "wait")
    try:
        wait_for(lambda: len(waiting(folder)) == 2 and over(folder / "runs.db") == 1, 60)
        names = {one["task"]: one["tasks"] for one in waiting(folder)}
        assert names == {"write[0]": 2, "talk[0]": 1}
        refused = shoal(folder, "ctl", "--run", "p", "done", "read")
        assert refused.stderr == "shoal: read is not to be done yet: src/** is held by write[0], write[1]\n"
        wait_for(lambda: "claim src/1 is held by write[0] for" in shoal(folder, "explain", "scan").stdout)
        ctl(folder, "done", "write[1]")
        ctl(folder, "done", "talk[0]")
        wait_for(lambda: any(one["task"] == "talk[1]" for one in waiting(folder)))
        ctl(folder, "done", "write[0]")
        if enabled("pooling"):  # else no agent is there as yet, and who is there need not wait for one
            wait_for(lambda: over(folder / "runs.db") == 5, 30, "the agent's task comes first")
        wait_for(lambda: {one["task"] for one in waiting(folder)} == {"talk[1]", "read"})
        ctl(folder, "done", "talk[1]")
        ctl(folder, "done", "read")
        _, told = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 0, told


@pytest.mark.needs("pooling")  # an interpreter for each would take an hour
def test_people_are_told_though_agents_have_more_to_do_than_is_taken_in_at_once(folder: Path) -> None:
    (folder / "until.py").write_text(
        "import os, time\ndef until(n, path):\n    while not os.path.exists(path):\n        time.sleep(0.01)\n"
    )
    plan = '[[tasks]]\nname = "much"\ncall = "until:until"\n'
    plan += f"over = {{ n = {{ from = 1, to = {READY + 2 * CHUNK} }} }}\n"
    plan += 'arguments = { path = "may-end" }\n[[tasks]]\nname = "talk[1]"\nestimate = "1h"\n'
    (folder / "p.toml").write_text(plan)
    process = started(folder, *RUN, "--people", "wait")
    try:
        wait_for(lambda: [one["task"] for one in waiting(folder)] == ["talk[1]"], 30)
        assert ctl(folder, "done", "talk[1]").startswith("talk[1] is done"), "it is called so itself"
        (folder / "may-end").touch()
        _, told = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 0, told
