"""Lengths of work and of time as people write them, and what is uncertain about them. All are kept in seconds."""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

HOUR: Final = 3600.0
_UNITS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": HOUR}
_SHOWN: Final = ("min", "s", "ms", "µs")
_PART: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([A-Za-zµ]+)")
LONGEST: Final = 1e12
"""Seconds: more than any plan has, and still a number that adds up to the millisecond."""


class Calendar(msgspec.Struct, frozen=True):
    """How much work a day and a week hold, in seconds. Time that nobody works in does not count."""

    day: float = 8 * HOUR
    week: float = 40 * HOUR


class Estimate(msgspec.Struct, frozen=True):
    """What something may take, in seconds: at the best, most likely, at the worst."""

    low: float
    likely: float
    high: float

    @property
    def certain(self) -> bool:
        """It takes what it takes."""
        return self.low == self.high

    def scaled(self, low: float, high: float) -> Estimate:
        """Uncertain by these factors."""
        return Estimate(self.likely * low, self.likely, self.likely * high)


NO_TIME: Final = Estimate(0.0, 0.0, 0.0)


def exactly(seconds: float) -> Estimate:
    """What takes just so long."""
    return Estimate(seconds, seconds, seconds)


def parse_effort(value: object, calendar: Calendar) -> float:
    """Seconds of ``90s``, ``20 min``, ``60h``, ``1h 30min``, ``2d``, ``3w``; a bare number is hours.

    A day and a week are what the calendar says a worker does in them. Raises ValueError with what follows "is".
    """
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = value * HOUR
        except OverflowError:
            seconds = math.inf
    elif isinstance(value, str):
        seconds = _written(value.strip(), {**_UNITS, "d": calendar.day, "w": calendar.week})
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"a time such as 90s, 20min, 60h, 2d or 3w, not {_shown(value)}")
    return seconds


def _written(text: str, units: dict[str, float]) -> float:
    """NaN where it is no time."""
    at, total = 0, 0.0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found[2] not in units:
            return math.nan
        total += float(found[1]) * units[found[2]]
        at = found.end()
        while text[at : at + 1] == " ":
            at += 1
    return total if text else math.nan


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python prints
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def effort_text(seconds: float) -> str:
    """An amount of work for people: ``1,820 h``, ``22.5 h``, ``20 min``, ``1.5 s``, ``30 ms``."""
    if seconds >= HOUR or seconds < _UNITS["µs"] / 10:
        return f"{_number(seconds / HOUR)} h"
    unit = next((unit for unit in _SHOWN if seconds >= _UNITS[unit]), "µs")
    return f"{_number(seconds / _UNITS[unit])} {unit}"


def span_text(seconds: float, calendar: Calendar) -> str:
    """How long something goes on, for people: in weeks from two of them on, else as `effort_text`."""
    if seconds >= 2 * calendar.week:
        return f"{_number(seconds / calendar.week)} weeks"
    return effort_text(seconds)


def _number(value: float) -> str:
    return f"{round(value, 1):,.1f}".removesuffix(".0")
