"""What the rules make of things, told to everybody: as events, on the topic of the stream, in the record, to sinks.

Loaded with the rules, and not on the way of a program that only imports the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from engine.alerts import told
from engine.alerts.core import AlertCore
from engine.alerts.intake import labels_of
from engine.alerts.types import Alert, Transition
from engine.alerts.urgency import order
from engine.runtime.alerting import views
from engine.runtime.alerting.passing import Outlets
from engine.runtime.fleet.fleet import Fleet
from engine.store import messages
from engine.stream.types import AlertsNow, Event, Frame, Level

if TYPE_CHECKING:
    from engine.metrics.observer import Observer
    from engine.runtime.control import Control
    from engine.runtime.record.recording import Recording


class Owner(Protocol):
    """The run, as its alerts see it."""

    id: str
    fleet: Fleet
    recording: Recording | None
    control: Control | None
    on_frame: Callable[[Frame], None] | None
    observer: Observer

    @property
    def metrics_url(self) -> str | None:
        """Where metrics are served; None: nowhere."""


_SET: Final = 1e-3
"""Seconds from which on a clock was set, or stood still; less is how finely they can be read."""


class Epoch:
    """What the Unix clock says when the monotonic one is 0.

    Asked anew each time, for one of them may have been set, or have stood still while the machine slept. Else it stays
    what it was to the last bit: the times of one alert are told again and again, and are compared.
    """

    def __init__(self) -> None:
        self._known = float("-inf")

    def now(self) -> float:
        """As it is now."""
        found = time.time() - time.monotonic()
        if abs(found - self._known) > _SET:
            self._known = found
        return self._known


class Teller:
    """Stands between an alert core and the rest of a run."""

    def __init__(self, core: AlertCore, owner: Owner, outlets: Outlets, written: Callable[[Level, str], bool]) -> None:
        """`written`: whether an event of this level and kind is written where people read it."""
        self._core = core
        self._owner = owner
        self._outlets = outlets
        self._written = written
        self._last = 0
        """The number of the last transition that was told."""
        self._told: dict[str, int] = {}
        """By fingerprint, the count that an event has told of."""
        self._unshown: dict[str, None] = {}
        """Alerts that have fired and that nobody can have seen yet."""
        self._epoch = Epoch()
        self._pools = {pool.name: pool.id for pool in owner.fleet.core.pools}

    def hear(self, now: float, event: Event) -> None:
        """Something has happened: have the rules judge it."""
        if event.kind not in self._core.kinds:
            return
        happened = event.data.get("happened")
        since = now - max(0.0, event.at - happened) if isinstance(happened, float) else None
        self._core.event(now, event.kind, labels_of(event.data), event.text, since)

    def pass_on(self) -> None:
        """Tell of all that has changed."""
        taken = self._core.take()
        for transition in taken:
            self._tell(transition)
        meter = self._owner.fleet.meter
        if meter is not None and (taken or meter.firing is None):
            meter.firing = self._core.firing()

    def _tell(self, transition: Transition) -> None:
        alert, epoch = transition.alert, self._epoch.now()
        self._last = transition.number
        if transition.change == "state" and transition.after == "firing" and alert.samples:
            self._measure(alert, transition.at)
        counted = alert.count != self._told.get(alert.fingerprint)
        control, recording = self._owner.control, self._owner.recording
        level, kind, text, data = told.as_event(transition, epoch)
        if transition.change != "update" or counted:
            self._told[alert.fingerprint] = alert.count
            self._owner.fleet.event(level, kind, text, **data)
        heard = control is not None and control.wants("alerts")
        if heard or (recording is not None and recording.keeps_moments):
            changed = views.changed(transition, epoch)
            if control is not None and heard:
                control.tell("alerts", changed)
            if recording is not None:
                recording.moments.hear(changed)
        if recording is not None and alert.number:
            message = self._row(alert, epoch)
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
            self.see_shown(self._written(level, kind))

    def _measure(self, alert: Alert, at: float) -> None:
        """How long it took: of one that came back, since what brought it back."""
        meter, happened = self._owner.fleet.meter, alert.samples[-1].at
        if meter is not None:
            meter.alerted(alert.area, at - happened)

    def _row(self, alert: Alert, epoch: float) -> messages.AlertNow:
        return messages.AlertNow(**told.as_row(alert, epoch, self._pools))

    def see_shown(self, written: bool = False) -> None:
        """Whether somebody can see by now what could not be seen before: it is at a reader's end of the stream."""
        if not self._unshown:
            return
        control = self._owner.control
        if written or (control is not None and control.reached(("events", "alerts"))):
            now = time.monotonic()
            for fingerprint in self._unshown:
                self._core.shown(fingerprint, now)
            self._unshown.clear()

    def now(self) -> list[AlertsNow]:
        """All alerts there are."""
        core = self._core
        return views.now(
            sorted(core.alerts(), key=order), core.silences(), time.monotonic(), self._epoch.now(), self._last
        )

    def tell_silences(self) -> None:
        """Silences have changed: tell readers of all there is."""
        control = self._owner.control
        if control is not None and control.wants("alerts"):
            for message in self.now():
                control.tell("alerts", message)

    def finish(self) -> None:
        """Tell of what would have been told in a moment: counts and values are told once a second at the most."""
        self.pass_on()
        epoch = self._epoch.now()
        for alert in self._core.alerts():
            if not alert.number:
                continue
            if self._owner.recording is not None:
                self._owner.recording.line.tell(self._row(alert, epoch))
            if alert.count != self._told.get(alert.fingerprint):
                self._told[alert.fingerprint] = alert.count
                level, kind, text, data = told.as_update(alert, epoch)
                self._owner.fleet.event(level, kind, text, **data)
