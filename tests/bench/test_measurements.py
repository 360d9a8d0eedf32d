"""Measurements in processes of their own: what they find, how they fail, and that nothing is left of them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from processes import marked_processes, scaled, wait_for

from engine.bench import mechanisms, ours, peers, profile, recorded, run, sampling, suite, watch, watched
from engine.bench.gate import gate
from engine.bench.progress import narrated
from engine.bench.reader import Reader
from engine.bench.rows import ROWS, Row
from engine.bench.run import MeasurementFailed, Round, measure
from engine.bench.tasks import identity, meet, pid, work
from engine.procs import boot

BY_NAME = {row.name: row for row in ROWS}
SMALL: dict[str, dict[str, Any]] = {
    "start": {"agents": 3},
    "start_each": {"agents": 3},
    "submit": {"tasks": 50},
    "map": {"tasks": scaled(2_000)},
    "round_trip": {"tasks": 20},
    "overhead": {"tasks": 10, "iterations": 1_000},
    "idle": {"agents": 3, "settle": 0.05},
    "stream": {"tasks": scaled(20_000), "buffersize": scaled(500)},
    "array": {"megabytes": 2, "watched": True},
    "help": {},
    "recorded_work": {"tasks": scaled(50), "iterations": 1_000, "pairs": 2},
    "recorded_rows": {"tasks": scaled(2_000)},
    "recorded_map": {"tasks": scaled(2_000)},
    "recorder_alone": {"tasks": scaled(500)},
    "watched_idle": {"agents": 3, "seconds": 0.5, "pairs": 2, "greedy": True},
    "watched_work": {"agents": 3, "iterations": 1_000, "seconds": 0.5, "pairs": 2, "greedy": False},
    "coordinate": {"agents": 3, "on": ["pooling"], "patience": 30.0},
    "there_and_back": {"size": 1_000, "times": 2},
    "on_cores": {"cores": 1, "tasks": 4, "iterations": 1_000},
    "spawned": {"agents": 4},
    "spawn_direct": {"agents": 2},
    "pool_hits": {"agents": 4, "tasks": 20, "seconds": 0.02},
    "pool_assigned": {"agents": 4, "tasks": 20, "seconds": 0.02},
    "pool_exhausted": {"agents": 2, "tasks": 8, "seconds": 0.02},
    "pool_growth": {"least": 1, "agents": 4},
    "queued": {"shards": 2, "agents": 4, "tasks": 100},
    "balanced": {"shards": 2, "agents": 4, "tasks": 40, "strategy": "round-robin", "seconds": 0.001},
    "batched": {"tasks": 100},
    "held_back": {"tasks": 40, "slow": 20, "seconds": 0.1, "batch_timeout": 0.1},
    "other_tool": {
        "python": sys.executable,
        "tool": "pool",
        "task": "map",
        "workers": 2,
        "tasks": 20,
        "chunk": 5,
        "timeout": 60.0,
    },
    "screens_processor": {"agents": 3, "seconds": 1, "settle": 0.1},
    "screens_keys": {"agents": 10, "presses": 2, "settle": 0.5},
    "screens_start": {"agents": 2, "pairs": 1},
    "screens_work": {"agents": 3, "iterations": 1_000, "seconds": 0.5, "pairs": 1, "settle": 0.1},
}


STEADY = ("recorded_work", "watched_work", "screens_start", "screens_work")
"""Measurements of what is compared over time, all of whose processes stay: there are none such without pooling."""


@pytest.mark.parametrize(("side", "function"), [
    *(("ours", name) for name in ours.MEASUREMENTS if name != "idle" and name not in STEADY),
    *(("peer", name) for name in (*peers.MEASUREMENTS, *mechanisms.PEERS)),
])  # fmt: skip
def test_every_measurement_on_both_sides(side: str, function: str) -> None:
    found = measure(function, side, SMALL[function], 100)
    assert isinstance(found["value"], float | int)
    assert found["value"] > 0 or function in ("stream", "balanced")
    if function == "start_each":
        assert found["agents_that_answered"] == 3
    if function == "stream":
        assert len(found["samples"]) == 19
    if function == "array":
        assert found["peak"] >= max(found["arrays"].values())
        assert found["looks"] > 0
        assert len(found["arrays"]) >= 3, "the caller, and workers at least"


@pytest.mark.needs("pooling")
@pytest.mark.parametrize("function", STEADY)
def test_every_measurement_of_what_is_steady(function: str) -> None:
    assert measure(function, "ours", SMALL[function], 100)["value"] > 0


@pytest.mark.needs("pooling", "batching")
def test_what_is_recorded_is_in_blocks_or_has_rows() -> None:
    for function, inside in (("recorded_map", True), ("recorded_rows", False)):
        found = measure(function, "ours", SMALL[function], 60)
        assert (found["in_blocks"] > 0) is inside  # how many, depends on how busy the machine is
        assert found["recorder_cpu"] > 0
        assert found["bytes"] > 8
        assert set(measure(function, "peer", SMALL[function], 60)) == {"value", "engine_cpu"}


def test_a_reader_that_is_sent_nothing_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "attach", lambda self: None)
    monkeypatch.setattr(Reader, "detach", lambda self: 0)
    with pytest.raises(AssertionError, match=r"^the reader was sent 0 frames of 4$"):
        watched.watched_idle(2, 0.5, 1, True)


def test_tasks_that_are_not_in_the_database_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_ROWS", "SELECT count(*) FROM pools")
    with pytest.raises(AssertionError, match=r"^0 tasks are in the database, not 50$"):
        recorded.recorded_rows(50)


def test_databases_go_with_the_measurement_however_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = tmp_path / "temporary"
    places.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # where a recorder goes on that has lost its database
    measure("recorder_alone", "ours", SMALL["recorder_alone"], 60)
    assert list(places.iterdir()) == []
    with pytest.raises(MeasurementFailed, match="no answer within 3 s"):
        measure("recorder_alone", "ours", {"tasks": 10**9}, 3)
    assert list(places.iterdir()) == []
    assert not marked_processes()
    assert not (tmp_path / "state").exists()


@pytest.mark.needs("pooling")
def test_the_memory_of_idle_agents() -> None:
    found = measure("idle", "ours", SMALL["idle"], 60)
    assert found["value"] > 0
    assert found["nursery"] > 0
    assert found["hosts"] > 0


def test_a_failed_measurement_is_one_line() -> None:
    with pytest.raises(MeasurementFailed, match=r"^ValueError: max_workers must be greater than 0$"):
        measure("start", "ours", {"agents": 0}, 60)
    with pytest.raises(MeasurementFailed, match="KeyError"):
        measure("nothing", "peer", {}, 60)


def test_one_that_takes_too_long_is_ended_with_all_that_it_started() -> None:
    with pytest.raises(MeasurementFailed, match=r"^no answer within 3 s$"):
        measure("overhead", "peer", {"tasks": 2, "iterations": 10**13}, 3)
    wait_for(lambda: not marked_processes(), what="the two bare processes are gone")


def test_it_does_not_outlive_whoever_asked(tmp_path: Path) -> None:
    code = "from engine.bench.run import measure; measure('overhead', 'ours', {'tasks': 2, 'iterations': 10**13}, 99)"
    asking = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        wait_for(lambda: len(marked_processes()) > 5, what="agents that work")
    finally:
        asking.kill()
        asking.wait()
    wait_for(lambda: not marked_processes(), what="the measurement and its engine are gone")


def test_rounds_are_paired_random_and_the_first_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, bool]] = []

    def fake(function: str, side: str, size: dict[str, Any], timeout: float, code: Any = None) -> Any:
        asked.append((function, side, size.pop("watched", False)))
        assert size == {}
        return {"value": len(asked)}

    monkeypatch.setattr(run, "measure", fake)
    rows = [
        Row("a", "a", "s", "Pool", {}, {}, repeat=2),
        Row("b", "b", "s", "Pool", {}, {}, watched=True),
        Row("c", "c", "s", "", {}, {}, rounds=1),
        Row("d", "d", "s", "", {}, {}, rounds=2),
    ]
    rounds = Round(rows, 20, False, 7, narrated(lambda text: None))
    rounds.run()
    assert {name: {side: len(found) for side, found in sides.items()} for name, sides in rounds.samples.items()} == {
        "a": {"ours": 40, "peer": 40},
        "b": {"ours": 20, "peer": 20},
        "c": {"ours": 1},
        "d": {"ours": 2},
    }
    assert sorted(call for call in asked if call[2]) == [("b", "ours", True), ("b", "peer", True)]
    assert set(rounds.watched["b"]) == {"ours", "peer"}
    pairs = [asked[at : at + 2] for at, call in enumerate(asked) if call[0] == "b"][::2]
    assert all({first[0], second[0]} == {"b"} and first[1] != second[1] for first, second in pairs), "no one between"
    assert {first[1] for first, _ in pairs} == {"ours", "peer"}, "either may be first"
    random.seed()


def test_a_row_that_fails_is_left_out_from_there_on(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fake(function: str, side: str, size: dict[str, Any], timeout: float, code: Any = None) -> Any:
        calls.append(function)
        if function == "start":
            raise MeasurementFailed("no room")
        return {"value": 1.0}

    monkeypatch.setattr(run, "measure", fake)
    outcome = suite.run("speed", ["start", "round-trip"], 3, True, False, narrated(lambda text: None), seed=1)
    assert outcome.failures == {"start": "no room"}
    assert calls.count("start") == 1
    assert [found.row.name for found in outcome.findings] == ["round-trip"]
    assert outcome.data["rows"][0]["samples"]["ours"] == [{"value": 1.0}] * 3
    assert outcome.data["failures"] == {"start": "no room"}


def test_work_is_asked_for_in_iterations_that_are_counted_once() -> None:
    rounds = Round([BY_NAME["overhead-10ms"]], 1, True, 1, narrated(lambda text: None))
    rounds._rate = 1_000_000.0
    assert rounds.size(BY_NAME["overhead-10ms"]) == {"tasks": 40, "iterations": 10_000}


# -- what measurements are made of ------------------------------------------------------------------------------------


def test_tasks() -> None:
    assert identity(thing := object()) is thing
    assert pid(0) == os.getpid()
    assert work(0) == 1
    assert work(2) == ((1_103_515_245 + 12_345) * 1_103_515_245 + 12_345) & 0x7FFF_FFFF


def test_a_gate_holds_all_until_the_last_has_come() -> None:
    with gate() as opened:
        forked = []
        for _ in range(3):
            process = os.fork()
            if not process:
                meet(opened.folder)
                os._exit(0)
            forked.append(process)
        assert [os.waitpid(process, os.WNOHANG)[0] for process in forked] == [0, 0, 0]
        opened.open_for(3)
        assert [os.waitpid(process, 0)[1] for process in forked] == [0, 0, 0]


def test_descendants_and_their_memory() -> None:
    code = "import subprocess, sys; subprocess.run(['sleep', '100'])"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        wait_for(lambda: "sleep" in [watch.name(found) for found in watch.descendants(os.getpid())])
        found = watch.descendants(os.getpid())
        assert process.pid in found
        assert len(found) == 2
        assert watch.own(process.pid) > 1 << 20
        assert watch.rollup(process.pid)["Pss"] >= watch.own(process.pid)
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    wait_for(lambda: watch.rollup(process.pid) == {})
    assert (watch.own(process.pid), watch.name(process.pid)) == (0, "")


def test_the_watcher_sees_what_came_and_went() -> None:
    watcher = watch.Watcher()
    held = bytearray(b"x") * (64 << 20)
    before = watch.rollup(os.getpid())["Pss"]
    grown: dict[str, Any] = {}
    try:
        wait_for(lambda: before > 64 << 20)
        code = "held = bytearray(b'x') * (32 << 20); input()"
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        wait_for(lambda: watch.rollup(process.pid).get("Pss", 0) > 32 << 20)
        subprocess.run(boot.argv("engine.bench.watch", str(process.pid)), stdin=subprocess.DEVNULL, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        wait_for(lambda: watch.rollup(process.pid).get("Pss", 0) > 32 << 20)
        process.communicate(b"\n")
    finally:
        grown = watcher.stop()
    assert grown["looks"] > 1
    assert grown["peaks"][str(os.getpid())][2] >= len(held)
    assert str(process.pid) in grown["peaks"]


def test_a_profile_of_threads(tmp_path: Path) -> None:
    found = measure("overhead", "ours", {"tasks": 20, "iterations": 300_000}, 60, tmp_path)
    assert found["value"] > 0
    text = profile.text(tmp_path)
    assert "== thread main" in text
    assert "== thread shoal" in text
    assert "== process recorder" not in text


def test_a_profile_of_a_recorder(tmp_path: Path) -> None:
    measure("recorder_alone", "ours", {"tasks": 5_000}, 60, tmp_path)
    assert "engine/store/tasks.py" in profile.text(tmp_path).partition("== thread main")[0]


@pytest.mark.needs("pooling")  # it is forks that are sampled, and not what was executed
def test_a_profile_of_agents(tmp_path: Path) -> None:
    measure("overhead", "ours", {"tasks": 20, "iterations": 300_000}, 60, tmp_path)
    assert "== shoal-agent" in profile.text(tmp_path)
    agents = sampling.gathered(tmp_path)["shoal-agent"]
    assert agents.processes == 2
    assert agents.lines.most_common(1)[0][0].startswith("bench/tasks.py:")
    assert agents.seconds > 0.1


# -- other tools ------------------------------------------------------------------------------------------------------


def test_a_script_of_other_tools(tmp_path: Path) -> None:
    script = tmp_path / "peers.py"
    script.write_text('print(\'{"ray": {"one_s": 980}}\')')
    assert suite.peers(script) == {"ray": {"one_s": 980}}
    for code, why in (("1/0", "ZeroDivisionError"), ("print(1)", "no JSON object"), ("raise SystemExit(3)", "code 3"),
                      ("import time; time.sleep(60)", "no answer within 1 s")):  # fmt: skip
        script.write_text(code)
        with pytest.raises(suite.PeersFailed, match=why) as raised:
            suite.peers(script, timeout=1)
        assert "\n" not in str(raised.value)
