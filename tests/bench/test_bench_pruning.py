"""Which sessions may go, and which never do."""

from __future__ import annotations

from pathlib import Path

import bench_sessions as made
import pytest
from commands import data, line, run

from engine.bench.guard import history, pruning
from engine.bench.guard.cells import Cell
from engine.bench.guard.history import History
from engine.bench.guard.sessions import Seen, Session

CELL = Cell(name="map", metric="map", unit="s", better="low", floor=0.0, samples={"ours": [1.0] * 3})


def session(number: int, **more: object) -> Session:
    """The one of so many days before noon, as small as it can be."""
    usual = {"cells": [CELL], "lines": [], "whole": False, "id": f"{number:08x}"}
    return made.session_of("memory", number, **(usual | more))  # type: ignore[arg-type]


def of(folder: Path, *sessions: Session, **names: Session) -> History:
    return History(made.keep(folder, sessions, **names))


def days(found: list[Session]) -> list[int]:
    return [int(one.id, 16) for one in found]


NOW = made.NOON


def test_the_oldest_of_a_kind_go(tmp_path: Path) -> None:
    past = of(tmp_path, *(session(number) for number in range(20)), *(session(100 + n, quick=True) for n in range(9)))
    assert days(pruning.chosen(past, most=12)) == [19, 18, 17, 16, 15, 14, 13, 12]
    assert days(pruning.chosen(past, before=NOW - 15.5 * made.DAY)) == [108, 19, 18, 17, 16]
    assert days(pruning.chosen(past, before=NOW - 15.5 * made.DAY, most=14)) == [108, 19, 18, 17, 16, 15, 14]
    assert pruning.chosen(past) == []


def test_the_newest_of_a_kind_stay_however_old_they_are(tmp_path: Path) -> None:
    """A trend takes eight of them."""
    past = of(tmp_path, *(session(number) for number in range(20)))
    assert days(pruning.chosen(past, before=NOW, most=1)) == list(range(19, 7, -1))


def test_baselines_stay(tmp_path: Path) -> None:
    sessions = [session(number) for number in range(20)]
    past = of(tmp_path, *sessions, v1=sessions[19])
    history.pin(tmp_path, history.LAST_GOOD, sessions[17].id)
    past = History(past.folder)
    assert days(pruning.chosen(past, before=NOW)) == [18, *range(16, 7, -1)]
    assert days(pruning.chosen(past, most=10)) == [18, *range(16, 7, -1)]


def test_what_a_cell_is_compared_with_stays(tmp_path: Path) -> None:
    """Every one since the last good one was a regression."""
    bad = [session(number, seen={"map": Seen(state="regression")}) for number in range(15)]
    good = [session(number, seen={"map": Seen(state="fine")}) for number in (16, 18)]
    past = of(tmp_path, *bad, *good)
    assert days(pruning.chosen(past, before=NOW)) == [18, *range(14, 7, -1)]


def test_what_documents_are_written_of_stays(tmp_path: Path) -> None:
    past = of(tmp_path, *(session(number, whole=number in (15, 18)) for number in range(20)))
    assert 15 not in days(pruning.chosen(past, before=NOW))
    assert 18 in days(pruning.chosen(past, before=NOW))


def test_other_machines_are_kinds_of_their_own(tmp_path: Path) -> None:
    here = [session(number) for number in range(10)]
    there = [session(100 + number, fingerprint="0" * 12) for number in range(10)]
    assert days(pruning.chosen(of(tmp_path, *here, *there), most=9)) == [109, 9]


def test_they_are_gone_and_nothing_else(tmp_path: Path) -> None:
    past = of(tmp_path, *(session(number) for number in range(12)))
    (tmp_path / "notes.txt").write_text("mine")
    chosen = pruning.chosen(past, most=10)
    history.place(tmp_path, chosen[0]).unlink()  # somebody else was quicker
    assert days(pruning.remove(tmp_path, chosen)) == [10]
    assert days(History(tmp_path).sessions) == list(range(9, -1, -1))
    assert (tmp_path / "notes.txt").exists()


def test_beyond_a_bound_they_go_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEPT", 10)
    of(tmp_path, *(session(number) for number in range(10)))
    pruning.bound(tmp_path, "memory")
    assert len(History(tmp_path).sessions) == 10
    history.keep(tmp_path, session(30))
    history.keep(tmp_path, made.session_of("speed", 40))
    pruning.bound(tmp_path, "memory")
    assert days(History(tmp_path).sessions)[1:] == list(range(9, -1, -1))
    assert History(tmp_path).sessions[0].suite == "speed", "another suite is not looked at"
    (tmp_path / "0.json").write_text("damaged")
    history.keep(tmp_path, session(31))
    pruning.bound(tmp_path, "memory")  # it is no time to complain


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_prune() -> None:
    made.keep(history.default_folder(), [session(number) for number in range(12)])
    dry = run("bench", "prune", "--most", "10", "--dry-run")
    assert dry.exit_code == 0
    assert [row.split()[0] for row in dry.stdout.splitlines()] == ["SESSION", "0000000b", "0000000a"]
    assert "would delete 2 sessions" in dry.stderr
    assert "10 sessions would be left" in dry.stderr
    found = data(run("bench", "prune", "--most", "10", "--json"))
    assert [(one["id"], one["suite"], one["bytes"] > 100) for one in found] == [
        ("0000000b", "memory", True), ("0000000a", "memory", True),
    ]  # fmt: skip
    nothing = run("bench", "prune", "--most", "10")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "deleted 0 sessions" in nothing.stderr
    assert len(History(history.default_folder()).sessions) == 10


def test_bad_usage_of_prune_is_one_line() -> None:
    for arguments, why in (([], "say what to keep: "), (["--keep", "3x"], "3x"), (["--most", "0"], "0")):
        done = run("bench", "prune", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert why in done.stderr.splitlines()[-1]
    history.default_folder().mkdir(parents=True)
    (history.default_folder() / "0.json").write_text("{}")
    assert "is no session" in line(run("bench", "prune", "--most", "3"))
