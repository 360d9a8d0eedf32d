"""What an `Engine` records, and what it says where it can't."""

from __future__ import annotations

import contextlib
import pickle
from functools import partial
from operator import neg
from pathlib import Path
from typing import Any

import pytest
from processes import scaled, wait_for
from recorded import ask, kill_recorder, recorders, results

from engine.runtime import showing
from engine.runtime.calls.executor import Engine
from engine.runtime.fleet import launch as launch_module
from engine.runtime.fleet.launch import StartError
from engine.runtime.record import books
from engine.runtime.record import line as line_module
from engine.settings.types import PoolSettings
from engine.store import queries
from engine.store.places import default_database
from engine.stream.types import Event


@pytest.mark.parametrize("record", [None, False])
def test_nothing_is_recorded_unless_it_is_asked_for(record: bool | None, tmp_path: Path) -> None:
    with Engine(1, record=record, attachable=False) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        assert not recorders(default_database())
    assert not default_database().exists()


def test_true_is_the_usual_database() -> None:
    with Engine(1, record=True, attachable=False, name="mine") as engine:
        assert engine.submit(neg, 1).result(60) == -1
        assert results(default_database()) == [(0, "-1")], "before the engine ends"
    assert ask(default_database(), "SELECT id, name, status, done FROM runs") == [(engine.run_id, "mine", "done", 1)]


def test_calls_of_one_name_are_one_job(tmp_path: Path) -> None:
    database, count = tmp_path / "runs.db", scaled(6000)
    with Engine(1, record=database, attachable=False) as engine:
        assert list(engine.map(neg, range(count))) == [-number for number in range(count)]
        for number in range(3):
            assert engine.submit(abs, -number).result(60) == number
        assert list(engine.map(neg, [7])) == [-7]
        assert engine.submit(lambda x: x, 1).result(60) == 1
        assert engine.submit(partial(neg, 1)).result(60) == -1
    jobs = ask(database, "SELECT call, done FROM jobs ORDER BY job")
    assert jobs == [
        ("_operator:neg", count + 1), ("builtins:abs", 3),
        ("test_records:test_calls_of_one_name_are_one_job.<locals>.<lambda>", 1), ("partial", 1),
    ]  # fmt: skip
    assert results(database)[-1] == (count, "-7")


def test_calls_of_many_names_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_CALLS", 1)
    with Engine(1, record=tmp_path / "runs.db", attachable=False) as engine:
        for call in (neg, abs, hash):
            engine.submit(call, 1).result(60)
    assert ask(tmp_path / "runs.db", "SELECT call, done FROM jobs") == [("_operator:neg", 1), ("others", 2)]


def test_once_a_second_there_is_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "SAMPLE_SECONDS", 0.01)
    database = tmp_path / "runs.db"
    with Engine(1, record=database, attachable=False) as engine:
        while not ask(database, "SELECT 1 FROM samples WHERE done >= 5 AND pool = -1"):
            engine.submit(neg, 1).result(60)


KEPT: list[bytearray] = []


def keep(size: int) -> int:
    """Hold more memory from now on, the first time; how much."""
    if not KEPT:
        KEPT.append(bytearray(b"x" * size))
    return len(KEPT[0])


@pytest.mark.needs("pooling")
def test_samples_have_the_memory_that_agents_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "SAMPLE_SECONDS", 0.05)
    database = tmp_path / "runs.db"
    with Engine(2, pools=[PoolSettings(name="io", size=1)], record=database, attachable=False) as engine:
        view = engine.using(pool="io")

        def told() -> bool:
            assert view.submit(keep, 64 << 20).result(60) == 64 << 20  # an agent reports between two batches
            return bool(ask(database, f"SELECT 1 FROM samples WHERE pool = 1 AND memory >= {64 << 20}"))

        wait_for(told, 60, "the agent's own word")
    most = dict(ask(database, "SELECT pool, max(memory) FROM samples GROUP BY pool"))
    assert 64 << 20 <= most[1] < 128 << 20
    assert (most[0] or 0) < 64 << 20, "those of the other pool have nothing to do with it"
    with contextlib.closing(queries.open_readonly(database)) as db:
        assert queries.peak_memory(db, engine.run_id) == most[-1] >= most[1]


def test_samples_are_left_out_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "SAMPLE_SECONDS", 0.001)
    database = tmp_path / "runs.db"
    events: list[Event] = []
    with Engine(1, record=database, attachable=False, on_event=events.append) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        kill_recorder(database)
        assert engine.submit(neg, 2).result(60) == -2
        wait_for(lambda: any(event.kind == "samples.dropped" for event in events), what="it is told")
    kinds = [event.kind for event in events]
    assert kinds.index("recorder.died") < kinds.index("recorder.restarted") < kinds.index("samples.dropped")
    told = events[kinds.index("samples.dropped")]
    assert told.text == f"{told.data['dropped']} samples were left out so far, while the database was behind"
    assert told.data["dropped"] > 0
    assert len(results(database)) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"record": 7}, TypeError, "record must be a path, True or None, not int"),
        ({"record": True, "durability": "always"}, ValueError, "durability is one of full, normal, off, not 'always'"),
        ({"record": ""}, StartError, "is a folder"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error) as caught:
        Engine(1, attachable=False, **arguments)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["runs.db", ":memory:"])
def test_a_program_that_goes_elsewhere_has_one_record(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / name
    (tmp_path / "other").mkdir()
    with Engine(1, record=name, attachable=False) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        monkeypatch.chdir("other")
        kill_recorder(database)
        assert engine.submit(neg, 2).result(60) == -2
    assert results(database) == [(0, "-1"), (1, "-2")]
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("kills", [2, 3])
def test_a_recorder_that_is_killed_before_it_has_begun_is_started_again(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def launch(*arguments: str) -> Any:
        process, sock = launch_module.launch(*arguments)
        started.append(process.pid)
        if len(started) <= kills:
            process.kill()
        return process, sock

    monkeypatch.setattr(line_module, "launch", launch)
    if kills == 3:
        with pytest.raises(StartError, match=r"^the recorder was killed by SIGKILL$"):
            Engine(1, record=tmp_path / "runs.db", attachable=False)
    else:
        with Engine(1, record=tmp_path / "runs.db", attachable=False) as engine:
            assert engine.submit(neg, 1).result(60) == -1
        assert results(tmp_path / "runs.db") == [(0, "-1")]
    assert len(started) == 3


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_text("notes\n" * 200)
    with pytest.raises(StartError, match="is not a database, or a damaged one"):
        Engine(1, record=tmp_path / "runs.db", attachable=False)


@pytest.mark.parametrize("durability", ["off", "normal", "full"])
def test_each_durability(durability: Any, tmp_path: Path) -> None:
    with Engine(1, record=tmp_path / "runs.db", durability=durability, attachable=False) as engine:
        futures = [engine.submit(neg, number) for number in range(100)]
        assert [future.result(60) for future in futures] == [-number for number in range(100)]
    assert len(results(tmp_path / "runs.db")) == 100


def test_integers_that_have_no_decimals_are_kept_as_they_are(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    with Engine(1, record=database, attachable=False) as engine:
        assert engine.submit(neg, 10**5000).result(60) == -(10**5000)
        assert engine.submit(neg, 10**100).result(60) == -(10**100)
    ((kind, blob), (small, text)) = ask(
        database, "SELECT result_kind, ifnull(blob, result) FROM all_tasks ORDER BY task"
    )
    assert (kind, pickle.loads(blob)) == ("pickle", -(10**5000))
    assert (small, text) == ("json", str(-(10**100)))
