"""The core against a world that does its worst: hosts and agents die at any point, in any order of events.

The world carries out what the core wants, and knows what really happened: which task ran, where it died, what
was told. Messages between the core and one host keep their order, as on a socket; all else may interleave.
``SHOAL_TEST_EXAMPLES`` sets how many histories are tried, ``SHOAL_TEST_STEPS`` how long each is.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.actions import Happened, RangeOver, Recall, Retire, Send, Spawn, StartHost, StopTask, TasksOver
from engine.core.core import Core
from engine.core.invariants import check
from engine.core.tasks import READY, SENT, WAITING, Options
from engine.settings.types import Strategy

T = TypeVar("T")
Message = tuple[str, tuple[Any, ...]]
PICKS = st.integers(0, 1 << 16)
FUNCTIONS = {1: 0, 2: 2_000, 3: 30_000_000, 4: 2_000_000_000}
"""Nanoseconds a task takes, by function: none, few, more than a batch aims at, more than any may wait."""
WHYS = ("timeout", "stopped", "recycled", "health", "memory")
BLAMELESS = ("stopped", "health", "recycled", "retired")
"""Ends of an agent that are not counted against the task that ran."""
STRATEGIES: tuple[Strategy, ...] = ("least-loaded", "hash", "round-robin", "random")


@dataclass(frozen=True)
class Shape:
    """A pool: `fewer` agents than its size at the least, `more` at the most."""

    size: int
    shards: int
    fewer: int
    more: int
    strategy: Strategy
    on_demand: bool


SHAPES = st.builds(
    Shape,
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(0, 3),
    st.sampled_from(STRATEGIES),
    st.integers(0, 5).map(lambda number: number == 0),
)


def worth_a_retry(index: int) -> bool:
    """Of the failures of a range's tasks, some are of a kind that is not tried again."""
    return index % 5 != 4


@dataclass
class Record:
    """Outcomes an agent wrote. Direct ones, too large for the ring, go by the channel and die with it."""

    batch: int
    offset: int
    failed: tuple[int, ...]
    count: int
    direct: bool
    sent: bool = False


@dataclass
class SimAgent:
    row: int
    generation: int
    up: bool = False
    current: Send | None = None
    following: Send | None = None
    ran: int = 0
    """Tasks of the current batch that have run to their end."""
    failures: set[int] = field(default_factory=set)
    written: int = 0
    running: bool = False
    ring: list[Record] = field(default_factory=list)


@dataclass
class SimHost:
    shard: int
    inbox: deque[object] = field(default_factory=deque)
    outbox: deque[Message] = field(default_factory=deque)
    queue: deque[Send] = field(default_factory=deque)
    agents: dict[int, SimAgent] = field(default_factory=dict)


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.core = Core(epoch=3)
        self.now = 0.0
        self.hosts: dict[int, SimHost] = {}
        self.coming: list[int] = []
        """Shards whose hosts were asked for, and can't be spoken to yet."""
        self.sizes: dict[int, int] = {}
        self.after: dict[int, set[int]] = {}
        self.over: dict[int, int] = {}
        self.final: Counter[tuple[int, int]] = Counter()
        self.bad: Counter[int] = Counter()
        self.deaths: Counter[tuple[int, int]] = Counter()
        self.timeouts: Counter[tuple[int, int]] = Counter()
        self.own_failures: Counter[tuple[int, int]] = Counter()
        self.options: dict[int, Options] = {}
        self.functions: dict[int, int] = {}
        self.spawned: set[tuple[int, int]] = set()
        self.stopped: set[int] = set()
        self.told_stopped: set[int] = set()
        """Of those, the ones whose host lived to tell it."""
        self.called_off: set[tuple[int, int]] = set()
        """Tasks cancelled when they were out: they may run yet, and what comes of that is nothing."""
        self.starting: dict[tuple[int, int], int] = {}
        """Starts that were asked for, and whose end was not told: (row, generation), and the shard."""
        self.limit = 1
        self.quiet = False

    # -- what the user does

    @initialize(
        shapes=st.lists(SHAPES, min_size=1, max_size=2),
        warm=st.integers(0, 4),
        limit=st.integers(1, 4),
        retries=st.integers(0, 3),
        prefetch=st.integers(0, 3),
    )
    def pools(self, shapes: list[Shape], warm: int, limit: int, retries: int, prefetch: int) -> None:
        self.limit = limit
        self.core = Core(epoch=3, spawn_limit=limit, spawn_retries=retries, prefetch=prefetch > 0)
        for number, shape in enumerate(shapes):
            self.core.add_pool(
                f"p{number}", shape.size, min(shape.size + shape.more, shape.shards),
                minimum=max(0, shape.size - shape.fewer), maximum=shape.size + shape.more, max_idle=2.0,
                strategy=shape.strategy, on_demand=shape.on_demand,
            )  # fmt: skip
        if warm:
            self.flows(0)
            self.flows(0)
        if warm > 1:  # most histories begin with agents at work on batches of several tasks
            for number in range(len(shapes)):
                self.submit(40, number, 2, warm - 2, warm, 500, set(), 0, None, None)
            self.flows(0)
            self.flows(0)
            self.all_run(1, set(), True)

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

    @rule(
        tasks=st.integers(1, 40),
        pool=PICKS,
        function=st.sampled_from(sorted(FUNCTIONS)),
        retries=st.integers(0, 2),
        crash_limit=st.integers(1, 5),
        batch_max=st.sampled_from([1, 3, 500]),
        after=st.sets(PICKS, max_size=2),
        priority=st.sampled_from([0, 0, 0, 5, -5]),
        batch_size=st.sampled_from([None, None, 1, 4]),
        key=st.sampled_from([None, None, 7]),
    )
    def submit(
        self,
        tasks: int,
        pool: int,
        function: int,
        retries: int,
        crash_limit: int,
        batch_max: int,
        after: set[int],
        priority: int,
        batch_size: int | None,
        key: int | None,
    ) -> None:
        options = Options(
            retries=retries, crash_limit=crash_limit, timeout=1.0, batch_max=batch_max, priority=priority,
            batch_size=batch_size, key=key,
        )  # fmt: skip
        earlier = {1 + pick % len(self.sizes) for pick in after} if self.sizes else set()
        number = self.core.submit(tasks, function, pool % len(self.core.pools), options, earlier)
        assert number not in self.sizes
        self.sizes[number], self.after[number], self.options[number] = tasks, earlier, options
        self.functions[number] = function

    @precondition(lambda self: self.core.ranges)
    @rule(which=PICKS, index=PICKS, running=st.booleans())
    def cancel(self, which: int, index: int, running: bool) -> None:
        number = pick(sorted(self.core.ranges), which)
        self._cancel(number, index % self.sizes[number], running)

    def _cancel(self, number: int, index: int, running: bool) -> None:
        before = self.core.ranges[number].state[index]
        out = before == SENT and running
        if out:
            self.called_off.add((number, index))
        assert self.core.cancel(number, index, running=running) == (before in (WAITING, READY) or out)

    @precondition(lambda self: any(a.running for _, a in self._agents(busy=True)))
    @rule(which=PICKS, flows=st.booleans())
    def cancels_what_runs(self, which: int, flows: bool) -> None:
        _, agent = pick([(h, a) for h, a in self._agents(busy=True) if a.running], which)
        assert agent.current is not None
        batch = self.core.batches.get(agent.current.batch)
        index = agent.current.first + agent.ran
        if batch is not None and agent.current.range in self.core.ranges:
            self._cancel(agent.current.range, index, True)
        if flows:
            self.flows(0)

    @rule(throttle=st.sampled_from([0.0, 0.3, 1.0, 1.0]))
    def press(self, throttle: float) -> None:
        self.core.press(throttle)

    @precondition(lambda self: len(self.sizes) > 3)
    @rule(really=st.integers(0, 9))
    def drain(self, really: int) -> None:
        if really == 0:
            self.core.drain()

    @precondition(lambda self: len(self.sizes) > 2)
    @rule(really=st.integers(0, 9), which=PICKS)
    def break_pool(self, really: int, which: int) -> None:
        if really == 0:
            self.core.break_pool(which % len(self.core.pools), "no such module")

    # -- what the runtime does

    @rule()
    def take(self) -> None:
        lowest: dict[int, int] = {}
        for action in self.core.take(self.now):
            match action:
                case StartHost():
                    assert action.shard not in self.hosts, "a second host of a shard"
                    assert action.shard not in self.coming
                    self.coming.append(action.shard)
                case Spawn():
                    self._asked_to_spawn(action)
                case Recall() | Retire() | StopTask():
                    if action.shard in self.hosts:
                        self.hosts[action.shard].inbox.append(action)
                case Send():
                    self._sent(action)
                    pool = self.core.shards[action.shard].pool
                    priority = self.options[action.range].priority
                    assert not self.core.pools[pool].placement.late or priority <= lowest.get(pool, priority)
                    lowest[pool] = min(priority, lowest.get(pool, priority))
                case TasksOver():
                    self._tasks_over(action)
                case RangeOver():
                    number = action.range
                    assert number not in self.over
                    assert all(self.final[number, i] == 1 for i in range(self.sizes[number]))
                    assert action.failed == self.bad[number]
                    self.over[number] = action.failed
                case Happened():
                    assert action.kind in ("pool.broken", "agent.given_up")
        for found in self.core.ranges.values():
            if found.pool in lowest and self.core.pools[found.pool].placement.late and found.state.count(READY):
                assert found.options.priority <= lowest[found.pool], "others were sent before it"

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
        assert len(self.starting) <= self.limit

    def _sent(self, send: Send) -> None:
        assert not self.core.draining, "sent while draining"
        assert send.batch >> 40 == 3
        assert send.count <= min(self.options[send.range].batch_max, self.options[send.range].batch_size or 500)
        for other in self.after[send.range]:
            assert self.over.get(other) == 0, "a dependency is not over, or failed"
        for index in range(send.first, send.first + send.count):
            assert not self.final[send.range, index], "a final task was sent"
        self.hosts[send.shard].inbox.append(send)

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
                self.core.returned([b for b in batches if isinstance(b, int)])
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

    # -- what hosts and agents do

    @precondition(lambda self: any(host.inbox for host in self.hosts.values()))
    @rule(which=PICKS, several=st.integers(1, 8))
    def host_reads(self, which: int, several: int) -> None:
        host = pick([h for h in self.hosts.values() if h.inbox], which)
        for _ in range(min(several, len(host.inbox))):
            self._host_reads(host)

    def _host_reads(self, host: SimHost) -> None:
        match host.inbox.popleft():
            case Send() as send:
                host.queue.append(send)
            case Spawn() as spawn:
                for row, generation in spawn.agents:
                    assert row not in host.agents, "a slot is filled twice"
                    host.agents[row] = SimAgent(row, generation)
            case Retire() as retire:
                idle = [a for a in host.agents.values() if a.up and a.current is None]
                for agent in idle[: retire.count]:
                    self._collect_dead(host, agent, "retired")
            case StopTask() as stop:
                for agent in list(host.agents.values()):
                    runs = agent.running and agent.current is not None and agent.current.batch == stop.batch
                    if runs and agent.ran == stop.offset:
                        self._collect_dead(host, agent, "")
            case Recall():
                back = [send.batch for send in host.queue]
                host.queue.clear()
                for agent in host.agents.values():
                    if agent.following is not None:
                        back.append(agent.following.batch)
                        agent.following = None
                host.outbox.append(("returned", tuple(back)))
        self._dispatch(host)

    def _dispatch(self, host: SimHost) -> None:
        ready = [agent for agent in host.agents.values() if agent.up]
        for agent in ready:
            if agent.current is None and agent.following is not None:
                agent.current, agent.following = agent.following, None
        idle = [agent for agent in ready if agent.current is None]
        while host.queue and idle:
            idle.pop(0).current = host.queue.popleft()
        for agent in ready:
            if host.queue and host.queue[0].prefetch and agent.following is None:
                agent.following = host.queue.popleft()
            elif idle and agent.following is not None:
                idle.pop(0).current, agent.following = agent.following, None

    def _agents(self, *, up: bool | None = None, busy: bool = False) -> list[tuple[SimHost, SimAgent]]:
        found = [(host, agent) for host in self.hosts.values() for agent in host.agents.values()]
        return [(h, a) for h, a in found if up in (None, a.up) and (a.current is not None or not busy)]

    @precondition(lambda self: self._agents(up=False))
    @rule(which=PICKS)
    def comes_up(self, which: int) -> None:
        self._comes_up(*pick(self._agents(up=False), which))

    def _comes_up(self, host: SimHost, agent: SimAgent) -> None:
        agent.up = True
        host.outbox.append(("up", (agent.row, agent.generation)))
        self._dispatch(host)

    @precondition(lambda self: self._agents(busy=True))
    @rule(which=PICKS, tasks=st.integers(1, 30), fails=st.sets(st.integers(0, 29), max_size=3))
    def runs(self, which: int, tasks: int, fails: set[int]) -> None:
        _, agent = pick(self._agents(busy=True), which)
        self._runs(agent, tasks, fails)

    def _runs(self, agent: SimAgent, tasks: int, fails: set[int]) -> None:
        send = agent.current
        assert send is not None
        for number in range(min(tasks, send.count - agent.ran)):
            key = send.range, send.first + agent.ran
            assert not self.final[key] or key in self.called_off, "a final task ran again"
            if number in fails:
                agent.failures.add(agent.ran)
            agent.ran += 1
        agent.running = agent.ran < send.count

    @precondition(lambda self: any(a.ran > a.written for _, a in self._agents(busy=True)))
    @rule(which=PICKS, keep=st.integers(0, 3), direct=st.integers(0, 4))
    def writes(self, which: int, keep: int, direct: int) -> None:
        """An agent writes its outcomes, but for some it keeps back to make a group."""
        host, agent = pick([(h, a) for h, a in self._agents(busy=True) if a.ran > a.written], which)
        self._writes(host, agent, keep, direct == 0)

    def _writes(self, host: SimHost, agent: SimAgent, keep: int, direct: bool) -> None:
        assert agent.current is not None
        upto = max(agent.written + 1, agent.ran - keep)
        failed = tuple(sorted(at for at in agent.failures if agent.written <= at < upto))
        record = Record(agent.current.batch, agent.written, failed, upto - agent.written, direct)
        agent.ring.append(record)
        agent.written = upto
        if direct:
            self._collect(host, agent)

    @precondition(lambda self: not self.quiet and self._agents(busy=True))
    @rule(which=PICKS, first=st.integers(1, 3), second=st.integers(0, 3))
    def ring_breaks(self, which: int, first: int, second: int) -> None:
        """User code overwrites its agent's ring: some outcomes are gone, later ones may go by the channel."""
        host, agent = pick(self._agents(busy=True), which)
        for tasks in (first, second):
            self._runs(agent, tasks, set())
            if agent.ran > agent.written:
                self._writes(host, agent, 0, False)
        unsent = [record for record in agent.ring if not record.sent]
        if unsent:
            agent.ring.remove(unsent[0])
        self._collect_dead(host, agent, "")

    @precondition(lambda self: not self.quiet and self._agents(busy=True))
    @rule(why=st.sampled_from(["", "", "timeout"]), tasks=st.integers(0, 3))
    def all_die(self, why: str, tasks: int) -> None:
        """Each in the middle of a task, if it has one; then replaced."""
        for host, agent in self._agents(busy=True):
            if agent.current is not None:
                self._runs(agent, tasks, set())
                self._collect_dead(host, agent, why if agent.running else "")
        self.flows(0)
        if self.core.due() is not None:
            self.tick(20.0)
        self.flows(0)

    @precondition(lambda self: self._agents(busy=True))
    @rule(tasks=st.integers(1, 6), fails=st.sets(st.integers(0, 5), max_size=2), flows=st.booleans())
    def all_run(self, tasks: int, fails: set[int], flows: bool) -> None:
        for host, agent in self._agents(busy=True):
            if agent.current is not None:
                self._runs(agent, tasks, fails)
                if agent.ran > agent.written:
                    self._writes(host, agent, 0, False)
                self._collect(host, agent)
        if flows:
            self.flows(0)

    @precondition(lambda self: any(a.ring for _, a in self._agents()))
    @rule(which=PICKS)
    def collects(self, which: int) -> None:
        self._collect(*pick([(h, a) for h, a in self._agents() if a.ring], which))

    def _collect(self, host: SimHost, agent: SimAgent) -> None:
        """The host passes on what an agent wrote, in order; a batch's last outcome makes room for another."""
        for record in agent.ring:
            if record.sent:
                continue
            record.sent = True
            host.outbox.append(("record", (agent.row, record)))
            current = agent.current
            over = record.offset + record.count
            if current is not None and record.batch == current.batch and over == current.count:
                agent.current, agent.ran, agent.written, agent.running = None, 0, 0, False
                agent.failures = set()
        self._dispatch(host)

    @rule(which=PICKS)
    def advances(self, which: int) -> None:
        """The host gives the room of sent records back: they won't be seen again."""
        for _, agent in [pick(self._agents(), which)] if self._agents() else []:
            agent.ring = [record for record in agent.ring if not record.sent]

    # -- deaths

    @precondition(lambda self: not self.quiet and self._agents())
    @rule(which=PICKS, why=st.sampled_from(["", "", "", *WHYS]), began=st.integers(0, 4))
    def dies(self, which: int, why: str, began: int) -> None:
        host, agent = pick(self._agents(busy=bool(began)) or self._agents(), which)
        self._begins(agent, bool(began))
        rows = self.core.pools[self.core.shards[host.shard].pool].rows
        if why == "stopped" and len(self.stopped.intersection(rows)) + 1 >= len(rows):
            why = ""  # never all of a pool: what then waits does so for good
        if why == "timeout" and not agent.running:
            why = ""
        if why == "memory" and not agent.running:
            why = ""
        if why == "recycled" and (agent.current is not None or not agent.up):
            why = ""
        if not agent.up and why in ("", "health"):
            why = ("", "start", "spawn", "spawn")[which % 4]
        if why == "stopped":
            self.stopped.add(agent.row)
        self._collect_dead(host, agent, why)

    def _begins(self, agent: SimAgent, began: bool) -> None:
        if began and agent.current is not None and agent.ran < agent.current.count:
            agent.running = True

    def _collect_dead(self, host: SimHost, agent: SimAgent, why: str) -> None:
        agent.up = False  # so that nothing is given to it any more
        self._collect(host, agent)
        batches = []
        if agent.current is not None:
            batches.append((agent.current.batch, agent.ran if agent.running else -1))
        if agent.following is not None:
            batches.append((agent.following.batch, -1))
        self._blame(agent, why)
        del host.agents[agent.row]
        host.outbox.append(("down", (agent.row, agent.generation, tuple(batches), why)))
        self._dispatch(host)

    def _blame(self, agent: SimAgent, why: str) -> None:
        if agent.current is None or not agent.running or why in BLAMELESS:
            return
        key = agent.current.range, agent.current.first + agent.ran
        if why == "timeout":
            self.timeouts[key] += 1
        else:
            self.deaths[key] += 1

    @precondition(lambda self: not self.quiet and self.hosts)
    @rule(which=PICKS, arrives=st.integers(0, 12), known=st.booleans())
    def host_dies(self, which: int, arrives: int, known: bool) -> None:
        """What it sent last may be lost with it; what is in the rings is read again."""
        host = pick(list(self.hosts.values()), which)
        for _ in range(min(arrives, len(host.outbox))):
            self._deliver(host.outbox.popleft())
        for message in host.outbox:
            match message:
                case ("down", (_, _, tuple(batches), str(why))):
                    self._forgive(batches, why)
                case ("record", (int(row), Record(direct=False) as record)):
                    self._record(row, record)
        running = {}
        for agent in host.agents.values():
            for record in agent.ring:
                if not record.direct:
                    self._record(agent.row, record)
            self._begins(agent, known)
            if agent.current is not None and agent.running and known:
                running[agent.current.batch] = agent.ran
                self._blame(agent, "")
        del self.hosts[host.shard]
        self.starting = {who: shard for who, shard in self.starting.items() if shard != host.shard}
        self.core.host_down(self.now, host.shard, running, "its host was killed")
        self.core.host_down(self.now, host.shard, running, "its host was killed")

    def _forgive(self, batches: tuple[Any, ...], why: str) -> None:
        """The word of a death was lost with the host, and so is whom it would have blamed."""
        for batch_id, running in batches:
            batch = self.core.batches.get(batch_id)
            if running >= 0 and batch is not None and why not in BLAMELESS:
                key = batch.range.id, batch.first + running
                (self.timeouts if why == "timeout" else self.deaths)[key] -= 1

    # -- always, and in the end

    @invariant()
    def books_agree(self) -> None:
        check(self.core)

    def teardown(self) -> None:
        """With no more deaths, everything ends; or, when draining, everything comes back."""
        self.quiet = True
        for _ in range(3000):
            self.flows(0)
            for host, agent in self._agents(busy=True):
                while agent.current is not None:
                    self._runs(agent, 500, set())
                    if agent.ran > agent.written:
                        self._writes(host, agent, 0, False)
                    self._collect(host, agent)
            if self.core.due() is not None:
                self.tick(0.0)
            check(self.core)
            self.take()
            moving = [h for h in self.hosts.values() if h.inbox or h.outbox or h.queue] or self.coming
            still = not moving and not self.starting and not self._agents(busy=True)
            if still and self.core.due() is None:
                break
        else:
            raise AssertionError("it never comes to rest")
        assert self.core.idle
        for pool in self.core.pools:
            there = [agent for _, agent in self._agents(up=True) if agent.row in pool.rows]
            assert pool.up == len(there)
            if pool.broken is None:
                assert pool.up == pool.wanted
            if pool.broken is None and not pool.on_demand:
                stopped = len(self.told_stopped.intersection(pool.rows))
                assert pool.up == min(pool.minimum, len(pool.rows) - stopped), "not as few as it may have"
        if not self.core.draining:
            left = {r.id: r.remaining for r in self.core.ranges.values()}
            assert not left, f"tasks were lost: {left}"
            assert sum(self.final.values()) == sum(self.sizes.values()) == self.core.submitted


def pick(items: list[T], number: int) -> T:
    return items[number % len(items)]


World.TestCase.settings = settings(
    max_examples=int(os.environ.get("SHOAL_TEST_EXAMPLES", "600")),
    stateful_step_count=int(os.environ.get("SHOAL_TEST_STEPS", "60")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWorld = World.TestCase
