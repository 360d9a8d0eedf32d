"""``shoal replay`` and ``shoal export --recording``: what a run told, told once more, from its database or a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from processes import wait_for
from recorded import ask
from recorded_runs import GONE, START, began, call, made, write
from stream_frames import frame, pool

from engine.cli.live.watch import line
from engine.cli.main import shoal
from engine.cli.recorded.export import export
from engine.cli.recorded.replay import replay
from engine.store.messages import Happened, Moment, RunEnded, Sampled, ToRecorder
from engine.stream.moments import pack
from engine.stream.types import Cells, Event, Frame, PoolQueue, QueuesNow, Shape, ShapesNow, Spread

SHOAL = [sys.executable, "-P", "-m", "engine.cli"]


def shown(second: int, state: str = "running") -> Frame:
    counts = {"done": 10 * second, "failed": second // 3, "total": 200, "rate": 10.0, "state": state}
    return frame(float(second), pool(busy=3, queued=200 - 10 * second), **counts)


def moments(*seconds: int) -> list[ToRecorder]:
    return [Moment(START + n, 0, True, pack([shown(n), Cells(0, b"\3\3\3\2")])) for n in seconds]


def end(second: float, status: str = "done") -> list[ToRecorder]:
    over = Event(1, START + second, "info", "run.ended", f"run {status}", {"status": status})
    last = Moment(START + second, 1, True, pack([shown(round(second), "ended")]))
    return [Happened([over]), last, RunEnded(START + second, status, {"tasks": 200})]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are this machine's; START is noon in UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run of 20 s that has failed, and an older one that says it is running and has no moment."""
    found = tmp_path / "runs.db"
    old = Sampled(START - 99, 1, 0, 1.0, 0, 0, 0.5, 1, 1.0, 9, [])
    write(found, began("old1", "older", START - 100, pid=GONE), old)
    write(found, began("abb2", "sweep"), *made("fit"), *moments(*range(1, 20)), *end(20, "failed"))
    return found


@pytest.fixture
def file(path: Path) -> Path:
    out = path.parent / "sweep.shoal"
    result = call(export, "abb2", "--recording", "--db", path, "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"20 moments of run abb2 in {out}\n"
    return out


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


LINES = [*(line(shown(n)) for n in range(1, 20)), line(shown(20, "ended"))]


def test_it_tells_what_watch_told(path: Path) -> None:
    result = call(replay, "abb2", "--plain", "--db", path)
    assert lines(result) == LINES
    assert LINES[0] == "00:01  10/200 5%  10 tasks/s  ETA --:--  main 3/0 busy 190 queued  0 failed  no alerts"
    assert result.stderr == "run failed in 00:20\n"


def test_a_file_tells_the_same_without_the_database(path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = call(replay, "last", "--db", path)
    path.unlink()
    monkeypatch.chdir(file.parent)
    for name in (str(file), "./sweep.shoal", "sweep.shoal"):
        result = call(replay, name)
        assert (lines(result), result.stderr) == (LINES, wanted.stderr)


def test_as_json(path: Path) -> None:
    found: list[dict[str, Any]] = [json.loads(text) for text in lines(call(replay, "abb2", "--json", "--db", path))]
    assert [(one["run"], one["name"], one["elapsed"], one["state"]) for one in found[-2:]] == [
        ("abb2", "sweep", 19.0, "running"), ("abb2", "sweep", 20.0, "ended"),
    ]  # fmt: skip
    assert found[4]["pools"][0]["busy"] == 3


def test_it_tells_of_queues_and_shapes_as_watch_does(tmp_path: Path) -> None:
    found = tmp_path / "runs.db"
    batches = {"full": 3, "rest": 1}
    queue = PoolQueue("main", "hash", batches, 4, 0, 0, {}, {"crash": 2}, 4, 0, 0, 1, 0, 2.5, 1 << 20)
    spread = Spread(200, 0.25, 0.5, 1.0, 2.0, 0.75)
    shape = ShapesNow(START, 60.0, (Shape("run", "main", "seconds", spread, 0.01, 1.33, [100, 100]),))
    told = Moment(START + 1, 0, True, pack([QueuesNow(START, (), (queue,)), shape, shown(1)]))
    write(found, began("abb2", "sweep"), *made("fit"), told, *moments(2), *end(3))
    text = lines(call(replay, "abb2", "--queues", "--shapes", "--at", "+2", "--db", found))
    assert text[0] == line(shown(2))
    assert text[1].startswith("queues of main: hash; 2.5 s of work waiting; 1 tasks sent again")
    assert "  run time of tasks: p50 250 ms p90 500 ms p95 750 ms p99 1 s max 2 s of 200" in text
    last = json.loads(lines(call(replay, "abb2", "--queues", "--json", "--db", found))[-1])
    assert (last["state"], last["queues"]["pools"][0]["flushes"], "shapes" in last) == ("ended", batches, False)


@pytest.mark.parametrize(
    ("at", "first"),
    [("+0", 1), ("+5", 5), ("+5.5", 5), ("12:00:05", 5), ("12:00:00", 1), (" 12:00:20 ", 20), ("+20", 20)],
)
def test_it_begins_with_how_it_was_then(path: Path, at: str, first: int) -> None:
    assert lines(call(replay, "abb2", "--at", at, "--db", path)) == LINES[first - 1 :]


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("noon", "--at is a time such as 14:30:05, or +90 for so many seconds, not 'noon'"),
        ("12:99", "there is no such time of day as '12:99'"),
        ("24:00", "there is no such time of day"),
        ("+21", "--at +21 is after its end: it goes from 12:00:00 to 12:00:20, 20 s"),
        ("11:59:59", "--at 11:59:59 is after its end"),
    ],
)
def test_times_that_it_has_nothing_of(path: Path, at: str, words: str) -> None:
    result = call(replay, "abb2", "--at", at, "--db", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_after_midnight_it_is_the_next_day(tmp_path: Path) -> None:
    found = tmp_path / "runs.db"
    late = 12 * 3600 - 5  # five seconds to midnight
    told = [Moment(START + late + n, 0, True, pack([shown(n)])) for n in range(1, 11)]
    write(found, began("late", "late", START + late), *told, RunEnded(START + late + 10, "done", {}))
    for at, count in (("23:59:58", 8), ("00:00:02", 4)):
        assert len(lines(call(replay, "late", "--at", at, "--db", found))) == count


def test_at_a_speed_it_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("engine.cli.recorded.replay.time.sleep", waits.append)
    assert lines(call(replay, "abb2", "--speed", "4", "--at", "+10", "--db", path)) == LINES[9:]
    assert waits == pytest.approx([0.25] * 10)


def test_it_does_not_wait_for_hours_in_which_nothing_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tmp_path / "runs.db"
    write(found, began("abb2", "sweep"), *moments(1, 5000), *end(5001))
    waits: list[float] = []
    monkeypatch.setattr("engine.cli.recorded.replay.time.sleep", waits.append)
    assert len(lines(call(replay, "abb2", "--speed", "1", "--db", found))) == 3
    assert waits == pytest.approx([1, 10, 1])


def test_a_run_of_an_older_version_is_made_of_samples(path: Path) -> None:
    result = call(replay, "old1", "--db", path)
    assert lines(result) == ["00:01  1  1 tasks/s  ETA --:--  0 failed  no alerts"]
    assert result.stderr.splitlines() == [
        "made of samples: what its screens showed was not recorded, or not all the time",
        "the recording ends here, before the end of the run",
    ]
    out = path.parent / "old.shoal"
    told = call(export, "old1", "--recording", "--db", path, "--out", out)
    assert told.stderr.splitlines()[1].startswith("it is made of samples")
    again = call(replay, out)
    assert (lines(again), again.stderr) == (lines(result), result.stderr)


def test_a_file_that_is_cut_off_is_played_and_told(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])
    result = call(replay, file)
    found = lines(result)
    assert found == LINES[: len(found)]
    assert 10 < len(found) < 20
    first, last = result.stderr.splitlines()
    assert first == f"{file} is cut off or damaged: it plays {len(found)} s, and ends there"
    assert last == "the recording ends here, before the end of the run"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["zz"], "no run 'zz' (`shoal runs` lists them)"),
        (["none.shoal"], "can't read none.shoal: No such file or directory"),
        (["./runs.db"], "runs.db is no recording of Shoal"),
        (["abb2", "--speed", "0"], "is not in the range"),
        (["x.shoal", "--db", "runs.db"], "--db is for a RUN of a database, not for a FILE"),
    ],
    ids=["no run", "no file", "another file", "no speed", "both"],
)
def test_refusals_are_one_line(path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    told = arguments if "--db" in arguments or arguments[0].startswith("./") else [*arguments, "--db", "runs.db"]
    if arguments[0] == "none.shoal":
        told = arguments
    done = subprocess.run([*SHOAL, "replay", *told], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    (text,) = done.stderr.splitlines()
    assert text.startswith("shoal: ")
    assert words in text


@pytest.mark.parametrize("more", [["--samples"], ["--csv"], ["--parquet"]])
def test_an_export_is_one_thing(path: Path, more: list[str]) -> None:
    result = call(export, "abb2", "--recording", *more, "--db", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--recording excludes --samples, --csv and --parquet" in result.stderr


def test_a_recording_can_go_through_a_pipe(path: Path, file: Path) -> None:
    command = [*SHOAL, "export", "abb2", "--recording", "--db", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", file.read_bytes())


def test_a_reader_that_leaves(path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*SHOAL, "replay", "abb2", "--db", str(path)], stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


# -- of real runs -----------------------------------------------------------------------------------------------------


def test_a_run_that_was_resumed_is_one_recording(tmp_path: Path) -> None:
    """From `shoal run` over kill -9 and `shoal resume` to its end: time and counts go on."""
    database, go = tmp_path / "runs.db", tmp_path / "go"
    (tmp_path / "work.py").write_text(
        f"import os, time\ndef f(x):\n    while x > 9 and not os.path.exists({str(go)!r}):\n        time.sleep(0.01)\n"
        "    return x\n"
    )
    (tmp_path / "plan.toml").write_text(
        'name = "twice"\n[pools.main]\nagents = 1\n[[tasks]]\nname = "f"\ncall = "work:f"\n'
        "over = { x = { from = 0, to = 19, step = 1 } }\n"
    )
    arguments = ["--headless", "--db", str(database)]
    begun = [*SHOAL, "run", "plan.toml", *arguments]
    with subprocess.Popen(begun, cwd=tmp_path, stderr=subprocess.DEVNULL) as first:
        try:
            reached = "SELECT 1 FROM moments JOIN runs ON id = run WHERE done = 10"
            wait_for(lambda: ask(database, reached), 60, "ten tasks, and a moment")
        finally:
            first.kill()
    go.touch()
    resumed = subprocess.run(
        [*SHOAL, "resume", "last", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert resumed.returncode == 0, resumed.stderr
    result = call(replay, "last", "--json", "--db", database)
    found = [json.loads(text) for text in lines(result)]
    elapsed = [one["elapsed"] for one in found]
    assert elapsed == sorted(elapsed)
    assert [one["number"] for one in found] == sorted({one["number"] for one in found})
    done = [one["done"] for one in found]
    assert done == sorted(done)
    assert (done[0] <= 10, done[-1]) == (True, 20)
    assert [one["state"] for one in found].count("ended") == 1
    assert call(replay, "last", "--db", database).stderr.startswith("run done in ")


def test_the_command_is_listed() -> None:
    assert "replay" in call(shoal, "--help").stdout
