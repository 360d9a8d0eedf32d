"""What the screens are told of benchmarks, and one that is started for them: it ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bench_sessions as made
import pytest
from processes import enabled, marked_processes, wait_for

from engine.bench.guard import fingerprint, history
from engine.cli.bench.benches import KeptBenches
from engine.cli.bench.measuring import Measuring
from engine.stream.benchmarks import Begun, Ended, Failed, Measured, Message, Planned
from tui.archive import ArchiveError
from tui.bench.record import LAST_GOOD, How

BAD = {"submit": 1.18, "help": 1.31}
QUICK = ["speed", "--quick", "--rounds", "1", "--only", "help"]
"""The row that starts no engine."""


def benches(folder: Path, *sessions: object, **names: object) -> KeptBenches:
    return KeptBenches(made.keep(folder / "b", sessions, **names))  # type: ignore[arg-type]


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_suites_are_those_that_can_be_measured(tmp_path: Path) -> None:
    suites = {suite.name: suite for suite in benches(tmp_path).suites()}
    assert suites["speed"].gate
    assert not suites["peers"].gate
    assert len(suites) == 14


def test_sessions_are_the_newest_first_with_how_they_ended(tmp_path: Path) -> None:
    good, bad = made.session_of("speed", 3), made.gated(1, BAD)
    found = benches(tmp_path, good, bad, v1=good)
    history.pin(tmp_path / "b", LAST_GOOD, bad.id)
    first, second = found.sessions()
    assert (first.id, second.id) == (bad.id, good.id)
    assert (first.gate, first.state, first.count, first.accepted) == (True, "regression", 2, True)
    assert (second.gate, second.state, second.names, second.must[1]) == (False, "", ("v1",), 13)
    assert not first.alike
    assert not second.alike
    here = made.session_of("memory", 1, fingerprint=fingerprint.short(fingerprint.taken()))
    made.keep(tmp_path / "b", [here])
    assert next(row for row in found.sessions() if row.suite == "memory").alike


def test_all_there_is_to_tell_of_one(tmp_path: Path) -> None:
    sessions = [made.session_of("speed", number) for number in (9, 7, 5)]
    bad = made.gated(1, BAD)
    told = benches(tmp_path, *sessions, bad, v1=sessions[0]).session(bad.id)
    assert [line.name for line in told.lines] == [cell.name for cell in bad.cells]
    submit = next(line for line in told.lines if line.name == "submit")
    assert submit.judged is not None
    assert (submit.judged.state, submit.judged.confirmed, submit.judged.ratio) == ("regression", True, 1.18)
    assert submit.samples is not None
    assert submit.samples.sides["ours"] == tuple(bad.cells[4].samples["ours"])
    assert [point.session for point in told.trends["submit"].points] == [one.id for one in (*sessions, bad)]
    assert [point.names for point in told.trends["submit"].points] == [("v1",), (), (), ()]
    assert told.trends["submit"].points[-1].state == "regression"
    assert told.command == "shoal bench gate speed"
    assert told.alerts == ("speed submit: 18% worse than baseline 0ba5e11e, confirmed",
                           "speed help: 31% worse than baseline 0ba5e11e, confirmed")  # fmt: skip
    assert ("machine cpu", "Deep Blue 9000") in told.facts
    assert told.banners[0].startswith("measured on a machine unlike this one (")


def test_what_was_not_measured_has_a_line_too(tmp_path: Path) -> None:
    one = made.session_of("speed", 3, without={"array": "no answer within 120 s"})
    told = benches(tmp_path, one).session(one.id)
    assert told.lines[-1].name == "array"
    assert told.lines[-1].samples is None
    assert told.failures == (("array", "no answer within 120 s"),)


def test_every_suite_can_be_told_of(tmp_path: Path) -> None:
    sessions = made.all_sessions(BAD)
    found = benches(tmp_path, *sessions)
    for session in sessions:
        told = found.session(session.id)
        assert told.lines
        assert all(line.samples is not None for line in told.lines if line.cell)


def test_files_that_have_not_changed_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = benches(tmp_path, made.session_of("memory", 3))
    assert len(found.sessions()) == 1
    reads = []
    monkeypatch.setattr(history, "History", lambda folder: reads.append(folder))
    assert len(found.sessions()) == 1
    assert reads == []
    monkeypatch.undo()
    made.keep(tmp_path / "b", [made.session_of("memory", 1)])
    assert len(found.sessions()) == 2
    (tmp_path / "b" / "0.json").write_text("{}")
    with pytest.raises(ArchiveError, match="is no session of shoal bench"):
        found.sessions()


def test_two_side_by_side(tmp_path: Path) -> None:
    left, right = made.session_of("speed", 3), made.session_of("speed", 1, slower={"submit": 1.4})
    told = benches(tmp_path, left, right).compare(left.id, right.id)
    assert (told.left.id, told.right.id) == (left.id, right.id)
    submit = next(one for one in told.lines if one.name == "submit")
    assert submit.high is not None
    assert submit.high < 1
    assert told.differences[0][0] == "code"
    with pytest.raises(ArchiveError, match="no session 'zz'"):
        benches(tmp_path).compare(left.id, "zz")


def test_names(tmp_path: Path) -> None:
    one, against = made.session_of("speed", 3), made.session_of("speed", 2, against="another copy")
    found = benches(tmp_path, one, against)
    assert found.name(one.id, "v1") == f"session {one.id} is baseline v1"
    assert found.name(one.id, LAST_GOOD) == f"session {one.id} is accepted"
    assert history.History(tmp_path / "b").named("v1") == one
    with pytest.raises(ArchiveError, match="beside other code"):
        found.name(against.id, "v2")


# -- measured ----------------------------------------------------------------------------------------------------------


def all_of(measuring: Measuring) -> list[Message]:
    found = []
    while (message := measuring.next()) is not None:
        found.append(message)
    return found


def test_a_suite_is_measured_and_says_how_far_it_is() -> None:
    measuring = Measuring(QUICK)
    plan, *rest = all_of(measuring)
    end = measuring.wait(60)
    assert end is not None
    assert end.code == 0, end.words
    assert isinstance(plan, Planned)
    assert (plan.suite, plan.quick, plan.steps, [row.name for row in plan.rows]) == ("speed", True, 2, ["help"])
    assert [(one.step, one.round) for one in rest if isinstance(one, Begun)] == [(1, 0), (2, 1)]
    warm, one = (message for message in rest if isinstance(message, Measured))
    assert warm.values == {}
    assert {side: len(values) for side, values in one.values.items()} == {"ours": 2, "peer": 2}
    last = rest[-1]
    assert isinstance(last, Ended)
    (kept,) = KeptBenches().sessions()
    assert (last.code, last.session, last.failures) == (0, kept.id, {})
    assert not kept.whole
    (line,) = KeptBenches().session(kept.id).lines
    assert line.samples is not None
    assert line.samples.sides["ours"] == tuple(one.values["ours"])


def test_one_that_is_refused_has_said_why() -> None:
    measuring = Measuring(["gate", "speed", "--baseline", "absent"])
    assert all_of(measuring) == []
    end = measuring.wait(60)
    assert end is not None
    assert end.code == 2
    assert end.words.startswith("no baseline 'absent'; known: last-good")


def test_the_gate_says_what_it_makes_of_it() -> None:
    found = KeptBenches().measure("speed", How(quick=True, baseline=LAST_GOOD))
    found.stop()
    while found.next() is not None:
        pass
    assert found.wait(60) is not None
    measuring = Measuring(["gate", "speed", "--quick", "--only", "help", "--rounds", "3"])
    messages = all_of(measuring)
    last = messages[-1]
    assert isinstance(last, Ended)
    assert last.code == 2
    assert last.verdict.startswith("no baseline of this machine yet")
    end = measuring.wait(60)
    assert end is not None
    assert end.code == 2


def long(*more: str) -> list[str]:
    """A measurement of agents that takes longer than any test."""
    row = "stream" if enabled("pooling") else "start"
    return ["speed", "--only", row, *more]


def begun(measuring: Measuring) -> None:
    """Until it measures, with agents."""
    while not isinstance(message := measuring.next(), Begun):
        assert message is not None
    wait_for(lambda: len(marked_processes()) > 4, what="agents")


def test_nothing_is_left_of_one_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = tmp_path / "temporary"
    places.mkdir()
    monkeypatch.setenv("TMPDIR", str(places))
    measuring = Measuring(long())
    begun(measuring)
    measuring.stop()
    measuring.stop()
    assert all(not isinstance(message, Failed) for message in all_of(measuring))
    end = measuring.wait(30)
    assert end is not None
    assert end.code == 128 + signal.SIGTERM
    wait_for(lambda: not marked_processes(), what="all of it is gone")
    assert list(places.iterdir()) == []
    assert KeptBenches().sessions() == []


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cli.bench.measuring._PATIENCE", 0.0)
    measuring = Measuring(long())
    begun(measuring)
    os.kill(measuring.pid, signal.SIGSTOP)
    measuring.stop()
    time.sleep(0.01)
    wait_for(lambda: measuring.wait(0.1), what="it is killed")
    all_of(measuring)
    wait_for(lambda: not marked_processes(), what="what it has started is gone")


def test_nothing_is_left_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from engine.cli import view; view.load(); from engine.cli.bench.measuring import Measuring\n"
        f"measuring = Measuring({long()!r})\n"
        "while measuring.next() is not None: print(flush=True)\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert asking.stdout is not None
        asking.stdout.readline()
        wait_for(lambda: len(marked_processes()) > 5, what="agents")
    finally:
        asking.kill()
        asking.communicate()
    wait_for(lambda: not marked_processes(), what="all of it is gone")
