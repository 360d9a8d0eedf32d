"""A run: a fleet with a name, its recorder, its control socket and its frames."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from engine.metrics.observer import Observer
from engine.runtime import earlier
from engine.runtime.alerting.alerting import Alerting
from engine.runtime.claimed import claims_now
from engine.runtime.control import Control
from engine.runtime.control.commands import Alerts, Commands, Work
from engine.runtime.control.listener import Peer
from engine.runtime.control.pages import page
from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet import Fleet
from engine.runtime.jobs import Group, Job
from engine.runtime.launch import StartError
from engine.runtime.meters.meters import LOOPBACK, Meters
from engine.runtime.meters.meters import SECONDS as SAMPLE_SECONDS
from engine.runtime.moments import Measure
from engine.runtime.options import ControlError, RunOptions, settled, version
from engine.runtime.recording import Recording, machine
from engine.runtime.results import to_json
from engine.runtime.sampler import Sampler
from engine.runtime.samples import sampled
from engine.runtime.specs import PoolSpec
from engine.store import messages
from engine.stream import places
from engine.stream.plans import no_plan
from engine.stream.types import (
    STREAM_VERSION,
    ClaimsNow,
    Command,
    Frame,
    Hello,
    Level,
    Page,
    Reply,
    RunState,
    Topic,
    ToReader,
)

if TYPE_CHECKING:  # only a run of a plan loads it
    from engine.runtime.planned import Planned

_MINUTE: Final = 60.0
"""Seconds between two records of how times are distributed."""
_CLAIMS: Final = 0.5
"""Seconds from one look at claims and lanes to the next."""
_NESTED_BITS: Final = 20
"""Jobs of subtasks are numbered from here on in each of a run's engines, which takes as many numbers for its own."""
_CALLS: Final = 500
"""Names of calls that have a job of their own in the record."""


_BEGIN_SECONDS: Final = 30.0
"""For the database to take the beginning of a resumption."""
_PART: Final = 100_000
"""Characters of a spec in one message; it is all ASCII."""


class Run:
    """One run, owned by the thread that calls `step`.

    Attributes:
        total: tasks expected in all, None if unknown.
        stop_asked: "" or what a reader asked for: ``drain`` or ``stop``.
    """

    def __init__(self, pools: list[PoolSpec], options: RunOptions) -> None:
        """Start what can be without the nursery. Raises `StartError`, `limits.TooMany` or `places.UnsafeFolder`."""
        self.id = options.run or secrets.token_hex(4)
        self.name = options.name
        self.started = time.time()
        self.total: int | None = None
        self.stop_asked = ""
        self.before = [0, 0]
        """Tasks that were done, and failed, before the run was begun or resumed."""
        self.said = [0, 0]
        """Tasks that people have said are done, and failed."""
        self.work: Work | None = None
        """Who knows what waits for people."""
        self.taken = 0
        """How many of these were done in another run."""
        self.origin = options.origin
        self.resumed = options.resumed
        self.resumable = bool(options.spec or options.resumed)
        """Whether it can be resumed, as far as is known."""
        options.database = settled(options.database)
        self._options = options
        self._job_count = 0
        self._next_frame = 0.0
        self._calls: dict[tuple[str, int], tuple[int, int]] = {}
        """The jobs of calls, by name and pool: their numbers, and how many calls are in them."""
        self._nested: dict[tuple[str, int], tuple[int, int]] = {}
        """The jobs of subtasks, likewise."""
        self._next_sample = time.monotonic() + SAMPLE_SECONDS
        self._next_minute = time.monotonic() + _MINUTE
        self._claims_now: ClaimsNow | None = None
        self._claims_due = 0.0
        self.plan: Planned | None = None
        """What it tells of its plan; None where it has none, because it is part of another program."""
        self._said_lost = False
        self._given_up = False
        self.frame: Frame | None = None
        self.on_frame: Callable[[Frame], None] | None = None
        """Called with every frame, if set; otherwise frames are only made while somebody watches."""
        self.alerts: Alerts | None = None
        """Who keeps the alerts."""
        self._commands = Commands(self)
        # Of its own: the nursery of the engine before may still be about to remove that one's.
        name = f"{self.id}-{options.resumed}" if options.resumed else self.id
        path = str(places.runtime_folder() / f"{name}.sock") if options.control else ""
        self.observer = Observer()
        """What those cost who look on."""
        self.fleet = Fleet(pools, options.settings, path, options.resumed + 1)
        self.fleet.subtasks.place = self._place_subtasks
        self.fleet.subtasks.answers |= options.requests
        self.recording: Recording | None = None
        self.control: Control | None = None
        self.meters: Meters | None = None
        """What is measured; None where nobody can ever see it."""
        port = options.settings.metrics_port
        try:
            for lane, limit in options.lanes.items():
                self.fleet.core.set_lane(lane, limit)
            if options.control or options.database is not None or port is not None:
                self.meters = Meters(self.fleet, version(), self.observer)
            if port is not None and self.meters is not None:
                self._serve(self.meters, port, options.settings.metrics_host or LOOPBACK)
            files = [path for path in (options.database, options.results) if path is not None]
            self.alerts = self.alerting = Alerting(self, options.settings, files)
            if options.database is not None:
                durability = options.settings.record_durability
                largest = options.settings.record_result_max
                self.recording = Recording(self.fleet.loop, options.database, durability, self._say, largest)
            self.fleet.hatch()
            if options.control:
                database = "" if options.database is None else os.path.abspath(options.database)
                hello = Hello(STREAM_VERSION, self.id, self.name, os.getpid(), self.started, database)
                try:
                    self.control = Control(self.fleet.loop, hello, self, name, observer=self.observer)
                except OSError as error:
                    raise ControlError(f"can't open a control socket: {error}") from error
                self.control.beginnings["alerts"] = self.alerting.now
                self.fleet.listeners.append(self.control.event)
            self.alerting.prepare()  # the nurseries' interpreters are starting: nobody waits for it
            self.sampler = Sampler(self.fleet)
            if self.recording is not None:
                if self.fleet.meter is not None:
                    self.recording.line.on_commit = self.fleet.meter.committed
                self.recording.line.wait_ready(options.waits)
                self._record_beginning(self.recording, {p.settings.name: p.settings.size for p in pools})
            if self.meters is not None and self._sampled:
                self.meters.begin()
            if url := self.metrics_url:
                self.fleet.event("info", "metrics.served", f"metrics are served at {url}", url=url)
        except BaseException:
            self.close()
            raise

    @property
    def metrics_url(self) -> str | None:
        """Where the metrics are served; None if they are not."""
        return None if self.meters is None or self.meters.server is None else self.meters.server.url

    def _serve(self, meters: Meters, port: int, host: str) -> None:
        try:
            meters.serve(port, host)
        except (ImportError, OSError) as error:  # MissingPackage and ServeError: their texts are for people
            raise StartError(str(error)) from error

    def _say(self, level: Level, kind: str, text: str, data: dict[str, Any]) -> None:
        self.fleet.event(level, kind, text, **data)

    def _record_beginning(self, recording: Recording, agents: dict[str, int | None]) -> None:
        """`agents`: what each pool begins with."""
        options = self._options
        config = {"agents": agents, **options.config}
        tell = recording.line.tell
        pid = os.getpid()
        tell(
            messages.RunBegan(
                self.id, self.name, self.started, pid, options.command, config, version(), machine(),
                resumed=options.resumed, origin=options.origin, rerun=options.rerun,
                process=recording.live(self.id, options.resumed),
            )
        )  # fmt: skip
        parts = range(0, len(options.spec), _PART)
        for number, at in enumerate(parts):
            tell(messages.SpecPart(number, len(parts), options.spec[at : at + _PART]))
        if options.resumed:  # nothing may be begun before it is known that nobody else resumes it
            until = time.monotonic() + _BEGIN_SECONDS
            if not recording.settle(lambda: time.monotonic() > until):
                raise StartError(f"{options.database} takes nothing for now: run {self.id} is not resumed")
            if recording.line.lost is not None:
                raise StartError(recording.line.lost)
            assert options.database is not None
            self.alerting.number_from(earlier.last_alert(options.database, self.id))
        for pool in self.fleet.core.pools:
            self.resized(pool.id)
        self.fleet.extended = self.resized
        self.fleet.gate = recording.gate
        self.fleet.crowded = lambda: recording.crowded
        self.fleet.listeners.append(recording.event)
        self.fleet.recorders.append(self._record)
        self.fleet.enders.append(self._record_ended)
        self.fleet.attempts.append(self._record_attempt)

    # -- work ---------------------------------------------------------------------------------------------------------

    def add_job(self, name: str, call: str, pool: int, number: int | None = None, exact: bool = False) -> int:
        """A named set of tasks; its ranges are then submitted with its number: the next one, or `number`.

        `exact`: its results are recorded such that they can be had from there again as what they were.
        """
        self._job_count = number = self._job_count + 1 if number is None else number
        if self.recording is not None:
            self.recording.line.tell(messages.JobMade(number, name, call, pool))
            if exact:
                self.recording.exact.add(number)
        return number

    def keep_items(self, first: int, items: list[str]) -> bool:
        """Record items that nobody can read again, before they are submitted; none: that was all. False: there is no
        room for them, and the run can't be resumed.
        """
        if self.recording is None or self.recording.items(first, items):
            return True
        self.resumable = False
        return False

    def place(self, call: str, pool: int, count: int) -> tuple[int, int]:
        """Where so many calls of something go in the record, if there is one: the number of the job that has its name,
        made if there is none, and the index of the first of them in it.
        """
        key = call, pool
        if key not in self._calls:
            if len(self._calls) >= _CALLS:  # lambdas may have any number of names
                key = "others", pool
            if key not in self._calls:
                self._calls[key] = self.add_job(key[0], key[0], pool), 0
        number, first = self._calls[key]
        self._calls[key] = number, first + count
        return number, first

    def _place_subtasks(self, name: str, call: str, pool: int, count: int) -> tuple[int, int]:
        """The same for subtasks, whose jobs are called by the task that submitted them. Each engine of a run has jobs
        of its own for them: what is known of earlier ones is of attempts that came to nothing."""
        if self.total is not None:
            self.total += count
        key = name, pool
        if key not in self._nested:
            if len(self._nested) >= _CALLS:
                key = "other/subtasks", pool
            if key not in self._nested:
                number = ((1 + self.resumed) << _NESTED_BITS) + len(self._nested) + 1
                self._nested[key] = number, 0
                if self.recording is not None:
                    self.recording.line.tell(messages.JobMade(number, key[0], call, pool))
        number, first = self._nested[key]
        self._nested[key] = number, first + count
        return number, first

    def submit(self, job: Job, number: int = 0, base: int = 0) -> int:
        """Submit a range of tasks: number `base` and following of the job. Returns the range's id."""
        job.record = (number, base)
        return self.fleet.submit(job)

    @property
    def crowded(self) -> bool:
        """Whether no new work should be submitted for now, because the recorder is behind."""
        return self.recording is not None and self.recording.crowded

    def _recorded(self, range_id: int) -> tuple[int, int]:
        job = self.fleet.job(range_id)
        return job.record if job is not None else (0, 0)

    def keep_said(self, job: int, index: int, since: float, value: Any, failure: tuple[str, str] | None) -> None:
        """Record what somebody has said of a task: what came of it, or the kind and the text of its failure."""
        if self.recording is None:
            return
        line = self.recording.line
        if failure is None:
            kept = messages.Finished(job, index, -1, since, bytes(8), [["json", to_json(value)]], [], [], {})
            line.tell(kept)
        else:
            line.tell(messages.Ended(job, index, 1, *failure, since))
        line.push()  # no death of this process shall undo what people were told is so

    def _record(self, range_id: int, group: Group) -> int:
        assert self.recording is not None
        job, base = self._recorded(range_id)
        return self.recording.outcomes(job, base, group)

    def _record_ended(self, range_id: int, first: int, count: int, kind: str, text: str) -> None:
        assert self.recording is not None
        job, base = self._recorded(range_id)
        self.recording.line.tell(messages.Ended(job, base + first, count, kind, text, time.time()))

    def _record_attempt(
        self, range_id: int, index: int, attempt: int, row: int, pid: int, kind: str, text: str
    ) -> None:
        assert self.recording is not None
        job, base = self._recorded(range_id)
        self.recording.line.tell(messages.Attempt(job, base + index, attempt, row, pid, time.time(), kind, text))

    # -- the loop -----------------------------------------------------------------------------------------------------

    def step(self, timeout: float | None, feed: Callable[[], None] | None = None) -> None:
        """Handle what has happened, then call `feed`, which may submit more, and show a frame if it is time."""
        rate = self._rate()
        if rate:
            wait = max(0.0, self._next_frame - time.monotonic())
            timeout = wait if timeout is None else min(wait, timeout)
        if self.control is not None and self.control.due is not None:
            wait = max(0.0, self.control.due - time.monotonic())
            timeout = wait if timeout is None else min(wait, timeout)
        sampled = self._sampled
        due = self._next_sample if sampled else None
        if self.recording is not None and self.recording.due is not None:
            due = min(self._next_sample, self.recording.due)
        if due is not None:
            wait = max(0.0, due - time.monotonic())
            timeout = wait if timeout is None else min(wait, timeout)
        if (look := self.alerting.due()) is not None:
            wait = max(0.0, look - time.monotonic())
            timeout = wait if timeout is None else min(wait, timeout)
        self.fleet.step(timeout, feed)
        if sampled and (late := time.monotonic() - self._next_sample) >= 0:
            if self.fleet.meter is not None:
                self.fleet.meter.late(late)
            self._next_sample = time.monotonic() + SAMPLE_SECONDS
            self._sample()
        if self.meters is not None and not sampled and not rate:
            self.meters.rest()
        if self.recording is not None:
            self.recording.tick(not self.fleet.core.eager)
            if self.recording.line.lost is not None and not self._said_lost:
                self._said_lost = True
                text = f"nothing is recorded from here on: {self.recording.line.lost}"
                self.fleet.event("error", "recorder.lost", text)
        self.alerting.step()
        now = time.monotonic()
        if self.control is not None and self.control.due is not None:
            self.control.tick(now)
        if rate and now >= self._next_frame:
            if self._next_frame and self.fleet.meter is not None:
                self.fleet.meter.late(now - self._next_frame)
            self._next_frame = max(self._next_frame + 1 / rate, now + 0.5 / rate)
            self.show()

    def _rate(self) -> float:
        """Frames a second that somebody wants to see."""
        most = float(self.fleet.settings.frame_rate)
        wanted = most if self.on_frame is not None else 0.0
        if self.control is not None:
            self.control.rate = most
            wanted = max(wanted, self.control.wanted_rate)
        if not wanted or self._next_frame > time.monotonic() + 1 / wanted:
            self._next_frame = 0.0  # nobody wants any, or they came seldom enough until now: the next one can't be late
        return wanted

    def show(self, state: RunState | None = None) -> Frame:
        """Make a frame and show it to everybody."""
        with self.observer.spends("frames"):
            frame, control, last = self._view(state), self.control, state == "ended"
            asked = control is not None and any(control.wants(topic) for topic in self._measured)
            queues = control is not None and control.wants("queues")
            if last and ((self._sampled and self.fleet.core.over) or asked):
                self._measure(frame, last)
            elif control is not None and control.watched and self.meters is not None and self.meters.due(queues):
                self._measure(frame)
            return self._show(frame, last)

    @property
    def _measured(self) -> dict[Topic, Callable[[bool], Any]]:
        """What is made of samples for readers, by the topic."""
        return {} if self.meters is None else dict(self.meters.topics)

    def _claims(self, last: bool) -> ClaimsNow | None:
        """Claims and lanes of this moment, or of one shortly before: of very many they take long to be told, and a
        hundredth of the time goes into that at the most."""
        now = time.monotonic()
        if last or now >= self._claims_due:
            self._claims_now = claims_now(self.fleet)
            self._claims_due = now + max(_CLAIMS, 100 * (time.monotonic() - now))
        return self._claims_now

    def _show(self, frame: Frame, last: bool) -> Frame:
        self.frame = frame
        if self.control is not None:
            self.control.show("frames", [frame])
            if self.control.wants("cells"):
                self.control.show("cells", self.sampler.cells())
            for topic, make in {**self._measured, "claims": self._claims}.items():
                if self.control.wants(topic):
                    made = make(last)
                    self.control.show(topic, [] if made is None else [made])
            if self.control.wants("plan"):
                parts: Sequence[ToReader] | None = self.plan.told(last) if self.plan is not None else no_plan(frame.at)
                if parts is not None:
                    self.control.show("plan", parts)
            self.control.sample(everybody=last)
        if self.on_frame is not None:
            self.on_frame(frame)
        return frame

    def _view(self, state: RunState | None) -> Frame:
        """How all is now, as readers are told."""
        return self._whole(self._frame(state))

    def _frame(self, state: RunState | None = None) -> Frame:
        """The same, of what this engine does alone."""
        return self.sampler.frame(None if self.total is None else self.total - sum(self.outside), state)

    @property
    def outside(self) -> tuple[int, int]:
        """Tasks that were done, and failed, without this engine: before it began, or by people."""
        return self.before[0] + self.said[0], self.before[1] + self.said[1]

    def _whole(self, frame: Frame) -> Frame:
        """A frame with what was done before this engine began, with the alerts, and with what looking on costs."""
        done, failed = self.outside
        more = {"alerts": self.alerting.counts, "watching": round(self.observer.total, 6)}
        if not done + failed:
            return msgspec.structs.replace(frame, **more)
        return msgspec.structs.replace(
            frame, tasks=frame.tasks + done + failed, done=frame.done + done,
            total=None if frame.total is None else frame.total + done + failed,
            failed=frame.failed + failed, **more,
        )  # fmt: skip

    @property
    def _sampled(self) -> bool:
        """Whether samples are taken though nobody watches at this moment."""
        served = self.meters is not None and self.meters.server is not None
        return self.recording is not None or served

    def _sample(self) -> None:
        """Take a sample, for the record and the page of metrics."""
        with self.observer.spends("frames"):
            self._take_sample()

    def _take_sample(self) -> None:
        frame = self._frame()
        if self.meters is not None and time.monotonic() - self.meters.sampled_at > SAMPLE_SECONDS / 2:
            self._measure(frame)
        if self.recording is None:
            return
        kept = self.recording.sample(sampled(frame, self.sampler.memory()))
        self._keep_moment(self.recording, self._whole(frame), behind=not kept)
        if self.meters is not None and time.monotonic() >= self._next_minute:
            self._next_minute = time.monotonic() + _MINUTE
            self.recording.sample(messages.Measured(self.meters.distributions()))

    def _keep_moment(self, recording: Recording, frame: Frame, behind: bool = False, last: bool = False) -> None:
        """Record what readers would be told now, unless the recorder is `behind`."""
        recording.keeps_moments = self.fleet.settings.record_moments
        if behind or not recording.keeps_moments:
            recording.moments.skip()
            return
        topics = {**self._measured, "claims": self._claims}
        measures: dict[Topic, Measure] = {topic: partial(make, last) for topic, make in topics.items()}
        if self.plan is not None:
            measures["plan"] = self.plan.changed

        def known() -> list[ToReader]:
            return [*(self.plan.whole() if self.plan is not None else ()), *self.alerting.known()]

        now, event, cells = time.time(), self.fleet.events, self.sampler.cells()
        recording.line.tell(recording.moments.make(now, event, frame, cells, measures, known, last))

    def _measure(self, frame: Frame, last: bool = False) -> None:
        if self.meters is not None:
            line = None if self.recording is None else self.recording.line
            self.meters.sample(frame, self.sampler.delivered(), line, self._options.database, last)

    # -- what readers ask for, as `control.hub.Answerer` and `control.commands.Target` --------------------------------

    def answer(self, request: Page | Command, peer: Peer) -> Reply:
        """As `control.hub.Answerer`."""
        try:
            if isinstance(request, Command):
                done = self._commands.carry_out(request.name, request.args, peer.text)
                return Reply(request.id, True, done.text, done.data)
            with self.observer.spends("pages"):
                rows, total = page(self.fleet, request)
        except (Refusal, ValueError) as error:
            return Reply(request.id, False, str(error))
        except Exception as error:  # a bug of ours costs the reader an answer, and not the run its life
            logging.getLogger("shoal").exception("a request could not be answered")
            return Reply(request.id, False, f"the engine can't answer: {type(error).__name__}: {error}")
        return Reply(request.id, True, "", {"total": total, "offset": request.offset, "rows": rows})

    def ask_to(self, what: Literal["drain", "stop"]) -> None:
        """As `control.commands.Target`."""
        if what == "stop" or not self.stop_asked:
            self.stop_asked = what

    def resized(self, pool: int) -> None:
        """As `control.commands.Target`: the record names agents by the size of their pool."""
        if self.recording is not None:
            made = self.fleet.core.pools[pool]
            message = messages.PoolMade(made.id, made.name, made.rows.start, made.extent, len(made.shards))
            self.recording.line.tell(message)

    # -- the end ------------------------------------------------------------------------------------------------------

    @property
    def unrecorded(self) -> str | None:
        """Why results are not as durable any more as was asked for; None: they are."""
        recording = self.recording
        return recording.line.lost if recording is not None and recording.gate is not None else None

    def settle(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until all that has come out of tasks is as durable as was asked for, and told to whoever waits for it;
        if `give_up` says so, they are told at once.
        """
        if self.recording is not None and not self.recording.settle(give_up):
            self._given_up = True

    def finish(
        self, status: str, summary: dict[str, Any], give_up: Callable[[], bool] = lambda: False,
        exit_code: int | None = None,
    ) -> None:  # fmt: skip
        """The run is over: say so, record it, and wait until all of it is in the database, or `give_up` says so.

        `exit_code`: of the command that this run is; None: it is part of another program.
        """
        self.sampler.end()
        self.alerting.finish()  # before the last frame, which counts them
        frame = self.show("ended")
        self.fleet.dismiss()
        self.alerting.finish()  # what agents have said last may be one, too, and so may be the end
        level = {"done": "info", "failed": "warning"}.get(status, "warning")
        code = {} if exit_code is None else {"exit_code": exit_code}
        self.fleet.event(level, "run.ended", f"run {self.id} {status}", status=status, **code)  # type: ignore[arg-type]
        if self.alerting.counts != frame.alerts:
            frame = self._show(msgspec.structs.replace(frame, alerts=self.alerting.counts), last=True)
        if self.recording is not None:
            if self.meters is not None:
                self.recording.line.tell(messages.Measured(self.meters.distributions()))
            self._keep_moment(self.recording, frame, last=True)
            self.recording.line.tell(messages.RunEnded(time.time(), status, summary))
            self.settle(give_up)
            self.recording.line.speak()

    def fail(self, why: str) -> None:
        """Record that the run ends before it was begun, and why: it has not crashed."""
        if self.recording is None:
            return
        self.recording.line.tell(messages.RunEnded(time.time(), "failed", {"error": why}))
        until = time.monotonic() + _BEGIN_SECONDS
        self.settle(lambda: time.monotonic() > until)

    def close(self) -> None:
        """End every process of the run and give everything back. May be called twice."""
        if self.alerts is not None:
            self.alerting.close()
        if self.control is not None:
            self.control.close()
            self.control = None
        if self.recording is not None:
            self.recording.close(self._given_up)
            self.recording = None
        if self.meters is not None:
            self.meters.close()
        self.fleet.close()
