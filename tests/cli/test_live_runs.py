"""The commands about runs that are going on, against real engines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import data, line, run
from processes import scaled, wait_for

from shoal import Engine, PoolSettings

SHOAL = [sys.executable, "-P", "-m", "engine.cli"]


@contextmanager
def command(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A command as a process of its own, which is ended at the end."""
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
    with subprocess.Popen([*SHOAL, *arguments], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def nap_until(path: str) -> int:
    while not os.path.exists(path):
        time.sleep(0.01)
    return os.getpid()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    pools = [PoolSettings(name="io", size=1, max_size=1)]
    with Engine(2, name="live", pools=pools, record=tmp_path / "runs.db") as engine:
        engine.wait_ready(60)
        try:
            yield engine
        finally:
            engine._worker.run.ask_to("stop")
            engine._worker.wake()


# -- which run --------------------------------------------------------------------------------------------------------

COMMANDS = [["attach"], ["watch"], ["status"], ["agents"], ["ctl", "pause"], ["events", "--follow"]]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_run_there_is_one_line(arguments: list[str]) -> None:
    assert line(run(*arguments)) == "no run is going on"
    named = [*arguments[:1], "--run", "zzz", *arguments[1:]] if arguments[0] == "ctl" else [*arguments, "zzz"]
    assert line(run(*named)).startswith("no run 'zzz' is going on")


@pytest.mark.needs("pooling")
def test_runs_side_by_side_are_listed_and_told_apart() -> None:
    assert run("ps").stderr == "no run is going on\n"
    with Engine(1, name="first") as one, Engine(2, name="second") as other:
        for engine in (one, other):
            engine.wait_ready(60)
        listed = data(run("ps", "--json"))
        assert [(row["run"], row["name"], row["agents"]) for row in listed] == [
            (other.run_id, "second", 2), (one.run_id, "first", 1),
        ]  # fmt: skip
        assert {row["state"] for row in listed} == {"running"}
        assert {row["pid"] for row in listed} == {os.getpid()}
        text = run("ps").stdout.splitlines()
        assert text[0].split()[:3] == ["RUN", "NAME", "STATE"]
        assert text[2].split()[:3] == [one.run_id, "first", "running"]
        for arguments in (["status"], ["agents"], ["ctl", "pause"], ["watch"], ["attach"]):
            told = line(run(*arguments))
            assert told == f"2 runs are going on, say which one: {other.run_id} (second), {one.run_id} (first)"
        for name in (one.run_id, one.run_id[:7], "first"):
            (found,) = data(run("status", name, "--json"))
            assert found["run"] == one.run_id
        (found,) = data(run("status", "last", "--json"))
        assert found["name"] == "second"
        for arguments in (["status", ""], ["ctl", "--run", "", "pause"], ["events", ""]):
            assert line(run(*arguments)).startswith("an empty name is no run's")
        assert run("ctl", "--run", "first", "pause").exit_code == 0
        assert [row["state"] for row in data(run("ps", "--json"))] == ["running", "paused"]
        assert run("ctl", "--run", "first", "resume").exit_code == 0


# -- how it is --------------------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
def test_status_and_agents(engine: Engine, tmp_path: Path) -> None:
    assert list(engine.map(abs, range(scaled(1000)))) == list(range(scaled(1000)))
    future = engine.submit(nap_until, str(tmp_path / "go"))
    wait_for(lambda: data(run("agents", "--filter", "state=busy", "--json")), what="it runs")
    (found,) = data(run("status", "--json"))
    assert (found["name"], found["state"], found["running"]) == ("live", "running", 1)
    assert found["done"] == scaled(1000)
    assert [pool["name"] for pool in found["pools"]] == ["main", "io"]
    assert found["alerts"] == {"warning": 0, "error": 0}
    text = run("status").stdout
    assert f"{engine.run_id}  live  running" in text
    assert "pool main: 2 agents: 1 busy, 1 idle; 0 queued" in text
    assert f"tasks: {scaled(1000) + 1:,} submitted, 100.00% delivered, 0 sent again" in text
    assert " descriptors open in the engine" in text
    (busy,) = data(run("agents", "--filter", "state=busy,pool=main", "--sort", "-running", "--limit", "20", "--json"))
    assert busy["task"] == "nap_until[0]"
    assert [row["agent"] for row in data(run("agents", "--json", "--sort", "agent"))] == ["main/0", "main/1", "io/0"]
    assert [row["agent"] for row in data(run("agents", "--json", "--offset", "2", "--limit", "0"))] == ["io/0"]
    cut = run("agents", "--limit", "1")
    assert (cut.exit_code, len(cut.stdout.splitlines())) == (0, 2)
    assert cut.stderr == "... and 2 more (--limit 0 lists them all)\n"
    assert run("agents", "--filter", "failed>5").stderr == "no such agents\n"
    for wrong in (
        ["--filter", "beauty=1"],
        ["--filter", "state=foo"],
        ["--filter", "state"],
        ["--sort", "beauty"],
        ["--limit", "-1"],
    ):
        assert run("agents", *wrong).exit_code == 2
    (tmp_path / "go").touch()
    assert future.result(20) == busy["pid"]


@pytest.mark.parametrize(
    ("code", "expected", "word"), [("", 0, "done"), ("raise ValueError", 1, "failed")], ids=["done", "failed"]
)
def test_watch_tells_a_line_a_second_and_ends_as_the_run_does(
    code: str, expected: int, word: str, tmp_path: Path
) -> None:
    (tmp_path / "user.py").write_text(
        f"import os, time\ndef f(x):\n    while not os.path.exists({str(tmp_path / 'go')!r}):\n"
        f"        time.sleep(0.01)\n    {code or 'return x'}\n"
    )
    (tmp_path / "items.txt").write_text("a\nb\nc\n")
    arguments = ["run", "user:f", "--items", "items.txt", "--agents", "1", "--headless", "--no-record"]
    with command(*arguments, cwd=tmp_path) as engine:
        wait_for(lambda: data(run("ps", "--json")), what="it is there")
        more = ["--queues", "--shapes"]
        with (
            command("watch", "--every", "0.2") as watch,
            command("watch", "--json", *more) as other,
            command("attach", "--plain") as plain,
        ):
            assert watch.stdout is not None
            first = watch.stdout.readline()
            assert "0/3 0%" in first
            assert "tasks/s" in first
            assert "no alerts" in first
            assert watch.stdout.readline()
            assert other.stdout is not None
            assert other.stdout.readline()  # it has found the run
            assert plain.stdout is not None
            assert "0/3 0%" in plain.stdout.readline()
            (tmp_path / "go").touch()
            *_, last = watch.stdout
            assert (watch.wait(30), plain.wait(30)) == (expected, expected)
            assert "ENDED  3/3 100%" in last
            assert watch.stderr is not None
            assert watch.stderr.read().startswith(f"run {word} in ")
            frames = [json.loads(text) for text in other.communicate(timeout=30)[0].splitlines()]
            assert other.returncode == expected
            assert frames[-1]["state"] == "ended"
            assert frames[-1]["done"] + frames[-1]["failed"] == 3
            assert all(frame["queues"]["pools"][0]["pool"] == "main" for frame in frames)
            (pool,) = frames[-1]["queues"]["pools"]
            sent = sum(shard["sent"] for shard in frames[-1]["queues"]["shards"])
            assert sent == 3 + pool["redelivered"] + pool["recalled"]
            ran = [shape["spread"]["count"] for shape in frames[-1]["shapes"]["shapes"] if shape["name"] == "run"]
            assert ran == [3]
        engine.communicate(timeout=30)
        assert engine.returncode == expected


@pytest.mark.needs("pooling")
def test_status_tells_of_queues_and_distributions(engine: Engine) -> None:
    assert list(engine.map(abs, range(1000))) == list(range(1000))
    usual = run("status").stdout
    assert "queues" not in usual
    assert "distributions" not in usual
    (plain,) = data(run("status", "--json"))

    def told() -> dict[str, Any]:
        (found,) = data(run("status", "--queues", "--shapes", "--json"))
        return dict(found)

    # Counts are those of the last sample, which may be older than the tasks.
    wait_for(lambda: sum(told()["queues"]["pools"][0]["flushes"].values()) > 0, what="batches are counted")
    found = told()
    assert set(found) == {*plain, "queues", "shapes"}
    assert [pool["pool"] for pool in found["queues"]["pools"]] == ["main", "io"]
    main = found["queues"]["pools"][0]
    assert (main["strategy"], main["started"]) == ("least-loaded", 2)
    assert sum(main["flushes"].values()) == main["hits"] + main["waits"] + main["colds"] > 0
    shards = [shard for shard in found["queues"]["shards"] if shard["pool"] == "main"]
    assert sum(shard["sent"] for shard in shards) == 1000 + main["redelivered"] + main["recalled"]
    (ran,) = [shape for shape in found["shapes"]["shapes"] if (shape["name"], shape["pool"]) == ("run", "main")]
    assert sum(ran["counts"]) == ran["spread"]["count"] == 1000
    asked = ["status", "--queues", "--shapes"]
    wait_for(lambda: re.search("shard 0: .* 0 waiting; .* of 1,", run(*asked).stdout), what="it is counted")
    text = run(*asked).stdout
    for expected in (
        r"  queues of main: least-loaded; 0 s of work waiting; \d+ tasks sent again, \d+ given back",
        r"    batches by what ended them: [1-9].* (?:no more ready|full).*; \d+ found an idle .* 0 had one started",
        r"    agents: 2 started, 0 failed to start, .* ended: none; replaced: none; .*B of their own",
        r"    shard 0: 2 agents \d+% busy; 0 waiting; wait p50 .* of 1,\d\d\d; .*, 0 stolen; balance 1.00",
        r"  distributions of main, last .*s:",
        r"    run time of tasks: p50 .* p95 .* max .* of 1,000",
    ):
        assert re.search(f"^{expected}$", text, re.MULTILINE), text
    only = run("status", "--shapes").stdout
    assert "distributions of io" in only
    assert "queues" not in only


def test_watch_has_the_exit_code_of_a_run_that_could_not_write_its_results(tmp_path: Path) -> None:
    arguments = ["run", "engine.workloads.coordination:echo", "--items", "-", "--agents", "1", "--headless"]
    more = ["--no-record", "--out", "/dev/full"]
    with command(*arguments, *more, cwd=tmp_path, stdin=subprocess.PIPE) as engine:
        wait_for(lambda: data(run("ps", "--json")), what="it is there")
        with command("watch") as watch:
            assert watch.stdout is not None
            assert watch.stdout.readline()
            engine.communicate("x\n" * scaled(10_000), timeout=30)
            assert engine.returncode == 2
            assert watch.wait(30) == 2


def test_watch_of_a_run_that_is_drained_or_killed(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("a\n" * 50)
    arguments = [
        "run",
        "engine.workloads.coordination:echo",
        "--items",
        "-",
        "--agents",
        "1",
        "--headless",
        "--no-record",
    ]
    for how, expected in (("drain", 130), ("kill", 2)):
        with command(*arguments, cwd=tmp_path, stdin=subprocess.PIPE) as engine:
            wait_for(lambda: data(run("ps", "--json")), what="it is there")
            with command("watch") as watch:
                assert watch.stdout is not None
                assert watch.stdout.readline()
                if how == "drain":
                    assert run("ctl", "drain").exit_code == 0
                else:
                    engine.kill()
                _, narrated = watch.communicate(timeout=30)
                assert watch.returncode == expected, narrated
                assert ("the engine is gone" in narrated) == (how == "kill")
            engine.communicate(timeout=30)
        wait_for(lambda: not data(run("ps", "--json")) and not list(tmp_path.rglob("*.sock")), what="it is gone")


@pytest.mark.parametrize("arguments", [["watch", "--every", "0.05"], ["events", "--follow"]], ids=" ".join)
def test_a_reader_of_theirs_that_leaves_and_ctrl_c(engine: Engine, arguments: list[str]) -> None:
    with command(*arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        stop = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < stop:
            engine.submit(print, "something to tell of").result(20)
        assert process.returncode == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""
    with command(*arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def beside_alerts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events but for those of alerts: a machine with too much to do may have some at any time."""
    return [row for row in rows if not row["event"].startswith("alert.")]


# -- what happens -----------------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
def test_events_with_their_numbers_of_what_was_and_what_is(engine: Engine, tmp_path: Path) -> None:
    for n in range(300):  # more than an engine keeps for those who come later
        engine.submit(print, n)
    engine.submit(abs, 1).result(20)
    wait_for(lambda: sum(row["event"] == "agent.stdout" for row in data(run("events", "--json"))) == 300, what="all")
    rows = data(run("events", "--json"))
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1)), "from the record, what the engine forgot"
    assert beside_alerts(rows)[0]["event"] == "fleet.ready"
    assert beside_alerts(data(run("events", "--json", "--level", "warning"))) == []
    assert run("ctl", "kill", "main/0").exit_code == 0
    (killed, *_) = beside_alerts(data(run("events", "--json", "--level", "warning")))
    assert (killed["event"], killed["level"], killed["agent"]) == ("agent.kill", "warning", "main/0")
    with command("events", engine.run_id, "--follow", "--json") as follow:
        assert follow.stdout is not None
        first = follow.stdout.readline()
        assert run("ctl", "set", "batch_size", "7").exit_code == 0
        run_id = engine.run_id
        engine.shutdown()
        told = [json.loads(text) for text in [first, *follow.stdout]]
        assert follow.wait(30) == 0
    numbers = [row["number"] for row in told]
    assert numbers == list(range(1, len(told) + 1))
    assert told[-1]["event"] == "run.ended"
    assert {"setting.changed", "agent.kill"} <= {row["event"] for row in told}
    recorded = data(run("events", run_id, "--json", "--db", str(tmp_path / "runs.db")))
    assert recorded == told, "the record of a run that is over says the same"
    text = run("events", "last", "--db", str(tmp_path / "runs.db")).stdout.splitlines()
    assert [line.split()[0] for line in text] == [str(row["number"]) for row in told]
    assert "image ready" in text[beside_alerts(told)[0]["number"] - 1]


@pytest.mark.needs("pooling")
def test_a_follower_that_cannot_keep_up_catches_up_from_the_record(engine: Engine) -> None:
    with command("events", "--follow", "--json") as follow:
        assert follow.stdout is not None
        first = json.loads(follow.stdout.readline())
        assert first["number"] == 1
        control = engine._worker.run.control
        assert control is not None
        follow.send_signal(signal.SIGSTOP)
        printed = 0

        def fell_behind() -> bool:
            nonlocal printed
            for _ in range(400):
                printed += 1
                engine.submit(print, printed)
            engine.submit(abs, 1).result(20)
            return any(one.behind and len(one._events) == 1000 for one in control._readers.values())

        wait_for(fell_behind, 90, what="it has missed events")
        follow.send_signal(signal.SIGCONT)
        last = control._last_event
        told = [first]
        while told[-1]["number"] < last:
            told.append(json.loads(follow.stdout.readline()))
        assert [row["number"] for row in told] == list(range(1, len(told) + 1)), "none is missing"


@pytest.mark.needs("pooling")
def test_what_is_not_recorded_and_was_missed_is_said() -> None:
    with Engine(1, name="unrecorded") as engine:
        engine.wait_ready(60)
        for n in range(300):
            engine.submit(print, n)
        engine.submit(abs, 1).result(20)
        control = engine._worker.run.control
        assert control is not None
        wait_for(lambda: control._last_event >= 300, what="they are told")
        told = run("events", "--json")
        rows = data(told)
        assert rows[0]["event"] == "missed"
        assert rows[0]["first"] == 1
        assert [row["number"] for row in rows[1:]] == list(range(rows[0]["last"] + 1, rows[0]["last"] + len(rows)))
        assert "can't be had any more" in run("events").stderr
        assert line(run("events", "nothing")).startswith("no run 'nothing' is going on")


# -- having things done -----------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
def test_ctl_does_what_it_is_told_and_says_so(engine: Engine) -> None:
    for arguments, told in (
        (["pause"], "paused: "),
        (["resume"], "resumed"),
        (["scale", "main", "4"], "pool main is scaled from 2 to 4 agents"),
        (["scale", "main", "1..3"], "pool main is scaled from 4 to 1..3 agents"),
        (["set", "batch_max_size", "50"], "batch_max_size is 50, was auto"),
        (["set", "frame_rate", "5"], "frame_rate is 5, was 10"),
        (["recycle", "io/0"], "agent io/0 is replaced after its task"),
    ):
        done = run("ctl", *arguments)
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr.startswith(told)
    (row,) = data(run("ctl", "--json", "set", "batch_size", "auto"))
    assert row == {
        "done": "set",
        "text": "batch_size is auto as before",
        "name": "batch_size",
        "value": None,
        "before": None,
    }
    for arguments, told in (
        (["resume"], "the run is not paused"),
        (["scale", "nope", "4"], "no pool 'nope'; known: main, io"),
        (["kill", "main/99"], "no agent main/99: "),
        (["set", "shard_count", "2"], "shard_count can't be changed while a run goes on: "),
        (["ack", "a1"], "no alert 'a1' "),
    ):
        assert line(run("ctl", *arguments)).startswith(told)
    assert "90s" in run("ctl", "silence", "rule", "--for", "soon", "--reason", "none").stderr
    assert "Missing argument" in run("ctl", "kill").stderr
    assert engine.submit(abs, -1).result(20) == 1


@pytest.mark.needs("pooling")
def test_agents_that_a_pool_had_before_it_was_scaled_are_not_counted(engine: Engine) -> None:
    def agents() -> int:
        (row,) = data(run("ps", "--json"))
        return int(row["agents"])

    assert agents() == 3
    assert run("ctl", "scale", "main", "1").exit_code == 0
    wait_for(lambda: agents() == 2, what="one of main, and one of io")
    assert re.search(rf" {os.getpid()} +2 ", run("ps").stdout)


def test_ctl_stop_ends_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text("import time\ndef f(x):\n    time.sleep(60 if x == 'b' else 0)\n    return x\n")
    (tmp_path / "items.txt").write_text("a\nb\n")
    with command("run", "user:f", "--items", "items.txt", "--agents", "1", "--headless", cwd=tmp_path) as engine:
        wait_for(lambda: [row for row in data(run("ps", "--json")) if row.get("done") == 1], what="one is done")
        assert run("ctl", "stop").exit_code == 0
        _, narrated = engine.communicate(timeout=30)
        assert engine.returncode == 130
    assert "to go on: shoal resume" in narrated
