"""The alert core: events and signals in, transitions of alerts out.

It has no clock, reads nothing and writes nothing: times and values are arguments. Whoever runs it tells it of each
event as it happens, of the signals every 25-50 ms, and takes out what has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.alerts.book import LIVE, Book
from engine.alerts.kept import Kept
from engine.alerts.overlays import RefusedError, UnknownAlertError, check_length, in_order
from engine.alerts.snapshots import alert_of
from engine.alerts.states import Instance
from engine.alerts.types import (
    SEVERITIES,
    Ack,
    Alert,
    Match,
    Rule,
    Sample,
    Severity,
    Signals,
    Silence,
    Transition,
)
from engine.alerts.watches import MODES, Watch, fits


class AlertCore:
    """All alerts of an engine.

    Attributes:
        rules: those in force, by id.
        kinds: of events that some rule is about.
        evaluated: how often `tick` was given signals.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """`rules`: those that are not enabled are left out. Raises ValueError if some inhibit each other."""
        ordered = in_order([rule for rule in rules if rule.enabled])
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in ordered}
        self.evaluated = 0
        self._book = book = Book({rule.id: Kept(rule) for rule in ordered})
        self._watches: list[Watch] = [MODES[rule.mode](book.kept[rule.id], book.settle) for rule in ordered]
        # Most rules are about events: time alone is no affair of theirs.
        self._ticking = [watch for watch in self._watches if type(watch).tick is not Watch.tick]
        self._timed = [watch for watch in self._watches if type(watch).due is not Watch.due]
        self._on: dict[str, list[tuple[Watch, tuple[Match, ...]]]] = {}
        self._until: dict[str, list[tuple[Watch, tuple[Match, ...]]]] = {}
        for watch in self._watches:
            for index, matches in ((self._on, watch.rule.on), (self._until, watch.rule.until)):
                for kind in dict.fromkeys(match.event for match in matches):
                    some = tuple(match for match in matches if match.event == kind)
                    index.setdefault(kind, []).append((watch, some))
        self.kinds = frozenset(self._on) | frozenset(self._until)
        self._now = float("-inf")

    def number_from(self, last: int) -> None:
        """The next alert that fires has the number after `last`: others have come before."""
        self._book.last_number = last

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
        if self._book.crowded:
            self._book.uncrowd(now)
        return counted

    def tick(self, now: float, signals: Signals | None = None) -> None:
        """Time passes. `signals`: all that is known now; None: nothing was measured. What is measured of a signal may
        be handed in again as long as it stands, and is not changed meanwhile.
        """
        now = self._time(now)
        if signals is not None:
            self.evaluated += 1
        for watch in self._ticking:
            watch.tick(now, signals)
        if self._book.silences.ended(now):
            self._book.look_at_silences(now, "it has ended")
        for kept, instance in self._book.woken(now):
            instance.advance(now)
            self._book.settle(now, kept, instance)
        if self._book.crowded:
            self._book.uncrowd(now)

    def shown(self, fingerprint: str, at: float) -> None:
        """Somebody could see it from then on. An alert that is over is not looked for."""
        found = self._find(fingerprint)
        if found is not None and found[1].on and found[1].shown is None:
            found[1].shown = at
            found[1].updated = True
            self._book.schedule(self._time(at), *found)

    # -- what people do ------------------------------------------------------------------------------------------------

    def acknowledge(self, fingerprint: str, now: float, by: str, note: str = "", until: float | None = None) -> None:
        """Somebody takes it on: it is told no more, until it is resolved, gets more severe, or `until`.

        Raises `UnknownAlertError`, and `RefusedError` without an owner, with a long note, or with an end that is over.
        """
        now = self._time(now)
        if not by.strip():
            raise RefusedError("an acknowledgement needs somebody whose it is")
        check_length("a note", note)
        if until is not None and until <= now:
            raise RefusedError("the end of an acknowledgement is to come")
        kept, instance = self._live(fingerprint)
        instance.ack = Ack(by, now, note, until)
        self._book.tell(now, kept, instance, "acknowledged", why=by)
        self._book.schedule(now, kept, instance)

    def unacknowledge(self, fingerprint: str, now: float, by: str = "") -> None:
        """Take that back. Raises `UnknownAlertError`."""
        kept, instance = self._live(fingerprint)
        if instance.ack is not None:
            instance.ack = None
            self._book.tell(self._time(now), kept, instance, "unacknowledged", why=by)

    def silence(self, matchers: Mapping[str, str], now: float, until: float, by: str, reason: str) -> int:
        """Tell nothing of alerts that match, until then; returns its id. Matchers are those of `Silence`.

        Raises `RefusedError`.
        """
        now = self._time(now)
        silence = self._book.silences.add(matchers, now, until, by, reason)
        self._book.look_at_silences(now, f"{by}: {reason}")
        return silence.id

    def unsilence(self, silence: int, now: float, by: str = "") -> None:
        """End a silence before its time. Raises `UnknownAlertError`."""
        if self._book.silences.by_id.pop(silence, None) is None:
            raise UnknownAlertError(f"no silence {silence}")
        self._book.look_at_silences(self._time(now), by)

    # -- what comes out ------------------------------------------------------------------------------------------------

    def take(self) -> list[Transition]:
        """What has changed since it was asked for the last time, in order."""
        taken, self._book.changes = self._book.changes, []
        return taken

    def alerts(self, resolved: bool = False) -> list[Alert]:
        """Those that are pending, fire, recover, or can't be judged; also those resolved lately, if they are asked for.

        Of each rule there are `Rule.max_alerts` that fire at the most, and one for the rest.
        """
        wanted = LIVE | {"resolved"} if resolved else LIVE
        return [alert_of(instance) for _, instance in self._book.instances() if instance.told_state in wanted]

    def firing(self) -> dict[Severity, int]:
        """How many fire of each severity, those included that people are not told of."""
        found = dict.fromkeys(SEVERITIES, 0)
        for _, instance in self._book.instances():
            found[instance.severity] += instance.on
        return found

    def silences(self) -> list[Silence]:
        """Those in force."""
        return list(self._book.silences.by_id.values())

    def due(self) -> float | None:
        """When `tick` has something to do though nothing happens, None if never.

        Pending alerts are not among it: they fire when their signal is next seen.
        """
        times = [self._book.due(), self._book.silences.due(), *(watch.due() for watch in self._timed)]
        return min((at for at in times if at is not None), default=None)

    def _time(self, now: float) -> float:
        """A clock that is set back stands still here."""
        self._now = max(self._now, now)
        return self._now

    def _find(self, fingerprint: str) -> tuple[Kept, Instance] | None:
        return next((found for found in self._book.instances() if found[1].fingerprint == fingerprint), None)

    def _live(self, fingerprint: str) -> tuple[Kept, Instance]:
        found = self._find(fingerprint)
        if found is None or not found[1].on:
            raise UnknownAlertError(f"no alert {fingerprint} fires")
        return found
