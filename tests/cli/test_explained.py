"""Why a task does not run, asked from a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import data, line, run
from processes import wait_for

from shoal import Engine


def nap_until(path: str) -> None:
    """Sleeps until a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """One call holds a claim, and two wait for it."""
    path = str(tmp_path / "go")
    with Engine(2, name="live", lanes={"local": 1}) as engine:
        named = engine.using(claims="src/gpu/**")
        named.submit(nap_until, path)
        waiting = named.submit(abs, -1)
        later = named.submit(abs, -2)
        wait_for(lambda: len(engine._worker.run.fleet.core.batches) == 1)
        wait_for(lambda: engine._worker.run.fleet.core.queued == 2)
        try:
            yield engine
        finally:
            Path(path).touch()
        assert [waiting.result(30), later.result(30)] == [1, 2]


def test_a_task_that_waits_for_a_claim(engine: Engine) -> None:
    result = run("explain", "abs[0]")
    assert result.exit_code == 0
    assert result.stderr == ""
    first, second = result.stdout.splitlines()
    assert re.fullmatch(r"abs\[0\]  ready for [\d.]+ m?s", first)
    assert re.fullmatch(r"  claim src/gpu/\*\* is held by nap_until\[0\] for [\d.]+ m?s", second)
    (told,) = data(run("explain", "--run", "live", "--json", "abs[0]"))
    assert (told["task"], told["state"], [reason["kind"] for reason in told["reasons"]]) == (
        "abs[0]",
        "ready",
        ["claim"],
    )


def test_one_that_runs(engine: Engine) -> None:
    wait_for(lambda: "on agent" in run("explain", "nap_until").stdout, what="its agent says that it runs")
    told = run("explain", "nap_until").stdout
    assert re.fullmatch(r"nap_until\[0\]  runs, sent for [\d.]+ m?s on agent main/\d+\n", told)


def test_what_there_is_not_is_one_line(engine: Engine) -> None:
    assert line(run("explain", "abs[9]")).startswith("no task 'abs[9]' that is not over; they are called NAME[NUMBER]")
    assert line(run("explain", "abs[0]", "--run", "zzz")).startswith("no run 'zzz' is going on")
    assert line(run("ctl", "lane", "loco", "3")) == "no lane 'loco'; known: local"
    assert run("ctl", "lane", "local", "3").stderr == "lane local has a limit of 3, was 1\n"
