"""A disk without room, with a database on it: what is there can be read, and what can't be done says why."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import small_disk
from killing import SHOAL, kill_all, over, started
from processes import wait_for

WORK = """
import os, time

def wait(x):
    while x == "2" and not os.path.exists("go"):
        time.sleep(0.005)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "items.txt").write_text("1\n2\n")
    with small_disk(tmp_path / "disk", "2m") as found:
        found.chmod(0o700)
        yield found


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def shoal(disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SHOAL, *arguments, "--db", str(disk / "runs.db")]
    return subprocess.run(command, cwd=disk.parent, capture_output=True, text=True, timeout=60, check=False)


def run(disk: Path) -> subprocess.CompletedProcess[str]:
    return shoal(disk, "run", "operator:not_", "--items", "items.txt", "--headless")


def test_a_full_disk_at_the_start(disk: Path) -> None:
    assert run(disk).returncode == 0
    fill(disk)
    why = f"no room on the disk of {disk / 'runs.db'}: make some\n"
    hint = " (--db FILE takes another database, --no-record none)\n"
    for _ in range(2):  # the first one leaves an empty log behind
        refused = run(disk)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.splitlines(keepends=True)[-1] == f"shoal: {why.strip()}{hint}"
        for asked in (("runs",), ("show", "last"), ("search", "x"), ("db", "check")):
            done = shoal(disk, *asked)
            assert done.returncode == 0, done.stderr
    pruned = shoal(disk, "prune", "--keep", "0s")
    assert (pruned.returncode, pruned.stderr) == (2, f"shoal: {why}")
    (disk / "fill").unlink()
    assert "deleted 1 run;" in shoal(disk, "prune", "--keep", "0s").stderr


def test_a_log_that_has_something_in_it_is_not_passed_over(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    given = ["--items", "items.txt", "--batch-max", "1", "--db", str(disk / "runs.db"), "--headless"]
    process = started(tmp_path, "run", "work:wait", *given)
    wait_for(lambda: over(disk / "runs.db") == 1, 60, "the first one is over")
    kill_all(process)
    os.unlink(disk / "runs.db-shm")
    fill(disk)
    why = f"no room on the disk of {disk / 'runs.db'}: make some\n"
    done = shoal(disk, "runs")
    assert (done.returncode, done.stderr) == (2, f"shoal: {why}"), "what is in the log would be missing"
    done = shoal(disk, "resume", "last", "--headless")
    assert (done.returncode, done.stderr) == (2, f"shoal: {why}")
    (disk / "fill").unlink()
    (tmp_path / "go").touch()
    done = shoal(disk, "resume", "last", "--headless")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 tasks were over" in done.stderr
