"""What a run measures of itself agrees with what it did."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from descriptors import NoDescriptors
from inside import fleet_of, pool_of
from processes import wait_for

from engine.metrics.families import FAMILIES
from engine.metrics.snapshot import Snapshot
from engine.runtime.meters.machine import Readings
from engine.runtime.meters.meters import Meters
from engine.stream import places
from engine.stream.client import Client, StreamEnded
from engine.stream.types import MetricsNow, PoolMetrics
from shoal import Engine, PoolSettings, address, receive, send

LONG = 60.0
"""Seconds until a sample has come, on a machine that is busy with something else."""


def fail(number: int) -> None:
    raise ValueError(number)


def die(path: str) -> str:
    """Ends its agent, the first time."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    return path


def large(size: int) -> bytes:
    return bytes(size)


def later(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def to_itself() -> object:
    send(address(), "hello")
    return receive(30).value


def meters_of(engine: Engine) -> Meters:
    found = engine._worker.run.meters
    assert found is not None
    return found


def until(engine: Engine, fits: Callable[[Snapshot], object]) -> Snapshot:
    """The first sample that fits."""
    meters = meters_of(engine)
    found: list[Snapshot] = []

    def fitting() -> bool:
        newest = meters.newest()
        if newest is not None and fits(newest):
            found.append(newest)
        return bool(found)

    wait_for(fitting, LONG)
    return found[0]


def finished(tasks: int) -> Callable[[Snapshot], bool]:
    """All is counted of so many tasks, by shard too."""
    return lambda snapshot: (
        (snapshot.value("shoal_tasks_finished_total") or 0) >= tasks
        and snapshot.histogram("shoal_queue_wait_seconds", stage="agent").count >= tasks
    )


def absent() -> dict[str, str]:
    """Families without series here, and why."""
    why = {}
    readings = Readings()
    readings.read()
    for name, share in readings.pressures.items():
        if share is None:
            why[f"shoal_{name}_pressure_ratio"] = "this kernel tells no pressure"
    if readings.throttled is None:
        why["shoal_cpu_throttled_seconds_total"] = "this control group has no cpu.stat"
    return why


@pytest.mark.needs("pooling")
def test_a_run_fills_every_family(tmp_path: Path) -> None:
    pools = [PoolSettings(name="io", size=1)]
    with Engine(2, pools=pools, record=tmp_path / "runs.db", settings={"metrics_port": 0}) as engine:
        assert engine.wait_ready(LONG) == 3
        assert sum(engine.map(abs, range(2000))) == 1999000
        assert len(engine.submit(large, 1 << 20).result(LONG)) == 1 << 20
        assert len(engine.submit(len, bytes(1 << 20)).result(LONG) and b"x") == 1
        assert engine.submit(die, str(tmp_path / "died")).result(LONG) == str(tmp_path / "died")
        assert engine.using(pool="io").submit(later, 0.05).result(LONG) == 0.05
        engine.wait_ready(LONG)
        snapshot = until(
            engine,
            lambda now: (
                finished(2004)(now)
                and now.histogram("shoal_pool_refill_seconds").count
                and now.histogram("shoal_store_commit_seconds").count
                and now.value("shoal_store_wal_bytes") is not None
                and now.value("shoal_context_switches_total")
            ),
        )
    there = {name for name, _ in snapshot.series()}
    missing = set(FAMILIES) - there
    assert missing == set(absent()), "a family that nothing fills"
    for name, labels in snapshot.series():
        FAMILIES[name].check(labels)


@pytest.mark.needs("pooling")
def test_the_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    began = time.monotonic()
    with Engine(2, record=tmp_path / "runs.db", retries=1, settings={"metrics_port": 0}) as engine:
        assert engine.wait_ready(LONG) == 2
        assert len(list(engine.map(abs, range(5000)))) == 5000
        slow = [engine.submit(later, 0.05) for _ in range(8)]
        bad = [engine.submit(fail, number) for number in range(3)]
        assert engine.submit(die, str(tmp_path / "died")).result(LONG)
        for future in slow:
            assert future.result(LONG) == 0.05
        for future in bad:
            assert isinstance(future.exception(LONG), ValueError)
        engine.wait_ready(LONG)
        ran = 5000 + 8 + 2 * 3 + 1  # each failure twice; the attempt that died has no outcome
        snapshot = until(
            engine,
            lambda now: finished(5012)(now) and now.histogram("shoal_queue_wait_seconds", stage="agent").count >= ran
            and now.histogram("shoal_pool_refill_seconds").count,
        )  # fmt: skip
        stats = engine.stats()["pools"]["main"]
    seconds = time.monotonic() - began

    def value(name: str, **labels: str) -> float:
        found = snapshot.value(f"shoal_{name}", **labels)
        assert found is not None, name
        return found

    def histogram(name: str, **labels: str) -> tuple[int, int]:
        found = snapshot.histogram(f"shoal_{name}", **labels)
        return found.count, found.sum

    assert value("tasks_submitted_total", pool="main") == 5012
    assert value("tasks_finished_total", result="done") == 5009
    assert value("tasks_finished_total", result="failed") == 3
    assert value("tasks_finished_total", result="cancelled") == 0
    assert value("delivery_ratio") == 1
    again = value("tasks_redelivered_total") + value("tasks_recalled_total")
    assert value("tasks_redelivered_total") >= 1
    sent = value("shard_dequeued_total")
    assert sent == ran + again == value("shard_enqueued_total")

    batches, messages = histogram("batch_messages", direction="out")
    assert messages == sent
    assert batches == value("batch_flushes_total") == value("pool_acquires_total")
    assert value("pool_acquires_total", result="hit") == stats["hits"]
    assert histogram("batch_messages", direction="back")[1] == ran
    assert histogram("queue_wait_seconds", stage="ready")[0] == sent
    assert histogram("queue_wait_seconds", stage="agent")[0] == ran
    assert histogram("coordination_seconds")[0] == ran
    for stage in ("queue", "assign", "run", "back", "total"):
        count, total = histogram("message_latency_seconds", stage=stage)
        assert count == ran, stage
        assert 0 < total < ran * seconds * 1e9, stage
    assert histogram("pool_acquire_seconds")[0] <= batches
    assert histogram("serialize_seconds")[0] == histogram("batch_bytes", direction="out")[0] == batches

    count, total = histogram("task_run_seconds", pool="main", kind="call")
    assert count == ran
    assert 8 * 0.05e9 <= total < 2 * seconds * 1e9
    assert 8 * 0.05 <= value("pool_busy_seconds_total") < 2 * seconds
    half = snapshot.histogram("shoal_task_run_seconds", pool="main").quantile(0.5)
    assert half is not None
    assert 0 < half < 0.05e9
    assert value("alerts_firing", severity="warning") >= 1
    count, detected = histogram("alert_detect_seconds", **{"class": "crash"})
    assert count >= 1
    assert 0 < detected < seconds * 1e9

    assert value("agent_spawns_total", result="started") == 3
    assert value("agent_spawns_total", result="failed") == 0
    assert value("agent_exits_total") == value("agent_exits_total", reason="crash") == 1
    assert value("pool_refills_total", reason="crash") == value("agent_restarts_total") == 1
    assert histogram("pool_refill_seconds")[0] == 1
    phases = [histogram("agent_spawn_seconds", phase=phase, start="warm") for phase in ("fork", "init", "handshake")]
    assert histogram("agent_spawn_seconds", phase="total") == (3, sum(total for _, total in phases))
    assert value("observer_skipped_values_total") == 0
    assert value("pool_agents_limit", bound="target") == 2
    assert value("pool_agents", state="idle") + value("pool_agents", state="busy") <= 2
    assert value("machine_cores") == len(os.sched_getaffinity(0))
    assert 0 < value("engine_memory_bytes") < value("machine_memory_limit_bytes")
    assert 0 < value("engine_open_fds") < value("engine_max_fds")
    assert value("dispatch_busy_seconds_total") < seconds
    assert value("store_rows_total") >= 5012
    assert value("shard_balance_ratio", shard="0") == 1


def test_what_is_going_on_shows() -> None:
    with Engine(1, settings={"metrics_port": 0}) as engine:
        future = engine.submit(later, 3.0)
        more = [engine.submit(later, 0.0) for _ in range(5)]
        shown = until(engine, lambda now: (now.value("shoal_work_longest_running_seconds") or 0) > 0.3)
        assert shown.value("shoal_work_unfinished_seconds", pool="main") == shown.value(
            "shoal_work_longest_running_seconds", pool="main"
        )
        assert shown.value("shoal_pool_agents", state="busy") == 1
        waiting = shown.value("shoal_shard_depth_messages") or 0
        assert waiting + (shown.value("shoal_pool_pending_requests") or 0) == 5
        used = until(engine, lambda now: (now.value("shoal_shard_utilization_ratio", shard="0") or 0) > 0.5)
        assert (used.value("shoal_pool_busy_seconds_total") or 0) > 0.3
        assert [future.result(LONG), *(one.result(LONG) for one in more)] == [3.0, *[0.0] * 5]


def test_agents_that_are_executed_start_cold() -> None:
    with Engine(1, settings={"metrics_port": 0, "enable_pooling": False}) as engine:
        assert engine.submit(abs, -1).result(LONG) == 1
        snapshot = until(engine, lambda now: now.histogram("shoal_agent_spawn_seconds", phase="total").count)
    assert snapshot.histogram("shoal_agent_spawn_seconds", start="warm").count == 0
    assert snapshot.histogram("shoal_agent_spawn_seconds", start="cold", phase="total").count >= 1


@pytest.mark.needs("pooling")
def test_the_series_of_a_pool_that_is_gone_are_gone(tmp_path: Path) -> None:
    (tmp_path / "gone_module.py").write_text(
        "import pathlib\n"
        f"def start():\n    if pathlib.Path({str(tmp_path / 'gone')!r}).exists():\n        raise OSError('gone')\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        bad = PoolSettings(name="bad", size=1, init="gone_module:start")
        with Engine(1, pools=[bad], settings={"metrics_port": 0}) as engine:
            assert engine.using(pool="bad").submit(abs, -1).result(LONG) == 1
            until(engine, lambda now: now.histogram("shoal_task_run_seconds", pool="bad").count)
            engine._worker.run.fleet.core.break_pool(1, "it is not wanted any more")
            engine.using(pool="main").submit(abs, -1).result(LONG)
            # What it had begun may go on; its agent ends on request.
            row = fleet_of(engine).core.pools[1].rows.start
            os.kill(fleet_of(engine).board.get(row, 1), signal.SIGKILL)
            snapshot = until(engine, lambda now: now.value("shoal_pool_agents_limit", pool="bad") is None)
            assert snapshot.value("shoal_pool_agents_limit", pool="main", bound="max") == 1
            for name, labels in snapshot.series():
                assert "bad" not in labels, name
    finally:
        sys.path.remove(str(tmp_path))


def shown(client: Client, fits: Callable[[MetricsNow], object]) -> MetricsNow:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        message = client.receive(1.0)
        if isinstance(message, MetricsNow) and fits(message):
            return message
    raise AssertionError("nothing of the kind was shown")


@pytest.mark.needs("pooling")
def test_a_reader_is_shown_the_windows() -> None:
    with Engine(2) as engine:
        run = engine._worker.run
        assert run.control is not None
        client = Client(run.control.path)
        try:
            assert client.subscribe(["metrics"]).ok
            first = shown(client, lambda now: True)
            assert {(pool.pool, pool.window) for pool in first.windows} == {("main", 10), ("main", 60), ("main", 0)}
            assert len(list(engine.map(later, [0.001] * 300))) == 300

            def whole(now: MetricsNow) -> PoolMetrics:
                return next(pool for pool in now.windows if pool.window == 0)

            last = shown(client, lambda now: whole(now).run.count == 300 and now.observer is not None)
            pool = pool_of(engine)
            batches, hits = pool.hits + pool.waits + pool.colds, pool.hits
        finally:
            client.close()
        found = whole(last)
        assert (found.done, found.failed) == (300, 0)
        assert found.run.p50 is not None
        assert found.run.p99 is None, "n is too small for that"
        assert found.run.max is not None
        assert 0.001 <= found.run.p50 <= found.run.max
        assert found.wait.count == 300
        assert found.rate is not None
        assert found.rate > 0
        assert found.hits == pytest.approx(hits / batches)
        assert found.assign.count == 300
        assert last.observer is not None
        assert 0 < last.observer < 2, "of a core, on two threads at the most"

        # Nobody watches any more: what is measured is dropped, and not piled up.
        meters = meters_of(engine)
        wait_for(lambda: run.control is not None and not run.control.watched, LONG)
        assert len(list(engine.map(later, [0.0] * 1000))) == 1000
        assert not meters._pending.sampled


@pytest.mark.needs("pooling")
def test_the_last_that_a_reader_is_shown_is_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.meters.sampling._VIEW", 3600.0)
    with Engine(2) as engine:
        client = Client(places.runtime_folder() / f"{engine.run_id}.sock")
        assert client.subscribe(["metrics"]).ok
        last = shown(client, lambda now: True)
        assert len(list(engine.map(later, [0.001] * 300))) == 300
    try:
        while True:
            message = client.receive(LONG)
            last = message if isinstance(message, MetricsNow) else last
    except StreamEnded:
        client.close()
    assert {pool.window: (pool.done, pool.run.count) for pool in last.windows}[0] == (300, 300)


_LOADS = """
import sys
from shoal import Engine
if __name__ == "__main__":
    with Engine(2, **{options}) as engine:
        assert sum(engine.map(abs, range(3000))) == 4498500
        loaded = "numpy" in sys.modules or "prometheus_client" in sys.modules
        meter = engine._worker.run.fleet.meter
    print(loaded, meter is not None)
"""


@pytest.mark.parametrize(
    ("options", "metered"), [({}, True), ({"attachable": False}, False)], ids=["attachable", "closed"]
)
@pytest.mark.needs("pooling")
def test_who_is_not_watched_loads_no_numpy(tmp_path: Path, options: dict[str, object], metered: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(_LOADS.replace("{options}", repr(options)))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.split() == ["False", str(metered)], done.stderr


@pytest.mark.needs("pooling")
def test_messages_between_agents_are_counted() -> None:
    with Engine(2, settings={"metrics_port": 0}) as engine:
        assert engine.submit(to_itself).result(LONG) == "hello"
        until(engine, lambda now: now.value("shoal_messages_delivered_total", result="delivered") == 1)


@pytest.mark.parametrize("part", ["Sampling.count", "view", "Sampling.distributions"])
@pytest.mark.needs("pooling")
def test_a_sampler_that_fails_ends_the_samples_and_not_the_run(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("a bug")

    with Engine(1, record=tmp_path / "runs.db", settings={"metrics_port": 0}) as engine:
        until(engine, lambda now: True)
        client = Client(places.runtime_folder() / f"{engine.run_id}.sock")
        monkeypatch.setattr(f"engine.runtime.meters.sampling.{part}", broken)
        assert client.subscribe(["metrics"]).ok
        if part != "Sampling.distributions":  # those are for the end, and for every minute
            wait_for(lambda: "can't be sampled" in caplog.text, LONG)
        assert len(list(engine.map(abs, range(20_000)))) == 20_000
    client.close()
    assert caplog.text.count("can't be sampled") == 1


@pytest.mark.needs("pooling")
def test_what_cannot_be_loaded_for_want_of_descriptors_is_loaded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short = NoDescriptors(monkeypatch, "engine.metrics.folding", 2)
    with Engine(1, record=tmp_path / "runs.db", settings={"metrics_port": 0}) as engine:
        assert len(list(engine.map(abs, range(1_000)))) == 1_000
        until(engine, finished(1_000))
    assert short.left == 0
    assert "can't be sampled" not in caplog.text
