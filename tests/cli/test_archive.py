"""The past for the screens, asked of real databases and of real engines."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import wait_for
from recorded_runs import GONE, START, began, group, made, write

from engine.cli.recorded.archive import StoreArchive
from engine.store.messages import (
    AlertNow,
    Attempt,
    Failed,
    Happened,
    PoolMade,
    PoolSample,
    RunEnded,
    Sampled,
    ToRecorder,
)
from engine.stream.types import Event
from shoal import Engine
from tui.archive import ArchiveError, Figure
from tui.replay import ReplayFeed

TRACE = 'Traceback (most recent call last):\n  File "m.py", line 3, in f\n    raise it\nValueError: no\x1b[31m\n'
EVIDENCE = (
    '{"fingerprint":"f00d","labels":{"pool":"local"},"count":3,"peak":0.96,"reopened":1,"detected":1763726429.5,'
    '"shown":1763726430.1,"samples":[{"at":1763726429.0,"text":"killed","value":null,"labels":{"agent":"local/2"}}],'
    '"ack":{"by":"ada","note":"mine"},"last":1763726431.0,"title":"agent crashed","unit":"ratio","hint":"h",'
    '"action":"a"}'
)


def alert(number: int, fired: float, evidence: str = EVIDENCE, resolved: float | None = None) -> AlertNow:
    return AlertNow(
        number,
        "agent-crash",
        "warning",
        0,
        None,
        fired - 1,
        fired,
        resolved,
        fired + 5,
        0.93,
        0.9,
        "agent gone",
        evidence,
    )


def sampled(at: float, done: int) -> Sampled:
    return Sampled(
        at, done, 0, 10.0, 0, 0, 0.5, 1 << 30, 1.0, 20, [PoolSample(0, done, 0, 5, 0, 1, 3, 0, 0, 0, 5 << 20)]
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three runs: one with something of everything, one that crashed, one of this process."""
    found = tmp_path / "runs.db"
    bad = [Failed(2, "exception", "ValueError", "no\x1b[31m\nsuch thing", TRACE)]
    write(
        found,
        began("aaa1", "sweep [bold]", START, GONE),
        *made("fit", "score"),
        group(0, [1] * 20, seconds=2.0, at=START + 1, row=2, attempts={1: 2}),
        group(0, [1], job=1, seconds=9.0, at=START + 60, row=2),
        group(2, [1] * 30, *bad, job=1, seconds=0.25, row=3, at=START + 5),
        group(100, list(range(40)), job=1, seconds=0.000_05, row=2, at=START + 70),
        Attempt(0, 1, 1, 2, 77, START + 3, "died", "killed"),
        Happened(
            [
                Event(1, START + 3, "error", "agent.died", "agent local/2 was killed", {}),
                Event(2, START + 4, "warning", "alert.firing", "agent crashed", {}),
            ]
        ),
        *(sampled(START + second, second) for second in range(1, 90)),
        alert(1, START + 30),
        alert(2, START + 40, '{"title":"older"}', START + 50),
        RunEnded(START + 90, "failed", {"restarts": 5, "redelivered": 4}),
    )
    write(found, began("bbb2", "crashed", START + 100, GONE), now=START + 107)
    write(found, began("ccc3", "open", START + 200), alert(1, START + 230))
    return found


@pytest.fixture
def archive(path: Path) -> StoreArchive:
    return StoreArchive(path)


# -- the history -------------------------------------------------------------------------------------------------------


def test_runs(archive: StoreArchive) -> None:
    found = {run.id: run for run in archive.runs()}
    assert list(found) == ["ccc3", "bbb2", "aaa1"]
    first = found["aaa1"]
    assert (first.name, first.status, first.started, first.ended) == ("sweep [bold]", "failed", START, START + 90)
    assert (first.tasks, first.done, first.failed, first.seconds) == (91, 90, 1, 90.0)
    assert first.command == "shoal run 'a b.toml'"
    assert first.rate == pytest.approx(91 / 90)
    assert (found["bbb2"].status, found["bbb2"].seconds) == ("crashed", 7.0)
    assert found["ccc3"].status == "running"
    assert not any(run.live for run in found.values()), "no engine answers for any of them"


def test_no_database_is_no_run_and_no_error(tmp_path: Path) -> None:
    assert StoreArchive(tmp_path / "none.db").runs() == []
    (tmp_path / "empty.db").touch()
    assert StoreArchive(tmp_path / "empty.db").runs() == []


def test_the_default_database_is_the_one_of_runs(tmp_path: Path) -> None:
    place = Path(os.environ["XDG_DATA_HOME"]) / "shoal" / "runs.db"
    place.parent.mkdir(parents=True)
    write(place, began("ddd4", "default", pid=GONE))
    assert [run.id for run in StoreArchive().runs()] == ["ddd4"]


def test_what_is_wrong_is_one_line(tmp_path: Path, archive: StoreArchive) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database, and it is long enough to be looked at" * 20)
    other = StoreArchive(damaged)
    for ask in (
        other.runs,
        other.alerts,
        lambda: other.summary("aaa1"),
        lambda: other.open("aaa1"),
        lambda: StoreArchive(tmp_path / "none.db").summary("aaa1"),
        lambda: archive.summary("zzz"),
        lambda: archive.alerts("zzz"),
        lambda: archive.compare("aaa1", "zzz"),
        lambda: archive.report("zzz"),
        lambda: archive.tasks_of("zzz", "local/2"),
        lambda: archive.attach("aaa1"),
        lambda: archive.open("zzz"),
        lambda: archive.moment("soon"),
    ):
        with pytest.raises(ArchiveError) as caught:
            ask()
        assert str(caught.value)
        assert "\n" not in str(caught.value)


def test_every_question_may_come_from_any_thread(archive: StoreArchive) -> None:
    answers: list[object] = []

    def ask() -> None:
        answers.append(len(archive.runs()))
        answers.append(archive.summary("aaa1").run.id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, answers)) == sorted(["3"] * 8 + ["aaa1"] * 8)


# -- one run -----------------------------------------------------------------------------------------------------------


def test_a_summary_has_what_show_has(archive: StoreArchive) -> None:
    found = archive.summary("aaa1")
    assert found.run == next(run for run in archive.runs() if run.id == "aaa1")
    (pool,) = found.pools
    assert (pool.name, pool.agents, pool.shards, pool.done, pool.failed) == ("local", 4, 2, 90, 1)
    assert pool.times == found.times
    assert found.times is not None
    assert (found.times.count, found.times.p50, found.times.most) == (91, 0.25, 9.0)
    assert found.times.p99 is None, "too few"
    assert [(one.shard, one.agents, one.worked, one.died) for one in found.shards] == [(0, 2, 0, 0), (1, 2, 2, 1)]
    assert [(task.name, task.agent, task.attempts) for task in found.slowest[:2]] == [
        ("score[0]", "local/2", 1), ("fit[0]", "local/2", 1),
    ]  # fmt: skip
    assert found.failure_kinds == (("ValueError", 1),)
    (failure,) = found.failures
    assert (failure.name, failure.agent, failure.error) == ("score[2]", "local/3", "ValueError: no�[31m such thing")
    assert failure.words[-1] == "ValueError: no"
    assert not any("\x1b" in text for text in (failure.error, *failure.words))
    assert [event.text for event in found.events] == ["agent local/2 was killed"], "alerts are told as such"
    assert [one.number for one in found.alerts] == [1, 2]
    assert (found.restarts, found.redelivered, found.memory) == (5, 4, 5 << 20)
    assert found.step == 2.0
    assert found.rates[1] == pytest.approx(1.0)
    facts = dict(found.facts)
    assert (facts["agents"], facts["retries"], facts["machine cores"]) == ("4", "2", "2")


def test_a_run_with_nothing_in_it(archive: StoreArchive) -> None:
    found = archive.summary("bbb2")
    assert (found.times, found.pools, found.slowest, found.failures, found.rates) == (None, (), (), (), ())
    assert found.memory is None


def test_the_tasks_of_an_agent(archive: StoreArchive) -> None:
    found = archive.tasks_of("aaa1", "local/2", 3)
    assert [task.name for task in found] == ["score[139]", "score[138]", "score[137]"]
    assert found[0].seconds == pytest.approx(0.000_05)
    names = [task.name for task in archive.tasks_of("aaa1", "local/2", 43)]
    assert names[39:] == ["score[100]", "score[0]", "fit[19]", "fit[18]"]
    (failed,) = [task for task in archive.tasks_of("aaa1", "local/3", 100) if task.state == "failed"]
    assert failed.error == "ValueError: no�[31m such thing"
    assert archive.tasks_of("aaa1", "local/0") == []


def test_alerts(archive: StoreArchive) -> None:
    found = archive.alerts()
    assert [(one.run, one.number) for one in found] == [("ccc3", 1), ("aaa1", 2), ("aaa1", 1)]
    assert archive.alerts("aaa1") == found[1:]
    assert archive.alerts(limit=1) == found[:1]
    one = found[2]
    assert (one.run_name, one.rule, one.title, one.severity) == (
        "sweep [bold]",
        "agent-crash",
        "agent crashed",
        "warning",
    )
    assert (one.happened, one.fired, one.resolved, one.acknowledged) == (START + 29, START + 30, None, START + 35)
    assert (one.value, one.threshold, one.unit, one.peak, one.count, one.reopened) == (0.93, 0.9, "ratio", 0.96, 3, 1)
    assert (one.by, one.note, one.hint, one.action, one.fingerprint) == ("ada", "mine", "h", "a", "f00d")
    assert one.agent == "local/2", "of what made it"
    older = found[1]
    assert (older.title, older.unit, older.samples, older.agent) == ("older", "", (), "")


def test_a_report_is_that_of_the_command(archive: StoreArchive) -> None:
    assert archive.report("aaa1").startswith("# Shoal run aaa1: sweep")


def test_times_as_the_commands_read_them(archive: StoreArchive) -> None:
    assert archive.moment("2h") == pytest.approx(time.time() - 7_200, abs=5)
    day = archive.moment("2026-01-31")
    assert archive.moment("2026-01-31", True) - day == 86_400


# -- two runs ----------------------------------------------------------------------------------------------------------


def of_rate(run: str, rate: int, seconds: float, failed: int = 0, command: int = 0) -> list[ToRecorder]:
    """A run of a hundred seconds at a steady rate, whose tasks all take about as long."""
    bad = [Failed(n, "exception", "E", "", "") for n in range(failed)]
    steps = [group(0, [None] * failed, *bad, seconds=seconds)] if failed else []
    tasks = [
        group(failed + n * 50, [1] * 50, seconds=seconds * (0.9 + n % 7 / 30), row=n % 4)
        for n in range(rate * 100 // 50 - failed // 50)
    ]
    return [
        began(run, "steady", START, GONE), PoolMade(0, "local", 0, 4, 1), *made("fit")[1:], *steps, *tasks,
        *(sampled(START + second, rate * second + second * second * 7 % 11 * rate // 20) for second in range(1, 100)),
        RunEnded(START + 100, "failed" if failed else "done", {}),
    ]  # fmt: skip


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    write(path, *of_rate("aaa1", 50, 0.010))
    write(path, *of_rate("bbb2", 75, 0.020, failed=50))
    found = StoreArchive(path).compare("aaa1", "bbb2")
    assert (found.left.id, found.right.id) == ("aaa1", "bbb2")
    figures = {figure.name: figure for figure in found.figures}
    rate = figures["throughput"]
    assert rate.ratio == pytest.approx(1.5, rel=0.01)
    assert rate.low is not None
    assert rate.high is not None
    assert 1.4 < rate.low < 1.5 < rate.high < 1.6
    assert rate.verdict == "better"
    for name in ("task time p50", "task time p90", "task time p99"):
        time_ = figures[name]
        assert time_.ratio is not None
        assert time_.low is not None
        assert time_.high is not None
        assert 1.9 < time_.low <= time_.ratio <= time_.high < 2.15
        assert time_.verdict == "worse"
    failed = figures["failed"]
    assert (failed.left, failed.ratio, failed.high, failed.verdict) == (0.0, None, math.inf, "worse")
    assert figures["time"].note == "one value each"
    assert figures["time"].verdict == "unknown"
    assert {name: (left, right) for name, left, right in found.differences} == {"tasks": ("5,000", "7,500")}


def figure(found: dict[str, Figure], name: str) -> tuple[float | None, str]:
    return found[name].ratio, found[name].note


def test_what_cannot_be_said_is_not_said(path: Path) -> None:
    found = {one.name: one for one in StoreArchive(path).compare("aaa1", "bbb2").figures}
    assert figure(found, "throughput") == (None, "nothing was done")
    assert figure(found, "task time p50") == (None, "too few tasks")
    assert figure(found, "failed") == (None, "no task was over")
    assert figure(found, "peak memory") == (None, "not measured")
    same = {one.name: one for one in StoreArchive(path).compare("aaa1", "aaa1").figures}
    assert same["throughput"].verdict == "same"
    assert same["failed"].verdict == "same"
    assert same["task time p50"].ratio == 1.0
    assert figure(same, "task time p99") == (None, "too few tasks")


def test_runs_without_failures_have_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    write(path, *of_rate("aaa1", 5, 0.010))
    write(path, *of_rate("bbb2", 5, 0.010))
    found = {one.name: one for one in StoreArchive(path).compare("aaa1", "bbb2").figures}
    assert figure(found, "failed") == (None, "both below 0.6%")
    assert found["throughput"].verdict == "same"


# -- engines -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(1, name="live one", record=tmp_path / "runs.db") as engine:
        engine.wait_ready(60)
        yield engine


def test_runs_that_go_on_stand_first_wherever_they_are_recorded(tmp_path: Path, path: Path, engine: Engine) -> None:
    assert path == tmp_path / "runs.db"
    with Engine(1, name="unrecorded") as other:
        other.wait_ready(60)
        other.submit(abs, -3).result(30)
        wait_for(lambda: engine.run_id in {run.id for run in StoreArchive(path).runs()}, what="its row")
        archive = StoreArchive(path)
        found = archive.runs()
        assert [(run.id, run.live, run.recorded) for run in found[:3]] == [
            (other.run_id, True, False), (engine.run_id, True, True), ("ccc3", False, True),
        ]  # fmt: skip
        wait_for(lambda: archive.runs()[0].done == 1, what="its count")
        elsewhere = StoreArchive(tmp_path / "another.db")
        assert {run.id for run in elsewhere.runs()} == {other.run_id, engine.run_id}
        assert elsewhere.summary(engine.run_id).run.name == "live one", "asked of where it is recorded"
        with pytest.raises(ArchiveError, match="no runs recorded yet"):
            elsewhere.summary(other.run_id)


def test_a_run_that_goes_on_is_attached_to(path: Path, engine: Engine) -> None:
    archive = StoreArchive(path)
    for ask in (archive.attach, archive.open):
        feed = ask(engine.run_id)
        try:
            hello = feed.take().hello
            assert hello is not None
            assert hello.run == engine.run_id
            assert feed.transport is None
        finally:
            feed.stop()


def test_a_run_that_has_ended_is_replayed(archive: StoreArchive) -> None:
    feed = archive.open("aaa1")
    try:
        assert isinstance(feed, ReplayFeed)
        view = feed.take()
        assert view.hello is not None
        assert view.hello.run == "aaa1"
        assert view.replay is not None
        assert view.replay.end >= START + 89
    finally:
        feed.stop()
