"""`--all` of `status`, `watch` and `replay`, of runs that have no plan file, no claims, and perhaps nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import data, run
from killing import kill_all, started
from processes import wait_for

from engine.store.recording import StoredRecording
from engine.stream.types import ClaimsNow, QueuesNow
from shoal import Engine

TOPICS = ("metrics", "queues", "shapes", "claims", "plan")
NO_CLAIMS = "claims: none is held, and nobody waits for one"


WORK = """
import os, time

def until(path):
    while not os.path.exists(path):
        time.sleep(0.005)
"""


@contextmanager
def going(folder: Path, *more: str) -> Iterator[None]:
    """A run of two items, which end once there is a file `go`; in the end there is."""
    (folder / "work.py").write_text(WORK)
    (folder / "items").write_text("go\ngo\n")
    arguments = ["run", "work:until", "--items", "items", "--agents", "2", "--name", "plain", "--headless", *more]
    process = started(folder, *arguments)
    try:
        wait_for(lambda: run("status", "plain").exit_code == 0, 60, "it is served")
        yield
        (folder / "go").touch()
        process.communicate(timeout=60)
        assert process.returncode == 0
    finally:
        kill_all(process)


def all_of(found: dict[str, Any]) -> None:
    assert [topic for topic in TOPICS if found[topic] is None] == []
    assert (found["claims"]["lanes"], found["claims"]["claims"], found["claims"]["waiting"]) == ([], [], 0)


def test_status_tells_all_of_a_run_of_items(tmp_path: Path) -> None:
    with going(tmp_path, "--db", "runs.db"):
        told = run("status", "--claims")
        assert told.exit_code == 0, told.output
        assert f"  {NO_CLAIMS}" in told.stdout.splitlines()
        assert run("ctl", "pause").exit_code == 0
        told = run("status", "--all")
        assert told.exit_code == 0, told.output
        for words in ("measured of main", "queues of main", "distributions of main", NO_CLAIMS, "plan plain: 1 step"):
            assert words in told.stdout
        all_of(*data(run("status", "--all", "--json")))
        assert run("ctl", "resume").exit_code == 0


def test_one_that_is_not_recorded_tells_all_too(tmp_path: Path) -> None:
    with going(tmp_path, "--no-record"):
        all_of(*data(run("status", "--all", "--json")))


def test_watch_and_a_replay_tell_all_of_it(tmp_path: Path) -> None:
    with going(tmp_path, "--db", "runs.db"):
        watching = started(tmp_path, "watch", "--all", "--every", "0.1")
        try:
            lines = watching.stdout
            assert lines is not None
            first = lines.readline()
            told = "".join(iter(lines.readline, f"{NO_CLAIMS}\n"))
            (tmp_path / "go").touch()
            watching.communicate(timeout=60)
        finally:
            kill_all(watching)
        assert watching.returncode == 0
        assert "0/2 0%" in first
        assert "queues of main" in told
    replayed = run("replay", "last", "--db", str(tmp_path / "runs.db"), "--all")
    assert replayed.exit_code == 0, replayed.output
    assert NO_CLAIMS in replayed.stdout.splitlines()
    all_of(data(run("replay", "last", "--db", str(tmp_path / "runs.db"), "--all", "--json"))[-1])


def test_an_engine_that_does_nothing_tells_all() -> None:
    with Engine(1, name="idle"):
        all_of(*data(run("status", "idle", "--all", "--json")))  # its agent may still be starting
        told = run("status", "idle", "--all")
        assert (told.exit_code, NO_CLAIMS in told.stdout) == (0, True)


def test_a_recording_of_a_run_without_claims_has_no_word_of_them(tmp_path: Path) -> None:
    """It is for whoever reads it to know that a recording which has everything would have told of some."""
    with Engine(1, name="kept", record=tmp_path / "runs.db") as engine:
        assert engine.submit(abs, -1).result(60) == 1
        all_of(*data(run("status", "kept", "--all", "--json")))
    recording = StoredRecording(tmp_path / "runs.db", "last")
    told = [type(one) for _, messages in recording.window(recording.start, recording.end) for one in messages]
    assert QueuesNow in told
    assert ClaimsNow not in told
