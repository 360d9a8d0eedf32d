"""The parts of the meters, each by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import wait_for

from engine.core.actions import Send
from engine.core.core import Core
from engine.core.tasks import Batch, Options, TaskRange
from engine.metrics.families import FAMILIES
from engine.metrics.observer import Observer
from engine.metrics.pending import Pending
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder
from engine.metrics.windows import Windows
from engine.procs import scoreboard
from engine.procs.scoreboard import BATCH, BUSY, MEMORY, OFFSET, PID, START, STATE, Scoreboard
from engine.procs.weight import packed
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.fleet.jobs import Group
from engine.runtime.fleet.specs import PoolSpec
from engine.runtime.meters import machine
from engine.runtime.meters.board import Board
from engine.runtime.meters.book import Book
from engine.runtime.meters.counting import Counting
from engine.runtime.meters.log import LAST, ROWS, Log
from engine.runtime.meters.meter import Meter
from engine.runtime.meters.meters import Meters
from engine.runtime.meters.processes import Processes
from engine.runtime.meters.view import view
from engine.runtime.options import RunOptions
from engine.runtime.run import Run
from engine.runtime.sampler import Sampler
from engine.settings.types import PoolSettings
from engine.stream.types import Frame, PoolView

SECOND = 1_000_000_000


# -- what is written down -------------------------------------------------------------------------------------------


def outcomes(meter: Meter, batch: Batch, first: int, started: int, ends: list[int], command: bool = False) -> None:
    batch.accepted = first - batch.first + len(ends)
    group = Group(first, [], [], {}, {}, {}, 0, started, memoryview(array("Q", ends)), decoded=started + 7)
    meter.outcomes(group, batch, command, 100, started, [])


class Bench:
    """A meter of a core with one pool, and who counts."""

    def __init__(self) -> None:
        self.core = Core()
        self.core.add_pool("main", 2, 2)
        self.histograms = Histograms()
        self.pending = Pending(self.histograms)
        self.meter = Meter(self.core, self.pending, self.count, cold=False)
        self.counting = Counting(self.core, self.meter, self.histograms)
        self.tasks = TaskRange(1, 1000, 1, 0, Options(), 0)

    def count(self) -> None:
        self.pending.count()
        self.counting.count()
        self.counting.count_shards()

    def outcomes(self, batch: Batch, first: int, started: int, ends: list[int], command: bool = False) -> None:
        outcomes(self.meter, batch, first, started, ends, command)

    def of(self, name: str, *labels: str) -> tuple[int, int]:
        found = self.histograms.of(f"shoal_{name}", labels)
        return found.count, found.sum


def test_a_batch_and_its_outcomes() -> None:
    bench = Bench()
    bench.meter.sample(True)
    bench.meter.sent(Send(1, 9, 1, 0, 5, 0, "time", 0.5), 1000, 0, [])
    batch = Batch(9, bench.tasks, 0, 5, 1, sent=2.0, since=1.5, found="cold")
    bench.outcomes(batch, 0, 3 * SECOND, [3 * SECOND + 10, 3 * SECOND + 30])
    bench.outcomes(batch, 2, 4 * SECOND, [4 * SECOND + 100] * 3, command=True)
    bench.count()
    assert bench.of("batch_messages", "main", "out") == (1, 5)
    assert bench.of("batch_bytes", "main", "out") == (1, 1000)
    assert bench.of("queue_wait_seconds", "main", "1", "ready") == (5, 5 * SECOND // 2)
    assert bench.of("batch_messages", "main", "back") == (2, 5)
    assert bench.of("batch_bytes", "main", "back") == (2, 200)
    assert bench.of("batch_linger_seconds", "main") == (2, 20)
    assert bench.of("deserialize_seconds", "main") == (2, 14)
    assert bench.of("pool_acquire_seconds", "main", "cold") == (1, SECOND * 3 // 2), "with its wait for an agent"
    assert bench.of("pool_acquire_seconds", "main", "hit") == (0, 0)
    assert bench.of("pool_use_seconds", "main") == (1, SECOND + 100)
    assert bench.of("task_run_seconds", "main", "call") == (2, 30)
    assert bench.of("task_run_seconds", "main", "command") == (3, 100)
    assert bench.of("queue_wait_seconds", "main", "1", "agent") == (5, 2 * SECOND + 3 * 2 * SECOND)
    assert bench.of("message_latency_seconds", "main", "queue") == (5, 5 * SECOND // 2)
    assert bench.of("message_latency_seconds", "main", "assign") == bench.of("queue_wait_seconds", "main", "1", "agent")
    total = bench.of("message_latency_seconds", "main", "total")
    outside = bench.of("coordination_seconds", "main")
    assert total[0] == outside[0] == 5
    assert abs(total[1] - outside[1] - 130) <= 5, "a mean is whole nanoseconds"
    assert bench.meter.cuts == {("main", "time"): 1}


def test_a_batch_that_found_an_idle_agent_was_acquired_from_when_it_was_sent() -> None:
    bench = Bench()
    bench.meter.sample(True)
    batch = Batch(9, bench.tasks, 0, 1, 0, sent=2.0, since=1.5, found="hit")
    bench.outcomes(batch, 0, 3 * SECOND, [3 * SECOND + 10])
    bench.count()
    assert bench.of("pool_acquire_seconds", "main", "hit") == (1, SECOND)


def test_where_nobody_samples_the_logs_stay_small_and_say_what_was_dropped() -> None:
    bench = Bench()
    batch = Batch(9, bench.tasks, 0, 1, 0, sent=2.0)
    for _ in range(3 * LAST):
        bench.outcomes(batch, 0, SECOND, [SECOND + 1])
    assert bench.meter.outcomes_log.at <= LAST * bench.meter.outcomes_log.size
    assert bench.meter.outcomes_log.dropped == 3 * LAST
    bench.meter.sample(True)
    for _ in range(ROWS + 10):  # the sampler is late: they are counted at once
        bench.outcomes(batch, 0, SECOND, [SECOND + 1])
    bench.count()
    assert bench.of("batch_messages", "main", "back") == (ROWS + 10, ROWS + 10)
    assert bench.meter.outcomes_log.dropped == 3 * LAST


def test_what_is_full_before_the_first_sample_is_counted_as_soon_as_that_can_be() -> None:
    fleet = Fleet([PoolSpec(PoolSettings(size=1))])
    meters = Meters(fleet, "0", Observer())
    try:
        meters.begin()
        assert meters._loading is not None
        meters._loading.join()
        assert fleet.meter is not None
        batch = Batch(9, TaskRange(1, 1000, 1, 0, Options(), 0), 0, 1, 0, sent=2.0)
        for _ in range(ROWS + 10):
            outcomes(fleet.meter, batch, 0, 3 * SECOND, [3 * SECOND + 1])
        assert (meters.newest(), meters.view()) == (None, None), "nothing was sampled yet"
        meters.sample(Sampler(fleet).frame(None), 1.0, None, None)
        newest = meters.newest()
        assert newest is not None
        for name, labels in (("message_latency", {"stage": "assign"}), ("queue_wait", {"stage": "agent"})):
            assert newest.histogram(f"shoal_{name}_seconds", **labels).count == ROWS + 10, name
        assert fleet.meter.dropped == 0
    finally:
        meters.close()
        fleet.close()


def test_times_that_no_agent_of_ours_writes_do_no_harm() -> None:
    bench = Bench()
    bench.meter.sample(True)
    batch = Batch(9, bench.tasks, 0, 2, 0, sent=2.0)
    bench.outcomes(batch, 0, (1 << 64) - 1, [0, (1 << 64) - 1])
    bench.count()
    assert bench.of("batch_messages", "main", "back") == (1, 2)
    assert bench.of("task_run_seconds", "main", "call")[0] == 2


def test_a_log_that_nobody_counts_in_the_end_drops_what_it_has() -> None:
    log = Log("qd", lambda: None)
    log.sample(True)
    for number in range(ROWS):
        at = log.at
        log.pack(log.buffer, at, number, 0.5)
        log.at = at + log.size
        if at >= log.last:
            log.full()
    assert (log.at, log.dropped) == (0, ROWS)


def test_a_log_is_as_large_as_it_need_be_and_keeps_what_it_has() -> None:
    log = Log("qd", lambda: None)
    log.pack(log.buffer, 0, 5, 0.5)
    log.at = log.size
    small = len(log.buffer)
    log.sample(True)
    assert len(log.buffer) == ROWS * log.size > small
    log.sample(False)
    assert len(log.buffer) == small
    assert log.taken()[:8] == (5).to_bytes(8, "little")
    log.sample(True)
    log.at = (LAST + 1) * log.size
    log.sample(False)
    assert (log.at, log.dropped) == (0, LAST + 1)


def test_frames_that_nobody_wanted_are_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run([PoolSpec(PoolSettings(size=1))], RunOptions("again"))
    late: list[float] = []
    frames: list[Frame] = []
    assert run.fleet.meter is not None
    monkeypatch.setattr(run.fleet.meter, "late", late.append)
    try:
        run.on_frame = frames.append
        while len(frames) < 2:
            run.step(0.01)
        assert len(late) == 1, "the first was due when it was made"
        run.on_frame = None
        run.step(0.01)
        time.sleep(0.5)
        run.on_frame = frames.append
        while len(frames) < 3:
            run.step(0.01)
        assert len(late) == 1
    finally:
        run.close()


def test_readers_are_told_how_much_was_not_counted() -> None:
    windows = Windows(0.0)
    for second, skipped in ((100, 700), (101, 700)):
        builder = Builder(float(second))
        Observer().tell(builder, skipped)
        windows.push(builder.snapshot())
    assert view(windows, [], 5.0).skipped == 700


def test_starts_and_ends_of_agents() -> None:
    bench = Bench()
    meter = bench.meter
    meter.asked([(0, 1), (1, 1)])
    meter.up([(0, 1, 77)], [(0, 0)])
    bench.core.agents[0].up = True
    meter.up([(0, 1, 77)], [(0, 0)])  # told twice
    meter.up([(1, 7, 78)], [(0, 0)])  # of another generation
    assert meter.started == {"main": 1}
    meter.down(0, "memory", up=True, leaving=False, wanted=True)
    meter.down(1, "start", up=False, leaving=False, wanted=True)
    meter.down(0, "retired", up=True, leaving=True, wanted=False)
    meter.down(0, "retired", up=True, leaving=False, wanted=False)
    meter.down(0, "", up=True, leaving=False, wanted=False)
    assert meter.failed == {"main": 1}
    assert meter.exits == {("main", what): 1 for what in ("oom", "start", "scale_in", "idle", "crash")}
    assert meter.refills == {("main", "oom"): 1, ("main", "start"): 1}


# -- the scoreboard -------------------------------------------------------------------------------------------------


@pytest.fixture
def shared() -> Iterator[Scoreboard]:
    fd = scoreboard.create(3, 4096)
    made = Scoreboard(fd, 3, 4096)
    os.close(fd)
    yield made
    made.close()


HELD = packed(5 << 20, 70 << 20)


def works(board: Scoreboard, row: int, batch: int, start: int) -> None:
    for cell, value in ((STATE, 3), (PID, 100 + row), (BATCH, batch), (OFFSET, 1), (START, start), (MEMORY, HELD)):
        board.set(row, cell, value)


def test_time_in_tasks_grows_while_a_batch_runs_and_never_falls(shared: Scoreboard) -> None:
    board = Board(shared)
    works(shared, 1, 9, 1000)
    board.read(1500)
    assert board.busy.tolist() == [0, 500, 0]
    assert board.ages.tolist() == [0, 500, 0]
    assert board.memory.tolist() == [0, 5 << 20, 0]  # of its own
    assert board.pids(0, 3) == [101]
    shared.set(1, START, 1800)  # the next task of the same batch
    board.read(2000)
    assert board.busy.tolist() == [0, 1000, 0]
    assert board.ages.tolist() == [0, 200, 0]
    for cell, value in ((OFFSET, 0), (BATCH, 0), (BUSY, 1100), (STATE, 2)):  # it is over
        shared.set(1, cell, value)
    board.read(2500)
    assert board.busy.tolist() == [0, 1100, 0]
    assert board.ages.tolist() == [0, 0, 0]
    works(shared, 1, 10, 3000)
    board.read(3400)
    assert board.busy.tolist() == [0, 1500, 0]
    shared.set(1, STATE, 5)  # it has died: what it had begun is in no total
    board.read(3600)
    assert board.busy.tolist() == [0, 1500, 0]
    assert board.memory.tolist() == [0, 0, 0]
    works(shared, 1, 11, 4000)
    board.read(4100)
    assert board.busy.tolist() == [0, 1600, 0]


def test_every_family_of_shards_is_told_of_a_pool_with_many_and_none_is_made_up(shared: Scoreboard) -> None:
    bench = Bench()
    book, builder, pools = Book(bench.core, bench.meter, 3), Builder(1.0), bench.core.pools
    views = (PoolView("main", 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 2),)
    board = Board(shared)
    book.pools(builder, pools, views, board, Processes(1))
    book.shards(builder, pools, board, SECOND)
    told = {name for name in builder.snapshot().values if name.startswith("shoal_shard_")}
    assert told == {name for name in FAMILIES if name.startswith("shoal_shard_")}


def test_how_busy_a_shard_is_from_its_first_look_on(shared: Scoreboard) -> None:
    core = Core()
    (shard,) = core.add_pool("main", 3, 1).shards
    shard.up = 2
    board, book = Board(shared), Book(core, Bench().meter, 3)

    def used(now: int) -> float | None:
        builder = Builder(now / SECOND)
        board.read(now)
        book.shards(builder, core.pools, board, now)
        return builder.snapshot().value("shoal_shard_utilization_ratio", shard="0")

    works(shared, 1, 9, 5 * SECOND)
    assert used(10 * SECOND) == 0.5, "one of two works, since whenever"
    works(shared, 0, 10, 11 * SECOND)
    assert used(12 * SECOND) == 0.75, "one all the time, one for half of it"
    assert used(12 * SECOND + 1000) == 0.75, "it was looked at a moment ago"
    depth = book.each_shard(core.pools, board)["shoal_shard_depth_messages"]
    shard.tasks = 7
    assert depth == {("main", "0"): 0}
    assert book.each_shard(core.pools, board)["shoal_shard_depth_messages"] == {("main", "0"): 5}


# -- processes and the machine --------------------------------------------------------------------------------------


def test_what_the_kernel_knows_of_processes_is_added_up() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys\nfor line in sys.stdin: pass"], stdin=subprocess.PIPE)
    try:
        looks, now = Processes(2), 10.0
        assert child.stdin is not None

        def look(least: int) -> bool:
            nonlocal now
            now += 1.0
            assert child.stdin is not None
            child.stdin.write(b"wake up\n")
            child.stdin.flush()
            assert looks.wants(now)
            looks.look(now, [(1, [child.pid]), (0, [1 << 30])])
            while not looks.wants(now + 1.0):  # where its share was used up by the first
                now += 1.0
                looks.look(now, None)
            return looks.switches[1][0] >= least

        look(0)
        (first, _, _), already = looks._known[child.pid], looks.waited[1]
        wait_for(lambda: look(1))
        before = list(looks.switches[1])
        wait_for(lambda: look(before[0] + 3))
        assert looks.switches[0] == [0, 0]
        assert looks.waited[0] == 0
        last = int(Path(f"/proc/{child.pid}/schedstat").read_text().split()[1])
        assert looks.waited[1] == pytest.approx(already + (looks._known[child.pid][0] - first) * 1e-9)
        assert first <= looks._known[child.pid][0] <= last
    finally:
        child.communicate()


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (
            "some avg10=52.48 avg60=65.38 avg300=54.74 total=836948436\nfull avg10=0.00 avg60=0 avg300=0 total=0\n",
            0.5248,
        ),
        ("", None),
        ("full avg10=1.00\n", None),
    ],
)
def test_pressure(text: str, share: float | None) -> None:
    assert machine.pressure(text) == (None if share is None else pytest.approx(share))


def test_throttling_of_both_versions_of_control_groups() -> None:
    assert machine.throttled("usage_usec 1\nnr_throttled 3\nthrottled_usec 2500000\n") == 2.5
    assert machine.throttled("nr_periods 0\nnr_throttled 0\nthrottled_time 1500000000\n") == 1.5
    assert machine.throttled("usage_usec 1\n") is None


def test_control_groups() -> None:
    found = machine.groups("4:memory:/jobs/one\n2:cpu,cpuacct:/\n1:name=systemd:/x:y\n0::/user\n")
    assert (found["memory"], found["cpu"], found["cpuacct"], found[""]) == ("/jobs/one", "/", "/", "/user")


def test_readings_of_this_machine() -> None:
    readings = machine.Readings()
    readings.read()
    assert readings.resident > 1 << 20
    assert readings.max_fds > 0
    assert readings.processor_time > 0
    for share in readings.pressures.values():
        assert share is None or 0 <= share <= 1
