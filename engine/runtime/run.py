"""A run: a fleet with a name, its recorder, its control socket, and what it shows of itself."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from engine.metrics.observer import Observer
from engine.runtime.alerting.alerting import Alerting
from engine.runtime.control import Control
from engine.runtime.control.commands import Alerts, Commands, Work
from engine.runtime.control.listener import Peer
from engine.runtime.control.pages import page
from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.fleet.jobs import Job
from engine.runtime.fleet.launch import StartError
from engine.runtime.fleet.specs import PoolSpec
from engine.runtime.meters.meters import LOOPBACK, Meters
from engine.runtime.options import ControlError, RunOptions, settled, version
from engine.runtime.record import earlier
from engine.runtime.record.books import Books
from engine.runtime.record.recording import Recording, machine
from engine.runtime.sampler import Sampler
from engine.runtime.showing import Showing
from engine.store import messages
from engine.stream import places
from engine.stream.types import STREAM_VERSION, Command, Frame, Hello, Level, Page, Reply

if TYPE_CHECKING:  # only a run of a plan loads it
    from engine.runtime.plans.planned import Planned

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
        options.database = settled(options.database)
        self._options = options
        self.plan: Planned | None = None
        """What it tells of its plan; None where it has none, because it is part of another program."""
        self._said_lost = False
        self._given_up = False
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
        self.books = Books(self, bool(options.spec or options.resumed))
        self.fleet.subtasks.place = self.books.place_subtasks
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
            self.showing = Showing(self, options.database)
            if self.recording is not None:
                if self.fleet.meter is not None:
                    self.recording.line.on_commit = self.fleet.meter.committed
                self.recording.line.wait_ready(options.waits)
                self._record_beginning(self.recording, {p.settings.name: p.settings.size for p in pools})
            if self.meters is not None and self.showing.keeps:
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
        self.books.keep()

    def tell_total(self) -> None:
        """Record how many tasks there are, if that is known by now, and was another number."""
        if self.recording is not None and self.total is not None:
            self.recording.total(max(0, self.total - self._options.elsewhere))

    # -- work ---------------------------------------------------------------------------------------------------------

    def submit(self, job: Job, number: int = 0, base: int = 0) -> int:
        """Submit a range of tasks: number `base` and following of the job. Returns the range's id."""
        job.record = (number, base)
        return self.fleet.submit(job)

    @property
    def crowded(self) -> bool:
        """Whether no new work should be submitted for now, because the recorder is behind."""
        return self.recording is not None and self.recording.crowded

    # -- the loop -----------------------------------------------------------------------------------------------------

    def step(self, timeout: float | None, feed: Callable[[], None] | None = None) -> None:
        """Handle what has happened, then call `feed`, which may submit more, and show a frame if it is time."""
        dues = (
            self.showing.due(), self.alerting.due(), None if self.control is None else self.control.due,
            None if self.recording is None else self.recording.due,
        )  # fmt: skip
        due = min((at for at in dues if at is not None), default=None)
        if due is not None:
            wait = max(0.0, due - time.monotonic())
            timeout = wait if timeout is None else min(wait, timeout)
        self.fleet.step(timeout, feed)
        self.showing.sample_if_due()
        if self.recording is not None:
            self.recording.tick(not self.fleet.core.eager)
            if self.recording.line.lost is not None and not self._said_lost:
                self._said_lost = True
                text = f"nothing is recorded from here on: {self.recording.line.lost}"
                self.fleet.event("error", "recorder.lost", text)
        self.alerting.step()
        if self.control is not None and self.control.due is not None:
            self.control.tick(time.monotonic())
        self.showing.show_if_due()

    @property
    def outside(self) -> tuple[int, int]:
        """Tasks that were done, and failed, without this engine: before it began, or by people."""
        return self.before[0] + self.said[0], self.before[1] + self.said[1]

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
        frame = self.showing.show("ended")
        self.fleet.dismiss()
        self.alerting.finish()  # what agents have said last may be one, too, and so may be the end
        level = {"done": "info", "failed": "warning"}.get(status, "warning")
        code = {} if exit_code is None else {"exit_code": exit_code}
        self.fleet.event(level, "run.ended", f"run {self.id} {status}", status=status, **code)  # type: ignore[arg-type]
        if self.alerting.counts != frame.alerts:
            frame = self.showing.tell(msgspec.structs.replace(frame, alerts=self.alerting.counts), last=True)
        if self.recording is not None:
            self.showing.keep_last(self.recording, frame)
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
