"""Numbers, durations and texts as the screens write them: SI, steady in width, never rounded into a lie."""

from __future__ import annotations

import math
import time

from rich.cells import cell_len, set_cell_size

_UNITS = ("", "k", "M", "G", "T", "P", "E")
_COUNT_MAX = 10_000_000


def si(value: float) -> str:
    """A number in at most five characters: ``7``, ``8.4``, ``999``, ``1.2k``, ``58.2k``, ``182k``."""
    if not math.isfinite(value):
        return "-"
    sign, rest = ("-", -value) if value < 0 else ("", value)
    for unit in _UNITS:
        decimals = 0 if rest >= 99.95 or (not unit and float(rest).is_integer()) else 1
        shown = round(rest, decimals)
        if shown < 1000:
            return f"{sign}{shown:.{decimals}f}{unit}"
        rest /= 1000
    return f"{sign}{rest * 1000:.0f}{_UNITS[-1]}"


def count(number: int) -> str:
    """A count in full, ``41,203``, for as long as that is readable; then SI."""
    return f"{number:,}" if number < _COUNT_MAX else si(number)


def percent(fraction: float, decimals: int = 0) -> str:
    """A share of the whole, rounded down, so that ``100%`` means all of it."""
    scale = 10**decimals
    # The sum of many small floats may lie a hair below a whole number: that hair is not a missing task.
    return f"{math.floor(fraction * 100 * scale + 1e-9) / scale:.{decimals}f}%"


def clock(seconds: float) -> str:
    """Time since the start as ``hh:mm:ss``."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def remaining(seconds: float | None) -> str:
    """Time to the end as ``mm:ss``, from an hour on ``h:mm:ss``; dashes where nobody can say."""
    if seconds is None or not math.isfinite(seconds):
        return "--:--"
    whole = max(0, math.ceil(seconds))
    if whole >= 100 * 3600:
        return ">99 h"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"


def duration(seconds: float) -> str:
    """How long something took: ``182µs``, ``1.2ms``, ``8.4s``, and from 100 seconds on ``hh:mm:ss``."""
    if seconds >= 99.95:
        return clock(seconds)
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        value = seconds * factor
        if value < 999.5:
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return f"{seconds:.1f}s"


def of_day(at: float) -> str:
    """A moment, in seconds since the Unix epoch, as the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def clean(text: str) -> str:
    """One printable line: whatever a terminal might obey (escapes, tabs, line ends) becomes a space."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def fit(text: str, width: int) -> str:
    """A text cut to at most `width` cells, the cut shown by ``…``. Wide characters count as two."""
    text = clean(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """A text cut or filled up to exactly `width` cells."""
    return set_cell_size(fit(text, width), max(width, 0))
