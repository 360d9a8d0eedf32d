"""A runtime that carries out what a core wants on simulated hosts, and holds each of its wishes against the truth."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from simulated_hosts import PICKS, Message, Record, SimHost, SimHosts, pick

from engine.core.actions import (
    End,
    Extended,
    Happened,
    Leave,
    RangeOver,
    Recall,
    Retire,
    Send,
    Spawn,
    StandAside,
    StartHost,
    StopTask,
    TasksOver,
)  # fmt: skip
from engine.core.batching import MOST_TRIVIAL
from engine.core.claiming import check_nothing_left
from engine.core.claims import Claim
from engine.core.patterns import normal, overlaps
from engine.core.tasks import READY, Options

Want = tuple[frozenset[Claim], str | None]

FUNCTIONS = {1: 0, 2: 2_000, 3: 30_000_000, 4: 2_000_000_000}
"""Nanoseconds a task takes, by function: none, few, more than a batch aims at, more than any may wait."""


def worth_a_retry(index: int) -> bool:
    """Of the failures of a range's tasks, some are of a kind that is not tried again."""
    return index % 5 != 4


class SimRuntime(SimHosts):
    """Between a core and its hosts. Messages of one host keep their order, as on a socket; all else may interleave."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.coming: list[int] = []
        """Shards whose hosts were asked for, and can't be spoken to yet."""
        self.sizes: dict[int, int] = {}
        self.after: dict[int, set[int]] = {}
        self.over: dict[int, int] = {}
        self.bad: Counter[int] = Counter()
        self.own_failures: Counter[tuple[int, int]] = Counter()
        self.options: dict[int, Options] = {}
        self.functions: dict[int, int] = {}
        self.rebatched: set[int] = set()
        """Ranges whose options were changed after some of their batches were sent."""
        self.spawned: set[tuple[int, int]] = set()
        self.told_stopped: set[int] = set()
        """Agents that were stopped, and whose host lived to tell it."""
        self.starting: dict[tuple[int, int], int] = {}
        """Starts that were asked for, and whose end was not told: (row, generation), and the shard."""
        self.limit = 1
        self.nested: set[int] = set()
        """Ranges of subtasks."""
        self.wants: dict[int, list[Want]] = {}
        """Claims and lane of each task, of ranges that have any."""
        self.lanes: dict[str, int] = {}
        self.held: dict[int, Want] = {}
        """What is held by somebody outside."""
        self.takes: dict[int, int] = {}
        """Memory of each task, of ranges that say so."""
        self.memory = 1 << 62
        self.gates: dict[int, bool | None] = {}
        """Gates, and what was decided."""

    @rule(stop=st.integers(0, 6))
    def flows(self, stop: int) -> None:
        """Everything on its way arrives, so that histories get somewhere in few steps."""
        self.take()
        while self.coming:
            self._host_comes(0)
        self.take()
        for host in list(self.hosts.values()):
            while host.inbox:
                self._host_reads(host)
            for agent in host.agents.values():
                if not agent.up:
                    self._comes_up(host, agent)
        if stop < 4:
            for host in list(self.hosts.values()):
                while host.outbox:
                    self._deliver(host.outbox.popleft())
        if stop < 3:
            self.take()
        if stop < 2:
            for host in list(self.hosts.values()):
                while host.inbox:
                    self._host_reads(host)

    @rule()
    def take(self) -> None:
        lowest: dict[int, int] = {}
        quota, sent = self.core.quota, 0
        for action in self.core.take(self.now):
            match action:
                case StartHost():
                    assert action.shard not in self.hosts, "a second host of a shard"
                    assert action.shard not in self.coming
                    self.coming.append(action.shard)
                case Spawn():
                    self._asked_to_spawn(action)
                case Recall() | Retire() | StopTask() | Leave() | End() | StandAside():
                    for number in action.rest if isinstance(action, Recall) else ():
                        batch = self.core.batches.get(number)
                        assert batch is None or batch.shard == action.shard
                        whole = batch is not None and batch.range.options.batch_size is not None
                        assert not whole or (batch is not None and batch.range.id in self.rebatched), (
                            "it is to stay whole"
                        )
                    if action.shard in self.hosts:
                        self.hosts[action.shard].inbox.append(action)
                case Send():
                    sent += 1
                    self._sent(action)
                    pool = self.core.shards[action.shard].pool
                    if action.range not in self.wants and action.range not in self.nested:
                        priority = self.options[action.range].priority
                        assert not self.core.pools[pool].placement.late or priority <= lowest.get(pool, priority)
                        lowest[pool] = min(priority, lowest.get(pool, priority))
                case Extended():
                    assert self.core.pools[action.pool].grown
                case TasksOver():
                    self._tasks_over(action)
                case RangeOver():
                    number = action.range
                    assert number not in self.over
                    assert all(self.final[number, i] == 1 for i in range(self.sizes[number]))
                    assert action.failed == self.bad[number]
                    self.over[number] = action.failed
                case Happened():
                    assert action.kind in ("pool.broken", "pool.backoff", "agent.given_up")
        assert quota is None or (sent <= quota and self.core.quota == quota - sent)
        for found in self.core.ranges.values():
            late = self.core.pools[found.pool].placement.late and found.id not in self.wants
            if found.pool in lowest and late and found.state.count(READY):
                assert found.options.priority <= lowest[found.pool], "others were sent before it"
        check_nothing_left(self.core)

    @precondition(lambda self: self.coming)
    @rule(which=PICKS)
    def host_comes(self, which: int) -> None:
        self._host_comes(which)

    def _host_comes(self, which: int) -> None:
        shard = self.coming.pop(which % len(self.coming))
        self.hosts[shard] = SimHost(shard)
        self.core.host_up(self.now, shard)

    @precondition(lambda self: not self.quiet and self.coming)
    @rule(which=PICKS)
    def host_does_not_come(self, which: int) -> None:
        shard = self.coming.pop(which % len(self.coming))
        self.core.host_down(self.now, shard, {}, "can't fork")

    def _asked_to_spawn(self, spawn: Spawn) -> None:
        assert self.core.pools[self.core.shards[spawn.shard].pool].broken is None
        self.hosts[spawn.shard].inbox.append(spawn)
        for who in spawn.agents:
            assert who not in self.spawned
            assert who[0] not in self.told_stopped
            self.spawned.add(who)
            self.starting[who] = spawn.shard
        assert len(self.starting) <= max(self.limit, self.core._most_starting)

    def _sent(self, send: Send) -> None:
        assert send.range in self.nested or not self.core.holding, "sent while nothing is to be"
        assert not self.core.crowded
        assert send.batch >> 40 == 3
        options = self.options[send.range]
        assert send.count <= min(filter(None, (options.batch_max, options.batch_size)), default=MOST_TRIVIAL)
        for other in self.after[send.range]:
            assert self.over.get(other) == 0, "a dependency is not over, or failed"
        for index in range(send.first, send.first + send.count):
            assert not self.final[send.range, index], "a final task was sent"
        if send.range in self.wants:
            self._sent_with_claims(send)
        if send.range in self.nested:
            self._sent_to_somebody_idle(send)
        pool = self.core.pools[self.core.shards[send.shard].pool]
        assert not pool.standins or pool.out <= pool.wanted - pool.standins, "more work than may"
        self.hosts[send.shard].inbox.append(send)

    def _sent_with_claims(self, send: Send) -> None:
        wants = self.wants[send.range][send.first : send.first + send.count]
        assert len(set(map(_plainly, wants))) == 1, "tasks of one batch need different things"
        lane = wants[0][1]
        self._sent_to_somebody_idle(send)
        if lane is not None:
            used = sum(want[1] == lane for want in (*map(self._want, self._out()), *self.held.values()))
            assert used < self.lanes[lane], f"lane {lane} is exceeded"
        if taken := self.takes.get(send.range, 0):
            used = sum(self.takes.get(other.range, 0) for other in self._out())
            assert used == 0 or used + taken <= self.memory, "more memory is taken than there is"

    def _sent_to_somebody_idle(self, send: Send) -> None:
        assert send.prefetch == 0
        shard = self.core.shards[send.shard]
        aside = sum(row in self.core.aside for row in shard.rows)
        assert len(_out_at(self.hosts[send.shard])) - aside < shard.up, "sent to a busy agent"

    def _want(self, send: Send) -> Want:
        return self.wants[send.range][send.first]

    def _out(self) -> list[Send]:
        """Batches that need claims or a lane and are really out: on their way to a host, there, or at an agent."""
        return [send for host in self.hosts.values() for send in _out_at(host) if send.range in self.wants]

    def look_at_claims(self) -> None:
        """Whatever the core's books say: what is really out does not collide."""
        for one, other in combinations([*map(self._want, self._out()), *self.held.values()], 2):
            for first in one[0]:
                for second in other[0]:
                    if not (first.shared and second.shared):
                        assert not overlaps(normal(first.name), normal(second.name)), f"{first} is held twice"

    def _tasks_over(self, over: TasksOver) -> None:
        for index in range(over.first, over.first + over.count):
            key = over.range, index
            self._finish(key, failed=True)
            if over.kind == "poisoned":
                assert self.deaths[key] == self.options[over.range].crash_limit
            elif over.kind == "timeout":
                assert self.timeouts[key]
                used = self.timeouts[key] + self.own_failures[key]
                assert used == self.options[over.range].retries + 1 or any(p.broken for p in self.core.pools)
            elif over.kind == "pool":
                assert any(p.broken for p in self.core.pools)
            elif over.kind == "depth":
                assert over.range in self.nested
                assert len(self.core.aside) == len(self.core.batches), "somebody could have gone on"
            elif over.kind == "dependency":
                assert any(self.over.get(other) for other in self.after[over.range])

    def _finish(self, key: tuple[int, int], *, failed: bool) -> None:
        self.final[key] += 1
        assert self.final[key] == 1, f"task {key} became final twice"
        self.bad[key[0]] += failed

    @precondition(lambda self: self.core.due() is not None)
    @rule(ahead=st.sampled_from([0.0, 0.0, 0.3, 20.0]))
    def tick(self, ahead: float) -> None:
        due = self.core.due()
        assert due is not None
        self.now = max(self.now, due) + ahead
        self.core.tick(self.now)
        left = self.core.due()
        assert left is None or left > self.now

    @precondition(lambda self: any(host.outbox for host in self.hosts.values()))
    @rule(which=PICKS, several=st.integers(1, 5))
    def deliver(self, which: int, several: int) -> None:
        host = pick([h for h in self.hosts.values() if h.outbox], which)
        for _ in range(min(several, len(host.outbox))):
            self._deliver(host.outbox.popleft())

    def _deliver(self, message: Message) -> None:
        match message:
            case ("up", (int(row), int(generation))):
                self.starting.pop((row, generation), None)
                self.core.agents_up([(row, generation)])
            case ("record", (int(row), Record() as record)):
                self._record(row, record)
            case ("down", (int(row), int(generation), tuple(batches), str(why))):
                self.starting.pop((row, generation), None)
                if why == "stopped":
                    self.told_stopped.add(row)
                self.core.agent_down(self.now, row, generation, batches, why, "killed")
            case ("returned", tuple(batches)):
                self.core.returned([(batch, offset, age) for batch, offset, age in batches])
            case other:
                raise AssertionError(other)

    def _record(self, row: int, record: Record) -> None:
        batch = self.core.batches.get(record.batch)
        base = batch.first if batch else 0
        took = FUNCTIONS[self.functions[batch.range.id]] * record.count if batch else 1
        hopeless = {at for at in record.failed if not worth_a_retry(base + at)}
        done = self.core.outcomes(row, record.batch, record.offset, record.count, record.failed, took, hopeless)
        if done is None:
            return
        assert done.skip + done.count == record.count
        failed = {base + offset for offset in record.failed if base + offset >= done.first}
        assert done.retried <= failed
        assert not done.retried & done.gone
        assert all(worth_a_retry(index) for index in done.retried)
        for index in range(done.first, done.first + done.count):
            key = done.range, index
            assert (index in done.gone) == (key in self.called_off)
            if index in done.gone:
                continue
            self.own_failures[key] += index in failed
            tries = self.timeouts[key] + self.own_failures[key] + self.deaths[key] + (index not in failed)
            assert done.attempts.get(index, 1) == tries, "the number of the attempt"
            if index in done.retried:
                assert self.own_failures[key] + self.timeouts[key] <= self.options[done.range].retries
            else:
                self._finish(key, failed=index in failed)


def _out_at(host: SimHost) -> list[Send]:
    out = [message for message in host.inbox if isinstance(message, Send)] + list(host.queue)
    for agent in host.agents.values():
        out += [*agent.following] if agent.current is None else [agent.current, *agent.following]
    return out


def _plainly(want: Want) -> tuple[tuple[tuple[str, bool], ...], str | None]:
    """What a task wants, however it is said: who claims a thing in both ways has it to himself."""
    claims, lane = want
    names = {claim.name for claim in claims}
    return tuple(sorted((name, Claim(name) not in claims) for name in names)), lane
