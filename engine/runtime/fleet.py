"""A fleet: the core, the processes it steers, and the loop between them. One thread owns it and calls `step`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import msgspec

from engine.core.actions import Action, Happened, RangeOver, Recall, Send, SpawnAgent, StartHost, TasksOver
from engine.core.core import Core
from engine.procs import scoreboard
from engine.procs.scoreboard import PID, Scoreboard
from engine.runtime import deaths, groups, limits
from engine.runtime.functions import Functions
from engine.runtime.jobs import Group, Job
from engine.runtime.launch import StartError
from engine.runtime.loop import Loop
from engine.runtime.nest import Image, Nest, Wire
from engine.stream.types import UNREADABLE, Event, Level
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

Phase = Literal["new", "preparing", "running", "closed"]

_NURSERY_DEATHS: Final = 5
"""In a row, before it had prepared, after which there is no point in another."""


@dataclass(slots=True)
class PoolSpec:
    """A pool as it is asked for."""

    name: str
    agents: int
    shards: int | None = None


class Fleet:
    """Pools of agents that run jobs.

    Attributes:
        core: the state of every task; read it, don't touch it.
        functions: what jobs may call, by number.
        board: the scoreboard.
        listeners: called with every event, on the fleet's thread.
    """

    def __init__(self, pools: list[PoolSpec], image: Image | None = None, control: str = "") -> None:
        """Nothing is started yet. Raises `limits.TooMany` where so many agents do not fit.

        `control`: path of the engine's control socket, for the nursery to remove if the engine is killed.
        """
        shards = [p.shards or limits.default_shards(p.agents) for p in pools]
        limits.check(sum(p.agents for p in pools), sum(shards))
        self.core = Core()
        self.loop = Loop()
        self.phase: Phase = "new"
        self.image = image or Image()
        self.listeners: list[Callable[[Event], None]] = []
        self.recorders: list[Callable[[int, Group], None]] = []
        """Called with (range, group) of every accepted group of outcomes, before the sink."""
        self.enders: list[Callable[[int, int, int, str, str], None]] = []
        """Called with (range, first, count, kind, text) of tasks that the core ended, before the sink."""
        self.attempts: list[Callable[[int, int, int, int, int, str, str], None]] = []
        """Called with (range, index, attempt, row, pid, kind, text) of every attempt that came to nothing."""
        self.functions = Functions()
        self.error: str | None = None
        """Why the fleet can't run at all."""
        self._control = control
        rows = sum(p.agents for p in pools)
        self._capacity = scoreboard.ring_capacity(rows)
        self._board_fd = Parcel(scoreboard.create(rows, self._capacity))
        self.board = Scoreboard(self._board_fd.fd, rows, self._capacity)
        self._buffer = channel.buffer(frames.RECEIVE)
        self._nest: Nest | None = None
        self._wires: dict[int, Wire] = {}
        self._jobs: dict[int, Job] = {}
        self._events = 0
        self._closed = False
        self._nursery_deaths = 0
        self._waiting_hosts: list[StartHost] = []
        for pool, count in zip(pools, shards, strict=True):
            self.core.add_pool(pool.name, pool.agents, min(count, pool.agents))

    # -- life ---------------------------------------------------------------------------------------------------------

    def hatch(self) -> None:
        """Start the nursery's interpreter, which takes a while; what it is to import may still be added to `image`."""
        if self._nest is None and self.phase != "closed":
            self._nest = Nest(self.loop, self._nursery_said, self._nursery_gone)

    def start(self) -> None:
        """Have the nursery import the image; agents start as soon as it has. Raises `StartError`."""
        if self.phase != "new":
            return
        self.phase = "preparing"
        self.hatch()
        self._prepare()

    def _prepare(self) -> None:
        assert self._nest is not None
        size = scoreboard.size(self.board.rows, self._capacity)
        self._nest.prepare(self.image, self._control, self._board_fd, size)

    def step(self, timeout: float | None) -> None:
        """Handle what has happened, waiting for something at most `timeout` seconds (None: until something does)."""
        due = self.core.due()
        if due is not None:
            wait = max(0.0, due - time.monotonic())
            timeout = wait if timeout is None else min(timeout, wait)
        self.loop.step(timeout)
        self.settle()

    def settle(self) -> None:
        """Let the core do what is due and ready, and carry out what it wants."""
        now = time.monotonic()
        self.core.tick(now)
        if self.phase != "running":
            return
        while actions := self.core.take(now):
            for action in actions:
                self._perform(action)

    def drain(self) -> None:
        """Send nothing any more, call back what no agent has begun; over once `core.idle`."""
        self.core.drain()
        self.settle()

    def dismiss(self) -> None:
        """End the hosts and their agents, and hear what these wrote last. Nothing runs any more after this."""
        self.phase = "closed"
        for wire in self._wires.values():
            wire.outbox.put(frames.encode(frames.Stop()))
        for wire in self._wires.values():
            self.loop.unwatch(wire.sock.fileno())
            deaths.await_process(wire.pid, wire.sock, partial(self._hear_out, wire))
            wire.sock.close()
        self._wires.clear()

    def _hear_out(self, wire: Wire) -> bool:
        try:
            received = wire.receiver.receive()
        except channel.Closed:
            return False
        except ValueError:
            return True
        if received is not None and received[0][0] != frames.RECORD:
            with contextlib.suppress(*UNREADABLE):
                frame = frames.from_host.decode(received[0])
                if isinstance(frame, frames.Output):
                    self._host_said(wire, frame)
        return True

    def close(self) -> None:
        """End every process, wait for that, and give everything back. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.dismiss()
        if self._nest is not None:
            self._nest.close()
        self.board.close()
        self._board_fd.close()
        self.loop.close()

    # -- work ---------------------------------------------------------------------------------------------------------

    def submit(self, job: Job) -> int:
        """Take a job in; the number of its range. Sinks of jobs that can never run are told in the next `step`."""
        number = self.core.submit(job.count, job.function, job.pool, job.options, job.after)
        self._jobs[number] = job
        return number

    def job(self, number: int) -> Job | None:
        """The job of a range that is not over."""
        return self._jobs.get(number)

    def event(self, level: Level, kind: str, text: str, **data: Any) -> None:
        """Tell all listeners that something happened."""
        self._events += 1
        event = Event(self._events, time.time(), level, kind, text, data)
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception:
                self.listeners.remove(listener)
                logging.getLogger("shoal").exception("a listener of events failed, and hears no more of them")

    # -- actions ------------------------------------------------------------------------------------------------------

    def _perform(self, action: Action) -> None:
        match action:
            case Send():
                self._send(action)
            case TasksOver():
                job = self._jobs[action.range]
                job.source.release(action.first, action.count)
                for ender in self.enders:
                    ender(action.range, action.first, action.count, action.kind, action.text)
                job.sink.ended(action.first, action.count, action.kind, action.text)
            case RangeOver():
                self._jobs.pop(action.range).sink.finished(action.failed)
            case SpawnAgent():
                rows = [(action.row, action.generation)]
                self._put(self._wires.get(action.shard), frames.encode(frames.Spawn(rows)))
            case StartHost():
                self._start_host(action)
            case Recall():
                self._put(self._wires.get(action.shard), frames.encode(frames.Recall()))
            case Happened() if self.error is None:  # else it is said once, and not for each pool
                self.event(action.level, action.kind, action.text, **action.data)

    def _send(self, action: Send) -> None:
        job = self._jobs[action.range]
        wire = self._wires.get(action.shard)
        if wire is None:  # it died in this very pass; the core will hear of it and send the batch again
            return
        if job.function not in wire.defined:
            wire.defined.add(job.function)
            self._put(wire, *self.functions.message(job.function))
        parcels: list[Parcel] = []
        column = job.source.column(action.first, action.count, parcels)
        if len(column) > frames.FRAME_MAX - 1024:
            parcels.append(values.parcel(column))
            column = values.encode(len(parcels) - 1)
        work = frames.Work(
            action.batch, job.function, job.star, job.options.timeout or 0.0, action.prefetch, action.count,
            msgspec.Raw(column),
        )  # fmt: skip
        self._put(wire, frames.encode(work), parcels)

    def _put(self, wire: Wire | None, data: bytes, parcels: list[Parcel] | None = None) -> None:
        if wire is None:
            return
        wire.outbox.put(data, parcels)
        if len(wire.outbox):
            self.loop.when_room(wire.sock.fileno(), lambda: self._flush(wire))

    def _flush(self, wire: Wire) -> None:
        if wire.outbox.flush():
            self.loop.when_room(wire.sock.fileno(), None)

    # -- the nursery ---------------------------------------------------------------------------------------------------

    def _start_host(self, action: StartHost) -> None:
        if self._nest is None:
            self._waiting_hosts.append(action)
            return
        shard = self.core.shards[action.shard]
        config = frames.HostConfig(
            self.core.pools[shard.pool].name, shard.rows.start, len(shard.rows), self._capacity, self.board.rows,
            deaths.own_pid(), self.image.late, self.image.initializer, list(action.agents),
        )  # fmt: skip
        sock = self._nest.start_host(action.shard, config)
        receiver = channel.Receiver(sock, self._buffer)
        wire = Wire(action.shard, sock, receiver, channel.Outbox(sock), self._nest)
        self._wires[action.shard] = wire
        self.loop.watch(sock.fileno(), lambda: (self._from_host(wire), None)[1])

    def _nursery_said(self, frame: frames.FromNursery) -> None:
        match frame:
            case frames.Prepared():
                self._prepared(frame)
            case frames.HostStarted():
                wire = self._wires.get(frame.shard)
                if wire is not None:
                    wire.pid = frame.pid
                    if frame.error:
                        self._lost_host(wire, frame.error)
            case frames.HostExited():
                wire = self._wires.get(frame.shard)
                if wire is not None and wire.pid == frame.pid:
                    self._lost_host(wire, deaths.how(frame.status))

    def _prepared(self, frame: frames.Prepared) -> None:
        if frame.error:
            self._fail(frame.error)
        elif frame.threads and self.image.hints:
            self.image.hints = []
            self._again()
        elif frame.threads and not self.image.late:
            # Forking a process with threads is a trap: import those modules in each agent instead.
            image = self.image
            references = [*image.check, *image.warm]
            image.late = list(dict.fromkeys([*image.preload, *(r.partition(":")[0] for r in references)]))
            image.preload, image.check, image.warm = [], [], []
            text = f"importing {', '.join(image.late)} starts threads: each agent imports it for itself"
            self.event("warning", "nursery.threads", text)
            self._again()
        else:
            self._nursery_deaths = 0
            if self.phase == "preparing":
                self.phase = "running"
                self.event("info", "fleet.ready", f"image ready after {frame.seconds:.2f} s")
            for action in self._waiting_hosts:
                self._start_host(action)
            self._waiting_hosts.clear()

    def _again(self) -> None:
        """Start over with another nursery, for another image."""
        assert self._nest is not None
        self._nest.close()
        self._nest = None
        self.hatch()
        self._prepare()

    def _nursery_gone(self) -> None:
        """It was killed, most likely. Agents live on; a new one forks the hosts to come."""
        if self.phase == "closed" or self._nest is None:
            return
        log = self._nest.log().splitlines()[-1:]
        self._nest.close()
        self._nest = None
        if self.phase == "preparing":
            self._fail(f"the nursery died while it prepared{': ' + log[0] if log else ''}")
            return
        self._nursery_deaths += 1
        if self._nursery_deaths >= _NURSERY_DEATHS:
            self._fail(f"the nursery died {self._nursery_deaths} times in a row{': ' + log[0] if log else ''}")
            return
        self.event("error", "nursery.died", "the nursery died: starting another")
        for wire in [w for w in self._wires.values() if w.pid == 0 or w.closed]:
            self._lost_host(wire, "has ended")
        try:
            self.hatch()
            self._prepare()
        except StartError as error:
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        self.error = why
        self.phase = "running"  # so that the sinks hear of it
        for pool in self.core.pools:
            self.core.break_pool(pool.id, why)

    # -- hosts --------------------------------------------------------------------------------------------------------

    def _from_host(self, wire: Wire, limit: int = 64) -> bool:
        """Handle up to `limit` messages; False once the channel has ended."""
        for _ in range(limit):
            try:
                received = wire.receiver.receive()
            except channel.Closed:
                self.loop.unwatch(wire.sock.fileno())
                wire.closed = True
                if wire.nest is not self._nest:  # nobody is left to say how it ended
                    self._lost_host(wire, "has ended")
                return False
            except ValueError as error:
                return self._distrust(wire, error)
            if received is None:
                return True
            view, parcels = received
            try:
                if view[0] == frames.RECORD:
                    for row, record in groups.split(view):
                        self._record(row, record, parcels)
                else:
                    self._host_said(wire, frames.from_host.decode(view))
            except (*UNREADABLE, ValueError, IndexError, struct.error) as error:
                return self._distrust(wire, error)
        return True

    def _distrust(self, wire: Wire, error: BaseException) -> bool:
        """A host says what no host of ours says. Its death is the cure: what it had is run again by its successor."""
        if self._wires.get(wire.shard) is wire:
            self.event("error", "host.garbage", f"a host sent what can't be read, and is replaced: {error}")
            if wire.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(wire.pid, signal.SIGKILL)
        return False

    def _record(self, row: int, record: bytes, parcels: list[Parcel]) -> None:
        found = groups.accept(self.core, row, record, parcels)
        if found is None:
            return
        number, group = found
        job = self._jobs[number]
        if group.retried:
            for index in range(group.first, group.first + len(group.items)):
                if index not in group.retried:
                    job.source.release(index, 1)
            self._tell_retried(number, group)
        else:
            job.source.release(group.first, len(group.items))
        for recorder in self.recorders:
            recorder(number, group)
        job.sink.outcomes(group)

    def _tell_retried(self, number: int, group: Group) -> None:
        pid = self.board.get(group.row, PID)
        for index, failure in group.retried.items():
            for told in self.attempts:
                text = f"{failure.type}: {failure.message}"
                told(number, index, group.attempts.get(index, 1), group.row, pid, failure.kind, text)

    def _blame(self, batches: Iterable[tuple[int, int]], row: int, pid: int, why: str, text: str) -> None:
        """Tell of the attempt that ended with its agent: that of the task that ran."""
        for number, offset in batches:
            batch = self.core.batches.get(number)
            if batch is not None and offset >= batch.accepted:
                index = batch.first + offset
                attempt = 1 + batch.range.attempts.get(index, 0) + batch.range.tries.get(index, 0)
                for told in self.attempts:
                    told(batch.range.id, index, attempt, row, pid, why or "died", text)

    def _host_said(self, wire: Wire, frame: frames.FromHost) -> None:
        now = time.monotonic()
        match frame:
            case frames.AgentsUp():
                self.core.agents_up((row, generation) for row, generation, _ in frame.rows)
            case frames.AgentDown():
                how = frame.words if frame.why == "start" else deaths.how(frame.status)
                text = deaths.describe(frame)
                name = self.name(frame.row)
                if frame.why != "stopped":
                    self.event("warning", "agent.died", f"agent {name} {text}", agent=name, **deaths.details(frame))
                self._blame(frame.batches, frame.row, frame.pid, frame.why, text)
                reason = how if frame.why else text
                self.core.agent_down(now, frame.row, frame.generation, frame.batches, frame.why, reason)
            case frames.Returned():
                self.core.returned(frame.batches)
            case frames.SpawnFailed():
                self.event("warning", "agent.failed", f"agent {self.name(frame.row)}: {frame.error}")
                self.core.agent_down(now, frame.row, frame.generation, (), "start", frame.error)
            case frames.Output():
                for row, pid, stream, line in frame.lines:
                    name = self.name(row) if row >= 0 else f"process {pid}"
                    kind = "agent.stdout" if stream == 1 else "agent.stderr"
                    self.event("info", kind, f"{name}: {line}", agent=name, pid=pid, line=line)
                if frame.dropped:
                    text = f"{frame.dropped} lines of output left out: too many a second"
                    self.event("warning", "output.dropped", text, lines=frame.dropped)

    def _lost_host(self, wire: Wire, text: str) -> None:
        """A host is gone. What its agents had finished is in its channel and in their rings: accept that first."""
        if self._wires.get(wire.shard) is not wire:
            return
        del self._wires[wire.shard]
        with contextlib.suppress(ValueError):  # half of a message, from user code that found the channel
            self._from_host(wire, 1 << 30)
        self.loop.unwatch(wire.sock.fileno())
        wire.sock.close()
        shard = self.core.shards[wire.shard]
        pool = self.core.pools[shard.pool]
        deaths.end_agents(self.board, shard.rows)
        for row, record in deaths.salvage(self.board, shard.rows):
            self._record(row, record, [])
        running = deaths.running(self.board, shard.rows)
        self.event(
            "error", "host.died", f"the host of shard {pool.name}/{shard.id} {text}; its agents went with it",
            shard=shard.id, pool=pool.name, pid=wire.pid,
        )  # fmt: skip
        self._blame(running.items(), -1, wire.pid, "died", f"the host {text}")
        self.core.host_down(time.monotonic(), wire.shard, running, f"the host {text}")

    # -- names --------------------------------------------------------------------------------------------------------

    def name(self, row: int) -> str:
        """``pool/number`` of an agent."""
        pool = self.core.pools[self.core.shards[self.core.agents[row].shard].pool]
        return f"{pool.name}/{row - pool.rows.start}"
