"""What a rule of each mode makes of signals and events."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from engine.alerts.kept import MOST, Kept
from engine.alerts.states import Instance
from engine.alerts.types import NOTHING, Labels, Policy, Rule, Sample, Signals, State
from engine.alerts.windows import Trend, Window
from engine.alerts.wording import duration

_NO_READINGS: Final[Mapping[Labels, float]] = {}

Settle = Callable[[float, Kept, Instance], None]
"""Told of each alert that may have changed."""


def fits(where: tuple[tuple[str, tuple[str, ...]], ...], named: Mapping[str, str]) -> bool:
    """Whether each label that is named has one of the values; ``*`` and ``?`` stand for what is left open."""
    for name, patterns in where:
        value = named.get(name)
        if value is None or not any(value == pattern or fnmatchcase(value, pattern) for pattern in patterns):
            return False
    return True


class Watch:
    """One rule at work."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        self.kept = kept
        self.rule: Rule = kept.rule
        self._settle = settle

    def tick(self, now: float, signals: Signals | None) -> None:
        """How it is now; None: nothing was measured, only time has passed."""

    def hear(self, now: float, event: Mapping[str, str], sample: Sample) -> bool:
        """An event that the rule is about. Whether an alert counts it."""
        return False

    def end(self, now: float, event: Mapping[str, str]) -> None:
        """An event that ends alerts: those whose labels say nothing else than it does."""
        for instance in list(self.kept.by_labels.values()):
            if instance.on and all(event.get(name, value) == value for name, value in instance.labels):
                instance.end(now)
                self._settle(now, self.kept, instance)

    def due(self) -> float | None:
        """When something changes by time alone, that no alert knows of yet."""
        return None


class SignalWatch(Watch):
    """A rule about signals: which labels there are, and which have gone."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        super().__init__(kept, settle)
        self._names: dict[Labels, Labels] = {}
        """Labels as they came, and as they are sorted."""
        self._skipped: set[Labels] = set()
        self._gone: dict[Labels, float] = {}
        """Since when there is nothing of them."""

    def tick(self, now: float, signals: Signals | None) -> None:
        """As `Watch`."""
        if signals is None:
            return
        readings = signals.get(self.rule.signal, _NO_READINGS)
        if readings.keys() != self._names.keys():
            self._look_around(now, readings)
        if self._gone:
            self._miss(now)
        if readings:
            self._judge_all(now, readings, signals)

    def _look_around(self, now: float, readings: Mapping[Labels, float]) -> None:
        for name in self._names.keys() - readings.keys():
            found = self._names.pop(name)
            if name in self._skipped:
                self._skipped.discard(name)
                continue
            self._gone[found] = now
            if (instance := self.kept.by_labels.get(found)) is not None:
                instance.interrupt(now)
                self._settle(now, self.kept, instance)
        for name in readings.keys() - self._names.keys():
            found = tuple(sorted(name))
            self._names[name] = found
            self._gone.pop(found, None)
            if not fits(self.rule.where, dict(found)):
                self._skipped.add(name)

    def _miss(self, now: float) -> None:
        for found, since in list(self._gone.items()):
            if now >= since + self.rule.stale_after:
                del self._gone[found]
                self._without(now, found, self.rule.no_data, "nodata", f"no value for {duration(now - since)}")

    def _without(self, now: float, found: Labels, policy: Policy, state: State, why: str) -> None:
        """There is no value, or none that can be compared."""
        kept = self.kept
        if policy == "ok":
            instance = kept.by_labels.get(found)
            if instance is not None:
                instance.observe(now, 0, 0)
        else:
            instance = kept.admit(found)
            if instance is not None and policy == "alert":
                instance.happen(now)
                instance.forced = why
            elif instance is not None:
                instance.lose_sight(now, state)
        if instance is not None:
            self._settle(now, kept, instance)

    def _judge_all(self, now: float, readings: Mapping[Labels, float], signals: Signals) -> None:
        raise NotImplementedError

    def _loaded(self, name: Labels, signals: Signals) -> bool:
        """Whether there is enough going on for the rule to say anything."""
        rule = self.rule
        if not rule.load:
            return True
        found = signals.get(rule.load, _NO_READINGS)
        load = found.get(name)
        if load is None:
            load = found.get(NOTHING)
        return load is not None and load >= rule.min_load

    def _judge(self, now: float, found: Labels, value: float, counts: bool) -> None:
        """A value against the thresholds. `counts`: there is enough of it to say anything."""
        if not math.isfinite(value):
            self._without(now, found, self.rule.on_error, "error", f"the value is {value}")
            return
        raised, held = ranks(self.rule, value) if counts else (0, 0)
        instance = self.kept.by_labels.get(found)
        if instance is None:
            if not raised:
                return
            instance = self.kept.admit(found)
            if instance is None:
                return
        instance.observe(now, raised, held)
        instance.updated = instance.updated or value != instance.value
        instance.value = value
        if raised and (instance.peak is None or (value < instance.peak) is self.rule.below):
            instance.peak = value
        self._settle(now, self.kept, instance)


def ranks(rule: Rule, value: float) -> tuple[int, int]:
    """How many thresholds a value is beyond, and how many it has not come back from."""
    raised = held = 0
    for threshold in rule.thresholds:
        if rule.below:
            raised += value < threshold.raised
            held += value < threshold.cleared
        else:
            raised += value > threshold.raised
            held += value > threshold.cleared
    return raised, held


class LevelWatch(SignalWatch):
    """The value itself."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        super().__init__(kept, settle)
        self._sign = -1.0 if self.rule.below else 1.0
        self._bound = self._sign * self.rule.thresholds[0].raised
        self._well: Mapping[Labels, float] | None = None
        """Readings of which none was bad, with no alert there: they say nothing new when they come again."""

    def tick(self, now: float, signals: Signals | None) -> None:
        """As `Watch`."""
        if signals is None or self._gone or self._well is None or signals.get(self.rule.signal) is not self._well:
            super().tick(now, signals)

    def _judge_all(self, now: float, readings: Mapping[Labels, float], signals: Signals) -> None:
        sign, bound, names, there = self._sign, self._bound, self._names, self.kept.by_labels
        well = not there
        for name, value in readings.items():
            # What is neither bad nor known as an alert is the rule. NaN is on neither side.
            if sign * value <= bound and not (there and names[name] in there):
                continue
            well = False
            if name not in self._skipped:
                self._judge(now, names[name], value, self._loaded(name, signals))
        self._well = readings if well else None


class RateWatch(SignalWatch):
    """By how much a value grows in a second, over a window."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        super().__init__(kept, settle)
        self._windows: dict[Labels, Window] = {}
        self._trends: dict[Labels, Trend] = {}

    def _judge_all(self, now: float, readings: Mapping[Labels, float], signals: Signals) -> None:
        rule, there = self.rule, self.kept.by_labels
        for name, value in readings.items():
            if name in self._skipped:
                continue
            found = self._names[name]
            if not math.isfinite(value):
                self._judge(now, found, value, True)
                continue
            seconds, rate, base = (
                self._of_count(now, found, value) if rule.counts else self._of_level(now, found, value)
            )
            if rule.relative:
                rate /= max(abs(base), 1.0)
            if ranks(rule, rate)[0] or found in there:
                full = seconds >= rule.window * 0.999
                self._judge(now, found, rate, full and self._loaded(name, signals))

    def _of_count(self, now: float, found: Labels, value: float) -> tuple[float, float, float]:
        window = self._windows.get(found)
        if window is None:
            window = self._windows[found] = Window(self.rule.window)
        seconds, grown, _, first = window.grown(now, value, 0.0)
        if grown < 0:  # it was begun anew
            self._windows[found] = window = Window(self.rule.window)
            seconds, grown, _, first = window.grown(now, value, 0.0)
        return seconds, grown / seconds if seconds > 0 else 0.0, first

    def _of_level(self, now: float, found: Labels, value: float) -> tuple[float, float, float]:
        trend = self._trends.get(found)
        if trend is None:
            trend = self._trends[found] = Trend(self.rule.window)
        return trend.slope(now, value)

    def _look_around(self, now: float, readings: Mapping[Labels, float]) -> None:
        super()._look_around(now, readings)
        for found in self._gone:
            self._windows.pop(found, None)
            self._trends.pop(found, None)


class RatioWatch(SignalWatch):
    """What part one signal is of another: of two counts, over a window; else of two values as they are."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        super().__init__(kept, settle)
        self._windows: dict[Labels, Window] = {}

    def _judge_all(self, now: float, readings: Mapping[Labels, float], signals: Signals) -> None:
        rule, there = self.rule, self.kept.by_labels
        wholes = signals.get(rule.of, _NO_READINGS)
        for name, part in readings.items():
            whole = wholes.get(name)
            if whole is None or name in self._skipped:
                continue
            found = self._names[name]
            loaded = self._loaded(name, signals)
            if rule.counts and math.isfinite(part) and math.isfinite(whole):
                window = self._windows.get(found)
                if window is None:
                    window = self._windows[found] = Window(rule.window)
                part, whole = window.counted(now, part, whole, loaded)
            enough = loaded and whole >= max(rule.min_samples, 1 if rule.counts else 0) and whole > 0
            ratio = part / whole if whole else 0.0
            if found in there or not math.isfinite(ratio) or (enough and ranks(rule, ratio)[0]):
                self._judge(now, found, ratio, enough)

    def _look_around(self, now: float, readings: Mapping[Labels, float]) -> None:
        super()._look_around(now, readings)
        for found in self._gone:
            self._windows.pop(found, None)


class AbsenceWatch(Watch):
    """A signal, or an event, that was to come and does not."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        super().__init__(kept, settle)
        self._seen: dict[Labels, float] = {}
        self._whole = not self.rule.by
        """There is one of it, which is missed from the start on; of what has labels only who was there once."""

    def tick(self, now: float, signals: Signals | None) -> None:
        """As `Watch`."""
        rule = self.rule
        if self._whole and not self._seen:
            self._seen[NOTHING] = now
        if signals is not None and rule.signal:
            for name in signals.get(rule.signal, _NO_READINGS):
                if fits(rule.where, dict(name)):
                    self._saw(NOTHING if self._whole else tuple(sorted(name)), now)
        for found, last in self._seen.items():
            late = now >= last + rule.window
            instance = self.kept.by_labels.get(found)
            if instance is None and late:
                instance = self.kept.admit(found)
            if instance is not None:
                instance.observe(now, int(late), int(late))
                instance.value = now - last
                self._settle(now, self.kept, instance)

    def hear(self, now: float, event: Mapping[str, str], sample: Sample) -> bool:
        """As `Watch`. Nothing is counted: it is its staying away that matters."""
        self._saw(tuple((name, event[name]) for name in self.rule.by if name in event), now)
        return False

    def _saw(self, found: Labels, now: float) -> None:
        self._seen.pop(found, None)
        if len(self._seen) >= MOST:
            del self._seen[next(iter(self._seen))]
        self._seen[found] = now

    def due(self) -> float | None:
        """As `Watch`."""
        there = self.kept.by_labels
        waiting = [last for found, last in self._seen.items() if found not in there or not there[found].on]
        return min(waiting) + self.rule.window if waiting else None


class EventWatch(Watch):
    """Something that happens: at once, or once it has happened so many times within the window."""

    def __init__(self, kept: Kept, settle: Settle) -> None:
        super().__init__(kept, settle)
        self._recent: dict[Labels, deque[tuple[float, Sample]]] = {}
        """Events that are not enough yet, with the time at which they were told."""

    def hear(self, now: float, event: Mapping[str, str], sample: Sample) -> bool:
        """As `Watch`."""
        kept = self.kept
        found = tuple((name, event[name]) for name in self.rule.by if name in event)
        instance = kept.by_labels.get(found)
        samples = [sample]
        if self.rule.min_samples > 1 and not (instance is not None and instance.on):
            samples = self._collect(now, found, sample)
            if len(samples) < self.rule.min_samples:
                return False
            del self._recent[found]
        instance = kept.admit(found)
        if instance is None:
            kept.uncounted += len(samples)
            instance = kept.stand_in()
            instance.last = now
        else:
            instance.happen(now)
            instance.take_in(now, samples)
        self._settle(now, kept, instance)
        return True

    def _collect(self, now: float, found: Labels, sample: Sample) -> list[Sample]:
        recent = self._recent.pop(found, None)
        if recent is None:
            if len(self._recent) >= MOST:
                del self._recent[next(iter(self._recent))]
            recent = deque(maxlen=self.rule.min_samples)
        self._recent[found] = recent
        recent.append((now, sample))
        return [one for at, one in recent if at > now - self.rule.window]


MODES: Final[dict[str, type[Watch]]] = {
    "event": EventWatch, "level": LevelWatch, "rate": RateWatch, "ratio": RatioWatch, "absence": AbsenceWatch,
}  # fmt: skip
