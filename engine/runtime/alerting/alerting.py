"""The alerts of one run: what happens and what is measured goes to the rules, what these find to all who are to know.

An event is judged within the call that tells of it, so that nobody who reads the stream waits for an alert longer than
for the event itself. The rules are read while the nurseries' interpreters start: later there may be no descriptor left.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.alerts.places import users_file
from engine.runtime.alerting.asked import matchers_of, named
from engine.runtime.alerting.means import Worst
from engine.runtime.alerting.passing import Outlets
from engine.runtime.control.refusal import Refusal
from engine.settings.types import Settings, SettingsError
from engine.stream.types import AlertsNow, Event, Level

if TYPE_CHECKING:
    from engine.alerts.core import AlertCore
    from engine.alerts.types import Rule
    from engine.runtime.alerting.signals import Readings
    from engine.runtime.alerting.telling import Owner, Teller

TICK: Final = 0.05
"""Seconds between two looks at the signals, while something goes on that somebody could see."""
REST: Final = 1.0
"""The same, otherwise."""
FAILED: Final = "what judges the alerts has failed"
STALL: Final = 1.0
"""Seconds that a look at the signals is late, from which on the engine stood still, and could not hear its agents."""
_EARLY: Final = 1000
"""Events from before the rules were read that they are told of."""


class Alerting:
    """Feeds an `AlertCore`. To be called on the thread that owns the run.

    Attributes:
        written: whether an event of this level and kind is written where people read it.
    """

    def __init__(self, owner: Owner, settings: Settings, files: Sequence[Path]) -> None:
        """Reads the user's own rules, if there are any: raises `SettingsError` with a line for each thing that is wrong
        with them. `files`: of which the room on their file systems is watched.
        """
        self._owner = owner
        self._fleet = fleet = owner.fleet
        self._files = files
        path = users_file(settings.alert_rules)
        self._rules: list[Rule] | None = None if path is None else _read(path)
        self._outlets = Outlets(settings, fleet.loop.wake)
        self._attended = False
        self.written: Callable[[Level, str], bool] = lambda level, kind: False
        self._core: AlertCore | None = None
        self._teller: Teller | None = None
        self._readings: Readings | None = None
        self._failed = False
        self._last_number = 0
        self._early: deque[tuple[float, Event]] = deque(maxlen=_EARLY)
        self._ended = [0] * len(fleet.core.pools)
        self._begin_at = 0.0
        """When the rules are at work, at the soonest."""
        self._next = 0.0
        self._loop_lag, self._own_lag = Worst(), Worst()
        fleet.enders.append(self._count_ended)
        fleet.watcher = self.event

    def number_from(self, last: int) -> None:
        """The run is resumed: its next alert has the number after `last`."""
        self._last_number = last
        if self._core is not None:  # somebody has asked for alerts already
            self._core.number_from(last)

    def _count_ended(self, range_id: int, first: int, count: int, kind: str, text: str) -> None:
        job = self._fleet.job(range_id)
        if job is not None and kind != "cancelled":
            self._ended[job.pool] += count

    def attend(self) -> None:
        """Somebody beside readers, the record and sinks hears of events."""
        self._attended = True
        self.prepare()

    def prepare(self) -> None:
        """Load what judges, and read the rules, if anybody can ever see what comes of it. If there is no descriptor for
        that, it is tried again."""
        if self._owner.control is not None or self._seen:
            with contextlib.suppress(OSError, ImportError):
                self._load()

    def _load(self) -> list[Rule]:
        import engine.alerts.core
        import engine.alerts.overlays
        import engine.alerts.wording
        import engine.runtime.alerting.signals
        import engine.runtime.alerting.telling  # noqa: F401
        from engine.alerts import sources

        if self._rules is None:
            self._rules = sources.load(None)
        return self._rules

    def _begin(self) -> AlertCore:
        """Put the rules to work, and tell them of what has happened before."""
        rules = self._load()
        from engine.alerts.core import AlertCore
        from engine.runtime.alerting.signals import Readings
        from engine.runtime.alerting.telling import Teller

        recording = self._owner.recording
        backlog = None if recording is None else recording.backlog
        core = AlertCore(rules)
        core.number_from(self._last_number)
        self._readings = Readings(self._fleet, self._ended, self._files, backlog)
        teller = Teller(core, self._owner, self._outlets, lambda level, kind: self.written(level, kind))
        self._rules, self._core, self._teller = None, core, teller
        for now, event in self._early:
            teller.hear(now, event)
        self._early.clear()
        self._next = time.monotonic()
        teller.pass_on()
        return core

    # -- what happens -------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Something has happened, and everybody was told."""
        if self._failed or event.kind.startswith("alert."):
            return
        now, teller = time.monotonic(), self._teller
        if teller is None:
            self._early.append((now, event))
            return
        try:
            with self._owner.observer.spends("alerts"):
                teller.hear(now, event)
                teller.pass_on()
        except Exception:
            self._fail()

    def _fail(self) -> None:
        """A bug of ours must not end the run. To be called while the error is handled."""
        self._failed = True
        if self._fleet.meter is not None:
            self._fleet.meter.firing = None
        logging.getLogger("shoal").exception("the alerts failed, and there are none from here on")
        self._fleet.event("error", "alerts.failed", f"{FAILED}: nobody is told of what goes wrong from here on")
        control = self._owner.control
        if control is not None and control.wants("alerts"):
            for message in self.now():
                control.tell("alerts", message)

    # -- what is measured ---------------------------------------------------------------------------------------------

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
        kept = owner.recording is not None or owner.metrics_url is not None
        return bool(kept or owner.on_frame is not None or self._attended or self._outlets)

    def _lively(self) -> bool:
        core, control = self._fleet.core, self._owner.control
        return bool(core.batches or core.queued) and (self._seen or (control is not None and control.watched))

    def due(self) -> float | None:
        """When `step` is to be called, by the monotonic clock; None: it need not."""
        if self._off:
            return None
        if self._core is None:
            return self._begin_at
        soonest = time.monotonic() + (TICK if self._lively() else REST)
        self._next = min(self._next, soonest)  # it was to rest, and something has begun meanwhile
        return self._next

    def step(self) -> None:
        """Look at the signals, if it is time."""
        if self._off:
            return
        try:
            core = self._core
            if core is None:
                if time.monotonic() < self._begin_at:
                    return
                try:
                    core = self._begin()
                except (OSError, ImportError):  # this program has no descriptor left to read them with
                    self._begin_at = time.monotonic() + REST
                    return
            assert self._teller is not None
            self._teller.see_shown()
            for sink, text in self._outlets.news():
                if text:
                    self._fleet.event("warning", "sink.failed", f"an alert was not passed on: {text}", sink=sink)
                else:
                    self._fleet.event("info", "sink.well", f"alerts are passed on again: {sink}", sink=sink)
            if (now := time.monotonic()) >= self._next:
                with self._owner.observer.spends("alerts"):
                    self._tick(core, self._teller, now)
        except Exception:
            self._fail()

    def _tick(self, core: AlertCore, teller: Teller, now: float) -> None:
        assert self._readings is not None
        due = self._next
        self._loop_lag.add(now, now - due)
        if now - due >= STALL:
            self._readings.stalled(now)
        signals = self._readings.take(now, self._loop_lag.value(now), self._own_lag.value(now))
        core.tick(now, signals)
        teller.pass_on()
        done = time.monotonic()
        self._own_lag.add(done, done - due)
        self._next = now + REST  # sooner if anything goes on: `due` sees to that
        self._plan(core, now)

    def _plan(self, core: AlertCore, now: float) -> None:
        """See that what ends at a time, such as a silence, ends then, though nothing goes on."""
        due = core.due()
        if due is not None:
            self._next = min(self._next, max(due, now + TICK))

    # -- who asks -----------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> tuple[int, int] | None:
        """Alerts that fire, of severity warning and critical; None: they have failed, and nobody knows."""
        if self._failed:
            return None
        if self._core is None:
            return 0, 0
        firing = self._core.firing()
        return firing["warning"], firing["critical"]

    def now(self) -> list[AlertsNow]:
        """All alerts there are, for a reader that begins to listen; or why nobody knows."""
        why = FAILED
        if not self._failed:
            try:
                with self._owner.observer.spends("alerts"):
                    return self._asked()[1].now()
            except (OSError, ImportError) as error:  # no descriptor is left to read the rules with: later, perhaps
                why = f"the rules can't be read for now: {error}"
            except Exception:
                self._fail()
        return [AlertsNow(time.time(), [], [], unknown=why)]

    def known(self) -> list[AlertsNow]:
        """The same, without reading the rules before their time."""
        return [AlertsNow(time.time(), [], [])] if self._core is None and not self._failed else self.now()

    def _asked(self) -> tuple[AlertCore, Teller]:
        """The rules at work, for somebody who asks for something. Raises `Refusal`."""
        if self._failed:
            raise Refusal(FAILED)
        core = self._core if self._core is not None else self._begin()
        assert self._teller is not None
        return core, self._teller

    # -- what people do, as `control.commands.Alerts` -----------------------------------------------------------------

    def acknowledge(self, alert: str, who: str, note: str = "", seconds: float | None = None) -> str:
        """As `control.commands.Alerts`."""
        (core, teller), now = self._asked(), time.monotonic()
        found = named(core, alert)
        with _refused():
            core.acknowledge(found.fingerprint, now, who, note, None if seconds is None else now + seconds)
        self._plan(core, now)
        teller.pass_on()
        return f"acknowledged: {found.text}"

    def unacknowledge(self, alert: str, who: str) -> str:
        """As `control.commands.Alerts`."""
        core, teller = self._asked()
        found = named(core, alert)
        if found.ack is None:
            raise Refusal(f"alert {found.number} is not acknowledged")
        with _refused():
            core.unacknowledge(found.fingerprint, time.monotonic(), who)
        teller.pass_on()
        return f"not acknowledged any more: {found.text}"

    def silence(self, what: list[str], seconds: float, reason: str, who: str) -> tuple[int, str]:
        """As `control.commands.Alerts`."""
        from engine.alerts.wording import duration

        (core, teller), now = self._asked(), time.monotonic()
        with _refused():
            number = core.silence(matchers_of(what, core.rules), now, now + seconds, who, reason)
        self._plan(core, now)
        teller.pass_on()
        teller.tell_silences()
        return number, f"silence {number}: {' '.join(what)} for {duration(seconds)} ({reason})"

    def unsilence(self, number: int, who: str) -> str:
        """As `control.commands.Alerts`."""
        core, teller = self._asked()
        with _refused():
            core.unsilence(number, time.monotonic(), who)
        teller.pass_on()
        teller.tell_silences()
        return f"silence {number} has ended"

    # -- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The run is about to be over: tell of what would have been told in a moment."""
        if self._core is None or self._teller is None or self._failed:
            return
        try:
            self._core.tick(time.monotonic())
            self._teller.finish()
        except Exception:
            self._fail()

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
