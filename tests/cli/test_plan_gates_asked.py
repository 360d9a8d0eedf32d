"""Gates that are held, and answered while the run goes on, or after it was killed and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asked_runs import ctl, out, rows, shoal, waiting
from killing import kill_all, over, started
from processes import wait_for

PLAN = """
[[tasks]]
name = "bench"
call = "builtins:dict"
arguments = { speed = 1.7 }
[tasks.gate]
go = [{ result = "speed", at_least = 2 }]
[[tasks]]
name = "next"
call = "builtins:dict"
after = ["bench"]
[[tasks]]
name = "beside"
call = "builtins:dict"
"""
RUN = ("run", "p.toml", "--headless", "--db", "runs.db", "--out", "out.jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.toml").write_text(PLAN)
    return tmp_path


def alerts(folder: Path) -> list[tuple[str, bool]]:
    return [(text, resolved is not None) for text, resolved in rows(folder, "SELECT text, resolved FROM alerts")]


def test_nobody_is_asked_where_nobody_sits_there(folder: Path) -> None:
    done = shoal(folder, *RUN)
    assert done.returncode == 1
    assert out(folder)["next"] == ["dependency: gate bench: hold (speed is 1.7, not >= 2)"]


def test_it_waits_for_an_answer_and_goes_on_with_it(folder: Path) -> None:
    process = started(folder, *RUN, "--gates", "wait")
    try:
        wait_for(lambda: over(folder / "runs.db") == 2 and waiting(folder), 60)
        (held,) = waiting(folder)
        assert held["gate"] == "bench"
        assert held["text"] == "gate bench is held (speed is 1.7, not >= 2): shoal ctl gate bench go|pivot|stop"
        for words, why in (
            (("gate", "next", "go"), "no gate 'next'; known: bench"),
            (("gate", "bnch", "go"), "no gate 'bnch': did you"),
        ):  # fmt: skip
            refused = shoal(folder, "ctl", "--run", "p", *words)
            assert refused.returncode == 2
            assert refused.stderr.startswith(f"shoal: {why}")
        told = shoal(folder, "explain", "next", "--run", "p").stdout
        assert "gate bench is held (speed is 1.7, not >= 2)" in told
        assert "waits for somebody: gate bench is held" in shoal(folder, "status", "p").stdout
        wait_for(lambda: [resolved for _, resolved in alerts(folder)] == [False])
        said = ctl(folder, "gate", "bench", "go", "--why", "good enough")
        assert said.startswith("gate bench: go (speed is 1.7, not >= 2), by ")
        told_all, told_last = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 0, (told_all, told_last)
    assert out(folder)["next"] == [{}]
    (text, resolved), *others = alerts(folder)
    assert not others
    assert "gate bench: hold" in text
    assert resolved, "the alert ends with the answer"
    shown = shoal(folder, "show", "last", "--db", "runs.db").stdout
    assert shown.split("\ngates\n")[1].splitlines()[1].split()[:2] == ["bench", "go"]
    assert "good enough" in shown
    report = shoal(folder, "plan", "report", "last", "--db", "runs.db").stdout
    assert "## Gates" in report
    assert "good enough" in report


@pytest.mark.parametrize("answer", ["pivot", "stop"])
def test_an_answer_other_than_go_lets_nothing_go_on(folder: Path, answer: str) -> None:
    process = started(folder, *RUN, "--gates", "wait")
    try:
        wait_for(lambda: waiting(folder), 60)
        ctl(folder, "gate", "bench", answer, "--why", "too slow")
        process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 1
    (why,) = out(folder)["next"]
    assert why.startswith(f"dependency: gate bench: {answer} (speed is 1.7, not >= 2), by ")
    assert why.endswith(": too slow")
    again = started(folder, "rerun", "--failed", "last", "--db", "runs.db")
    try:
        wait_for(lambda: waiting(folder), 60, "whoever runs it again is asked again")
        ctl(folder, "gate", "bench", "go")
        _, told = again.communicate(timeout=60)
    finally:
        kill_all(again)
    assert again.returncode == 0, told


def test_a_question_survives_the_death_of_all_and_so_does_its_answer(folder: Path) -> None:
    more = '[[tasks]]\nname = "person"\nestimate = "1h"\nafter = ["next"]\n'
    (folder / "p.toml").write_text(PLAN + more)
    words = (*RUN, "--gates", "wait", "--people", "wait")
    process = started(folder, *words)
    try:
        wait_for(lambda: over(folder / "runs.db") == 2 and waiting(folder), 60)
    finally:
        kill_all(process)
    process = started(folder, "resume", "last", "--db", "runs.db")
    try:
        wait_for(lambda: [one.get("gate") for one in waiting(folder)] == ["bench"], 60)
        ctl(folder, "gate", "bench", "go", "--why", "yes")
        wait_for(lambda: over(folder / "runs.db") == 3 and [one.get("task") for one in waiting(folder)] == ["person"])
    finally:
        kill_all(process)
    process = started(folder, "resume", "last", "--db", "runs.db")
    try:
        wait_for(lambda: [one.get("task") for one in waiting(folder)] == ["person"], 60)
        ctl(folder, "done", "person")
        _, told = process.communicate(timeout=60)
    finally:
        kill_all(process)
    assert process.returncode == 0, told
    answers = rows(folder, "SELECT data FROM events WHERE kind = 'gate.answered'")
    assert {(json.loads(data)["decided"], json.loads(data)["why"]) for (data,) in answers} == {("go", "yes")}
