"""Every process of a run killed with -9, again and again: each result is there once, and nothing that was recorded as
done has run again. A slice by default, 100,000 tasks and five kills with ``SHOAL_TEST_LOAD=full``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from killing import kill_all, over, recorded, started
from processes import wait_for

FULL = os.environ.get("SHOAL_TEST_LOAD") == "full"
TASKS = 100_000 if FULL else 3_000
KILLS = 5 if FULL else 3

WORK = """
import os, time

def effect(line):
    number = int(line)
    fd = os.open("effects/%d" % os.getpid(), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"%d\\n" % number)
    os.close(fd)
    time.sleep(0.001)
    return [number, number / 7]
"""


def _effects(folder: Path) -> list[int]:
    return [int(line) for file in folder.iterdir() for line in file.read_text().splitlines()]


@pytest.mark.needs("pooling")
@pytest.mark.timeout(600)
def test_each_result_is_there_once_however_often_all_are_killed(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "items.txt").write_text("".join(f"{n}\n" for n in range(TASKS)))
    database, out, effects = tmp_path / "runs.db", tmp_path / "out.jsonl", tmp_path / "effects"
    done: set[int] = set()
    effects.mkdir()
    arguments = ["run", "work:effect", "--items", "items.txt", "--agents", "8", "--out", "out.jsonl"]
    began = again = 0
    for kill in range(KILLS + 1):
        process = started(tmp_path, *arguments, "--db", "runs.db", "--headless")
        last = kill == KILLS
        try:
            if not last:
                aim = (kill + 1) * TASKS // (KILLS + 2)
                wait_for(lambda aim=aim: over(database) >= aim, 120, f"{aim} are done")  # type: ignore[misc]
                assert process.poll() is None
        finally:
            if last:
                words = process.communicate()[1]
            else:
                kill_all(process)
        ran = _effects(effects)
        assert len(ran) == len(set(ran)), "twice in one go"
        assert not done & set(ran), "recorded as done, and run again"
        began += len(ran)
        effects.rename(tmp_path / f"effects-{kill}")
        effects.mkdir()
        rows = [task for _, task in recorded(database)]
        assert len(rows) == len(set(rows))
        again += len(set(ran) - set(rows))
        done = set(rows)
        print(f"\n{kill}: {len(ran):,} ran, {len(rows):,} of {TASKS:,} are recorded as done", end="")
        arguments = ["resume", "last"]
    print(f"\n{began:,} executions of {TASKS:,} tasks: {again:,} ran that were not recorded when all were killed")
    assert process.returncode == 0, words
    assert done == set(range(TASKS))
    assert began == TASKS + again
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["index"], line["ok"], line["result"]) for line in lines] == [
        (n, True, [n, n / 7]) for n in range(TASKS)
    ]
