"""What readers are shown of queues and of distributions: made of samples."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.core import Core
from engine.metrics.families import family
from engine.metrics.observer import Observer
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder
from engine.metrics.windows import Windows
from engine.runtime.meters.queues import queues
from engine.runtime.meters.shapes import shapes
from engine.runtime.meters.shown import Shown
from engine.stream.types import MESSAGE_MAX, QueuesNow, Shape, ShapesNow, encoder

WAIT = "shoal_queue_wait_seconds"


class Sampled:
    """Samples of a core, whose numbers all differ."""

    def __init__(self, *pools: tuple[str, int]) -> None:
        """Pools by name, with so many shards."""
        self.core = Core()
        for name, shards in pools:
            self.core.add_pool(name, shards, shards, strategy="hash")
        for shard in self.core.shards:
            shard.up = 1 + shard.id % 3
        self.histograms = Histograms()
        self.windows = Windows(0.0)

    def push(self, at: float, factor: int = 1) -> None:
        builder = Builder(at)
        for pool in self.core.pools:
            for name, kinds in (
                ("batch_flushes", ("full", "rest")), ("pool_acquires", ("hit", "wait", "cold")),
                ("pool_refills", ("crash",)), ("agent_exits", ("crash", "idle")),
                ("agent_spawns", ("started", "failed")),
            ):  # fmt: skip
                for number, kind in enumerate(kinds, 1):
                    builder.set(f"shoal_{name}_total", factor * (10 * len(name) + number), pool.name, kind)
            for number, name in enumerate(
                ("pool_grown_agents_total", "tasks_redelivered_total", "tasks_recalled_total", "pool_memory_bytes"), 1
            ):
                builder.set(f"shoal_{name}", factor * number, pool.name)
            builder.set("shoal_pool_occupancy_seconds", 2.5, pool.name)
            for shard in pool.shards:
                labels = pool.name, str(shard.id)
                for number, name in enumerate(("depth_messages", "enqueued_total", "dequeued_total", "stolen_total")):
                    builder.set(f"shoal_shard_{name}", factor * (1000 * number + shard.id), *labels)
                builder.set("shoal_shard_utilization_ratio", shard.id % 5 / 4, *labels)
                builder.set("shoal_shard_balance_ratio", 1.0, *labels)
        builder.histograms(self.histograms)
        self.windows.push(builder.snapshot())

    def queues(self, room: int = MESSAGE_MAX) -> QueuesNow:
        return queues(self.windows, self.core.pools, self.windows.newest.values, 7.0, room)

    def shapes(self, room: int = MESSAGE_MAX) -> ShapesNow:
        return shapes(self.windows, [pool.name for pool in self.core.pools], 7.0, room)


# -- queues -------------------------------------------------------------------------------------------------------


def test_each_number_is_where_it_belongs() -> None:
    sampled = Sampled(("main", 2), ("io", 1))
    sampled.histograms.of(WAIT, ("main", "1", "ready")).record(1_000_000, 250)
    sampled.histograms.of(WAIT, ("main", "1", "agent")).record(5_000_000, 9)
    sampled.push(1.0)
    now = sampled.queues()
    assert (now.at, now.left) == (7.0, 0)
    assert [(shard.pool, shard.shard, shard.more) for shard in now.shards] == [
        ("main", 0, 0), ("main", 1, 0), ("io", 2, 0),
    ]  # fmt: skip
    other = now.shards[1]
    assert (other.agents, other.depth, other.placed, other.sent, other.stolen) == (2, 1, 1001, 2001, 3001)
    assert (other.used, other.balance) == (0.25, 1.0)
    assert other.wait.count == 250
    assert other.wait.p95 == pytest.approx(1e-3, rel=0.016)
    assert other.wait.p99 is None
    assert now.shards[0].wait.count == 0
    main, io = now.pools
    assert msgspec.structs.replace(main, pool="io") == io
    assert (main.pool, main.strategy) == ("main", "hash")
    assert main.flushes == {"full": 131, "rest": 132}
    assert (main.hits, main.waits, main.colds) == (131, 132, 133)
    assert main.refills == {"crash": 121}
    assert main.exits == {"crash": 111, "idle": 112}
    assert (main.started, main.unstarted) == (121, 122)
    assert (main.grown, main.redelivered, main.recalled, main.memory) == (1, 2, 3, 4)
    assert main.occupancy == 2.5


def test_waits_are_those_of_the_last_ten_seconds() -> None:
    sampled = Sampled(("main", 1))
    held = sampled.histograms.of(WAIT, ("main", "0", "ready"))
    for second in range(1, 61):
        held.record(second * 1_000_000)
        sampled.push(float(second))
    (shard,) = sampled.queues().shards
    assert shard.wait.count == 10
    assert shard.wait.max == pytest.approx(0.060, rel=0.016)


def test_a_pool_that_no_sample_knows_is_left_out() -> None:
    sampled = Sampled(("main", 1))
    sampled.push(1.0)
    sampled.core.add_pool("late", 2, 2)
    now = sampled.queues()
    assert [pool.pool for pool in now.pools] == ["main"]
    assert [shard.pool for shard in now.shards] == ["main"]


def whole(sampled: Sampled, pool: str) -> list[int]:
    """What all shards of a pool have, added up."""
    shards = next(each.shards for each in sampled.core.pools if each.name == pool)
    each = [sum(1000 * number + shard.id for shard in shards) for number in range(4)]
    return [len(shards), sum(shard.up for shard in shards), *each]


def told(now: QueuesNow, pool: str) -> list[int]:
    """The same, as readers are told it."""
    found = [shard for shard in now.shards if shard.pool == pool]
    columns = [(s.more or 1, s.agents, s.depth, s.placed, s.sent, s.stolen) for s in found]
    return [sum(column) for column in zip(*columns, strict=True)]


def test_of_very_many_shards_the_rest_is_told_of_as_one() -> None:
    sampled = Sampled(("few", 3), ("very many", 1500), ("more", 1200))
    for shard in sampled.core.shards[3:]:
        labels = sampled.core.pools[shard.pool].name, str(shard.id), "ready"
        sampled.histograms.of(WAIT, labels).record(1000 * shard.id)
    sampled.push(1.0)
    now = sampled.queues()
    assert 0.95 * MESSAGE_MAX < len(encoder.encode(now)) <= MESSAGE_MAX
    assert now.left == 0
    assert [told(now, pool.pool) for pool in now.pools] == [whole(sampled, pool.pool) for pool in now.pools]
    assert [pool.pool for pool in now.pools] == ["few", "very many", "more"]
    rests = {shard.pool: shard for shard in now.shards if shard.more}
    assert set(rests) == {"very many", "more"}
    for pool in sampled.core.pools[1:]:
        alone = [shard.shard for shard in now.shards if shard.pool == pool.name and not shard.more]
        assert alone == [shard.id for shard in pool.shards[: len(alone)]]
        rest = rests[pool.name]
        assert (rest.shard, rest.more) == (-1, len(pool.shards) - len(alone))
        assert rest.wait.count == rest.more
        assert rest.wait.p50 == pytest.approx(1e-6 * (alone[-1] + rest.more / 2), rel=0.02)
        assert 0 < rest.used < 1
        assert rest.balance == 1


@settings(max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 12_000), st.integers(1, 300))
def test_no_message_is_too_long_and_none_is_cut_for_nothing(shards: list[int], room: int, length: int) -> None:
    sampled = Sampled(*((f"{number}".ljust(length, "ä"), count) for number, count in enumerate(shards)))
    sampled.push(1.0, factor=1 << 40)
    now = sampled.queues(room)
    entire = sampled.queues(1 << 30)
    assert len(entire.shards) == sum(shards)
    if len(encoder.encode(entire)) <= room:
        assert now == entire
        return
    assert len(encoder.encode(now)) <= room or not now.pools
    assert now.left + len(now.pools) == len(shards)
    assert len(now.shards) < sum(shards)
    assert now.pools == entire.pools[: len(now.pools)]
    for queue in now.pools:
        assert told(now, queue.pool) == told(entire, queue.pool)


# -- shapes -------------------------------------------------------------------------------------------------------


def test_shapes_of_the_last_minute() -> None:
    sampled = Sampled(("main", 1), ("io", 1))
    run = sampled.histograms.of("shoal_task_run_seconds", ("main", "call"))
    command = sampled.histograms.of("shoal_task_run_seconds", ("main", "command"))
    sizes = sampled.histograms.of("shoal_batch_messages", ("main", "out"))
    sampled.histograms.of("shoal_agent_spawn_seconds", ("io", "fork", "warm")).record(77)
    sampled.histograms.of("shoal_agent_spawn_seconds", ("io", "total", "warm")).record(1_500_000)
    for second in range(1, 121):
        run.record(20_000_000 if second <= 60 else 2_000_000, 10)
        command.record(300_000_000)
        sizes.record(5)
        sampled.push(float(second))
    now = sampled.shapes()
    assert (now.at, now.window, now.left) == (7.0, 60.0, 0)
    found = {(shape.pool, shape.name): shape for shape in now.shapes}
    assert list(found) == [("main", "run"), ("main", "batch_out"), ("io", "spawn")]
    ran = found["main", "run"]
    assert (ran.unit, ran.spread.count, sum(ran.counts)) == ("seconds", 660, 660)
    assert edges(ran, 0)[0] <= 2e-3 < edges(ran, 0)[1]
    assert edges(ran, -1)[0] <= 0.3 < edges(ran, -1)[1]
    assert (ran.counts[0], ran.counts[-1]) == (600, 60)
    assert ran.spread.p50 == pytest.approx(2e-3, rel=0.016)
    assert ran.spread.p95 == pytest.approx(0.3, rel=0.016)
    size = found["main", "batch_out"]
    assert (size.unit, size.counts, size.spread.max) == ("count", [60], 5)
    assert edges(size, 0)[0] <= 5 < edges(size, 0)[1]
    spawn = found["io", "spawn"]
    assert (spawn.counts, spawn.spread.count) == ([], 0), "nobody has started for a minute"


def edges(shape: Shape, bucket: int) -> tuple[float, float]:
    """Where a bucket begins and ends."""
    at = range(len(shape.counts))[bucket]
    return shape.low * shape.ratio**at, shape.low * shape.ratio ** (at + 1)


FAMILIES = {
    "wait": ("shoal_message_latency_seconds", ("queue",)),
    "assign": ("shoal_message_latency_seconds", ("assign",)),
    "spawn": ("shoal_agent_spawn_seconds", ("total", "cold")),
    "batch_back": ("shoal_batch_messages", ("back",)),
    "linger": ("shoal_batch_linger_seconds", ()),
}


SHARES = (0.5, 0.9, 0.95, 0.99)


@pytest.mark.parametrize("name", FAMILIES)
@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=500))
@settings(max_examples=25)
def test_a_shape_has_every_value_and_its_quantiles_lie_in_its_buckets(name: str, values: list[int]) -> None:
    sampled = Sampled(("main", 1))
    of, labels = FAMILIES[name]
    held = sampled.histograms.of(of, ("main", *labels))
    held.record_array(values)
    sampled.push(1.0)
    (shape,) = sampled.shapes().shapes
    assert shape.name == name
    told = shape.spread.p50, shape.spread.p90, shape.spread.p95, shape.spread.p99
    exact = [held.quantile(share) for share in SHARES]
    assert [None if value is None else value * family(of).scale for value in told] == pytest.approx(exact)
    assert sum(shape.counts) == shape.spread.count == len(values)
    places = [at for at, count in enumerate(shape.counts) for _ in range(count)]
    for share, value in zip(SHARES, told, strict=True):
        if value is not None:
            at = places[math.ceil(round(share * len(values), 6)) - 1]
            low, high = edges(shape, at)
            assert low * 0.984 <= value <= high * 1.016 or (at == 0 and value < high)


def test_shapes_of_very_many_pools_fit_a_message() -> None:
    sampled = Sampled(*((f"pool {number}", 1) for number in range(400)))
    for pool in sampled.core.pools:
        held = sampled.histograms.of("shoal_task_run_seconds", (pool.name, "call"))
        for bit in range(47):
            held.record(1 << bit, 1 << 33)
    sampled.push(1.0)
    now = sampled.shapes()
    assert 0.95 * MESSAGE_MAX < len(encoder.encode(now)) <= MESSAGE_MAX
    assert [shape.pool for shape in now.shapes] == [f"pool {number}" for number in range(400 - now.left)]
    assert now.left > 0
    assert len(sampled.shapes(1 << 30).shapes) == 400


# -- when they are made -------------------------------------------------------------------------------------------


class Making:
    """Something that is made again and again, at a time that stands still, of a sample that is as it was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.spent, self.made, self.takes = 100.0, 0.0, 0, 0.001
        self.sample = object()
        monkeypatch.setattr("engine.runtime.meters.shown.time.monotonic", lambda: self.now)
        monkeypatch.setattr("engine.runtime.meters.shown.time.thread_time", lambda: self.spent)
        self.shown = Shown(self._make, 0.5, Observer(), lambda: self.sample)

    def _make(self, at: float) -> int:
        self.made += 1
        self.spent += self.takes
        return self.made

    def later(self, seconds: float) -> int:
        """What is shown then, when there is a newer sample."""
        self.now += seconds
        self.sample = object()
        return self.shown.get()


def test_what_is_still_fresh_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch)
    shown = making.shown
    assert making.made == 0
    assert [shown.get(), shown.get()] == [1, 1]
    assert making.later(0.4) == 1
    assert shown.get(fresh=True) == 2
    assert making.later(0.4) == 2
    making.takes = 0.05
    assert making.later(0.1) == 3
    assert making.later(4.9) == 3, "it takes so long that it is made seldom"
    assert making.later(0.2) == 4


def test_without_a_newer_sample_nothing_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch)
    shown = making.shown
    assert shown.get() == 1
    making.now += 3600.0
    assert shown.get() == 1
    assert shown.get(fresh=True) == 2, "of now in any case"
    assert making.later(0.4) == 2
    making.now += 0.1
    assert shown.get() == 3, "the sample that came meanwhile"
