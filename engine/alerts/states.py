"""One alert as it moves from state to state.

::

             true             for so long                 no longer true
     normal ------> pending ------------> firing ----------------------> recovering
        ^  <-------                          ^                                | for so long
        |    false                           +------ true again --------------+-------------> resolved -> normal

What rules about events find is firing at once. Each threshold is such a machine of its own; the alert is as severe as
the most severe one that is on. A value between the two bounds of a threshold changes nothing about it.

Beside these: ``nodata`` and ``error``, while nothing can be said about it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from engine.alerts.types import SEVERITIES, Ack, Labels, Rule, Sample, Severity, State

REOPENED_WITHIN: Final = 300.0
"""Seconds after it was resolved within which an alert that comes back is the same one again."""
SAMPLES: Final = 8
"""Events that are kept of an alert: the first ones, and the last."""
FORGOTTEN_AFTER: Final = 300.0
"""Seconds without data after which it is taken that there will be none."""
_LONGEST: Final = 600.0
"""Seconds that an alert which comes back time and again is kept at the most, if its rule does not say longer."""
FLAPS: Final = 4
"""More changes of state than that within `FLAP_WINDOW` seconds are flapping."""
FLAP_WINDOW: Final = 60.0


class Latch:
    """One threshold. On while `since` was true for long enough, and `left` has not yet been so for long enough."""

    __slots__ = ("left", "on", "since")

    def __init__(self) -> None:
        self.on = False
        self.since: float | None = None
        """Since when it is true without a break, before it is on."""
        self.left: float | None = None
        """Since when it is no more, while it is still on."""


class Instance:
    """An alert, or what may become one."""

    __slots__ = (
        "ack",
        "again",
        "blind",
        "blind_since",
        "count",
        "detected",
        "fingerprint",
        "fired",
        "flapping",
        "folded",
        "forced",
        "happened",
        "hidden",
        "history",
        "inhibited_by",
        "known",
        "labels",
        "last",
        "latches",
        "more",
        "notified",
        "number",
        "on",
        "peak",
        "reopened",
        "repeat_at",
        "resolved",
        "rule",
        "said",
        "samples",
        "seen",
        "severity",
        "shown",
        "silence",
        "state",
        "streak",
        "text",
        "told_at",
        "told_on",
        "told_severity",
        "told_state",
        "updated",
        "value",
        "wake",
    )

    def __init__(self, rule: Rule, labels: Labels, fingerprint: str) -> None:
        self.rule = rule
        self.labels = labels
        self.fingerprint = fingerprint
        self.latches = [Latch() for _ in rule.thresholds]
        self.state: State = "normal"
        self.severity: Severity = rule.thresholds[0].severity
        self.blind: State | None = None
        """``nodata`` or ``error`` while its value is missing, or none."""
        self.blind_since: float | None = None
        self.forced = ""
        """Why it fires though there is no value."""
        self.streak = 0
        """Evaluations in a row beyond the lowest threshold."""
        self.on = False
        """It has fired, and is not resolved yet."""
        self.number = 0
        """0: it has fired, if at all, as one that has no number yet."""
        self.count = 0
        self.value: float | None = None
        self.peak: float | None = None
        self.text = ""
        self.samples: list[Sample] = []
        self.happened: float | None = None
        self.detected: float | None = None
        self.fired: float | None = None
        self.shown: float | None = None
        self.last: float | None = None
        self.resolved: float | None = None
        self.reopened = 0
        self.ack: Ack | None = None
        self.silence: int | None = None
        self.inhibited_by: str | None = None
        self.hidden = False
        """There are too many of its rule: it is told of as one of so many more."""
        self.said = 0
        """The count that a transition has told of."""
        self.known = 0
        """That count when it was hidden."""
        self.more = 0
        self.history: deque[float] = deque(maxlen=FLAPS + 1)
        """When its state changed, lately."""
        self.flapping = False
        self.notified = False
        """People were told that it fires."""
        self.repeat_at: float | None = None
        self.folded = False
        """It was told of as one of so many more, and not by itself."""
        self.again: float = 0.0
        """When it fired, or came back, for the last time."""
        self.told_on = False
        self.seen: State = "normal"
        """Its state when it was looked at last, told or not."""
        self.told_state: State = "normal"
        self.told_severity: Severity = self.severity
        self.told_at = 0.0
        self.updated = False
        """Something about it is new that no transition has told of."""
        self.wake: float | None = None
        """When it is looked at next without being observed."""

    @property
    def keep(self) -> float | None:
        """Seconds it stays after the condition is over: longer each time that it came back."""
        keep = self.rule.keep_for
        if keep is None or not self.reopened:
            return keep
        return max(keep, min(_LONGEST, max(keep, 1.0) * 2.0 ** min(self.reopened, 16)))

    # -- what is seen --------------------------------------------------------------------------------------------------

    def observe(self, now: float, raised: int, held: int) -> None:
        """It is beyond `raised` of its thresholds, from the lowest on, and has not come back from `held` of them."""
        self.blind = self.blind_since = None
        self.forced = ""
        self.streak = self.streak + 1 if raised else 0
        enough = self.streak >= self.rule.min_samples or self.rule.mode == "ratio"
        for index, latch in enumerate(self.latches):
            if index < raised:
                latch.left = None
                if not latch.on:
                    if latch.since is None:
                        latch.since = now
                    if enough and now >= latch.since + self.rule.lasting:
                        latch.on = True
            elif not latch.on:
                latch.since = None
            elif index >= held and latch.left is None:
                latch.left = now
        if raised:
            self.last = now
        self.advance(now)

    def happen(self, now: float) -> None:
        """An event that the rule is about; or the rule wants an alert though there is no value."""
        self.blind = self.blind_since = None
        latch = self.latches[0]
        latch.on, latch.left, latch.since = True, None, None
        if self.rule.mode == "event":
            latch.left = now  # over as soon as it has happened: it stays for a while
        self.last = now
        self.advance(now)

    def hold(self, now: float, severity: int) -> None:
        """It fires until `end`, whatever its rule says, and is at least so severe (an index of `SEVERITIES`)."""
        for threshold, latch in zip(self.rule.thresholds, self.latches, strict=True):
            latch.left = latch.since = None
            latch.on = latch is self.latches[0] or SEVERITIES.index(threshold.severity) <= severity
        self.last = now
        self.advance(now)

    def lose_sight(self, now: float, state: State) -> None:
        """Nothing can be said about it."""
        if self.blind != state:
            self.blind_since = now
        self.blind = state
        self.interrupt(now)

    def interrupt(self, now: float) -> None:
        """It was not seen this time: what has not lasted long enough begins anew."""
        self.streak = 0
        for latch in self.latches:
            latch.since = None
        self.advance(now)

    def end(self, now: float) -> None:
        """It is over, whatever it was."""
        self.blind = self.blind_since = None
        self.forced = ""
        for latch in self.latches:
            latch.on, latch.since, latch.left = False, None, None
        self.advance(now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let time pass."""
        if self.blind == "nodata" and self.blind_since is not None and now >= self.blind_since + FORGOTTEN_AFTER:
            self.end(now)
        keep = self.keep
        if keep is not None and self.blind is None:
            for latch in self.latches:
                if latch.left is not None and now >= latch.left + keep:
                    latch.on, latch.since, latch.left = False, None, None
        self._settle(now)

    def due(self) -> float | None:
        """When `advance` would change something; None if it would not.

        A pending alert fires when it is next seen, not by time alone: what nobody has looked at may be over.
        """
        if self.blind == "nodata" and self.blind_since is not None:
            return self.blind_since + FORGOTTEN_AFTER
        keep = self.keep
        if keep is None or self.blind is not None:
            return None
        return min((latch.left + keep for latch in self.latches if latch.left is not None), default=None)

    # -- its beginning and its end -----------------------------------------------------------------------------------

    def take_in(self, now: float, samples: list[Sample]) -> None:
        """Events that are its cause, each once."""
        if self.happened is None:
            self.happened, self.detected = samples[0].at, now
        self.count += len(samples)
        self.text = samples[-1].text
        self.value = float(self.count)
        self.updated = True
        for sample in samples:
            self.samples[SAMPLES - 1 :] = [sample]

    def _settle(self, now: float) -> None:
        on = [index for index, latch in enumerate(self.latches) if latch.on]
        if on:
            if not self.on:
                self._begin(now)
            self.severity = self.rule.thresholds[on[-1]].severity
        if self.blind is not None:
            self.state = self.blind
        elif on:
            going = self.rule.mode == "event" or any(self.latches[index].left is None for index in on)
            self.state = "firing" if going else "recovering"
        elif self.on:
            self.on = False
            self.resolved = now
            self.state = "resolved"
        elif any(latch.since is not None for latch in self.latches):
            self.state = "pending"
            top = max(index for index, latch in enumerate(self.latches) if latch.since is not None)
            self.severity = self.rule.thresholds[top].severity
        elif self.state != "resolved":
            self.state = "normal"

    def recent(self, now: float) -> bool:
        """It was resolved so lately that it would be the same one again."""
        return self.resolved is not None and now <= self.resolved + REOPENED_WITHIN

    def _begin(self, now: float) -> None:
        self.on = True
        self.again = now
        self.folded = self.notified = False
        back = self.recent(now)
        self.resolved = None
        if back:
            self.reopened += 1
        else:
            self.number = self.count = self.said = self.reopened = 0
            self.peak = self.happened = self.detected = self.shown = None
            self.samples = []
            self.fired = now
        if self.rule.mode != "event":
            self.count += 1
            if not back:
                self.happened = min((latch.since for latch in self.latches if latch.since is not None), default=now)
                self.detected = self.happened


def rises(before: Severity, after: Severity) -> bool:
    """Whether the one after is the more severe."""
    return SEVERITIES.index(after) > SEVERITIES.index(before)
