"""Outcomes from the database are what they were: values, and lines of results, to the letter."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.earlier import check_owner, is_large, item_of, line_of
from engine.runtime.launch import StartError
from engine.runtime.recording import _detail, _storable
from engine.runtime.results import row, value_of
from engine.store.columns import stored
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
