"""What alerts read of the machine, from files and calls that say all that there may be."""

from __future__ import annotations

import io
import os
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.core.admission import Room
from engine.runtime.alerting import machine
from engine.runtime.fleet import memory

GIB = 1 << 30


@pytest.mark.parametrize(
    ("rooms", "held"),
    [
        ([], None),
        ([Room(3 * GIB, 16 * GIB)], (13 * GIB, 16 * GIB)),
        ([Room(3 * GIB, 16 * GIB), Room(GIB, 4 * GIB, group="/tight"), Room(0, 8 * GIB)], (8 * GIB, 8 * GIB)),
        ([Room(GIB, 16 * GIB), Room(3 * GIB, 4 * GIB, group="/tight")], (15 * GIB, 16 * GIB)),
        ([Room(5 * GIB, 4 * GIB)], (0, 4 * GIB)),
    ],
    ids=[
        "not known",
        "machine",
        "the fullest limit",
        "the machine is fuller than the limit",
        "more left than there is",
    ],
)
def test_memory_is_that_of_who_has_least_left_of_it(
    rooms: list[Room], held: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def told(groups: list[str]) -> list[Room]:
        asked.append(groups)
        return rooms

    monkeypatch.setattr(memory, "rooms", told)
    assert memory.held(["/a", "/b"]) == held
    assert asked == [["/a", "/b"]]


def file_of(text: bytes) -> Callable[..., Any]:
    def opened(path: str, mode: str) -> io.BytesIO:
        assert (path, mode) == ("/proc/loadavg", "rb")
        if not text:
            raise FileNotFoundError(path)
        return io.BytesIO(text)

    return opened


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"0.52 0.58 0.59 5/321 1234\n", 4), (b"0.00 0.00 0.00 1/9 7\n", 0), (b"0.00 0.00 0.00 0/9 7\n", 0),
        (b"0.00 0.00 0.00 many/9 7\n", None), (b"0.52 0.58\n", None), (b"", None),
    ],
    ids=["some", "this one alone", "none", "no number", "cut off", "no file"],
)  # fmt: skip
def test_threads_that_want_to_run(text: bytes, found: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "open", file_of(text), raising=False)
    assert machine.runnable() == found


def test_threads_of_this_machine() -> None:
    found = machine.runnable()
    assert found is not None
    assert found >= 0


def test_descriptors_are_those_of_this_process(tmp_path: Path) -> None:
    before, most = machine.descriptors()
    assert before == sum(os.path.exists(f"/proc/self/fd/{number}") for number in range(4096))
    assert most == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with (tmp_path / "one").open("w"), (tmp_path / "two").open("w"):
        assert machine.descriptors() == (before + 2, most)
    assert machine.descriptors() == (before, most)


def test_descriptors_where_there_is_no_limit_and_where_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(path: str) -> list[str]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 200))
    with monkeypatch.context() as here:
        here.setattr(os, "listdir", none_left)
        assert machine.descriptors() == (100, 100), "all are open, or it could have been seen"
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    opened, most = machine.descriptors()
    assert opened > 0
    assert most == 0


def test_one_folder_for_each_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    assert machine.disks([]) == []
    assert machine.disks([Path("there/runs.db"), Path("results.jsonl"), tmp_path / "x"]) == [tmp_path / "there"]
    assert machine.disks([tmp_path / "still" / "to" / "be" / "made"]) == [tmp_path]
    assert machine.disks([tmp_path / "x", Path("/proc/none/x")]) == [tmp_path, Path("/proc")]


def test_a_folder_that_can_not_be_asked_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = os.stat

    def stat(path: Any, **how: Any) -> os.stat_result:
        if str(path) == "/proc":
            raise PermissionError(13, "Permission denied")
        return usual(path, **how)

    monkeypatch.setattr(Path, "is_dir", lambda path: True)
    monkeypatch.setattr(os, "stat", stat)
    assert machine.disks([Path("/proc/x"), tmp_path / "x"]) == [tmp_path]


def test_room_is_what_is_free_to_us_of_what_we_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free, most = machine.room(tmp_path) or (0, 0)
    assert 0 < free <= most
    assert machine.room(tmp_path / "none") is None
    # Of 100 blocks 80 are taken, and 5 of the other 20 kept for root.
    told = SimpleNamespace(f_bavail=15, f_bfree=20, f_blocks=100, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: told)
    assert machine.room(tmp_path) == (15 * 4096, 95 * 4096)
