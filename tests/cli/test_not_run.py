"""How many tasks a run has, and has not run, as the record says it: while it goes on, and after it was killed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import data, run
from killing import kill_all, over, started
from processes import wait_for
from recorded_runs import GONE, START, began, group, made, write

from engine.cli.recorded.archive import StoreArchive
from engine.store.messages import RunEnded, Total
from engine.stream import places
from tui.runs import outcome

WORK = """
import os, time

def until(item):
    while item == "wait" and not os.path.exists("go"):
        time.sleep(0.005)
    if item == "bad" and not os.path.exists("mended"):
        raise ValueError(item)
"""
ITEMS = ["1"] * 7 + ["bad"] + ["wait"] * 4_993


@contextmanager
def begun(folder: Path, *arguments: str, stdin: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """`shoal` in the background, killed in the end with all that it has started."""
    (folder / "work.py").write_text(WORK)
    process = started(folder, *arguments, "--headless", "--db", "runs.db", stdin=stdin)
    try:
        yield process
    finally:
        kill_all(process)
        for socket in places.runtime_folder().glob("*.sock"):  # nobody was left to do it
            socket.unlink()


def items(folder: Path, found: list[str]) -> list[str]:
    """What runs these items, one after the other."""
    (folder / "items").write_text("".join(f"{item}\n" for item in found))
    return ["run", "work:until", "--items", "items", "--agents", "1", "--batch-max", "1"]


def text(folder: Path, *arguments: str) -> str:
    told = run(*arguments, "--db", str(folder / "runs.db"))
    assert told.exit_code == 0, told.output
    return told.stdout


def counts(folder: Path) -> tuple[Any, ...]:
    (found,) = data(run("show", "last", "--db", str(folder / "runs.db"), "--json"))
    return tuple(found[name] for name in ("status", "tasks", "done", "failed", "left"))


def test_a_run_that_was_killed_says_how_many_tasks_never_ran(tmp_path: Path) -> None:
    archive = StoreArchive(tmp_path / "runs.db")
    with begun(tmp_path, *items(tmp_path, ITEMS)):
        wait_for(lambda: over(tmp_path / "runs.db") == 8, 60, "eight tasks are recorded")
        assert counts(tmp_path) == ("running", 5_001, 7, 1, 4_993)
        assert "NOT RUN" not in text(tmp_path, "runs")
        assert [(one.tasks, one.known) for one in archive.runs()] == [(5_001, True)]
        assert "**running**: 7 of 5,001 tasks done, 1 failed, 4,993 to come, in " in text(tmp_path, "report", "last")
    assert counts(tmp_path) == ("crashed", 5_001, 7, 1, 4_993)
    told = text(tmp_path, "report", "last")
    assert "**crashed**: 7 of 5,001 tasks done, 1 failed, 4,993 not run, in " in told
    assert re.search(r"\| not run +\| +4,993 \|", told)
    assert "  tasks        5,001: 7 done, 1 failed, 4,993 not run\n" in text(tmp_path, "show", "last")
    (line,) = (line for line in text(tmp_path, "runs").splitlines() if "crashed" in line)
    assert line.split()[-5:-1] == ["5,001", "7", "1", "4,993"]
    (found,) = data(run("runs", "--db", str(tmp_path / "runs.db"), "--json"))
    assert (found["tasks"], found["left"]) == (5_001, 4_993)
    (row,) = archive.runs()
    assert "7 of 5,001 done  ✕ 1 failed  · 4,993 not run" in "".join(part for part, _ in outcome(row, 120))


def test_a_run_that_goes_on_or_runs_again_what_failed_has_its_own_total(tmp_path: Path) -> None:
    with begun(tmp_path, *items(tmp_path, ["1", "1", "bad", "bad", "wait"])):
        wait_for(lambda: over(tmp_path / "runs.db") == 4, 60, "four tasks are recorded")
    with begun(tmp_path, "resume", "last"):
        wait_for(lambda: counts(tmp_path)[0] == "running", 60, "it goes on")
        assert counts(tmp_path) == ("running", 5, 2, 2, 1)
    (tmp_path / "go").touch()
    with begun(tmp_path, "resume", "last") as last:
        assert last.wait(60) == 1
    assert counts(tmp_path) == ("failed", 5, 3, 2, 0)
    (tmp_path / "go").unlink()
    (tmp_path / "items").write_text("1\n1\nbad\nwait\nwait\n")
    with begun(tmp_path, "rerun", "--failed", "last", "--force"):
        wait_for(lambda: over(tmp_path / "runs.db") == 6, 60, "one has failed again")
    assert counts(tmp_path) == ("crashed", 2, 0, 1, 1)


def test_how_many_a_stream_would_have_had_is_not_known(tmp_path: Path) -> None:
    arguments = ["run", "work:until", "--items", "-", "--agents", "1", "--batch-max", "1"]
    with begun(tmp_path, *arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write("1\n1\nbad\n")
        process.stdin.flush()
        wait_for(lambda: over(tmp_path / "runs.db") == 3, 60, "three tasks are recorded")
        assert counts(tmp_path) == ("running", 3, 2, 1, None)
        assert "**running**: 2 done, 1 failed so far, in " in text(tmp_path, "report", "last")
    assert counts(tmp_path) == ("crashed", 3, 2, 1, None)
    told = text(tmp_path, "report", "last")
    assert "**crashed**: 2 done, 1 failed, how many more there were to be is not known, in " in told
    (line,) = (line for line in text(tmp_path, "runs").splitlines() if "crashed" in line)
    assert line.split()[-5:-1] == ["3+", "2", "1", "?"]
    (row,) = StoreArchive(tmp_path / "runs.db").runs()
    assert "2 done, of how many is not known" in "".join(part for part, _ in outcome(row, 120))


def test_what_a_run_was_before_it_had_fewer_tasks_is_forgotten(tmp_path: Path) -> None:
    """A run that goes on with other items; and an engine that tells a second recorder what the first had heard."""
    begin = began("r1", "sweep", pid=GONE)
    write(tmp_path / "runs.db", begin, *made("fit"), Total(9), group(0, [1] * 2), Total(9))
    assert counts(tmp_path) == ("crashed", 9, 2, 0, 7)
    write(tmp_path / "runs.db", begin, *made("fit"), Total(4), group(0, [1] * 2))
    assert counts(tmp_path) == ("crashed", 4, 2, 0, 2)
    write(tmp_path / "runs.db", begin, Total(1), RunEnded(START + 9, "interrupted", {"tasks": 4}))
    assert counts(tmp_path) == ("interrupted", 4, 2, 0, 2)
