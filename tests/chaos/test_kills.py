"""Real kills on real runs: nothing finished is lost, nobody hangs, nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import enabled, marked_processes, wait_for

SHOAL = [sys.executable, "-m", "engine.cli"]
WARM = enabled("pooling")
"""Otherwise each task has a fresh interpreter, and no agent takes the place of another."""


def children(pid: int) -> list[int]:
    try:
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Started:
    """A ``shoal run --json`` in the background."""

    def __init__(self, *arguments: str, stdin: str | None = None) -> None:
        self.process = subprocess.Popen(
            [*SHOAL, "run", "--json", *arguments],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        stdout = self.process.stdout
        self._reader = threading.Thread(target=lambda: self.events.extend(map(json.loads, stdout)))
        self._reader.start()
        if stdin is not None:
            assert self.process.stdin is not None
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    @property
    def hosts(self) -> list[int]:
        return [h for n in children(self.process.pid) for h in children(n) if name(h) == "shoal-host"]

    @property
    def agents(self) -> list[int]:
        return [agent for host in self.hosts for agent in children(host)]

    def finish(self) -> tuple[int, dict[str, Any]]:
        assert self.process.stderr is not None
        errors = self.process.stderr.read()
        code = self.process.wait(60)
        self._reader.join()
        self.process.stderr.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert "Traceback" not in errors
        return code, self.events[-1] if self.events else {}


@pytest.fixture
def started() -> Iterator[list[Started]]:
    runs: list[Started] = []
    yield runs
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.finish()


@pytest.mark.parametrize("shards", [1, 4])
def test_killing_agents_and_a_host_changes_only_restarts_and_redelivered(
    shards: int, tmp_path: Path, started: list[Started]
) -> None:
    items, out = tmp_path / "items.txt", tmp_path / "out.jsonl"
    # A fresh agent has one task, so that is long enough for most kills to meet it. They end before the tasks do: the
    # last one left would be met each time, and only five times are forgiven.
    tasks, seconds, agents, pause, most = (6000, 0.02, 40, 0.1, 6000) if WARM else (150, 0.4, 4, 0.5, 30)
    items.write_text(f"{seconds}\n" * tasks)
    run = Started(
        "engine.workloads.coordination:sleep", "--items", str(items), "--agents", str(agents), "--shards", str(shards),
        "--out", str(out), "--no-record",
    )  # fmt: skip
    started.append(run)
    dice = random.Random(7)
    killed, host_killed = 0, False
    begun = time.monotonic()
    while run.process.poll() is None:
        time.sleep(pause)  # the rate of the kills
        living, hosts = run.agents, run.hosts
        if living and killed < most:
            try:
                os.kill(dice.choice(living), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        if not host_killed and hosts and time.monotonic() - begun > 1.0:
            os.kill(hosts[0], signal.SIGKILL)
            host_killed = True
    code, summary = run.finish()
    assert code == 0
    assert killed >= 10
    assert host_killed
    assert (summary["tasks"], summary["done"], summary["failed"], summary["delivered"]) == (tasks, tasks, 0, 1.0)
    assert (summary["restarts"] if WARM else [event["event"] for event in run.events].count("agent.died")) >= 10
    assert summary["redelivered"] >= 10
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(tasks))
    assert all(row["ok"] and row["result"] == seconds for row in rows)


def test_nothing_survives_the_engines_sudden_death(tmp_path: Path, started: list[Started]) -> None:
    shm, marker = set(os.listdir("/dev/shm")), tmp_path / "items.txt"
    marker.write_text("1000\n" * 20)
    run = Started("--items", str(marker), "--agents", "6", "--shards", "2", "--", "sh", "-c", "sleep {} & sleep {}")
    started.append(run)
    wait_for(lambda: sum(name(pid) == "sleep" for pid in marked_processes()) == 12, what="commands run")
    wait_for(lambda: list(tmp_path.rglob("*.sock")), what="a control socket")
    os.kill(run.process.pid, signal.SIGKILL)
    died = time.monotonic()
    wait_for(lambda: not set(marked_processes()) - {run.process.pid}, 2.0, "all processes of the run gone")
    assert time.monotonic() - died < 2.0
    run.finish()
    assert set(os.listdir("/dev/shm")) == shm
    assert not list(tmp_path.rglob("*.sock"))


def test_a_stale_socket_is_recognised_and_replaced(tmp_path: Path, started: list[Started]) -> None:
    folder = tmp_path / "xdg-run" / "shoal"
    items = tmp_path / "items.txt"
    items.write_text("1000\n" * 4)
    run = Started("engine.workloads.coordination:sleep", "--items", str(items), "--agents", "2")
    started.append(run)
    wait_for(lambda: len(run.agents) == 2 and list(folder.glob("*.sock")), what="agents and a socket")
    (nursery,) = [n for n in children(run.process.pid) if name(n) == "shoal-nursery"]
    os.kill(nursery, signal.SIGSTOP)  # so that nobody is left to tidy up, in the moment between the two either
    os.kill(run.process.pid, signal.SIGKILL)
    os.kill(nursery, signal.SIGKILL)
    run.finish()
    wait_for(lambda: not marked_processes(), what="hosts and agents gone")
    assert len(list(folder.glob("*.sock"))) == 1
    items.write_text("0\n")
    again = Started("engine.workloads.coordination:sleep", "--items", str(items), "--agents", "1")
    started.append(again)
    code, _ = again.finish()
    assert code == 0
    assert not list(folder.glob("*.sock"))


def test_the_nursery_may_die(tmp_path: Path, started: list[Started]) -> None:
    items = tmp_path / "items.txt"
    tasks, seconds, agents = (1000, 0.02, 10) if WARM else (12, 1.0, 3)
    items.write_text(f"{seconds}\n" * tasks)
    run = Started("engine.workloads.coordination:sleep", "--items", str(items), "--agents", str(agents), "--no-record")
    started.append(run)
    wait_for(lambda: len(run.agents) == agents, what="agents")
    nursery, host = next(n for n in children(run.process.pid) if name(n) == "shoal-nursery"), run.hosts[0]
    os.kill(nursery, signal.SIGKILL)
    wait_for(lambda: any(e["event"] == "nursery.died" for e in run.events), what="the event")
    os.kill(host, signal.SIGKILL)  # its successor needs a new nursery
    code, summary = run.finish()
    assert code == 0
    assert (summary["done"], summary["delivered"]) == (tasks, 1.0)


def test_one_interrupt_drains_and_a_second_stops(tmp_path: Path, started: list[Started]) -> None:
    items, out = tmp_path / "items.txt", tmp_path / "out.jsonl"
    items.write_text(f"{0.05 if WARM else 1.0}\n" * 2000)  # not over before as many run as may
    run = Started("engine.workloads.coordination:sleep", "--items", str(items), "--agents", "4", "--out", str(out))
    started.append(run)
    wait_for(lambda: len(run.agents) == 4, what="agents")
    wait_for(lambda: (out.exists() and out.stat().st_size > 0) or len(run.events) > 1, what="work")
    run.process.send_signal(signal.SIGINT)
    code, summary = run.finish()
    assert code == 130
    assert summary["status"] == "interrupted"
    assert summary["done"] < 2000
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == summary["done"]  # what ran when it came was finished, and is there
    items.write_text("1000\n" * 4)
    run = Started("engine.workloads.coordination:sleep", "--items", str(items), "--agents", "4")
    started.append(run)
    wait_for(lambda: len(run.agents) == 4, what="agents")
    run.process.send_signal(signal.SIGINT)
    wait_for(lambda: run.process.poll() is None and run.events, what="it to drain")
    begun = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    while run.process.poll() is None and time.monotonic() - begun < 10:
        time.sleep(0.01)
        run.process.send_signal(signal.SIGINT)  # two that come at once count once
    code, _ = run.finish()
    assert code == 130


def test_a_whole_group_of_signals_reaches_the_engine_alone(tmp_path: Path, started: list[Started]) -> None:
    items = tmp_path / "items.txt"
    items.write_text("0.02\n" * 10)
    run = Started("engine.workloads.coordination:sleep", "--items", str(items), "--agents", "2")
    started.append(run)
    wait_for(lambda: run.agents or run.process.poll() is not None, what="agents")
    groups = {os.getpgid(pid) for pid in [*run.hosts, *run.agents]}
    assert os.getpgid(run.process.pid) not in groups
    assert run.finish()[0] == 0
