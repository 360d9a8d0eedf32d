"""Times, parts, sizes and rates as people write them in rules."""

from __future__ import annotations

import math
import re
from typing import Final

from engine.alerts.types import Unit
from engine.settings.fields import shown
from engine.settings.sizes import parse_size

_TIME: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|min|h|d)", re.ASCII)
_SECONDS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_PER: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

EXAMPLES: Final[dict[Unit, str]] = {
    "ratio": 'a part such as "90%" or 0.9',
    "seconds": 'a time such as "250ms", "10s" or 10',
    "bytes": 'a size such as "500M" or "2G"',
    "count": "a number",
}


def parse_seconds(value: object) -> float:
    """Seconds of ``10``, ``"250ms"``, ``"10s"``, ``"5m"``, ``"2h"``, ``"1d"``. Raises ValueError: what it should be."""
    if isinstance(value, str) and (match := _TIME.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2]]
    return _number(value, EXAMPLES["seconds"], least=0.0)


def parse_amount(value: object, unit: Unit) -> float:
    """A value to compare with. Raises ValueError: what it should be, and what it is."""
    if unit == "seconds":
        return parse_seconds(value)
    if isinstance(value, str):
        text = value.strip()
        if unit == "ratio" and text.endswith("%") and _NUMBER.fullmatch(text[:-1].rstrip()):
            return float(text[:-1]) / 100
        if unit == "bytes":
            try:
                return float(parse_size(text))
            except ValueError:
                pass
    return _number(value, EXAMPLES[unit])


def parse_rate(value: object, unit: Unit) -> float:
    """So much a second, of ``5``, ``"5/s"``, ``"100/min"``, ``"20%/min"``. Raises ValueError as `parse_amount`."""
    if not isinstance(value, str):
        return _number(value, _rate_example(unit))
    amount, slash, per = value.rpartition("/")
    try:
        if not slash or per.strip() not in _PER:
            raise ValueError
        text = amount.strip()
        return parse_amount(float(text) if _NUMBER.fullmatch(text) else text, unit) / _PER[per.strip()]
    except ValueError:
        raise ValueError(f"{_rate_example(unit)}, not {shown(value)}") from None


def _rate_example(unit: Unit) -> str:
    return {"ratio": 'a rate such as "20%/min"', "bytes": 'a rate such as "10M/s"'}.get(
        unit, 'a rate such as "5/s" or "100/min"'
    )


def _number(value: object, example: str, least: float = -math.inf) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # of hundreds of digits
            pass
    if not math.isfinite(number) or number < least:
        raise ValueError(f"{example}, not {shown(value)}")
    return number
