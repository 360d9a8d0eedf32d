"""What readers of a run are told of its queues and distributions, and when that is made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise

import pytest
from processes import scaled, wait_for

from engine.runtime.control import Control
from engine.runtime.meters.meters import QUEUES_SECONDS, SECONDS
from engine.stream.client import Client, StreamEnded
from engine.stream.types import Frame, MetricsNow, QueuesNow, ShapesNow, Topic, ToReader
from shoal import Engine

LONG = 60.0


def control_of(engine: Engine) -> Control:
    found = engine._worker.run.control
    assert found is not None
    return found


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(4, shards=2, strategy="round-robin") as engine:
        engine.wait_ready(LONG)
        yield engine


def first(client: Client, fits: Callable[[ToReader], object]) -> ToReader:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        message = client.receive(1.0)
        if message is not None and fits(message):
            return message
    raise AssertionError("nothing of the kind was told")


def rest(client: Client) -> Iterator[ToReader]:
    """All that comes, to the end of the stream."""
    with contextlib.suppress(StreamEnded):
        while (message := client.receive(LONG)) is not None:
            yield message


@pytest.mark.needs("pooling", "sharding")
def test_a_reader_is_told_of_queues_and_shapes_as_they_were_at_the_end(engine: Engine) -> None:
    tasks = scaled(3000)
    with closing(Client(control_of(engine).path)) as client:
        assert client.subscribe(["frames", "queues", "shapes"]).ok
        first(client, lambda message: isinstance(message, ShapesNow))
        assert list(engine.map(abs, range(tasks))) == list(range(tasks))
        engine.shutdown()
        told = list(rest(client))
    ended = next(at for at, each in enumerate(told) if isinstance(each, Frame) and each.state == "ended")
    last = [each for each in told[:ended] if isinstance(each, QueuesNow)][-1]
    assert {shard.pool for shard in last.shards} == {"main"}
    assert [(shard.shard, shard.agents) for shard in last.shards] == [(0, 2), (1, 2)]
    (pool,) = last.pools
    assert pool.strategy == "round-robin"
    assert sum(shard.sent for shard in last.shards) == tasks + pool.redelivered + pool.recalled
    assert sum(shard.placed for shard in last.shards) >= tasks
    assert sum(shard.wait.count for shard in last.shards) == sum(shard.sent for shard in last.shards)
    assert sum(shard.balance for shard in last.shards) == pytest.approx(2)
    assert [shard.depth for shard in last.shards] == [0, 0]
    assert all(0 <= shard.used <= 1 for shard in last.shards)
    batches = sum(pool.flushes.values())
    assert batches == pool.hits + pool.waits + pool.colds > 0
    assert (pool.started, pool.unstarted, pool.exits, pool.refills) == (4, 0, {}, {})
    now = [each for each in told[:ended] if isinstance(each, ShapesNow)][-1]
    assert 0 < now.window <= 66
    found = {shape.name: shape for shape in now.shapes}
    assert set(found) == {"run", "wait", "assign", "spawn", "batch_out", "batch_back", "linger"}
    for shape in found.values():
        assert sum(shape.counts) == shape.spread.count
    assert found["run"].spread.count == tasks
    assert found["wait"].spread.count == tasks
    assert found["spawn"].spread.count == 4
    assert found["batch_out"].spread.count == batches


@pytest.mark.needs("pooling", "sharding")
def test_what_nobody_asks_for_is_not_made(engine: Engine) -> None:
    meters = engine._worker.run.meters
    assert meters is not None
    with closing(Client(control_of(engine).path)) as client:
        client.subscribe(["frames", "metrics"])
        first(client, lambda message: isinstance(message, MetricsNow))
        first(client, lambda message: isinstance(message, Frame))
        sampling = meters._sampling
        assert sampling is not None
        assert sampling.recent._made is not None
        assert sampling.queues._made is None
        assert sampling.shapes._made is None
        client.subscribe(["queues"])
        assert isinstance(first(client, lambda message: isinstance(message, QueuesNow)), QueuesNow)
        assert sampling.shapes._made is None
    wait_for(lambda: not control_of(engine).watched, LONG)
    made = sampling.queues._made
    with closing(Client(control_of(engine).path)) as client:
        wait_for(lambda: isinstance(client.receive(1.0), Frame), LONG)
        assert sampling.queues._made is made, "nobody asks any more"


@pytest.mark.needs("pooling", "sharding")
def test_a_bug_in_what_is_shown_does_not_end_the_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("a bug")

    with closing(Client(control_of(engine).path)) as client:
        client.subscribe(["queues"])
        first(client, lambda message: isinstance(message, QueuesNow))
        monkeypatch.setattr("engine.runtime.meters.sampling.queues", broken)
        wait_for(lambda: "can't be sampled" in caplog.text, LONG)
        assert list(engine.map(abs, range(100))) == list(range(100))


@pytest.mark.parametrize(("topic", "least"), [("queues", QUEUES_SECONDS), ("metrics", SECONDS)])
@pytest.mark.needs("pooling")
def test_samples_are_taken_as_often_as_what_is_made_of_them_is_shown(topic: Topic, least: float) -> None:
    with Engine(1) as engine:
        meters = engine._worker.run.meters
        assert meters is not None
        taken: list[float] = []

        def sampled() -> bool:
            if meters.sampled_at and meters.sampled_at not in taken[-1:]:
                taken.append(meters.sampled_at)
            return len(taken) > 3

        with closing(Client(control_of(engine).path)) as client:
            assert client.subscribe([topic]).ok
            wait_for(sampled, LONG, "four samples")
        assert all(later - before >= 0.95 * least for before, later in pairwise(taken))
