"""Where tasks are placed, in what order they are sent, and how evenly that spreads the work."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from statistics import mean

import pytest
from cores import at, finish, fleet, known, take

from engine.core.actions import RangeOver, Send, StopTask, TasksOver
from engine.core.core import Core
from engine.core.placement import mix
from engine.core.pools import Pool, Shard
from engine.core.queues import ReadyQueue
from engine.core.tasks import CANCELLED, DONE, FAILED, Options
from engine.settings.types import Strategy

EAGER: tuple[Strategy, ...] = ("hash", "round-robin", "random")


def within(values: list[float], share: float) -> bool:
    return all(abs(value - mean(values)) <= share * mean(values) for value in values)


def waiting(shard: Shard) -> int:
    return sum(segment.stop - segment.first for segment in shard.ready)


# -- placement


@pytest.mark.parametrize("strategy", EAGER)
@pytest.mark.parametrize("shards", [2, 3, 8])
def test_random_keys_are_spread_evenly(strategy: Strategy, shards: int) -> None:
    core = fleet(shards, shards, strategy=strategy)
    rng = random.Random(1)
    places: Counter[int] = Counter()
    for _ in range(20_000):
        places[core.pools[0].placement.place(rng.getrandbits(63), core.shards).id] += 1
    assert within([float(places[shard.id]) for shard in core.shards], 0.1)


@pytest.mark.parametrize("strategy", EAGER)
@pytest.mark.parametrize("tasks", [1, 100_000])
def test_tasks_are_spread_evenly_by_their_own_numbers(strategy: Strategy, tasks: int) -> None:
    core = fleet(4, 4, strategy=strategy)
    for _ in range(8_000 if tasks == 1 else 5):
        core.submit(tasks, 1)
    assert within([float(waiting(shard)) for shard in core.shards], 0.1)


def test_a_key_keeps_to_its_shard_as_long_as_that_works() -> None:
    core = fleet(4, 4, strategy="hash")
    place = core.pools[0].placement.place
    before = {key: place(key, core.shards) for key in range(100)}
    assert {key: place(key, core.shards) for key in range(100)} == before
    core.agent_down(0.0, 0, 1, [], "", "")
    after = {key: place(key, core.shards) for key in range(100)}
    assert all(after[key] is (before[key] if before[key].up else core.shards[1]) for key in range(100))
    core.submit(100, 1, options=Options(key=5))
    assert [waiting(shard) for shard in core.shards if shard is not place(5, core.shards)] == [0, 0, 0]


def test_where_nobody_works_tasks_wait_all_the_same() -> None:
    core = fleet(2, 2, strategy="round-robin", up=False)
    core.submit(64, 1)
    assert [waiting(shard) for shard in core.shards] == [32, 32]


@pytest.mark.parametrize("strategy", ["least-loaded", *EAGER])
def test_all_work_of_a_dead_host_is_placed_elsewhere(strategy: Strategy) -> None:
    core = fleet(4, 4, strategy=strategy)
    known(core, 0.001)
    core.submit(4000, 1)
    mine = [send for send in take(core, Send) if send.shard == 0]
    assert mine
    core.host_down(1.0, 0, {}, "OOM")
    assert waiting(core.shards[0]) == 0
    assert core.queued == 4000 - sum(batch.count for batch in core.batches.values())
    done = 0
    while core.batches:
        for batch in list(core.batches.values()):
            finish(core, Send(0, batch.id, 1, 0, batch.count, 0), nanoseconds=10**6 * batch.count)
            done += batch.count
        assert all(send.shard != 0 for send in take(core, Send, 1.0))
    assert done == 4000


def test_what_comes_back_keeps_its_order_and_is_not_split_further() -> None:
    core = fleet(2, 2, strategy="hash")
    known(core, 0.001)
    core.submit(640, 1, options=Options(key=0, batch_size=40))
    home = core.pools[0].placement.place(0, core.shards).id
    sends = [send for send in take(core, Send) if send.shard == home]
    assert len(sends) == 2
    core.returned([(send.batch, 0, 0) for send in sends])
    again = [send for send in take(core, Send) if send.shard == home]
    assert [(s.first, s.count) for s in again] == [(s.first, s.count) for s in sends]


def test_without_a_key_too_what_comes_back_stays_in_one_piece() -> None:
    core = fleet(4, 4, strategy="round-robin")
    known(core, 0.001)
    core.submit(6400, 1)
    send = next(send for send in take(core, Send) if send.count > 8)
    core.returned([(send.batch, 0, 0)])
    assert (send.first, send.first + send.count) in {(s.first, s.stop) for shard in core.shards for s in shard.ready}


# -- stealing


def test_an_idle_shard_takes_from_the_one_with_most() -> None:
    core = fleet(2, 2, strategy="hash")
    known(core, 1.0)
    core.submit(10, 1, options=Options(key=1))
    sends = take(core, Send)
    assert sorted(send.shard for send in sends) == [0, 1]
    assert sum(shard.stolen for shard in core.shards) == 1
    assert [shard.sent for shard in core.shards] == [1, 1]


def test_nothing_is_taken_from_a_shard_with_somebody_idle() -> None:
    core = fleet(4, 4, strategy="hash")
    for key in range(40):
        core.submit(1, 1, options=Options(key=key))
        (send,) = take(core, Send)
        assert send.shard == mix(key) % 4
        finish(core, send)
    assert sum(shard.stolen for shard in core.shards) == 0


def test_it_is_not_deceived_by_tasks_that_were_cancelled() -> None:
    """The longest queue may hold nothing else: then another is looked at."""
    core = fleet(3, 3, strategy="hash", up=False)
    keys = {core.pools[0].placement.place(key, core.shards).id: key for key in range(50)}
    number = core.submit(9, 1, options=Options(key=keys[0]))
    core.submit(1, 1, options=Options(key=keys[1]))
    core.agents_up([(2, 1)])
    for index in range(9):
        core.cancel(number, index)
    assert [waiting(shard) for shard in core.shards] == [9, 1, 0]
    (send,) = take(core, Send)
    assert (send.shard, send.count) == (2, 1)


def test_nothing_is_taken_for_a_busy_shard() -> None:
    core = fleet(2, 2, strategy="hash")
    known(core, 0.001)
    core.submit(1000, 1, options=Options(key=1))
    sends = take(core, Send)
    home = core.pools[0].placement.place(1, core.shards).id
    assert Counter(send.shard for send in sends) == {home: 2, 1 - home: 1}, "prefetched at home, but not elsewhere"


# -- order


@pytest.mark.parametrize("strategy", ["least-loaded", "hash"])
def test_higher_priorities_go_first_even_before_what_runs_again(strategy: Strategy) -> None:
    core = fleet(strategy=strategy)
    known(core, 1.0)
    low, high, middle = (core.submit(2, 1, options=Options(priority=p, retries=1)) for p in (-1, 3, 0))
    order = []
    for number in range(7):
        (send,) = take(core, Send)
        order.append(send.range)
        finish(core, send, failed=(0,) if number == 4 else ())
    assert order == [high, high, middle, middle, low, low, low]


def test_a_later_task_of_a_higher_priority_overtakes() -> None:
    core = fleet()
    known(core, 1.0)
    core.submit(3, 1)
    (send,) = take(core, Send)
    urgent = core.submit(1, 1, options=Options(priority=1))
    finish(core, send)
    assert [s.range for s in take(core, Send)] == [urgent]


def test_batches_of_a_given_size() -> None:
    core = fleet()
    core.submit(25, 1, options=Options(batch_size=10))
    core.submit(9, 1, options=Options(batch_size=10, batch_max=4))
    sizes = []
    while sends := take(core, Send):
        for send in sends:
            sizes.append(send.count)
            finish(core, send)
    assert sizes == [10, 10, 5, 4, 4, 1]


def test_who_waited_for_whom_is_counted() -> None:
    core = fleet(2, up=False)
    pool = core.pools[0]
    known(core, 1.0)
    core.submit(4, 1)
    take(core, Send, 1.0)
    core.agents_up([(0, 1), (1, 1)])
    sends = take(core, Send, 3.0)
    assert (pool.hits, pool.waits, pool.colds) == (0, 0, 2)
    assert core.shards[0].waited == 4.0
    finish(core, sends[0])
    sends += take(core, Send, 4.0)
    assert (pool.hits, pool.waits, pool.colds) == (0, 1, 2)
    for send in [*sends[1:], *take(core, Send, 4.0)]:
        finish(core, send)
    for send in take(core, Send, 5.0):
        finish(core, send)
    assert not take(core, Send, 5.0)
    core.submit(1, 1)
    assert len(take(core, Send, 6.0)) == 1
    assert (pool.hits, pool.waits, pool.colds) == (1, 2, 2)


def test_without_prefetch_nothing_waits_behind_another() -> None:
    core = Core(prefetch=False, batch_seconds=0.005)
    core.add_pool("p", 1, 1)
    core.agents_up([(0, 1)])
    known(core, 0.001)
    core.submit(1000, 1)
    assert [(s.count, s.prefetch) for s in take(core, Send)] == [(5, 0)]


# -- tasks called off while they are out


def test_a_task_that_is_out_is_called_off() -> None:
    core = fleet()
    known(core, 1e-6)
    number = core.submit(10, 1, options=Options(batch_size=10))
    after = core.submit(1, 1, after=[number])
    (send,) = take(core, Send)
    assert not core.cancel(number, 4)
    assert core.cancel(number, 4, running=True)
    assert not core.cancel(number, 4, running=True)
    actions = take(core, object)
    assert actions == [StopTask(0, send.batch, 4), TasksOver(number, 4, 1, "cancelled", "cancelled")]
    assert core.outcomes(0, send.batch, 0, 3, (), 3)
    core.agent_down(0.0, 0, 1, [(send.batch, 4)], "", "SIGKILL")
    assert core.ranges[number].attempts == {}, "it was killed for it"
    assert core.ranges[number].state[4] == CANCELLED
    core.agents_up(at(core, object, 0.0)[-1].agents)  # type: ignore[attr-defined]
    while sends := take(core, Send):
        for each in sends:
            finish(core, each)
    assert after not in core.ranges
    assert (core.done, core.cancelled, core.failed) == (9, 1, 1)


def test_what_comes_of_it_all_the_same_counts_for_nothing() -> None:
    core = fleet()
    number = core.submit(4, 1, options=Options(batch_size=4, retries=1))
    (send,) = take(core, Send)
    for index in (0, 1):
        assert core.cancel(number, index, running=True)
    got = core.outcomes(0, send.batch, 0, 4, (1, 2), 4)
    assert got is not None
    assert (set(got.gone), set(got.retried)) == ({0, 1}, {2})
    assert bytes(core.ranges[number].state[:2]) == bytes((CANCELLED, CANCELLED))
    assert core.ranges[number].state[3] == DONE
    assert (core.done, core.cancelled, core.accepted) == (1, 2, 1)


def test_a_batch_of_nothing_else_ends_like_any_other() -> None:
    core = fleet()
    number = core.submit(1, 1)
    (send,) = take(core, Send)
    assert core.cancel(number, 0, running=True)
    assert RangeOver(number, 1) in take(core, object)
    assert not core.idle
    got = core.outcomes(0, send.batch, 0, 1, (0,), 1)
    assert got is not None
    assert (set(got.gone), core.accepted, core.failed) == ({0}, 0, 0)
    assert core.idle


def test_one_called_off_among_outcomes_that_were_lost() -> None:
    core = fleet()
    number = core.submit(4, 1, options=Options(batch_size=4))
    (send,) = take(core, Send)
    core.cancel(number, 1, running=True)
    assert core.outcomes(0, send.batch, 2, 2, (), 1)
    (again,) = take(core, Send)[:1]
    assert (again.first, again.count) == (0, 1)


def test_failures_not_worth_a_retry_are_final() -> None:
    core = fleet()
    number = core.submit(3, 1, options=Options(batch_size=3, retries=5))
    (send,) = take(core, Send)
    got = core.outcomes(0, send.batch, 0, 3, (0, 2), 1, final=(2,))
    assert got is not None
    assert got.retried == {0}
    assert core.ranges[number].state[2] == FAILED


# -- balance, in virtual time


class Fleet:
    """Agents that work in virtual time on what the core sends; a shard gives batches to its idle agents in order."""

    def __init__(self, core: Core, seconds: Callable[[int], float]) -> None:
        self.core = core
        self.seconds = seconds
        self.now = 0.0
        self.busy = [0.0] * len(core.shards)
        self._queues: list[list[Send]] = [[] for _ in core.shards]
        self._idle = [list(shard.rows) for shard in core.shards]
        self._ends: list[tuple[float, int, Send]] = []

    def run(self) -> float:
        """Until all is done; when that was."""
        while True:
            for send in self.core.take(self.now):
                if isinstance(send, Send):
                    self._queues[send.shard].append(send)
            for shard, queue in enumerate(self._queues):
                while queue and self._idle[shard]:
                    send = queue.pop(0)
                    took = sum(self.seconds(index) for index in range(send.first, send.first + send.count))
                    self.busy[shard] += took
                    heapq.heappush(self._ends, (self.now + took, self._idle[shard].pop(), send))
            if not self._ends:
                return self.now
            self.now, row, send = heapq.heappop(self._ends)
            spent = round(1e9 * sum(self.seconds(index) for index in range(send.first, send.first + send.count)))
            self._idle[send.shard].append(row)
            assert self.core.outcomes(row, send.batch, 0, send.count, (), spent)


def pareto(tasks: int, seed: int) -> list[float]:
    """Skewed seconds: most are short, some are a hundred times as long."""
    rng = random.Random(seed)
    return [min(0.002 * rng.paretovariate(1.3), 1.0) for _ in range(tasks)]


def zipf(tasks: int, seed: int) -> list[float]:
    """The longest is 4 % of what a shard has to do: a task is not divided."""
    rng = random.Random(seed)
    seconds = [0.005 + 0.3 / rank for rank in range(1, tasks + 1)]
    rng.shuffle(seconds)
    return seconds


@pytest.mark.parametrize("skew", [pareto, zipf])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prefetch", [True, False])
def test_skewed_durations_are_balanced_by_load(
    skew: Callable[[int, int], list[float]], seed: int, prefetch: bool
) -> None:
    core = Core(prefetch=prefetch)
    rows = core.add_pool("p", 16, 4).rows
    core.take(0.0)
    core.agents_up((row, 1) for row in rows)
    seconds = skew(5000, seed)
    core.submit(5000, 1)
    world = Fleet(core, seconds.__getitem__)
    end = world.run()
    assert core.done == 5000
    assert within(world.busy, 0.1), world.busy
    assert end < 1.25 * max(sum(seconds) / 16, max(seconds))


def hashed(monkeypatch: pytest.MonkeyPatch, seconds: list[float], *, steal: bool) -> float:
    def own(core: Core, pool: Pool) -> tuple[Shard, ReadyQueue] | None:
        able = [s for s in pool.shards if s.load < 2.0 and s.ready.head() is not None]
        return min(((s, s.ready) for s in able), key=lambda pair: pair[0].load, default=None)

    with monkeypatch.context() as patch:
        if not steal:
            patch.setattr(Core, "_next", own)
        core = fleet(8, 4, strategy="hash")
        for number in range(40):  # each range as a whole on one shard, as its key wants
            core.submit(50, 1, options=Options(key=number % 5))
        world = Fleet(core, lambda index: seconds[index])
        end = world.run()
        assert core.done == 2000
        return end


@pytest.mark.parametrize("seed", range(3))
def test_stealing_ends_sooner_under_skew(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    seconds = pareto(50, seed)
    alone = hashed(monkeypatch, seconds, steal=False)
    together = hashed(monkeypatch, seconds, steal=True)
    assert together < 0.75 * alone
    assert together < 1.2 * sum(seconds) * 40 / 8
