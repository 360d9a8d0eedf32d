"""A fleet: the core, the processes it steers, and the loop between them. One thread owns it and calls `step`."""

from __future__ import annotations

import logging
import math
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Literal

from engine.core.actions import (
    Action,
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
from engine.core.admission import Admission
from engine.core.batching import TARGET
from engine.core.core import Core
from engine.core.pools import Shard
from engine.core.tasks import Options
from engine.procs import scoreboard
from engine.procs.scoreboard import Scoreboard
from engine.runtime.fleet import limits, memory, pressure
from engine.runtime.fleet.functions import Functions
from engine.runtime.fleet.gate import Gate
from engine.runtime.fleet.hearing import Hearing
from engine.runtime.fleet.hosts import Hosts
from engine.runtime.fleet.jobs import Group, Job
from engine.runtime.fleet.loop import Loop
from engine.runtime.fleet.post import PostOffice
from engine.runtime.fleet.sending import Sending
from engine.runtime.fleet.specs import PoolSpec, clipped, completed, limited
from engine.runtime.fleet.subtasks import SubtaskDesk
from engine.runtime.meters.meter import Meter
from engine.settings.types import Settings
from engine.stream.types import Event, Level
from engine.wire import frames
from engine.wire.memory import Parcel

Phase = Literal["new", "preparing", "running", "closed"]

_PRESSURE_SECONDS: Final = 0.5
"""Between two looks at how hard the machine is pressed, while agents start."""


class Fleet:
    """Pools of agents that run jobs.

    Attributes:
        core: the state of every task; read it, don't touch it.
        functions: what jobs may call, by number.
        board: the scoreboard.
        listeners: called with every event, on the fleet's thread.
        events: how many there were.
    """

    def __init__(
        self, pools: list[PoolSpec], settings: Settings | None = None, control: str = "", epoch: int = 1
    ) -> None:
        """Nothing is started yet. Raises `limits.TooMany` where so many agents do not fit, `SettingsError` for sizes
        that contradict each other.

        `control`: path of the engine's control socket, for the nursery to remove if the engine is killed. `epoch`: of
        the run's engines, which one this is.
        """
        settings = settings or Settings()
        self._clipped = clipped(pools, settings)
        for spec in pools:
            spec.settings = completed(spec.settings, settings)
        known = [spec.settings for spec in pools]
        agents = sum(pool.max_size or 0 for pool in known)
        limits.check(agents, sum(pool.shards or 0 for pool in known))
        spare = [limits.spare(pool.max_size or 1) for pool in known]
        rows = agents + sum(spare)
        self.begun_with = self.settings = settings
        """What holds now may differ from what it began with: `control.knobs` changes it."""
        self.core = Core(
            epoch,
            spawn_limit=settings.spawn_parallelism if settings.enable_parallel_spawn else 1,
            spawn_retries=settings.spawn_max_retry,
            batch_seconds=batch_seconds(settings),
            prefetch=settings.enable_pooling,
        )
        self.loop = Loop()
        self.phase: Phase = "new"
        self.listeners: list[Callable[[Event], None]] = []
        self.watcher: Callable[[Event], None] | None = None
        """Called with every event once all listeners have heard it: what it tells of comes after that."""
        self.recorders: list[Callable[[int, Group], int]] = []
        """Called with (range, group) of every accepted group of outcomes, before the sink; each returns how many bytes
        of the group's parcels it keeps, and counts itself.
        """
        self.gate: Gate | None = None
        """Through which sinks are told; None: at once."""
        self.crowded: Callable[[], bool] = lambda: False
        """Whether no task is to be begun for now."""
        self.enders: list[Callable[[int, int, int, str, str], None]] = []
        """Called with (range, first, count, kind, text) of tasks that the core ended, before the sink."""
        self.attempts: list[Callable[[int, int, int, int, int, str, str], None]] = []
        """Called with (range, index, attempt, row, pid, kind, text) of every attempt that came to nothing."""
        self.functions = Functions()
        self.meter: Meter | None = None
        """Writes down what is measured; None where nobody can ever see it."""
        self.error: str | None = None
        """Why the fleet can't run at all."""
        self._capacity = scoreboard.ring_capacity(agents)
        self._board_fd = Parcel(scoreboard.create(rows, self._capacity))
        self.board = Scoreboard(self._board_fd.fd, rows, self._capacity)
        self.specs = pools
        self.since = array("d", bytes(8 * rows))
        """When the agent of each row was last heard to be up, by the monotonic clock."""
        self.worked = array("Q", bytes(8 * rows))
        """Nanoseconds that those before it in its row had spent in tasks by then."""
        self._jobs: dict[int, Job] = {}
        self.outside: dict[int, str] = {}
        """By number, how that is called that holds claims and is done by nobody here."""
        self.events = 0
        self.until = math.inf
        """When something else than what comes in is to be done, by the monotonic clock, as `step` was told."""
        self._closed = False
        self._pressed = 0.0
        self._admission = Admission(settings.memory_reserve)
        self._groups = memory.cgroups()
        self._allow_memory()
        self._measured = 0.0
        self.post = PostOffice(self.core, self._to_row)
        self.subtasks = SubtaskDesk(self, self._to_row)
        self.extended: Callable[[int], None] = lambda pool: None
        """Called with the number of a pool that has agents where it never had any."""
        self.hosts = Hosts(self.loop, self.board, self._board_fd, pools, settings, self, Hearing(self), control)
        self._sending = Sending(self.core, self.functions, self.hosts, self._jobs)
        for pool, more in zip(known, spare, strict=True):
            self.core.add_pool(
                pool.name, pool.size or 1, pool.shards or 1, minimum=pool.min_size, maximum=pool.max_size,
                max_idle=pool.max_idle or settings.pool_max_idle, strategy=settings.shard_strategy,
                on_demand=not settings.enable_pooling, spare=more,
            )  # fmt: skip

    # -- life ---------------------------------------------------------------------------------------------------------

    def hatch(self) -> None:
        """Start the nurseries' interpreters, which takes a while."""
        if self.phase != "closed":
            self.hosts.hatch()

    def start(self) -> None:
        """Have the nurseries import their images; agents start as soon as theirs is ready. Raises `StartError`."""
        if self.phase == "new":
            self.phase = "preparing"
            for text, data in self._clipped:
                self.event("info", "pool.shards", text, **data)
            self.hosts.start()

    def step(self, timeout: float | None, feed: Callable[[], None] | None = None) -> None:
        """Handle what has happened, waiting for something at most `timeout` seconds (None: until something does).

        `feed` is called after that, and may submit more.
        """
        due = min((at for at in (self.core.due(), self.hosts.due) if at is not None), default=None)
        if due is not None:
            wait = max(0.0, due - time.monotonic())
            timeout = wait if timeout is None else min(timeout, wait)
        if self._memory_matters and self._admission.quota is not None:
            wait = max(0.0, self._measured + self._admission.rest - time.monotonic())
            timeout = wait if timeout is None else min(timeout, wait)
        self.until = math.inf if timeout is None else time.monotonic() + timeout
        self.loop.step(timeout)
        if feed is not None:
            feed()
        self.settle()

    def settle(self) -> None:
        """Let the core do what is due and ready, and carry out what it wants."""
        now = time.monotonic()
        self.core.crowded = self.crowded()
        self._see_memory(now)
        due = self.core.due()
        if due is not None and due <= now and self.meter is not None:
            self.meter.late(now - due)
        self.core.tick(now)
        self.hosts.tick(now)
        if self.phase in ("new", "closed"):
            return
        if self.core.starting and now - self._pressed > _PRESSURE_SECONDS:
            self._pressed = now
            self.core.press(pressure.measure())
        actions = self.core.take(now)
        while actions:
            for action in actions:
                self._perform(action)
            actions = self.core.take(now) if self.core.restless else []

    @property
    def _memory_matters(self) -> bool:
        """Whether tasks wait, or what runs may yet be divided, and so have to."""
        return bool(self.core.queued or (self.core.batches and self._admission.quota is not None))

    def _see_memory(self, now: float) -> None:
        """While tasks wait: see whether there is memory left for more of them to be begun."""
        admission, core = self._admission, self.core
        if admission.off or now - self._measured < admission.rest or not self._memory_matters:
            return
        self._measured = now
        told = admission.look(memory.rooms(self._groups), len(core.batches) - len(core.aside))
        core.admit(admission.quota)
        if told is not None:
            self.event(told.level, told.kind, told.text, **told.data)

    def _allow_memory(self) -> None:
        """Have the core know how much tasks may take that say what they take."""
        limit = memory.for_tasks(self.settings, self._groups)
        if limit is not None:
            self.core.set_memory(limit)

    def drain(self) -> None:
        """Send nothing any more, call back what no agent has begun; over once `core.idle`."""
        self.core.drain()
        self.settle()

    def dismiss(self) -> None:
        """End the hosts and their agents, and hear what these wrote last. Nothing runs any more after this."""
        self.phase = "closed"
        self.hosts.dismiss()

    def close(self) -> None:
        """End every process, wait for that, and give everything back. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.phase = "closed"
        self.hosts.close()
        self.post.mail.clear()  # what was never read may hold descriptors
        self.subtasks.parents.clear()
        self.board.close()
        self._board_fd.close()
        self.loop.close()

    # -- work ---------------------------------------------------------------------------------------------------------

    def submit(self, job: Job) -> int:
        """Take a job in; the number of its range. Sinks of jobs that can never run are told in the next `step`. Raises
        ValueError for what can't be claimed, an unknown lane, or more memory than there is."""
        options = self.options_of(job)
        if job.parent is not None:
            number = self.core.submit_subtasks(job.count, job.function, job.pool, options, job.parent)
        else:
            number = self.core.submit(
                job.count, job.function, job.pool, options, job.after, claims=job.claims, lane=job.lane,
                each=job.each, memory=job.memory,
            )  # fmt: skip
        self._jobs[number] = job
        return number

    def sent_one(self, job: Job, options: Options, shard: Shard, batch: int) -> Send:
        """A job of one task is on its way already, as a batch: what `submit` would have led to. `options`: the job's,
        by the settings of the moment."""
        sent = self.core.sent_one(job.function, job.pool, options, shard, batch, time.monotonic())
        self._jobs[sent.range] = job
        return sent

    def options_of(self, job: Job) -> Options:
        """A job's options by the settings of the moment: it was made by those that the fleet began with."""
        options, most = job.options, self.settings.batch_max_size
        if options.batch_max == self.begun_with.batch_max_size != most:
            options = replace(options, batch_max=most)
        return limited(options, self.specs[job.pool].settings, self.settings)

    def adopt(self, settings: Settings) -> None:
        """Other settings hold from now on, for hosts and for batches that are still to be made, too."""
        before, self.settings = self.settings, settings
        if settings.memory_reserve != before.memory_reserve:
            told = self._admission.keep(settings.memory_reserve)
            self.core.admit(self._admission.quota)
            self._measured = 0.0
            if told is not None:
                self.event(told.level, told.kind, told.text, **told.data)
        if settings.memory_tasks != before.memory_tasks or settings.memory_reserve != before.memory_reserve:
            self._allow_memory()
        self.hosts.mind(settings)
        for number, job in self._jobs.items():
            options = self.options_of(job)
            self.core.set_batching(number, options.batch_max, options.batch_size)

    def job(self, number: int) -> Job | None:
        """The job of a range that is not over."""
        return self._jobs.get(number)

    def jobs(self) -> Iterable[tuple[int, Job]]:
        """All ranges that are not over, and their jobs."""
        return self._jobs.items()

    def event(self, level: Level, kind: str, text: str, **data: Any) -> None:
        """Tell all listeners that something happened."""
        self.events += 1
        event = Event(self.events, time.time(), level, kind, text, data)
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception:
                self.listeners.remove(listener)
                logging.getLogger("shoal").exception("a listener of events failed, and hears no more of them")
        if self.watcher is not None:
            self.watcher(event)

    # -- actions ------------------------------------------------------------------------------------------------------

    def _perform(self, action: Action) -> None:
        match action:
            case Send():
                self._sending.send(action, self.meter)
            case TasksOver():
                job = self._jobs[action.range]
                job.source.release(action.first, action.count)
                for ender in self.enders:
                    ender(action.range, action.first, action.count, action.kind, action.text)
                if action.kind == "poisoned":
                    self._tell_poisoned(job, action)
                self.tell(job, 0, job.sink.ended, action.first, action.count, action.kind, action.text)
            case RangeOver():
                job = self._jobs.pop(action.range)
                sink = job.sink
                if self.gate is None or job.parent is not None:
                    sink.finished(action.failed)
                else:
                    self.gate.follow(sink.finished, action.failed)
            case StartHost():
                self.hosts.start_host(self.core.shards[action.shard])
            case Spawn():
                if self.meter is not None:
                    self.meter.asked(action.agents)
                self.hosts.put(action.shard, frames.encode(frames.Spawn(list(action.agents))))
            case Retire():
                self.hosts.put(action.shard, frames.encode(frames.RetireIdle(action.count)))
            case Leave():
                self.hosts.put(action.shard, frames.encode(frames.Leave(action.row, action.generation, action.why)))
            case End():
                self.hosts.put(action.shard, frames.encode(frames.Kill([(action.row, action.generation)], "killed")))
            case StopTask():
                self.hosts.put(action.shard, frames.encode(frames.StopTask(action.batch, action.offset)))
            case Recall():
                self.hosts.put(action.shard, frames.encode(frames.Recall(list(action.rest))))
            case StandAside():
                self.hosts.put(action.shard, frames.encode(frames.StandAside(action.row, action.generation)))
            case Extended():
                self.extended(action.pool)
            case Happened() if self.error is None:  # else it is said once, and not for each pool
                self.event(action.level, action.kind, action.text, **action.data)

    def _tell_poisoned(self, job: Job, action: TasksOver) -> None:
        name, pool = job.name or "task", self.core.pools[job.pool].name
        text = f"{name}[{job.record[1] + action.first}] is given up: {action.text}"
        self.event("warning", "task.poisoned", text, pool=pool, job=name, task=job.record[1] + action.first)

    def tell(self, job: Job, size: int, sink: Callable[..., None], *said: Any) -> None:
        """Tell a job's sink by the gate, if there is one; `size` is what it holds beyond what was recorded of it, in
        bytes. Subtasks go by no gate: what they have done outlives their parent's attempt for nobody."""
        if self.gate is None or job.parent is not None:
            sink(*said)
        else:
            self.gate.tell(size, sink, *said)

    def _to_row(self, row: int, data: bytes, parcels: list[Parcel]) -> None:
        self.hosts.put(self.core.agents[row].shard, data, parcels)

    # -- images, as `hosts.Owner` -------------------------------------------------------------------------------------

    def images_settled(self, seconds: float) -> None:
        """The fleet runs."""
        if self.phase == "preparing":
            self.phase = "running"
            if self.error is None:
                self.event("info", "fleet.ready", f"image ready after {seconds:.2f} s")

    def host_forked(self, shard_id: int) -> None:
        """As `hosts.Owner`."""
        self.core.host_up(time.monotonic(), shard_id)

    def image_failed(self, pools: list[int], why: str) -> None:
        """The tasks of these pools fail; if there are no others, that is the end of the run."""
        if all(pool.id in pools or pool.broken is not None for pool in self.core.pools):
            self.error = why
        for number in pools:
            self.core.break_pool(number, why)

    # -- names --------------------------------------------------------------------------------------------------------

    def name(self, row: int) -> str:
        """``pool/number`` of an agent."""
        pool = self.core.pools[self.core.shards[self.core.agents[row].shard].pool]
        return f"{pool.name}/{row - pool.rows.start}"

    @property
    def agents(self) -> int:
        """As many as there may be at a time."""
        return sum(pool.maximum for pool in self.core.pools)


def batch_seconds(settings: Settings) -> float:
    """Work that a batch aims at."""
    return min(TARGET, settings.batch_timeout / 5)
