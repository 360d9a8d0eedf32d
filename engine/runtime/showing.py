"""What a run shows of itself: frames and what is measured, to readers as it happens and to its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from engine.metrics.observer import Observer
from engine.runtime.claimed import claims_now
from engine.runtime.meters.meters import SECONDS as SAMPLE_SECONDS
from engine.runtime.record.samples import sampled
from engine.store import messages
from engine.stream.claims import no_claims
from engine.stream.plans import no_plan
from engine.stream.types import ClaimsNow, Frame, RunState, Topic, ToReader

if TYPE_CHECKING:
    from engine.runtime.alerting.alerting import Alerting
    from engine.runtime.control import Control
    from engine.runtime.fleet.fleet import Fleet
    from engine.runtime.meters.meters import Meters
    from engine.runtime.plans.planned import Planned
    from engine.runtime.record.moments import Measure
    from engine.runtime.record.recording import Recording
    from engine.runtime.sampler import Sampler

_MINUTE: Final = 60.0
"""Seconds between two records of how times are distributed."""
_CLAIMS: Final = 0.5
"""Seconds from one look at claims and lanes to the next."""


class Owner(Protocol):
    """The run that is shown."""

    fleet: Fleet
    sampler: Sampler
    observer: Observer
    alerting: Alerting
    meters: Meters | None
    control: Control | None
    recording: Recording | None
    on_frame: Callable[[Frame], None] | None
    plan: Planned | None
    total: int | None

    @property
    def outside(self) -> tuple[int, int]:
        """Tasks that were done, and failed, without this engine."""

    def tell_total(self) -> None:
        """Record how many tasks there are, if that is known by now."""


class Showing:
    """Makes frames and samples when they are due. To be called on the thread that owns the run."""

    def __init__(self, owner: Owner, database: Path | None) -> None:
        """`database`: how full the disk is that it lies on is measured, too."""
        self._run = owner
        self._database = database
        self.frame: Frame | None = None
        """The last one that was shown."""
        self._rate = 0.0
        """Frames a second that somebody wants to see."""
        self._next_frame = 0.0
        self._next_sample = time.monotonic() + SAMPLE_SECONDS
        self._next_minute = time.monotonic() + _MINUTE
        self._claims_now: ClaimsNow | None = None
        self._claims_due = 0.0
        self._claims_at = 0.0
        """Of the last look at them, in seconds since the Unix epoch."""

    # -- when ---------------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When a frame or a sample is wanted next, by the monotonic clock; None: nobody wants any."""
        self._rate = self._wanted_rate()
        frame = self._next_frame if self._rate else None
        sample = self._next_sample if self.keeps else None
        return min((at for at in (frame, sample) if at is not None), default=None)

    def _wanted_rate(self) -> float:
        run = self._run
        most = float(run.fleet.settings.frame_rate)
        wanted = most if run.on_frame is not None else 0.0
        if run.control is not None:
            run.control.rate = most
            wanted = max(wanted, run.control.wanted_rate)
        if not wanted or self._next_frame > time.monotonic() + 1 / wanted:
            self._next_frame = 0.0  # nobody wants any, or they came seldom enough until now: the next one can't be late
        return wanted

    @property
    def keeps(self) -> bool:
        """Whether samples are taken though nobody watches at this moment."""
        served = self._run.meters is not None and self._run.meters.server is not None
        return self._run.recording is not None or served

    def sample_if_due(self) -> None:
        """Take a sample, for the record and the page of metrics, if it is time."""
        run = self._run
        if self.keeps and (late := time.monotonic() - self._next_sample) >= 0:
            if run.fleet.meter is not None:
                run.fleet.meter.late(late)
            self._next_sample = time.monotonic() + SAMPLE_SECONDS
            with run.observer.spends("frames"):
                self._sample()
        elif run.meters is not None and not self.keeps and not self._rate:
            run.meters.rest()

    def show_if_due(self) -> None:
        """Show a frame, if it is time: by the rate of the last `due`."""
        now = time.monotonic()
        if self._rate and now >= self._next_frame:
            if self._next_frame and self._run.fleet.meter is not None:
                self._run.fleet.meter.late(now - self._next_frame)
            self._next_frame = max(self._next_frame + 1 / self._rate, now + 0.5 / self._rate)
            self.show()

    # -- to readers ---------------------------------------------------------------------------------------------------

    def show(self, state: RunState | None = None) -> Frame:
        """Make a frame and show it to everybody."""
        run = self._run
        with run.observer.spends("frames"):
            frame, control, last = self._whole(self._frame(state)), run.control, state == "ended"
            asked = control is not None and any(control.wants(topic) for topic in self._measured)
            queues = control is not None and control.wants("queues")
            if last and ((self.keeps and run.fleet.core.over) or asked):
                self._measure(frame, last)
            elif control is not None and control.watched and run.meters is not None and run.meters.due(queues):
                self._measure(frame)
            return self.tell(frame, last)

    def tell(self, frame: Frame, last: bool) -> Frame:
        """Show a frame, and what else readers want at the moment. Returns it."""
        run, control = self._run, self._run.control
        self.frame = frame
        if control is not None:
            control.show("frames", [frame])
            if control.wants("cells"):
                control.show("cells", run.sampler.cells())
            for topic, make in self._measured.items():
                if control.wants(topic):
                    made = make(last)
                    control.show(topic, [] if made is None else [made])
            if control.wants("claims"):  # one who asks is to know that there are none, and a record needs no such word
                control.show("claims", [self._claims(last) or no_claims(self._claims_at)])
            if control.wants("plan"):
                parts: Sequence[ToReader] | None = run.plan.told(last) if run.plan is not None else no_plan(frame.at)
                if parts is not None:
                    control.show("plan", parts)
            control.sample(everybody=last)
        if run.on_frame is not None:
            run.on_frame(frame)
        return frame

    def _frame(self, state: RunState | None = None) -> Frame:
        """How all is now, of what this engine does alone."""
        run = self._run
        return run.sampler.frame(None if run.total is None else run.total - sum(run.outside), state)

    def _whole(self, frame: Frame) -> Frame:
        """A frame with what was done before this engine began, with the alerts, and with what looking on costs."""
        done, failed = self._run.outside
        more = {"alerts": self._run.alerting.counts, "watching": round(self._run.observer.total, 6)}
        if not done + failed:
            return msgspec.structs.replace(frame, **more)
        return msgspec.structs.replace(
            frame, tasks=frame.tasks + done + failed, done=frame.done + done,
            total=None if frame.total is None else frame.total + done + failed,
            failed=frame.failed + failed, **more,
        )  # fmt: skip

    # -- what is measured ---------------------------------------------------------------------------------------------

    @property
    def _measured(self) -> dict[Topic, Callable[[bool], Any]]:
        """What is made of samples for readers, by the topic."""
        return {} if self._run.meters is None else dict(self._run.meters.topics)

    def _measure(self, frame: Frame, last: bool = False) -> None:
        run = self._run
        if run.meters is not None:
            line = None if run.recording is None else run.recording.line
            run.meters.sample(frame, run.sampler.delivered(), line, self._database, last)

    def _claims(self, last: bool) -> ClaimsNow | None:
        """Claims and lanes of this moment, or of one shortly before: of very many they take long to be told, and a
        hundredth of the time goes into that at the most. None where nobody ever had any."""
        now = time.monotonic()
        if last or now >= self._claims_due:
            self._claims_now, self._claims_at = claims_now(self._run.fleet), time.time()
            self._claims_due = now + max(_CLAIMS, 100 * (time.monotonic() - now))
        return self._claims_now

    # -- to the record ------------------------------------------------------------------------------------------------

    def _sample(self) -> None:
        run, frame = self._run, self._frame()
        if run.meters is not None and time.monotonic() - run.meters.sampled_at > SAMPLE_SECONDS / 2:
            self._measure(frame)
        if run.recording is None:
            return
        run.tell_total()  # subtasks are more of them
        kept = run.recording.sample(sampled(frame, run.sampler.memory()))
        self._keep_moment(run.recording, self._whole(frame), behind=not kept)
        if run.meters is not None and time.monotonic() >= self._next_minute:
            self._next_minute = time.monotonic() + _MINUTE
            run.recording.sample(messages.Measured(run.meters.distributions()))

    def keep_last(self, recording: Recording, frame: Frame) -> None:
        """Record how times were distributed in the end, and what readers were told last."""
        if self._run.meters is not None:
            recording.line.tell(messages.Measured(self._run.meters.distributions()))
        self._keep_moment(recording, frame, last=True)

    def _keep_moment(self, recording: Recording, frame: Frame, behind: bool = False, last: bool = False) -> None:
        """Record what readers would be told now, unless the recorder is `behind`."""
        run = self._run
        recording.keeps_moments = run.fleet.settings.record_moments
        if behind or not recording.keeps_moments:
            recording.moments.skip()
            return
        topics = {**self._measured, "claims": self._claims}
        measures: dict[Topic, Measure] = {topic: partial(make, last) for topic, make in topics.items()}
        if run.plan is not None:
            measures["plan"] = run.plan.changed

        def known() -> list[ToReader]:
            return [*(run.plan.whole() if run.plan is not None else ()), *run.alerting.known()]

        now, event, cells = time.time(), run.fleet.events, run.sampler.cells()
        recording.line.tell(recording.moments.make(now, event, frame, cells, measures, known, last))
