"""The alerts of one run: what happens and what is measured goes to the rules, what these find to all who are to know.

An event is judged within the call that tells of it, so that nobody who reads the stream waits for an alert longer than
for the event itself. The rules are read late, while the agents start.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from engine.alerts.places import users_file
from engine.runtime.alerting.asked import matchers_of, named
from engine.runtime.alerting.means import Worst
from engine.runtime.alerting.passing import Outlets
from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet import Fleet
from engine.settings.types import Settings, SettingsError
from engine.store import messages
from engine.stream.types import AlertsNow, Event, Level

if TYPE_CHECKING:
    from engine.alerts.core import AlertCore
    from engine.alerts.types import Alert, Rule, Transition
    from engine.runtime.alerting.signals import Readings
    from engine.runtime.control import Control
    from engine.runtime.recording import Recording
    from engine.stream.types import Frame

TICK: Final = 0.05
"""Seconds between two looks at the signals, while something goes on that somebody could see."""
REST: Final = 1.0
"""The same, otherwise."""
_EARLY: Final = 1000
"""Events from before the rules were read that they are told of."""


class Owner(Protocol):
    """The run, as the alerts see it."""

    id: str
    fleet: Fleet
    recording: Recording | None
    control: Control | None
    on_frame: Callable[[Frame], None] | None


class Alerting:
    """Feeds an `AlertCore`, and passes on what comes out. To be called on the thread that owns the run.

    Attributes:
        attended: somebody beside readers, the record and sinks hears of events.
        written: whether an event of this level and kind is written where people read it.
    """

    def __init__(self, owner: Owner, settings: Settings, files: Sequence[Path]) -> None:
        """Reads the user's own rules, if there are any: raises `SettingsError` with a line for each thing that is wrong
        with them. `files`: of which the room on their file systems is watched.
        """
        self._owner = owner
        self._fleet = fleet = owner.fleet
        self._files = files
        self._rules: list[Rule] | None = None
        path = users_file(settings.alert_rules)
        if path is not None:
            self._rules = _read(path)
        self._outlets = Outlets(settings, fleet.loop.wake)
        self.attended = False
        self.written: Callable[[Level, str], bool] = lambda level, kind: False
        self._core: AlertCore | None = None
        self._readings: Readings | None = None
        self._failed = False
        self._early: deque[tuple[float, Event]] = deque(maxlen=_EARLY)
        self._ended = [0] * len(fleet.core.pools)
        self._next = 0.0
        self._loop_lag, self._own_lag = Worst(), Worst()
        self._told: dict[str, int] = {}
        """By fingerprint, the count that an event has told of."""
        self._unshown: dict[str, None] = {}
        """Alerts that fire and that nobody can have seen yet."""
        fleet.enders.append(self._count_ended)
        fleet.watcher = self.event

    def _count_ended(self, range_id: int, first: int, count: int, kind: str, text: str) -> None:
        job = self._fleet.job(range_id)
        if job is not None and kind != "cancelled":
            self._ended[job.pool] += count

    def _begin(self) -> AlertCore:
        """Read the rules, and tell them of what has happened before."""
        from engine.alerts import intake, sources, told  # noqa: F401: so that the first alert need not
        from engine.alerts.core import AlertCore
        from engine.runtime.alerting import views  # noqa: F401
        from engine.runtime.alerting.signals import Readings

        recording = self._owner.recording
        backlog = None if recording is None else recording.backlog
        self._core = core = AlertCore(sources.load(None) if self._rules is None else self._rules)
        self._rules = None
        self._readings = Readings(self._fleet, self._ended, self._files, backlog)
        for now, event in self._early:
            self._hear(core, now, event)
        self._early.clear()
        self._next = time.monotonic()
        self._pass_on(core)
        return core

    # -- what happens -------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Something has happened, and everybody was told."""
        if self._failed or event.kind.startswith("alert."):
            return
        now = time.monotonic()
        core = self._core
        if core is None:
            self._early.append((now, event))
            return
        try:
            self._hear(core, now, event)
            self._pass_on(core)
        except Exception:
            self._fail()

    def _hear(self, core: AlertCore, now: float, event: Event) -> None:
        if event.kind not in core.kinds:
            return
        from engine.alerts.intake import labels_of

        happened = event.data.get("happened")
        since = now - max(0.0, event.at - happened) if isinstance(happened, float) else None
        core.event(now, event.kind, labels_of(event.data), event.text, since)

    def _fail(self) -> None:
        """A bug of ours must not end the run."""
        self._failed = True
        logging.getLogger("shoal").exception("the alerts failed, and there are none from here on")

    # -- what is measured ---------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When `step` is to be called, by the monotonic clock; None: it need not."""
        if self._off:
            return None
        if self._core is None:
            return 0.0
        soonest = time.monotonic() + (TICK if self._lively() else REST)
        self._next = min(self._next, soonest)  # it was to rest, and something has begun meanwhile
        return self._next

    @property
    def _off(self) -> bool:
        """There is nothing to watch yet, or any more; or nobody can ever see what comes of it."""
        if self._failed or self._fleet.phase in ("new", "closed"):
            return True
        return self._core is None and self._owner.control is None and not self._seen

    @property
    def _seen(self) -> bool:
        """Somebody beside the readers of the stream will see it."""
        owner = self._owner
        return bool(owner.recording is not None or owner.on_frame is not None or self.attended or self._outlets)

    def _lively(self) -> bool:
        core, control = self._fleet.core, self._owner.control
        return bool(core.batches or core.queued) and (self._seen or (control is not None and control.watched))

    def step(self) -> None:
        """Look at the signals, if it is time."""
        if self._off:
            return
        try:
            core = self._core if self._core is not None else self._begin()
            if self._unshown:
                self._see_shown(core)
            if self._outlets:
                for sink, text in self._outlets.complaints():
                    self._fleet.event("warning", "sink.failed", f"an alert was not passed on: {text}", sink=sink)
            if (now := time.monotonic()) >= self._next:
                self._tick(core, now)
        except Exception:
            self._fail()

    def _tick(self, core: AlertCore, now: float) -> None:
        assert self._readings is not None
        due = self._next
        self._loop_lag.add(now, now - due)
        signals = self._readings.take(now, self._loop_lag.value(now), self._own_lag.value(now))
        core.tick(now, signals)
        self._pass_on(core)
        done = time.monotonic()
        self._own_lag.add(done, done - due)
        self._next = now + REST  # sooner if there is anything going on: `due` sees to that

    # -- what comes of it ---------------------------------------------------------------------------------------------

    def _pass_on(self, core: AlertCore) -> None:
        for transition in core.take():
            self._tell(core, transition)

    def _tell(self, core: AlertCore, transition: Transition) -> None:
        from engine.alerts import told
        from engine.runtime.alerting import views

        alert, epoch = transition.alert, _epoch()
        counted = alert.count != self._told.get(alert.fingerprint)
        control, recording = self._owner.control, self._owner.recording
        level, kind, text, data = told.as_event(transition, epoch)
        if transition.change != "update" or counted:
            self._told[alert.fingerprint] = alert.count
            self._fleet.event(level, kind, text, **data)
        if control is not None and control.wants("alerts"):
            control.tell("alerts", views.changed(transition, epoch))
        if recording is not None and alert.number:
            message = messages.AlertNow(**told.as_row(alert, epoch, self._pools()))
            if transition.change == "update" and not counted:
                recording.sample(message)  # the first thing to be left out
            else:
                recording.line.tell(message)
        if transition.notify and self._outlets:
            self._outlets.offer(told.described(transition, epoch, self._owner.id))
        if transition.after in ("resolved", "normal"):
            self._told.pop(alert.fingerprint, None)
            self._unshown.pop(alert.fingerprint, None)
        elif alert.number and alert.timeline.shown is None:
            self._unshown[alert.fingerprint] = None
            self._see_shown(core, self.written(level, kind))

    def _pools(self) -> dict[str, int]:
        return {pool.name: pool.id for pool in self._fleet.core.pools}

    def _see_shown(self, core: AlertCore, written: bool = False) -> None:
        """Whether somebody can see by now what could not be seen before: it is on a screen's end of the stream."""
        control = self._owner.control
        if written or (control is not None and control.reached(("events", "alerts"))):
            now = time.monotonic()
            for fingerprint in self._unshown:
                core.shown(fingerprint, now)
            self._unshown.clear()

    # -- who asks -----------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> tuple[int, int]:
        """Alerts that fire, of severity warning and critical."""
        if self._core is None or self._failed:
            return 0, 0
        firing = self._core.firing()
        return firing["warning"], firing["critical"]

    def now(self) -> list[AlertsNow]:
        """All alerts there are, for a reader that begins to listen."""
        from engine.alerts.groups import order
        from engine.runtime.alerting import views

        core = self._asked()
        return views.now(sorted(core.alerts(), key=order), core.silences(), time.monotonic(), _epoch())

    def _asked(self) -> AlertCore:
        """The core, for somebody who asks for something. Raises `Refusal`."""
        if self._failed:
            raise Refusal("the alerts have failed: there are none")
        return self._core if self._core is not None else self._begin()

    # -- what people do, as `control.commands.Alerts` -----------------------------------------------------------------

    def acknowledge(self, alert: str, who: str, note: str = "", seconds: float | None = None) -> str:
        """As `control.commands.Alerts`."""
        core, now = self._asked(), time.monotonic()
        found = named(core, alert)
        with _refused():
            core.acknowledge(found.fingerprint, now, who, note, None if seconds is None else now + seconds)
        self._pass_on(core)
        return f"acknowledged: {found.text}"

    def unacknowledge(self, alert: str, who: str) -> str:
        """As `control.commands.Alerts`."""
        core = self._asked()
        found = named(core, alert)
        if found.ack is None:
            raise Refusal(f"alert {found.number} is not acknowledged")
        with _refused():
            core.unacknowledge(found.fingerprint, time.monotonic(), who)
        self._pass_on(core)
        return f"not acknowledged any more: {found.text}"

    def silence(self, what: list[str], seconds: float, reason: str, who: str) -> tuple[int, str]:
        """As `control.commands.Alerts`."""
        core, now = self._asked(), time.monotonic()
        with _refused():
            number = core.silence(matchers_of(what, core.rules), now, now + seconds, who, reason)
        self._pass_on(core)
        self._tell_silences()
        return number, f"silence {number}: {' '.join(what)} for {seconds:g} s ({reason})"

    def unsilence(self, number: int, who: str) -> str:
        """As `control.commands.Alerts`."""
        core = self._asked()
        with _refused():
            core.unsilence(number, time.monotonic(), who)
        self._pass_on(core)
        self._tell_silences()
        return f"silence {number} has ended"

    def _tell_silences(self) -> None:
        control = self._owner.control
        if control is not None and control.wants("alerts"):
            for message in self.now():
                control.tell("alerts", message)

    # -- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The run is about to be over: tell of what would have been told in a moment."""
        core = self._core
        if core is None or self._failed:
            return
        try:
            core.tick(time.monotonic())
            self._pass_on(core)
            for alert in core.alerts():
                self._last_word(alert)
        except Exception:
            self._fail()

    def _last_word(self, alert: Alert) -> None:
        """Counts are told once a second at the most: of what came since, now."""
        from engine.alerts import told

        epoch = _epoch()
        if alert.number and self._owner.recording is not None:
            self._owner.recording.line.tell(messages.AlertNow(**told.as_row(alert, epoch, self._pools())))
        if alert.number and alert.count != self._told.get(alert.fingerprint):
            self._told[alert.fingerprint] = alert.count
            level, kind, text, data = told.as_update(alert, epoch)
            self._fleet.event(level, kind, text, **data)

    def close(self) -> None:
        """Let sinks be told what waits, but not for long. May be called twice."""
        self._outlets.close()


def _read(path: Path) -> list[Rule]:
    from engine.alerts import sources
    from engine.alerts.rules import RulesError

    try:
        return sources.load(path)
    except RulesError as error:
        raise SettingsError(str(error)) from None


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    from engine.alerts.overlays import RefusedError, UnknownAlertError

    try:
        yield
    except (RefusedError, UnknownAlertError) as error:
        raise Refusal(str(error)) from None


def _epoch() -> float:
    """What the Unix clock says when the monotonic one is 0: asked anew each time, for one of them may have been set,
    or have stood still while the machine slept."""
    return time.time() - time.monotonic()
