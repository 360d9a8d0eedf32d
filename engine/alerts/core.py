"""The alert core: events and signals in, transitions of alerts out.

It has no clock, reads nothing and writes nothing: times and values are arguments. Whoever runs it tells it of each event
as it happens, of the signals every 25-50 ms, and takes out what has changed.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from engine.alerts.groups import grouped
from engine.alerts.kept import Kept
from engine.alerts.overlays import Inhibition, SilenceError, Silences, UnknownAlertError, in_order
from engine.alerts.snapshots import alert_of
from engine.alerts.states import FLAP_WINDOW, FLAPS, REOPENED_WITHIN, Instance, rises
from engine.alerts.types import (
    Ack,
    Alert,
    Change,
    Group,
    Match,
    Rule,
    Sample,
    Severity,
    Signals,
    Silence,
    State,
    Transition,
)
from engine.alerts.watches import MODES, Watch, fits

UPDATE_EVERY: Final = 1.0
"""Seconds between transitions that only say that a count or a value has changed."""
_BLIND: Final = frozenset({"nodata", "error"})
_LIVE: Final = frozenset({"pending", "firing", "recovering", "nodata", "error"})


class AlertCore:
    """All alerts of an engine.

    Attributes:
        rules: those in force, by id.
        evaluated: how often `tick` was given signals.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """`rules`: those that are not enabled are left out. Raises ValueError if some inhibit each other."""
        ordered = in_order([rule for rule in rules if rule.enabled])
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in ordered}
        self.evaluated = 0
        self._kept = {rule.id: Kept(rule) for rule in ordered}
        self._watches: list[Watch] = [MODES[rule.mode](self._kept[rule.id], self._settle) for rule in ordered]
        self._on: dict[str, list[tuple[Watch, tuple[Match, ...]]]] = {}
        self._until: dict[str, list[tuple[Watch, tuple[Match, ...]]]] = {}
        for watch in self._watches:
            for index, matches in ((self._on, watch.rule.on), (self._until, watch.rule.until)):
                for kind in dict.fromkeys(match.event for match in matches):
                    some = tuple(match for match in matches if match.event == kind)
                    index.setdefault(kind, []).append((watch, some))
        self._inhibition = Inhibition(self._kept)
        self._silences = Silences()
        self._changes: list[Transition] = []
        self._numbers = itertools.count(1)
        self._alerts = 0
        self._now = float("-inf")
        self._wakes: list[tuple[float, int, Kept, Instance]] = []
        self._order = itertools.count()
        self._crowded: set[str] = set()
        """Rules of which alerts are hidden, or were a moment ago."""

    # -- what comes in -------------------------------------------------------------------------------------------------

    def event(self, now: float, kind: str, labels: Mapping[str, str], text: str, happened: float | None = None) -> bool:
        """Something happened: rules about events fire at once. Whether some alert counts it.

        Args:
            now: when it is told.
            kind: as in `engine.alerts.signals.EVENTS`.
            labels: what it is about, with all details that rules may ask for.
            text: one line, for people.
            happened: when it happened, if that is known to be earlier.
        """
        now = self._time(now)
        counted = False
        for watch, matches in self._until.get(kind, ()):
            if any(fits(match.where, labels) for match in matches):
                watch.end(now, labels)
        about = self._on.get(kind)
        if about is not None:
            sample = Sample(now if happened is None else min(happened, now), text, None, dict(labels))
            for watch, matches in about:
                if any(fits(match.where, labels) for match in matches):
                    counted |= watch.hear(now, labels, sample)
        if self._crowded:
            self._uncrowd(now)
        return counted

    def tick(self, now: float, signals: Signals | None = None) -> None:
        """Time passes. `signals`: all that is known now; None: nothing was measured."""
        now = self._time(now)
        if signals is not None:
            self.evaluated += 1
        for watch in self._watches:
            watch.tick(now, signals)
        if self._silences.ended(now):
            self._look_at_silences(now, "it has ended")
        for kept, instance in self._woken(now):
            instance.advance(now)
            self._settle(now, kept, instance)
        if self._crowded:
            self._uncrowd(now)

    def shown(self, fingerprint: str, at: float) -> None:
        """Somebody could see it from then on. An alert that is over is not looked for."""
        found = self._find(fingerprint)
        if found is not None and found[1].on and found[1].shown is None:
            found[1].shown = at
            found[1].updated = True
            self._schedule(*found)

    # -- what people do ------------------------------------------------------------------------------------------------

    def acknowledge(self, fingerprint: str, now: float, by: str, note: str = "", until: float | None = None) -> None:
        """Somebody takes it on: it is told no more, until it is resolved, gets more severe, or `until`.

        Raises `UnknownAlertError`, and `SilenceError` without an owner or with an end that is over.
        """
        now = self._time(now)
        if not by.strip():
            raise SilenceError("an acknowledgement needs somebody whose it is")
        if until is not None and until <= now:
            raise SilenceError("the end of an acknowledgement is to come")
        kept, instance = self._live(fingerprint)
        instance.ack = Ack(by, now, note, until)
        self._tell(now, kept, instance, "acknowledged", why=by)
        self._schedule(kept, instance)

    def unacknowledge(self, fingerprint: str, now: float, by: str = "") -> None:
        """Take that back. Raises `UnknownAlertError`."""
        kept, instance = self._live(fingerprint)
        if instance.ack is not None:
            instance.ack = None
            self._tell(self._time(now), kept, instance, "unacknowledged", why=by)

    def silence(self, matchers: Mapping[str, str], now: float, until: float, by: str, reason: str) -> int:
        """Tell nothing of alerts that match, until then; returns its id. Matchers are those of `Silence`.

        Raises `SilenceError`.
        """
        now = self._time(now)
        silence = self._silences.add(matchers, now, until, by, reason)
        self._look_at_silences(now, f"{by}: {reason}")
        return silence.id

    def unsilence(self, silence: int, now: float, by: str = "") -> None:
        """End a silence before its time. Raises `UnknownAlertError`."""
        if self._silences.by_id.pop(silence, None) is None:
            raise UnknownAlertError(f"no silence {silence}")
        self._look_at_silences(self._time(now), by)

    # -- what comes out ------------------------------------------------------------------------------------------------

    def take(self) -> list[Transition]:
        """What has changed since it was asked for the last time, in order."""
        taken, self._changes = self._changes, []
        return taken

    def alerts(self, resolved: bool = False) -> list[Alert]:
        """Those that are pending, fire, recover, or can't be judged; also those resolved lately, if they are asked for.

        Of each rule there are `Rule.max_alerts` that fire at the most, and one for the rest.
        """
        wanted = _LIVE | {"resolved"} if resolved else _LIVE
        return [alert_of(instance) for _, instance in self._instances() if instance.told_state in wanted]

    def groups(self, resolved: bool = False) -> list[Group]:
        """The same as rows, the most urgent first."""
        return grouped(self.alerts(resolved), self.rules)

    def silences(self) -> list[Silence]:
        """Those in force."""
        return list(self._silences.by_id.values())

    def due(self) -> float | None:
        """When `tick` has something to do though nothing happens, None if never.

        Pending alerts are not among it: they fire when their signal is next seen.
        """
        while self._wakes and self._wakes[0][3].wake != self._wakes[0][0]:
            heapq.heappop(self._wakes)
        times = [self._wakes[0][0]] if self._wakes else []
        times += [at for at in (self._silences.due(), *(watch.due() for watch in self._watches)) if at is not None]
        return min(times, default=None)

    # -- what changes --------------------------------------------------------------------------------------------------

    def _time(self, now: float) -> float:
        """A clock that is set back stands still here."""
        self._now = max(self._now, now)
        return self._now

    def _woken(self, now: float) -> list[tuple[Kept, Instance]]:
        """Those to be looked at because time has passed, once each."""
        found = []
        while self._wakes and self._wakes[0][0] <= now:
            at, _, kept, instance = heapq.heappop(self._wakes)
            if instance.wake == at:  # else it was looked at meanwhile
                instance.wake = None
                found.append((kept, instance))
        return found

    def _settle(self, now: float, kept: Kept, instance: Instance) -> None:
        """After anything that may have changed an alert."""
        if instance.on is not instance.told_on:
            self._turned(now, kept, instance)
        if instance.hidden:
            self._crowded.add(kept.rule.id)
        else:
            self._compare(now, kept, instance)
            self._remind(now, kept, instance)
        self._schedule(kept, instance)

    def _turned(self, now: float, kept: Kept, instance: Instance) -> None:
        """It has begun to fire, or it is resolved."""
        instance.told_on = instance.on
        if instance is not kept.rest:
            if not instance.on:
                kept.over(instance)
                if kept.hidden or kept.rest is not None:
                    self._crowded.add(kept.rule.id)
            elif not kept.show(instance) and instance.told_state == "pending":
                self._tell(now, kept, instance, "state", "normal", why="one of so many more")
        if instance.on and not instance.number:
            self._alerts += 1
            instance.number = self._alerts
        for target in self._inhibition.targets(kept.rule):
            for other in target.all():
                if other.told_on:
                    self._look_at_inhibition(now, target, other)

    def _compare(self, now: float, kept: Kept, instance: Instance) -> None:
        """Tell of a state or a severity that is new."""
        before, after = instance.told_state, instance.state
        if after == before:
            if instance.on and instance.severity != instance.told_severity:
                self._new_severity(now, kept, instance)
            return
        severity = instance.told_severity if before in _LIVE else instance.severity
        turned = instance.on is not (before in ("firing", "recovering"))
        self._note_change(now, kept, instance, before, after)
        if instance.flapping and not turned and _BLIND.isdisjoint((before, after)):
            return  # it is known to swing; how it is in the end will be told
        if after == "pending" and not instance.on and len(kept.by_labels) > 2 * kept.rule.max_alerts:
            return
        if turned and instance.on:
            instance.silence, instance.inhibited_by = self._silences.of(instance), self._inhibition.of(instance)
        ack, over = instance.ack, after == "resolved"
        if over or (instance.on and rises(severity, instance.severity)):
            instance.ack = None
        notify = over and instance.notified and instance.silence is None and instance.inhibited_by is None
        if over:
            instance.notified = False
        self._tell(now, kept, instance, "state", after, severity, notify)
        if ack is not None and instance.ack is None:
            self._tell(now, kept, instance, "unacknowledged", why="resolved" if over else "more severe")
        if over:
            instance.silence = instance.inhibited_by = None

    def _new_severity(self, now: float, kept: Kept, instance: Instance) -> None:
        before, ack = instance.told_severity, instance.ack
        if rises(before, instance.severity):
            instance.notified = False
            instance.ack = None
        if self._silences.by_id:
            instance.silence = self._silences.of(instance)
        self._tell(now, kept, instance, "severity", severity_before=before)
        if ack is not None and instance.ack is None:
            self._tell(now, kept, instance, "unacknowledged", why="more severe")

    def _note_change(self, now: float, kept: Kept, instance: Instance, before: State, after: State) -> None:
        """Count changes of state, to see whether there are too many."""
        if not _BLIND.isdisjoint((before, after)):
            return
        history = instance.history
        history.append(now)
        if not instance.flapping and len(history) > FLAPS and now - history[0] <= FLAP_WINDOW:
            instance.flapping = True
            self._tell(now, kept, instance, "flapping", before)

    def _remind(self, now: float, kept: Kept, instance: Instance) -> None:
        """What is told, or ends, though its state is the same."""
        if instance.flapping and now >= instance.history[-1] + FLAP_WINDOW:
            instance.flapping = False
            instance.history.clear()
            self._tell(now, kept, instance, "steady", instance.state)
        if not instance.on:
            return
        ack = instance.ack
        if ack is not None and ack.until is not None and now >= ack.until:
            instance.notified = False
            instance.ack = None
            self._tell(now, kept, instance, "unacknowledged", why="expired")
        if instance.repeat_at is not None and now >= instance.repeat_at:
            instance.repeat_at = None
            if instance.state == "firing" and not self._quiet(now, instance):
                self._tell(now, kept, instance, "repeat", notify=True)
        if self._owed(now, instance) or (instance.updated and now >= instance.told_at + UPDATE_EVERY):
            self._tell(now, kept, instance, "update")

    def _quiet(self, now: float, instance: Instance) -> bool:
        """Whether nobody is to be told of it now."""
        swings = instance.flapping and instance.reopened and now < instance.again + FLAP_WINDOW
        overlaid = instance.ack is not None or instance.silence is not None or instance.inhibited_by is not None
        return bool(overlaid or instance.folded or swings)

    def _owed(self, now: float, instance: Instance) -> bool:
        """Whether people do not know yet that it fires, and are to."""
        return instance.on and instance.state == "firing" and not instance.notified and not self._quiet(now, instance)

    def _look_at_silences(self, now: float, why: str) -> None:
        for kept, instance in self._instances():
            found = self._silences.of(instance) if instance.told_on else None
            if found != instance.silence:
                instance.silence = found
                self._tell(now, kept, instance, "unsilenced" if found is None else "silenced", why=why)
                self._schedule(kept, instance)

    def _look_at_inhibition(self, now: float, kept: Kept, instance: Instance) -> None:
        found = self._inhibition.of(instance)
        if found != instance.inhibited_by:
            instance.inhibited_by = found
            if not instance.hidden:
                self._tell(now, kept, instance, "uninhibited" if found is None else "inhibited", why=found or "")
                self._schedule(kept, instance)

    def _uncrowd(self, now: float) -> None:
        """See to the alerts that are hidden, because there are too many of their rule."""
        for name in list(self._crowded):
            kept = self._kept[name]
            while (instance := kept.promote()) is not None:
                self._compare(now, kept, instance)
                self._schedule(kept, instance)
            rest = kept.update_rest(now)
            if rest is not None:
                rest.updated = True
                self._settle(now, kept, rest)
            if not kept.hidden:
                self._crowded.discard(name)

    def _tell(
        self,
        now: float,
        kept: Kept,
        instance: Instance,
        change: Change,
        after: State | None = None,
        severity_before: Severity | None = None,
        notify: bool = False,
        why: str = "",
    ) -> None:
        """Put down a transition; people are told if they do not know yet that it fires."""
        if self._owed(now, instance) and change != "flapping":
            notify = instance.notified = True
            instance.repeat_at = None if kept.rule.repeat is None else now + kept.rule.repeat
        elif change == "repeat" and kept.rule.repeat is not None:
            instance.repeat_at = now + kept.rule.repeat
        before = instance.told_state
        if after is not None:
            instance.told_state = after
        instance.told_at = now
        instance.updated = False
        self._changes.append(
            Transition(
                number=next(self._numbers),
                at=now,
                change=change,
                before=before,
                after=instance.told_state,
                severity_before=instance.severity if severity_before is None else severity_before,
                severity=instance.severity,
                notify=notify,
                why=why,
                alert=alert_of(instance),
            )
        )
        instance.told_severity = instance.severity

    # -- which there are -----------------------------------------------------------------------------------------------

    def _instances(self) -> Iterator[tuple[Kept, Instance]]:
        """All that are not hidden."""
        for kept in self._kept.values():
            for instance in list(kept.by_labels.values()):
                if not instance.hidden:
                    yield kept, instance
            if kept.rest is not None:
                yield kept, kept.rest

    def _find(self, fingerprint: str) -> tuple[Kept, Instance] | None:
        return next((found for found in self._instances() if found[1].fingerprint == fingerprint), None)

    def _live(self, fingerprint: str) -> tuple[Kept, Instance]:
        found = self._find(fingerprint)
        if found is None or not found[1].on:
            raise UnknownAlertError(f"no alert {fingerprint} fires")
        return found

    def _schedule(self, kept: Kept, instance: Instance) -> None:
        """See that it is looked at when time alone changes it, and forgotten once there is nothing to be known of it."""
        times = [instance.due()]
        if instance.flapping and not instance.hidden:
            times.append(instance.history[-1] + FLAP_WINDOW)
        if instance.on and not instance.hidden:
            if instance.ack is not None:
                times.append(instance.ack.until)
            times.append(instance.repeat_at)
            if instance.updated:
                times.append(instance.told_at + UPDATE_EVERY)
            if not instance.notified and instance.flapping and instance.again + FLAP_WINDOW > self._now:
                times.append(instance.again + FLAP_WINDOW)
        elif not instance.on and instance.state in ("normal", "resolved") and not instance.flapping:
            ends = [instance.history[-1] + FLAP_WINDOW] if instance.history else []
            if instance.resolved is not None:
                ends.append(instance.resolved + REOPENED_WITHIN)
            if not ends or max(ends) <= self._now:
                if kept.by_labels.get(instance.labels) is instance:
                    kept.drop(instance.labels)
                instance.wake = None
                return
            times.append(max(ends))
        wake = min((at for at in times if at is not None), default=None)
        if wake != instance.wake:
            instance.wake = wake
            if wake is not None:
                heapq.heappush(self._wakes, (wake, next(self._order), kept, instance))
