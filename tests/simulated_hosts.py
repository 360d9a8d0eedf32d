"""Hosts and agents as they might be, for a core to be tried out on: they do as they are asked, in any order; or die."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from engine.core.actions import End, Leave, Recall, Retire, Send, Spawn, StandAside, StopTask
from engine.core.core import Core

T = TypeVar("T")
Message = tuple[str, tuple[Any, ...]]
PICKS = st.integers(0, 1 << 16)
WHYS = ("timeout", "stopped", "recycled", "health", "memory")
BLAMELESS = ("stopped", "health", "recycled", "retired", "killed")
"""Ends of an agent that are not counted against the task that ran."""


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
    following: deque[Send] = field(default_factory=deque)
    ran: int = 0
    """Tasks of the current batch that have run to their end."""
    failures: set[int] = field(default_factory=set)
    written: int = 0
    running: bool = False
    ring: list[Record] = field(default_factory=list)
    given_back: list[tuple[int, int, int]] = field(default_factory=list)
    """What its host has not heard of: batch, offset, nanoseconds."""
    aside: bool = False
    """Its task waits for subtasks, and does not go on."""
    lonely: bool = False
    """Its host puts nothing behind what it has."""
    parting: str = ""
    """Why it is to end after its batch."""

    @property
    def rest(self) -> int:
        """Tasks that it could give back: at least one outcome more must come."""
        if self.current is None:
            return 0
        return self.current.count - max(self.ran + self.running, self.written + 1)


@dataclass
class SimHost:
    shard: int
    inbox: deque[object] = field(default_factory=deque)
    outbox: deque[Message] = field(default_factory=deque)
    queue: deque[Send] = field(default_factory=deque)
    agents: dict[int, SimAgent] = field(default_factory=dict)


class SimHosts(RuleBasedStateMachine):
    """What hosts and agents do by themselves, and what really happened in them: which task ran, where it died."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Core(epoch=3)
        self.hosts: dict[int, SimHost] = {}
        self.final: Counter[tuple[int, int]] = Counter()
        self.deaths: Counter[tuple[int, int]] = Counter()
        self.timeouts: Counter[tuple[int, int]] = Counter()
        self.stopped: set[int] = set()
        self.called_off: set[tuple[int, int]] = set()
        """Tasks cancelled when they were out: they may run yet, and what comes of that is nothing."""
        self.quiet = False
        """Nobody dies any more."""

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
            case Leave() as leave:
                parting = host.agents.get(leave.row)
                if parting is not None and parting.up and parting.generation == leave.generation:
                    parting.parting = parting.parting or leave.why
                    host.queue.extendleft(reversed(parting.following))
                    parting.following.clear()
                    self._part(host)
            case StandAside() as stand:
                waiting = host.agents.get(stand.row)
                if waiting is not None and waiting.generation == stand.generation and waiting.current is not None:
                    host.queue.extend(waiting.following)
                    waiting.following.clear()
                    waiting.lonely = True
            case End() as end:
                ended = host.agents.get(end.row)
                if ended is not None and ended.generation == end.generation:
                    self._collect_dead(host, ended, "killed")
            case StopTask() as stop:
                for agent in list(host.agents.values()):
                    runs = agent.running and agent.current is not None and agent.current.batch == stop.batch
                    if runs and agent.ran == stop.offset:
                        self._collect_dead(host, agent, "")
            case Recall():
                back = [*host.queue]
                host.queue.clear()
                for agent in host.agents.values():
                    back += agent.following
                    agent.following.clear()
                host.outbox.append(("returned", tuple((send.batch, 0, 0) for send in back)))
        self._dispatch(host)

    def _dispatch(self, host: SimHost) -> None:
        ready = [agent for agent in host.agents.values() if agent.up and not agent.parting]
        for agent in ready:
            if agent.current is None and agent.following:
                agent.current = agent.following.popleft()
        idle = [agent for agent in ready if agent.current is None]
        while host.queue and idle:
            idle.pop(0).current = host.queue.popleft()
        for agent in ready:
            while not agent.lonely and host.queue and host.queue[0].prefetch > len(agent.following):
                agent.following.append(host.queue.popleft())
            while idle and agent.following:
                idle.pop(0).current = agent.following.popleft()

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
        if agent.aside:
            return
        for number in range(min(tasks, send.count - agent.ran)):
            key = send.range, send.first + agent.ran
            assert not self.final[key] or key in self.called_off, "a final task ran again"
            if number in fails:
                agent.failures.add(agent.ran)
            agent.ran += 1
        agent.running = agent.ran < send.count

    @precondition(lambda self: any(a.rest > 0 for _, a in self._agents()))
    @rule(which=PICKS, rest=PICKS, age=st.sampled_from([0, 0, 1_000, 200_000_000]), begun=st.booleans())
    def gives_back(self, which: int, rest: int, age: int, begun: bool) -> None:
        """An agent gives back the end of its batch, asked or not."""
        _, agent = pick([(h, a) for h, a in self._agents() if a.rest > 0], which)
        assert agent.current is not None
        self._begins(agent, begun and agent.rest > 1)
        offset = agent.current.count - 1 - rest % agent.rest
        agent.current = replace(agent.current, count=offset)
        agent.given_back.append((agent.current.batch, offset, age))

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

    @precondition(lambda self: any(a.ring or a.given_back for _, a in self._agents()))
    @rule(which=PICKS)
    def collects(self, which: int) -> None:
        self._collect(*pick([(h, a) for h, a in self._agents() if a.ring or a.given_back], which))

    def _collect(self, host: SimHost, agent: SimAgent) -> None:
        """The host passes on what an agent wrote, in order; a batch's last outcome makes room for another. What is
        given back was said before the batch's last outcome, and is heard before it."""
        for given in agent.given_back:
            host.outbox.append(("returned", (given,)))
        agent.given_back.clear()
        for record in agent.ring:
            if record.sent:
                continue
            record.sent = True
            host.outbox.append(("record", (agent.row, record)))
            current = agent.current
            over = record.offset + record.count
            if current is not None and record.batch == current.batch and over == current.count:
                agent.current, agent.ran, agent.written, agent.running, agent.lonely = None, 0, 0, False, False
                agent.failures = set()
        self._part(host)
        self._dispatch(host)

    def _part(self, host: SimHost) -> None:
        """Agents end that were to end after their batch."""
        for agent in list(host.agents.values()):
            if agent.up and agent.parting and agent.current is None:
                self._collect_dead(host, agent, agent.parting)

    @rule(which=PICKS)
    def advances(self, which: int) -> None:
        """The host gives the room of sent records back: they won't be seen again."""
        for _, agent in [pick(self._agents(), which)] if self._agents() else []:
            agent.ring = [record for record in agent.ring if not record.sent]

    # -- deaths

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

    @precondition(lambda self: not self.quiet and self._agents())
    @rule(which=PICKS, why=st.sampled_from(["", "", "", *WHYS]), began=st.integers(0, 4))
    def dies(self, which: int, why: str, began: int) -> None:
        host, agent = pick(self._agents(busy=bool(began)) or self._agents(), which)
        self._begins(agent, bool(began))
        pool = self.core.pools[self.core.shards[host.shard].pool]
        if why == "stopped" and len(self.stopped.intersection(pool.rows)) + 1 >= pool.maximum:
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
        batches += [(send.batch, -1) for send in agent.following]
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


def pick(items: list[T], number: int) -> T:
    return items[number % len(items)]
