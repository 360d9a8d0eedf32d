"""``shoal runs`` and ``shoal show``, as people and as programs read them."""

from __future__ import annotations

import array
import contextlib
import csv
import json
import os
import sqlite3
import time
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from engine.cli.recorded.runs import STATUSES, runs
from engine.cli.recorded.show import show
from engine.cli.words import duration, number, printable
from engine.core.pools import split
from engine.store import queries
from engine.store.messages import (
    Attempt,
    Failed,
    Finished,
    Happened,
    JobMade,
    PoolMade,
    PoolSample,
    RunBegan,
    RunEnded,
    Sampled,
    ToRecorder,
)
from engine.store.queries.shards import _slices
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.stream.types import Event
from engine.wire.memory import stowed

START = 1_763_726_400.0


def write(path: Path, *messages: ToRecorder) -> None:
    with contextlib.closing(open_database(path)) as db:
        assert Writer(db).write(messages, START) == []


def began(run: str, name: str, at: float) -> RunBegan:
    command = ["shoal", "run", "a b.toml"]
    return RunBegan(run, name, at, os.getpid(), command, {"agents": 4, "retries": 2}, "0.1.0", {"cores": 2})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three runs: one that went well, one with failures, one that goes on."""
    found = tmp_path / "runs.db"
    write(found, began("aaa1", "warm [bold]up[/]", START), RunEnded(START + 2, "done", {}))
    times = array.array("Q", [10**9, 2 * 10**9, 3 * 10**6]).tobytes()
    trace = 'Traceback (most recent call last):\n  File "m.py", line 3, in f\n    raise it\nValueError: no\n'
    failure = Failed(1, "exception", "ValueError", "no\x1b[31m\nsuch thing", trace)
    write(
        found,
        began("abb2", "sweep", START + 60),
        PoolMade(0, "local", 0, 4, 1),
        JobMade(0, "fit", "m:f", 0),
        Finished(0, 0, 2, START + 61, times, [1, None, 3], [failure], [], {1: 3}),
        Happened([Event(1, START + 62, "warning", "agent.died", "agent local/2 was killed by SIGKILL", {})]),
        RunEnded(START + 100, "failed", {"tasks": 3, "restarts": 5, "redelivered": 4, "note": "odd"}),
    )
    write(found, began("ccc3", "open", START + 120))
    return found


def call(*arguments: object) -> Result:
    command = {"runs": runs, "show": show}[str(arguments[0])]
    return CliRunner().invoke(command, [str(argument) for argument in arguments[1:]])


def test_runs_in_columns(path: Path) -> None:
    result = call("runs", "--db", path)
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split()[:3] == ["RUN", "NAME", "STATUS"]
    assert [line.split()[0] for line in lines] == ["ccc3", "abb2", "aaa1"]
    assert "warm [bold]up[/]" in lines[2], "a name is no markup"
    assert "\x1b" not in result.stdout
    assert {line.index(status) for line, status in zip(lines, ("running", "failed", "done"), strict=True)} == {
        head.index("STATUS")
    }
    assert lines[1].split()[-4:] == ["3", "2", "1", "0.075/s"]


def test_runs_filtered(path: Path) -> None:
    assert call("runs", "--db", path, "--status", "failed").stdout.splitlines()[1].startswith("abb2")
    assert len(call("runs", "--db", path, "--limit", 1).stdout.splitlines()) == 2
    assert len(call("runs", "--db", path, "--name", "SWEEP").stdout.splitlines()) == 2
    nothing = call("runs", "--db", path, "--name", "nothing")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "no such runs\n")
    assert call("runs", "--db", path, "--status", "odd").exit_code == 2
    assert STATUSES == queries.STATUSES


def test_runs_for_programs(path: Path) -> None:
    found = [json.loads(line) for line in call("runs", "--db", path, "--json").stdout.splitlines()]
    assert [(run["id"], run["status"], run["failed"]) for run in found] == [
        ("ccc3", "running", 0), ("abb2", "failed", 1), ("aaa1", "done", 0),
    ]  # fmt: skip
    assert found[1]["config"] == {"agents": 4, "retries": 2}
    assert found[1]["rate"] == pytest.approx(3 / 40)


def ids(*arguments: object) -> list[str]:
    result = call("runs", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_runs_by_time(path: Path) -> None:
    begun = datetime.fromtimestamp(START)
    assert ids("--db", path, "--since", begun.isoformat()) == ["ccc3", "abb2", "aaa1"]
    assert ids("--db", path, "--since", datetime.fromtimestamp(START + 60).isoformat(" ")) == ["ccc3", "abb2"]
    assert ids("--db", path, "--until", datetime.fromtimestamp(START + 60).isoformat()) == ["aaa1"]
    day = begun.date().isoformat()
    assert ids("--db", path, "--until", day)[-1] == "aaa1", "the whole of the day"
    assert ids("--db", path, "--until", (begun.date() - timedelta(days=1)).isoformat()) == []
    recent = "fff6"
    write(path, began(recent, "now", time.time() - 3600), RunEnded(time.time(), "done", {}))
    assert ids("--db", path, "--since", "2h") == [recent]
    assert ids("--db", path, "--since", "30m") == []
    assert ids("--db", path, "--until", "30 m", "--limit", 1) == [recent]
    result = call("runs", "--db", path, "--since", "lately")
    assert result.exit_code == 2
    assert "'lately' is no time such as 2h, 3d, 2026-01-31" in result.stderr


def test_runs_as_csv(path: Path) -> None:
    head, *rows = csv.reader(call("runs", "--db", path, "--csv").stdout.splitlines())
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["id"] for row in found] == ["ccc3", "abb2", "aaa1"]
    assert found[2]["name"] == "warm [bold]up[/]"
    assert (float(found[1]["started"]), float(found[1]["ended"])) == (START + 60, START + 100)
    assert (found[0]["ended"], found[1]["command"]) == ("", "shoal run 'a b.toml'")
    assert call("runs", "--db", path, "--csv", "--json").exit_code == 2


@pytest.mark.parametrize("extra", [[], ["--json"], ["--csv"]])
def test_no_database_yet(tmp_path: Path, extra: list[str]) -> None:
    result = call("runs", *extra)
    at = tmp_path / "xdg-data" / "shoal" / "runs.db"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"no runs recorded yet at {at}\n")
    at.parent.mkdir(parents=True)
    at.touch()
    assert call("runs", *extra).exit_code == 0


@pytest.mark.parametrize("command", [["runs"], ["show", "last"]])
def test_a_database_that_is_not_there(tmp_path: Path, command: list[str]) -> None:
    missing = tmp_path / "none" / "runs.db"
    result = call(*command, "--db", missing)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: no runs recorded yet at {missing}\n"
    assert not missing.parent.exists()


def test_the_default_database(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(path.parent))
    (path.parent / "shoal").mkdir()
    assert str(path.parent / "shoal" / "runs.db") in call("runs").output
    path.rename(path.parent / "shoal" / "runs.db")
    assert "abb2" in call("runs").output


def test_a_run_is_shown(path: Path) -> None:
    result = call("show", "ab", "--db", path)
    assert result.exit_code == 0, result.output
    text = result.stdout
    for part in (
        "abb2  sweep  failed", "shoal run 'a b.toml'", "(40 s)", "3: 2 done, 1 failed", "0.075/s",
        "agents 4, retries 2",
        "note odd", "agent local/2 was killed by SIGKILL", "failures: ValueError 1",
        "ValueError: no\n",
        "fit[1] on local/2 after 3 attempts: ValueError: no�[31m such thing",
    ):  # fmt: skip
        assert part in text, part
    assert "\x1b" not in text
    facts = {line.split()[0]: line.split()[1] for line in text.splitlines() if len(line.split()) == 2}
    assert (facts["restarts"], facts["redelivered"]) == ("5", "4")
    slowest = text.partition("slowest tasks")[2].splitlines()[2:5]
    assert [line.split()[0] for line in slowest] == ["fit[1]", "fit[0]", "fit[2]"]
    pool = next(line for line in text.splitlines() if line.startswith("  local"))
    assert pool.split() == ["local", "4", "1", "2", "1", "3", "s", "1", "s"]


def test_a_run_that_goes_on_is_shown(path: Path) -> None:
    result = call("show", "last", "--db", path)
    assert result.exit_code == 0, result.output
    assert "ccc3  open  running" in result.stdout


def test_a_run_for_programs(path: Path) -> None:
    found = json.loads(call("show", "abb2", "--db", path, "--json").stdout)
    assert found["summary"]["restarts"] == 5
    assert [task["task"] for task in found["slowest"]] == [1, 0, 2]
    assert found["failures"][0]["error_traceback"].startswith("Traceback")
    assert found["pools"][0]["done"] == 2
    assert found["failure_kinds"] == {"ValueError": 1}
    assert found["events"][0]["kind"] == "agent.died"


def test_large_results_are_counted(path: Path) -> None:
    times = array.array("Q", [10**9] * 4).tobytes()
    large = [stowed(bytes(size)) for size in (200_000, 300_000)]
    write(
        path, began("ddd4", "large", START + 200), PoolMade(0, "local", 0, 2, 1), JobMade(0, "fit", "m:f", 0),
        Finished(0, 0, 1, START + 201, times, [1, *large, ["large", b""]], [], [], {}),
        RunEnded(START + 210, "done", {}),
    )  # fmt: skip
    assert "\n  large        2 kept (488 KB), 1 too large to be kept\n" in call("show", "ddd4", "--db", path).stdout
    found = json.loads(call("show", "ddd4", "--db", path, "--json").stdout)
    assert found["large"] == {"kept": 2, "bytes": 500_000, "left_out": 1}
    assert "\n  large " not in call("show", "abb2", "--db", path).stdout


def test_the_most_memory_that_agents_held_is_shown(path: Path) -> None:
    samples = [
        Sampled(START + 200 + at, 0, 0, 0.0, 0, 0, 0.0, 0, 0.0, 0, [PoolSample(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, held)])
        for at, held in enumerate((None, 3 << 30, 1 << 30))
    ]
    write(path, began("ddd4", "heavy", START + 200), PoolMade(0, "local", 0, 2, 1), *samples)
    assert "\n  memory       3 GB held by the agents, at the most\n" in call("show", "ddd4", "--db", path).stdout
    assert json.loads(call("show", "ddd4", "--db", path, "--json").stdout)["peak_memory"] == 3 << 30
    assert "\n  memory " not in call("show", "abb2", "--db", path).stdout
    assert json.loads(call("show", "abb2", "--db", path, "--json").stdout)["peak_memory"] is None


def test_reruns_are_shown_with_what_they_are_of(path: Path) -> None:
    for run, which, at in (("ddd4", "failed", 200), ("eee5", "all", 300)):
        again = msgspec.structs.replace(began(run, "sweep", START + at), origin="abb2", rerun=which)
        write(path, again, RunEnded(START + at + 1, "done", {"tasks": 3, "taken": 2, "before": 2}))
    assert "\n  rerun        what failed in abb2\n" in call("show", "ddd4", "--db", path).stdout
    assert "\n  rerun        of abb2\n" in call("show", "eee5", "--db", path).stdout
    assert "\n  rerun        again in ddd4, eee5\n" in call("show", "abb2", "--db", path).stdout
    assert (
        "\n  tasks        1: 0 done, 0 failed, 1 not run; 2 were done before it\n"
        in call("show", "ddd4", "--db", path).stdout
    )
    listed = call("runs", "--db", path).stdout.splitlines()
    assert [line.split("  ")[1] for line in listed[1:3]] == ["sweep (rerun of abb2)"] * 2
    found = json.loads(call("show", "ddd4", "--db", path, "--json").stdout)
    assert (found["origin"], found["rerun"], found["reruns"]) == ("abb2", "failed", [])
    rows = list(csv.DictReader(call("runs", "--db", path, "--csv").stdout.splitlines()))
    assert [row["origin"] for row in rows] == ["abb2", "abb2", "", "", ""]


def test_shards_and_resumptions_are_shown(path: Path) -> None:
    ten = array.array("Q", [10**6] * 10).tobytes()
    write(
        path,
        began("ddd4", "sharded", START + 200),
        PoolMade(0, "local", 0, 2, 1),
        PoolMade(1, "wide", 2, 7, 3),
        JobMade(0, "fit", "m:f", 1),
        Finished(0, 0, 2, START + 201, ten, list(range(10)), [], [], {}),  # wide/0, as one block
        Finished(0, 10, 5, START + 201, ten[:16], [1, None], [Failed(11, "exception", "E", "no", "")], [], {}),
        Finished(0, 12, 8, START + 201, ten[:8], [1], [], [], {12: 2}),
        Attempt(0, 12, 1, 7, 99, START + 201, "died", "SIGKILL"),
        RunEnded(START + 210, "interrupted", {}),
    )
    write(path, msgspec.structs.replace(began("ddd4", "sharded", START + 300), resumed=1))
    text = call("show", "ddd4", "--db", path).stdout
    assert "  resumed      1 time\n" in text
    rows = [line.split() for line in text.partition("\nshards\n")[2].splitlines()[1:5]]
    assert rows == [
        ["local", "0", "0", "of", "2", "0", "0", "0", "0", "s"],
        ["wide", "0", "1", "of", "3", "10", "0", "0", "10", "ms"],
        ["wide", "1", "1", "of", "2", "1", "1", "0", "2", "ms"],
        ["wide", "2", "1", "of", "2", "1", "0", "1", "1", "ms"],
    ]
    found = json.loads(call("show", "ddd4", "--db", path, "--json").stdout)
    assert found["resumed"] == 1
    assert [(one["pool"], one["shard"], one["done"]) for one in found["shards"]][1] == ("wide", 0, 10)
    assert "shards" not in call("show", "abb2", "--db", path).stdout.partition("slowest")[0].replace("SHARDS", "")


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (7, 3), (8, 4), (3, 8), (10_000, 16)])
def test_shards_have_the_agents_that_the_engine_gave_them(size: int, parts: int) -> None:
    assert _slices(size, parts) == split(range(size), parts)


@pytest.mark.parametrize(("run", "words"), [("zzz", "no run 'zzz'"), ("a", "could be aaa1, abb2"), ("", "no run ''")])
def test_a_run_that_is_not_there(path: Path, run: str, words: str) -> None:
    result = call("show", run, "--db", path)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["runs"], ["show", "last"]])
def test_a_file_that_is_no_database(tmp_path: Path, command: list[str]) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("just notes\n" * 200)
    result = call(*command, "--db", notes)
    assert result.exit_code == 2
    assert result.stderr == f"Error: {notes} is not a database, or a damaged one\n"


def test_damage_inside_is_one_line_too(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE tasks")
    result = call("show", "abb2", "--db", path)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_words_and_numbers() -> None:
    assert [duration(s) for s in (0, 2e-6, 0.0125, 3.42, 59.99, 307, 7507, None)] == [
        "0 s", "2 µs", "12.5 ms", "3.42 s", "60 s", "5:07", "2:05:07", "-",
    ]  # fmt: skip
    assert [number(n) for n in (0, 12, 1234567, 0.25, 99.5, 12345.6)] == [
        "0",
        "12",
        "1,234,567",
        "0.25",
        "99.5",
        "12,346",
    ]
    assert printable("a\x1b]0;x\x07\r\nb\tc") == "a�]0;x� b c"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_terminal_of_any_width_shows_which_run_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    runs.main(["--db", str(path)], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert {"ccc3", "abb2", "aaa1"} <= {line.split()[0] for line in lines}
    assert "failed" in lines[3]
    assert "\x1b[3" not in "".join(lines), "no colours"
    assert (" TIME" in lines[0]) == (width > 40)
