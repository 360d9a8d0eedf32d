"""``shoal bench gate``, ``history`` and ``baseline`` as they are used."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import line, run

import engine
from engine.bench import run as measuring
from engine.bench.guard import fingerprint, history
from engine.bench.guard.cells import Cell
from engine.bench.guard.sessions import Recorder
from engine.bench.rows import SUITES

SHOAL = [sys.executable, "-P", "-m", "engine.cli", "bench"]
ROOT = Path(engine.__file__).parents[1]


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHOAL, *arguments], text=True, timeout=110, check=False, stdin=subprocess.DEVNULL,
                          capture_output=True, env=os.environ | environment)  # fmt: skip


def sessions() -> list[dict[str, Any]]:
    done = run("bench", "history", "--json", "--limit", "0")
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def folder() -> Path:
    return history.default_folder()


IDLE = next(row for row in SUITES["speed"] if row.name == "idle")
SUBMIT = next(row for row in SUITES["speed"] if row.name == "submit")
REAL = json.loads((ROOT / "tests" / "bench" / "quick_sessions.json").read_text())
"""Samples of real sessions at small sizes: pairs of ours and theirs, by row."""


def measured(factor: float = 1.0, accept: bool = False) -> str:
    """A session of so-called memory of idle agents, taken by nobody, on this machine; its id."""
    cell = Cell(name="idle", metric="memory", unit="B", better="low", floor=0.0, work=json.dumps(IDLE.sized(True)),
                samples={"ours": [factor * value for value in (2.6e6, 2.61e6, 2.62e6, 2.61e6)]})  # fmt: skip
    return kept(cell, accept)


def kept(cell: Cell, accept: bool) -> str:
    """A session of one cell; its id."""
    session = Recorder("speed", True, 1).ended([cell], {})
    history.keep(folder(), session)
    if accept:
        history.pin(folder(), history.LAST_GOOD, session.id)
    return session.id


@pytest.fixture
def so_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements in no time, of as much as `measured` says: for what is made of them, whatever they were."""
    values = itertools.cycle((2.6e6, 2.61e6, 2.62e6))
    monkeypatch.setattr(measuring, "measure", lambda *_, **__: {"value": next(values)})


def moved_to_another_machine(session: str) -> str:
    """Have it as if that session had been measured elsewhere; its id."""
    place = next(folder().glob(f"*{session}.json"))
    data = json.loads(place.read_text())
    place.write_text(json.dumps(data | {"machine": data["machine"] | {"cpu": "abacus"}, "fingerprint": "0" * 12}))
    return session


def test_the_first_session_compares_nothing_and_says_so(so_called: None) -> None:
    other = moved_to_another_machine(measured(accept=True))
    first = run("bench", "gate", "--quick", "--only", "idle", "--rounds", "3")
    assert first.exit_code == 2, first.stderr
    assert f"note: the last session, {other}, is of an unlike machine (processor abacus then, " in first.stderr
    assert "no baseline of this machine yet" in first.stderr
    assert "--accept says that this is meant" in first.stderr
    _, kept = sessions()
    assert kept["seen"]["idle"]["state"] == "first"
    assert kept["id"] in first.stderr
    assert len(kept["cells"][0]["samples"]["ours"]) == 3
    meant = run("bench", "gate", "--quick", "--only", "idle", "--rounds", "3", "--accept", "--json", "-")
    assert meant.exit_code == 0, meant.stderr
    found = json.loads(meant.stdout)
    assert (found["exit_code"], found["seen"]["idle"]["baseline"]) == (0, kept["id"])
    assert json.loads((folder() / history.BASELINES).read_text())["accepted"] == [other, found["id"]]


def test_a_regression_is_found_told_and_can_be_accepted(
    tmp_path: Path, so_called: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The baseline says that the agents had a third of the memory that they have.
    script = tmp_path / "told.sh"
    script.write_text(f'#!/bin/sh\ncat >>"{tmp_path}/told"\necho >>"{tmp_path}/told"\n')
    script.chmod(0o755)
    small = measured(0.3, accept=True)
    arguments = ("gate", "--quick", "--only", "idle", "--rounds", "3")
    monkeypatch.setenv("SHOAL_ALERT_COMMAND", str(script))
    found = run("bench", *arguments)
    monkeypatch.delenv("SHOAL_ALERT_COMMAND")
    assert found.exit_code == 1, found.output
    assert "regression: idle" in found.stderr
    assert f"worse than baseline {small}" in found.stderr
    assert found.stdout.splitlines()[1].endswith(f"{small}  regression")
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines() if line]
    assert [(one["alert"]["rule"], one["alert"]["class"], one["alert"]["labels"]) for one in told] == [
        ("bench-regression", "regression", {"cell": "idle", "suite": "speed"})
    ]
    last = sessions()[-1]
    assert (last["seen"]["idle"]["state"], last["seen"]["idle"]["confirmed"]) == ("regression", True)
    assert last["cells"][0]["again"] == 6
    assert last["alerts"][0]["level"] == "warning"
    shown = run("bench", "history", "last")
    assert "alert     warning: speed idle: " in shown.stdout
    assert run("bench", "baseline", "last-good").stderr == f"session {last['id']} is accepted\n"
    fine = run("bench", *arguments)
    assert fine.exit_code == 0, fine.output
    assert fine.stderr.splitlines()[-2] == "no regression"
    listed = run("bench", "history").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:-1]] == [one["id"] for one in sessions()[:-1]]
    assert listed[-2].endswith("regression  accepted")


def test_a_rule_that_is_wrong_stops_it_before_anything_is_measured(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules.bench-regression]\nenabled = 7\n")
    wrong = bench("gate", "--quick", "--only", "idle", SHOAL_ALERT_RULES=str(rules))
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1), wrong.stderr
    assert "bench-regression" in wrong.stderr


@pytest.mark.needs("batching", "pooling")  # many tasks
def test_a_mechanism_that_is_switched_off_is_found_by_its_real_cost() -> None:
    """Without batches a task is sent when the one before it has come back: many times slower, on any machine.

    The baseline is of real samples with batches, taken elsewhere; they are ratios to another pool's.
    """
    ours, theirs = zip(*REAL["submit"][0], strict=True)
    first = kept(
        Cell(name="submit", metric="submit", unit="/s", better="high", floor=50.0, work=json.dumps(SUBMIT.sized(True)),
             samples={"ours": list(ours), "peer": list(theirs)}),
        accept=True,
    )  # fmt: skip
    found = bench("gate", "--quick", "--only", "submit", "--rounds", "3", SHOAL_ENABLE_BATCHING="0")
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"worse than baseline {first}" in found.stderr
    assert f"other settings than in session {first}: enable_batching" in found.stderr


@pytest.mark.needs("pooling")
def test_another_copy_in_turns(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(ROOT / "engine", copy / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "shoal.py", copy)
    # What the copy needs less of: a third of the agents have a third of the memory.
    ours = copy / "engine" / "bench" / "ours.py"
    text = ours.read_text()
    assert text.count('"value": sums["shoal-agent"],') == 1
    ours.write_text(text.replace('"value": sums["shoal-agent"],', '"value": sums["shoal-agent"] // 3,'))
    found = bench("gate", "--quick", "--only", "idle", "--rounds", "3", "--against", str(copy), "--json", "-")
    assert found.returncode == 1, found.stderr
    session = json.loads(found.stdout)
    assert session["against"].startswith(str(copy))
    assert set(session["cells"][0]["samples"]) == {"ours", "against"}
    assert session["seen"]["idle"]["ratio"] == pytest.approx(3, rel=0.2)
    assert not session["baseline"]
    alone = bench("gate", "--quick", "--only", "help", "--against", str(copy))
    assert alone.returncode == 2
    assert "help: left out, for " in alone.stderr
    refused = bench("baseline", "release")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "was measured beside other code" in refused.stderr


def test_names_and_unlike_machines(so_called: None) -> None:
    mine = measured()
    assert run("bench", "baseline", "release", mine[:6]).stderr == f"session {mine} is baseline release\n"
    moved_to_another_machine(mine)
    arguments = ("bench", "gate", "--quick", "--only", "idle", "--rounds", "3", "--baseline", "release")
    refused = run(*arguments)
    assert f"is of an unlike machine (processor abacus then, {fingerprint.taken()['cpu']} now)" in line(refused)
    found = run(*arguments, "--unlike")
    assert "note: UNLIKE MACHINES: session" in found.stderr
    assert found.stdout.splitlines()[1].split()[0] == "idle"
    assert found.exit_code == 0
    other = run("bench", "gate", "--only", "idle", "--baseline", "release", "--unlike")
    assert "is a session of quick speed" in line(other)


@pytest.mark.needs("pooling")
def test_any_session_is_kept_unless_it_is_not_wanted(so_called: None) -> None:
    arguments = ("--quick", "--rounds", "1", "--only", "idle")
    assert run("bench", *arguments, "--no-store").exit_code == 0
    assert sessions() == []
    assert bench(*arguments).returncode == 0
    (kept,) = sessions()
    assert (kept["suite"], kept["quick"], kept["seen"], [cell["name"] for cell in kept["cells"]]) == (
        "speed", True, {}, ["idle"],
    )  # fmt: skip
    assert kept["command"][1:] == ["bench", *arguments] or kept["command"][1:] == list(arguments)


def test_one_that_can_not_be_kept_is_shown_all_the_same(
    tmp_path: Path, so_called: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    done = run("bench", "--quick", "--rounds", "1", "--only", "idle")
    assert done.exit_code == 0, done.stderr
    assert "5 idle agents" in done.stdout
    assert "not kept: can't write to" in done.stderr


def test_bad_usage_is_one_line(tmp_path: Path) -> None:
    measured()
    for arguments in (
        ["gate", "slowness"],
        ["gate", "--only", "nothing"],
        ["gate", "--rounds", "2"],
        ["gate", "--baseline", "absent"],
        ["gate", "tui"],
        ["gate", "--against", "absent"],
        ["gate", "--against", str(tmp_path)],
        ["gate", "--against", "/bin/false"],
        ["gate", "--against", str(tmp_path), "--accept"],
        ["gate", "--json", "absent/b.json"],
        ["history", "zz"],
        ["baseline"],
        ["baseline", "a/b"],
        ["baseline", "release", "zz"],
    ):
        done = bench(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert len(sessions()) == 1


def test_what_is_no_session_stops_it_before_anything_is_measured() -> None:
    measured()
    (folder() / "0.json").write_text('{"somebody": "else\'s"}')
    for arguments in (["gate", "--quick", "--only", "idle"], ["history"], ["baseline", "release"]):
        done = bench(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        (line,) = done.stderr.splitlines()
        assert f"{folder() / '0.json'} is no session of shoal bench" in line


def test_the_help_has_suites_and_commands() -> None:
    found = bench("--help").stdout
    assert "[SUITE|COMMAND]" in found
    assert all(f"\n  {name} " in found for name in ("gate", "history", "baseline"))
    assert "Exit code 0: none. 1: a regression. 2:" in " ".join(bench("gate", "--help").stdout.split())
