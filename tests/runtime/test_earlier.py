"""Outcomes from the database are what they were: values, and lines of results, to the letter."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import GONE, began, group, made, write

from engine.cli.running.items import KeptItems
from engine.plan.steps import SpecError
from engine.runtime.fleet.launch import StartError
from engine.runtime.record.earlier import Earlier, check_owner, is_large, item_of, line_of
from engine.runtime.record.recording import _detail, _storable
from engine.runtime.results import row, value_of
from engine.store import pruning
from engine.store.columns import stored
from engine.store.messages import ItemsRead
from engine.store.queries import Outcome
from engine.wire import frames, values

VALUES = [
    1, -(1 << 62), 1 << 80, 0.1, 1e16, 1e-7, -0.0, math.inf, -math.inf, True, None, "", "é\0\n", "\ud800", b"\0x",
    [1, 2.5], {"a": [None, "x"]}, (1, (2,)), {7: "x"}, {1, 2}, [math.nan], "x" * 60_000, [0.5] * 9_000, 1 + 2j,
    frozenset({3}), Path("/x"),
]  # fmt: skip


def _outcome(value: Any, exact: bool) -> tuple[Any, Outcome]:
    item = values.hold(value)
    return item, Outcome(3, "done", 1, "main/0", 1.0, 0.5, *stored(_storable(item, exact)))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("exact", [True, False])
def test_a_result_has_the_same_line_again(value: Any, exact: bool) -> None:
    item, outcome = _outcome(value, exact)
    assert line_of(outcome, "step") == row(3, "step", item, [], None)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_result_that_is_needed_again_comes_back_as_what_it_was(value: Any) -> None:
    _, outcome = _outcome(value, True)
    again = value_of(item_of(outcome), [])
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_what_is_not_a_number_stays_that() -> None:
    item, outcome = _outcome(math.nan, False)
    assert math.isnan(value_of(item_of(outcome), []))
    assert line_of(outcome, None) == row(3, None, item, [], None)


def test_a_large_result_is_not_there() -> None:
    item = values.hold(b"x" * values.LARGE)
    assert is_large(Outcome(3, "done", 1, None, None, None, *stored(_storable(values.Ext(values.PARCEL, b""), False))))
    item.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("detail", [{}, {"exit_code": 1, "stdout": "é\ud800", "stderr": ""}])
def test_a_failure_has_the_same_line_again(detail: dict[str, Any]) -> None:
    failure = frames.Failure(0, "exit" if detail else "exception", "E", "why", "Traceback ...", b"", detail)
    outcome = Outcome(
        5, "failed", 1, None, None, None, _detail(failure) or None, None, None, failure.kind, "E", "why",
        failure.traceback,
    )  # fmt: skip
    assert line_of(outcome, None) == row(5, None, None, [], failure)


def test_what_the_engine_ended_has_the_same_line_again() -> None:
    failure = frames.Failure(0, "timeout", "", "took long", "", b"")
    outcome = Outcome(5, "failed", 1, None, None, None, None, None, None, "timeout", None, "took long", None)
    assert line_of(outcome, "a") == row(5, "a", None, [], failure)


def test_pickles_are_read_only_from_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(pickle.dumps(1))
    for mode, fine in ((0o600, True), (0o644, True), (0o620, False), (0o602, False)):
        os.chmod(path, mode)
        if fine:
            check_owner(path)
        else:
            with pytest.raises(StartError, match="not yours alone"):
                check_owner(path)


def test_nor_from_one_beside_which_others_can_put_files(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.touch(0o600)
    check_owner(path)
    for mode in (0o777, 0o1777):
        tmp_path.chmod(mode)
        with pytest.raises(StartError, match="others can put files beside"):
            check_owner(path)
    tmp_path.chmod(0o700)
    log = tmp_path / "runs.db-wal"
    log.touch()
    log.chmod(0o666)
    with pytest.raises(StartError, match=r"runs\.db-wal is not yours alone"):
        check_owner(path)


def test_what_is_deleted_while_a_rerun_reads_it_does_not_pass_for_never_done(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    write(path, began("old", "old", pid=GONE), *made("fit"), group(0, [1, 2, 3]))
    with contextlib.closing(Earlier(path, None, ["old"])) as earlier:
        assert [known.outcome.task for known in earlier.outcomes(0, 0, 9)] == [0, 1, 2]
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            assert pruning.remove(db, "old")
        with pytest.raises(SpecError, match="recorded with run old, which has been deleted"):
            list(earlier.outcomes(0, 0, 9))
    with pytest.raises(SpecError, match="which has been deleted"):
        Earlier(path, None, ["old"])


def test_items_that_are_deleted_while_they_are_read_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    write(path, began("old", "old", pid=GONE), ItemsRead(0, ["a", "b"]), ItemsRead(2, ["c"]), ItemsRead(3, []))
    kept = KeptItems(path, "old", 3)
    assert list(kept) == ["a", "b", "c"]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        items = iter(kept)
        assert next(items) == "a"
        assert pruning.remove(db, "old")
        with pytest.raises(SpecError, match="only 2 of 3 are left of the items that were recorded with run old"):
            list(items)
