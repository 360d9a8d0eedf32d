"""Runs whose processes can't be seen from where they are taken up: in pid namespaces of their own, as containers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import SHOAL, family, kill_all, over
from processes import wait_for

_CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
_RUN = ("work:held", "--items", "items.txt", "--batch-max", "1", "--agents", "2", "--db", "runs.db", "--headless")
_WORK = """
import os, time

def held(x):
    with open("ran.txt", "a") as file:
        file.write(f"{x}\\n")
    while x == "wait" and not os.path.exists("go"):
        time.sleep(0.005)
    return x
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    done = subprocess.run([*_CONTAINER, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no pid namespace can be had here: {done.stderr.strip()}")
    (tmp_path / "work.py").write_text(_WORK)
    (tmp_path / "items.txt").write_text("a\nwait\nb\nc\n")
    return tmp_path


@pytest.fixture
def other() -> Iterator[None]:
    """Another container, which may get the number of a namespace that ends."""
    with subprocess.Popen([*_CONTAINER, "sleep", "120"]) as process:
        yield
        for pid in reversed(family(process.pid)):
            subprocess.run(["kill", "-9", str(pid)], check=False)


def contained(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_CONTAINER, *SHOAL, *arguments], cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_run_that_died_with_its_container_goes_on_in_the_next_one(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    process = contained(folder, "run", *_RUN)
    wait_for(lambda: over(folder / "runs.db") >= 3, 60, "3 tasks are over")
    meanwhile = contained(folder, "resume", "last", "--db", "runs.db", "--headless")
    told = meanwhile.communicate(timeout=60)[1]
    assert meanwhile.returncode == 2
    assert "is still running (shoal attach " in told, "it lives, though it can't be seen"
    (lock,) = folder.glob("runs.db.*.lock")
    kill_all(process)
    request.getfixturevalue("other")
    (folder / "ran.txt").unlink()
    (folder / "go").touch()
    process = contained(folder, "run", "--resume-or-start", *_RUN)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 0, told
    assert "3 of 4 tasks were over" in told
    assert (folder / "ran.txt").read_text() == "wait\n"
    assert not lock.exists()


def shoal(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SHOAL, *arguments, "--db", "runs.db"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)


def test_it_is_seen_to_have_crashed_and_can_be_pruned(folder: Path) -> None:
    process = contained(folder, "run", *_RUN)
    wait_for(lambda: over(folder / "runs.db") >= 3, 60, "3 tasks are over")
    assert " running " in shoal(folder, "runs").stdout
    kill_all(process)
    assert " crashed " in shoal(folder, "runs").stdout
    assert "deleted 1 run;" in shoal(folder, "prune", "--keep", "0s").stderr
    assert not list(folder.glob("*.lock"))
    shoal(folder, "run", "operator:not_", "--items", "items.txt", "--headless")  # it removes the socket, too
