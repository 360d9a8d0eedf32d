"""What is kept of sessions, and which of them is compared with."""

from __future__ import annotations

import json
import math
import multiprocessing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.bench.guard import calibration, fingerprint, history
from engine.bench.guard.cells import Cell
from engine.bench.guard.history import LAST_GOOD, History, HistoryError
from engine.bench.guard.past import told
from engine.bench.guard.sessions import Recorder, Seen, Session


def cell(name: str = "map", beside: bool = True, factor: float = 1.0) -> Cell:
    values = [factor * value for value in (1.0, 1.01, 0.99)]
    return Cell(
        name=name, metric="title", unit="s", better="low", floor=0.0,
        samples={"ours": values} | ({"peer": [1.0] * 3} if beside else {}),
    )  # fmt: skip


def session(number: int, state: str = "", **more: Any) -> Session:
    usual: dict[str, Any] = {
        "id": f"{number:08x}", "suite": "speed", "began": 1e9 + number, "seconds": 1.0, "quick": False, "seed": 1,
        "command": ["shoal"], "version": "1", "commit": None, "dirty": None, "fingerprint": "f", "machine": {},
        "packages": {}, "settings": {}, "settings_hash": "h", "before": {}, "after": {}, "calibration": (0.015, 0.015),
        "cells": [cell()], "seen": {"map": Seen(state=state)} if state else {},
    }  # fmt: skip
    return Session(**usual | more)


def kept(folder: Path, *sessions: Session) -> History:
    for one in sessions:
        history.keep(folder, one)
    return History(folder)


NOW = 99


# -- kept, and read again ----------------------------------------------------------------------------------------------


def test_a_session_is_read_as_it_was_written(tmp_path: Path) -> None:
    seen = Seen(state="regression", baseline="b", ratio=1.2, low=1.1, high=1.3, p=1e-5, rounds=24, confirmed=True)
    one = session(1, seen={"map": seen}, commit="c" * 40, dirty=True, failures={"idle": "why"}, alerts=[{"rule": "r"}])
    place = history.keep(tmp_path / "benchmarks", one)
    assert History(tmp_path / "benchmarks").sessions == [one]
    assert place.name == "20010909T014641Z-speed-00000001.json"
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(place.read_text())["cells"][0]["samples"]["ours"] == [1.0, 1.01, 0.99]
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_what_is_known_of_a_session(nothing_switched_off: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_ENABLE_BATCHING", "0")
    monkeypatch.setenv("SHOAL_ALERT_WEBHOOK", "https://example.org/secret")
    found = Recorder("speed", True, 7).ended([cell()], {"idle": "why"})
    assert found.settings["enable_batching"] is False
    assert "secret" not in msgspec.json.encode(found).decode()
    assert found.settings_hash != session(1).settings_hash
    assert (found.suite, found.quick, found.seed, found.failures) == ("speed", True, 7, {"idle": "why"})
    assert found.commit is None or (len(found.commit) == 40 and found.dirty is not None)
    assert found.machine["python"].startswith("CPython 3.")
    assert found.fingerprint == fingerprint.short(fingerprint.taken())
    assert found.packages["msgspec"]
    assert all(0 < seconds < 10 for seconds in found.calibration)
    assert found.before["at"] <= found.after["at"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no session of shoal bench"),
        ("{}", "is no session of shoal bench"),
        ("[1, 2]", "is no session of shoal bench"),
        ('{"format": 1, "id": "x"}', "is no session of shoal bench"),
        ('{"format": 3, "id": "x"}', "was written by a newer Shoal (format 3, this one knows 2)"),
        ("\x00\xff", "is no session of shoal bench"),
    ],
)
def test_what_is_no_session_is_named(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(HistoryError) as found:
        History(tmp_path)
    assert str(tmp_path / "a.json") in str(found.value)
    assert why in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cells", 0, "samples"), {"ours": []}), (("cells", 0, "samples"), {"peer": [1.0]}),
        (("cells", 0, "repeat"), 0), (("cells", 0, "samples", "ours", 0), None), (("calibration", 0), 0),
        (("cells", 0, "better"), "higher"), (("more",), 1),
    ],
)  # fmt: skip
def test_a_session_that_somebody_changed_is_refused(tmp_path: Path, path: tuple[Any, ...], value: object) -> None:
    place = history.keep(tmp_path, session(1))
    data = part = json.loads(place.read_text())
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    place.write_text(json.dumps(data))
    with pytest.raises(HistoryError, match="damaged one"):
        History(tmp_path)


def test_a_list_of_baselines_that_is_none(tmp_path: Path) -> None:
    (tmp_path / history.BASELINES).write_text('{"format": 1, "named": 7}')
    with pytest.raises(HistoryError, match="list of baselines"):
        History(tmp_path)


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="can't write to"):
        history.keep(tmp_path / "file", session(1))
    with pytest.raises(HistoryError, match="can't write to"):
        history.keep(tmp_path / "file" / "below", session(1))
    with pytest.raises(HistoryError, match="can't read"):
        History(tmp_path / "file")


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".20010909.json").write_text("half")
    assert kept(tmp_path, session(1)).sessions == [session(1)]


# -- which is compared with --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        (("first",), 0), (("first", "fine"), 1), (("fine", "improved"), 1),
        (("fine", "regression"), 0), (("fine", "suspected"), 0), (("fine", "unsure"), 0), (("fine", "unmeasured"), 0),
        (("fine", "slightly worse", "slightly worse"), 0), (("fine", "regression", "fine"), 2), (("fine", ""), 0),
        (("", ""), None), (("regression",), None),
    ],
)  # fmt: skip
def test_the_last_good_one(tmp_path: Path, states: tuple[str, ...], wanted: int | None) -> None:
    past = kept(tmp_path, *(session(number, state) for number, state in enumerate(states)))
    found = past.last_good(session(NOW), "map")
    assert found == (None if wanted is None else past.sessions[wanted])


def test_it_moves_over_a_regression_once_that_is_accepted(tmp_path: Path) -> None:
    past = kept(tmp_path, session(1, "fine"), session(2, "regression"), session(3, "regression"))
    assert past.last_good(session(NOW), "map") == session(1, "fine")
    history.pin(tmp_path, LAST_GOOD, "00000002")
    history.pin(tmp_path, LAST_GOOD, "00000002")
    past = History(tmp_path)
    assert past.baselines.accepted == ["00000002"]
    assert past.last_good(session(NOW), "map") == session(2, "regression")


def test_cells_have_their_own(tmp_path: Path) -> None:
    both = [cell("map"), cell("idle")]
    first = session(1, cells=both, seen={"map": Seen(state="fine"), "idle": Seen(state="fine")})
    second = session(2, cells=both, seen={"map": Seen(state="regression"), "idle": Seen(state="fine")})
    third = session(3, "fine")
    past = kept(tmp_path, first, second, third)
    assert past.last_good(session(NOW), "map") == third
    assert past.last_good(session(NOW), "idle") == second
    assert past.last_good(session(NOW), "start") is None


@pytest.mark.parametrize(
    "other", [{"quick": True}, {"suite": "recorder"}, {"fingerprint": "g"}, {"against": "another copy"}]
)
def test_others_are_not_looked_at(tmp_path: Path, other: dict[str, Any]) -> None:
    past = kept(tmp_path, session(1, "fine"), session(2, "fine", **other))
    assert past.last_good(session(NOW), "map") == session(1, "fine")


def test_what_goes_as_the_machine_does_is_compared_with_a_time_when_that_was_as_fast(tmp_path: Path) -> None:
    alone: dict[str, Any] = {"cells": [cell(beside=False)]}
    speeds = [(0.015, 0.015), (0.0165, 0.0165), (0.0151, 0.0160)]
    past = kept(tmp_path, *(session(at, "fine", calibration=speed, **alone) for at, speed in enumerate(speeds)))
    assert past.last_good(session(NOW, **alone), "map") == past.sessions[0]
    assert past.last_good(session(NOW, calibration=(0.0165, 0.0166), **alone), "map") == past.sessions[1]
    # No machine so slow before: one of another speed, to be told why they are not compared. Never the one that was not
    # steady.
    assert past.last_good(session(NOW, calibration=(0.03, 0.03), **alone), "map") == past.sessions[1]


def test_names(tmp_path: Path) -> None:
    past = kept(tmp_path, session(0x1A), session(0x1B))
    history.pin(tmp_path, "release", "0000001a")
    history.pin(tmp_path, "other", "0000001b")
    past = History(tmp_path)
    assert past.named("release").id == "0000001a"
    assert past.find("0000001b").id == past.find("last").id == "0000001b"
    for name, why in (("0000001", "several"), ("zz", "no session 'zz'"), ("", "no session ''")):
        with pytest.raises(HistoryError, match=why):
            past.find(name)
    with pytest.raises(HistoryError, match="no baseline 'nightly'; known: last-good, other, release"):
        past.named("nightly")
    with pytest.raises(HistoryError, match=r"no sessions in .* yet"):
        History(tmp_path / "absent").find("last")


def _pins(folder: Path, name: str) -> None:
    for number in range(20):
        history.pin(folder, f"{name}{number}", "00000001")


def test_names_that_are_given_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    kept(tmp_path, session(1))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_pins, args=(tmp_path, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert len(History(tmp_path).baselines.named) == 40


# -- trends ------------------------------------------------------------------------------------------------------------


def test_steps_are_told_by_sessions() -> None:
    past = [session(number, cells=[cell(factor=1.0 + (number >= 6) * 0.07)]) for number in range(12)]
    (step,) = told("map", past)
    assert step.session == "00000006"
    assert "7 % worse" in step.text
    assert "12 sessions" in step.text


def test_a_machine_that_got_slower_is_no_step() -> None:
    def slow(number: int) -> float:
        return 1.0 + (number >= 6) * 0.07

    past = [
        session(number, calibration=(0.015 * slow(number),) * 2, cells=[cell(beside=False, factor=slow(number))])
        for number in range(12)
    ]
    assert told("map", past) == []
    as_fast = [session(20 + at, cells=one.cells) for at, one in enumerate(past[6:])]
    assert [step.session for step in told("map", [*past[:6], *as_fast])] == ["00000014"]


def test_sessions_of_another_size_or_without_the_cell_are_left_out() -> None:
    other = [session(90 + number, cells=[cell("idle")]) for number in range(4)]
    past = [session(number, cells=[cell(factor=1.0 + (number >= 3) * 0.07)]) for number in range(7)]
    assert told("map", [*other, *past]) == []


# -- fingerprints ------------------------------------------------------------------------------------------------------


def test_what_differs_is_told_in_words() -> None:
    then = fingerprint.taken()
    assert fingerprint.differences(then, then) == ""
    now = then | {"cores": "128", "hypervisor": "", "cpuset": "77", "disk": "other"}
    told = fingerprint.differences(then | {"hypervisor": "some"}, now)
    assert told == f"cores {then['cores']} then, 128 now, hypervisor some then, unknown now"
    assert fingerprint.short(now) != fingerprint.short(then)
    assert fingerprint.short(then | {"cpuset": "77"}) == fingerprint.short(then)


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000", "1.5"), ("max 100000", ""), ("", ""), ("x", ""), ("1 0", "")]
)
def test_the_quota_of_a_group(text: str, cores: str, tmp_path: Path) -> None:
    assert fingerprint.quota(text) == cores
    (tmp_path / "cpu.max").write_text(text)
    assert fingerprint.taken(tmp_path)["quota"] == cores


def test_how_far_a_machine_has_moved() -> None:
    assert calibration.moved(0.02, 0.022) == pytest.approx(math.log(1.1))
    assert not session(1, calibration=(0.02, 0.0207)).steady
    assert session(1, calibration=(0.02, 0.0205)).steady
