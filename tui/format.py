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


def date(at: float, width: int = 16) -> str:
    """A moment, in seconds since the Unix epoch, as local date and time: ``2025-11-21 12:00``; where there is less
    room, without the year, and then without the date.
    """
    form = "%Y-%m-%d %H:%M" if width >= 16 else "%m-%d %H:%M" if width >= 11 else "%H:%M"
    return time.strftime(form, time.localtime(at))


def age(seconds: float) -> str:
    """How long ago, in at most six characters: ``12s``, ``4m10s``, ``2h05m``, ``3d04h``, ``120d``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    days = whole // 86_400
    return f"{days}d{whole // 3600 % 24:02d}h" if days < 100 else f"{days}d"


def amount(value: float | None, unit: str) -> str:
    """A value with its unit, as alerts and records name them: ``ratio``, ``seconds``, ``bytes``, ``rate`` (a second),
    else a count; a dash where it is not known. With ``/min`` behind the unit: a value of a second, told of a minute.
    """
    each = unit.removesuffix("/min")
    if each != unit:
        return amount(value, each) if value is None or math.isnan(value) else f"{amount(value * 60, each)}/min"
    if value is None or not math.isfinite(value):
        return "-" if value is None or math.isnan(value) else "∞"
    match unit:
        case "ratio":
            return f"{value * 100:.3g}%" if abs(value) < 10 else f"{value:.3g}×"
        case "seconds":
            return f"-{duration(-value)}" if value < 0 else duration(value)
        case "bytes":
            return f"{size(value)}B"
        case "rate":
            return f"{si(value)}/s"
    return si(value)


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


def size(number: float) -> str:
    """Bytes in at most five characters, in powers of 1024: ``512``, ``1.2K``, ``23.4M``, ``382G``."""
    if not math.isfinite(number):
        return "-"
    for unit in ("", "K", "M", "G", "T"):
        decimals = 0 if number >= 99.95 or not unit else 1
        if round(number, decimals) < 1000:
            return f"{number:.{decimals}f}{unit}"
        number /= 1024
    return f"{number:.0f}P"
