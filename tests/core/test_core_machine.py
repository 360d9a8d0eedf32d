"""The core against a world that does its worst: hosts and agents die at any point, in any order of events.

``SHOAL_TEST_EXAMPLES`` sets how many histories are tried, ``SHOAL_TEST_STEPS`` how long each is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from simulated_hosts import BLAMELESS, PICKS, Record, SimAgent, pick
from simulated_runtime import FUNCTIONS, SimRuntime

from engine.core.aside import Awaited
from engine.core.claims import Claim
from engine.core.core import Core
from engine.core.invariants import check
from engine.core.tasks import READY, SENT, WAITING, Options
from engine.settings.types import Strategy

pytestmark = pytest.mark.timeout(1200)  # it takes as long as there are histories to try
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


NAMES = ("a", "a", "b", "c", "d/x", "d/y", "d/*", "d/**", "**/x")
CLAIMS = st.lists(st.builds(Claim, st.sampled_from(NAMES), st.booleans()), max_size=3)
"""Few names, so that there is always somebody to wait for."""
LANES = ("local", "cloud")


class World(SimRuntime):
    """What users do, and what chance does to all hosts and agents at once."""

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
                strategy=shape.strategy, on_demand=shape.on_demand, spare=retries,
            )  # fmt: skip
        for name in LANES:
            self.set_lane(name, limit)
        self.set_memory(limit + 1)
        if warm:
            self.flows(0)
            self.flows(0)
        if warm > 1:  # most histories begin with agents at work on batches of several tasks
            for number in range(len(shapes)):
                self.submit(40, number, 2, warm - 2, warm, 500, set(), 0, None, None)
            self.flows(0)
            self.flows(0)
            self.all_run(1, set(), True)

    @rule(
        tasks=st.integers(1, 40),
        pool=PICKS,
        function=st.sampled_from(sorted(FUNCTIONS)),
        retries=st.integers(0, 2),
        crash_limit=st.integers(1, 5),
        batch_max=st.sampled_from([1, 3, 500, None]),
        after=st.sets(PICKS, max_size=2),
        priority=st.sampled_from([0, 0, 0, 5, -5]),
        batch_size=st.sampled_from([None, None, 1, 4]),
        key=st.sampled_from([None, None, 7]),
        claims=st.one_of(st.just([]), CLAIMS),
        lane=st.sampled_from([None, None, *LANES]),
        each=st.one_of(st.none(), st.none(), st.lists(CLAIMS, min_size=1, max_size=5)),
        memory=st.sampled_from([0, 0, 0, 1, 2, 5]),
    )
    def submit(
        self,
        tasks: int,
        pool: int,
        function: int,
        retries: int,
        crash_limit: int,
        batch_max: int | None,
        after: set[int],
        priority: int,
        batch_size: int | None,
        key: int | None,
        claims: Sequence[Claim] = (),
        lane: str | None = None,
        each: Sequence[Sequence[Claim]] | None = None,
        memory: int = 0,
    ) -> None:
        options = Options(
            retries=retries, crash_limit=crash_limit, timeout=1.0, batch_max=batch_max, priority=priority,
            batch_size=batch_size, key=key,
        )  # fmt: skip
        numbers = [*self.sizes, *self.gates]
        earlier = {numbers[which % len(numbers)] for which in after} if numbers else set()
        own = None if each is None else [each[index % len(each)] for index in range(tasks)]
        number = self.core.submit(
            tasks, function, pool % len(self.core.pools), options, earlier, claims=claims, lane=lane, each=own,
            memory=min(memory, self.memory),
        )  # fmt: skip
        assert number not in numbers
        if memory:
            self.takes[number] = min(memory, self.memory)
        if claims or lane or own or memory:
            wants = [frozenset([*claims, *some]) for some in own] if own else [frozenset(claims)] * tasks
            self.wants[number] = [(want, lane) for want in wants]
        self.sizes[number], self.after[number], self.options[number] = tasks, earlier, options
        self.functions[number] = function

    @precondition(lambda self: self._agents(busy=True))
    @rule(
        which=PICKS,
        tasks=st.sampled_from([1, 1, 2, 9]),
        pool=PICKS,
        function=st.sampled_from(sorted(FUNCTIONS)),
        retries=st.integers(0, 1),
        waits=st.integers(0, 5),
        flows=st.booleans(),
    )
    def has_subtasks(
        self, which: int, tasks: int, pool: int, function: int, retries: int, waits: int, flows: bool
    ) -> None:
        """A task that runs submits others, and most often waits for them."""
        _, agent = pick(self._agents(busy=True), which)
        self._begins(agent, True)
        send = agent.current
        assert send is not None
        parent = self.core.parent(agent.row, send.batch, agent.ran)
        if agent.aside or not agent.running or parent is None:
            return
        options = Options(retries=retries, timeout=1.0, batch_max=500)
        number = self.core.submit_subtasks(tasks, function, pool % len(self.core.pools), options, parent)
        self.nested.add(number)
        self.sizes[number], self.after[number], self.options[number] = tasks, set(), options
        self.functions[number] = function
        if waits and self.core.step_aside(self.now, agent.row, send.batch, agent.ran, (Awaited(number, 0),)):
            agent.aside = True
            assert not self.core.step_aside(self.now, agent.row, send.batch, agent.ran, ())
        if flows:
            self.flows(0)

    @precondition(lambda self: any(agent.aside for _, agent in self._agents()))
    @rule(which=PICKS)
    def goes_on(self, which: int) -> None:
        """A task waits no longer: because of a timeout, if what it waits for is not over."""
        self._goes_on(pick([agent for _, agent in self._agents() if agent.aside], which))

    def _goes_on(self, agent: SimAgent) -> None:
        assert agent.row in self.core.aside
        agent.aside = False
        self.core.step_back(agent.row)

    @rule(name=st.sampled_from(LANES), limit=st.integers(0, 3))
    def set_lane(self, name: str, limit: int) -> None:
        self.core.desk.set_lane(name, limit)
        self.lanes[name] = limit

    @rule(limit=st.integers(1, 6))
    def set_memory(self, limit: int) -> None:
        self.core.set_memory(limit)
        self.memory = limit

    @rule(claims=CLAIMS, lane=st.sampled_from([None, None, *LANES]))
    def hold(self, claims: Sequence[Claim], lane: str | None) -> None:
        """Somebody outside takes what is free."""
        if not claims and lane is None:
            return
        number, bar = self.core.hold(self.now, claims, lane)
        assert bool(number) != bool(bar)
        if number:
            self.held[number] = frozenset(claims), lane

    @precondition(lambda self: self.held)
    @rule(which=PICKS)
    def let_go(self, which: int) -> None:
        self._let_go(pick(sorted(self.held), which))

    def _let_go(self, number: int) -> None:
        del self.held[number]
        self.core.let_go(number)

    @rule(several=st.integers(0, 3))
    def gate(self, several: int) -> None:
        if several == 0:
            self.gates[self.core.open_gate()] = None

    @precondition(lambda self: None in self.gates.values())
    @rule(which=PICKS, go=st.booleans())
    def decide(self, which: int, go: bool) -> None:
        self._decide(pick([gate for gate, decided in self.gates.items() if decided is None], which), go)

    def _decide(self, gate: int, go: bool) -> None:
        self.gates[gate], self.over[gate] = go, not go
        self.core.decide(gate, go)

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

    @rule(batches=st.sampled_from([None, None, 0, 1, 3]))
    def admit(self, batches: int | None) -> None:
        self.core.admit(batches)

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

    # -- what is asked of it while it runs

    @rule(pauses=st.integers(0, 3))
    def pause(self, pauses: int) -> None:
        self.core.resume() if pauses else self.core.pause()

    @rule(which=PICKS, least=st.integers(0, 9), more=st.integers(0, 3))
    def resize(self, which: int, least: int, more: int) -> None:
        pool = self.core.pools[which % len(self.core.pools)]
        most = max(1, min(least + more, len(pool.rows)))
        if pool.broken is None and most > len(self.stopped.intersection(pool.rows)):
            self.core.resize(pool.id, min(least, most), most)

    @precondition(lambda self: any(agent.up or agent.starting for agent in self.core.agents))
    @rule(which=PICKS, kills=st.booleans(), flows=st.booleans())
    def replace(self, which: int, kills: bool, flows: bool) -> None:
        agent = pick([a for a in self.core.agents if a.up or a.starting], which)
        (self.core.kill if kills else self.core.recycle)(agent.row)
        if flows:
            self.flows(0)

    @rule(which=PICKS, strategy=st.sampled_from(STRATEGIES))
    def place_otherwise(self, which: int, strategy: Strategy) -> None:
        self.core.set_strategy(which % len(self.core.pools), strategy)

    @precondition(lambda self: self.core.ranges)
    @rule(which=PICKS, most=st.sampled_from([1, 3, 500, None]), size=st.sampled_from([None, 2]))
    def batch_otherwise(self, which: int, most: int | None, size: int | None) -> None:
        number = pick(sorted(self.core.ranges), which)
        self.core.set_batching(number, most, size)
        self.options[number] = self.core.ranges[number].options
        self.rebatched.add(number)

    @rule(limit=st.integers(1, 4), retries=st.integers(0, 3), idle=st.sampled_from([0.5, 2.0]))
    def tune(self, limit: int, retries: int, idle: float) -> None:
        self.core.tune(spawn_limit=limit, spawn_retries=retries, batch_seconds=0.001 * limit)
        self.limit = limit
        for pool in self.core.pools:
            self.core.set_max_idle(pool.id, idle, self.now)

    # -- what chance does

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

    @invariant()
    def nothing_is_held_twice(self) -> None:
        self.look_at_claims()

    def teardown(self) -> None:
        """With no more deaths, everything ends; or, when draining, everything comes back."""
        self.quiet = True
        self.core.resume()
        for gate, decided in list(self.gates.items()):
            if decided is None:
                self._decide(gate, True)
        for name, limit in self.lanes.items():
            self.set_lane(name, limit or 1)
        for number in list(self.held):
            self._let_go(number)
        for turn in range(3000):
            # Some histories end with little memory: one batch at a time, for as long as that takes no turns for ever.
            scarce = turn < 200 and self.core.quota is not None
            self.core.admit((1 if self.core.idle else 0) if scarce else None)
            self.flows(0)
            for host, agent in self._agents(busy=True):
                wait = self.core.aside.get(agent.row) if agent.aside else None
                if wait is not None and all(self.final[one] for one in wait.subtasks):
                    self._goes_on(agent)
                while agent.current is not None and not agent.aside:
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
            if still and self.core.due() is None and not scarce:
                break
        else:
            raise AssertionError("it never comes to rest")
        assert self.core.idle
        claims = self.core.desk.claims
        assert not any(one.holders for one in claims.resources.values()), "held by nobody"
        assert not any(lane.holders for lane in claims.lanes.values()), "taken by nobody"
        assert not claims.memory.holders, "taken by nobody"
        assert not claims.memory.used
        for pool in self.core.pools:
            there = [agent for _, agent in self._agents(up=True) if agent.row in pool.rows]
            assert pool.up == len(there)
            if pool.broken is None:
                assert pool.up == pool.wanted
            if pool.broken is None and not pool.on_demand:
                stopped = len(self.told_stopped.intersection(pool.rows))
                fewest = min(
                    pool.minimum, max(0, pool.maximum - stopped)
                )  # none takes the place of one that was stopped
                assert fewest <= pool.up <= pool.minimum, "not as few as it may have"
        if not self.core.draining:
            left = {r.id: r.remaining for r in self.core.ranges.values()}
            assert not left, f"tasks were lost: {left}"
            assert sum(self.final.values()) == sum(self.sizes.values()) == self.core.submitted
            assert not claims.resources, "claims of tasks that are over are still known"
            assert not self.core.desk.reserving
            assert not self.core.desk


World.TestCase.settings = settings(
    max_examples=int(os.environ.get("SHOAL_TEST_EXAMPLES", "600")),
    stateful_step_count=int(os.environ.get("SHOAL_TEST_STEPS", "60")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWorld = World.TestCase
