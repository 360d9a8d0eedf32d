"""Values of benchmarks as text: three digits, whatever the unit, in at most eight cells. Pure."""

from __future__ import annotations

import math
from typing import Final

from tui.bench.record import Line, SessionRow, State, Wanted
from tui.widgets.lines import Piece

_SECONDS: Final = ((1e-6, "ns", 1e9), (1e-3, "µs", 1e6), (1.0, "ms", 1e3))
_PREFIXES: Final = ("", "k", "M", "G", "T")
_STATES: Final[dict[State, Piece]] = {
    "fine": ("✓ fine", "good"),
    "improved": ("▲ better", "good"),
    "slightly worse": ("▽ slightly worse", "warning"),
    "suspected": ("▼ suspected", "warning"),
    "regression": ("▼ regression", "error"),
    "unsure": ("◌ unsure", "warning"),
    "unmeasured": ("◌ not compared", "warning"),
    "first": ("· the first", "quiet"),
    "": ("", ""),
}


def value(found: float | None, unit: str) -> str:
    """``431 ms``, ``98.1k/s``, ``14.2 MB``, ``1.35 %``, ``0.982x``; a dash where it is not known."""
    if found is None or not math.isfinite(found):
        return "-"
    match unit:
        case "s":
            return _seconds(found)
        case "%":
            return f"{three(found * 100)} %"
        case "x":
            return f"{three(found)}x"
        case "B":
            return f"{_scaled(found, ' ')}B"
        case "/s":
            return f"{_scaled(found, '')}/s"
    return _scaled(found, "") if abs(found) >= 1e4 else three(found)


def _seconds(found: float) -> str:
    for limit, name, factor in _SECONDS:
        if abs(found) < limit * 0.9995:
            return f"{three(found * factor)} {name}"
    if abs(found) < 600:
        return f"{three(found)} s"
    minutes, rest = divmod(round(found), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d} m"


def _scaled(found: float, gap: str) -> str:
    if abs(found) < 0.01:  # of a byte, or in a second
        return f"{found:.4f}".rstrip("0").rstrip(".") + gap
    for prefix in _PREFIXES:
        if abs(found) < 999.5:
            return f"{three(found)}{gap}{prefix}"
        found /= 1000
    return f"{three(found * 1000)}{gap}{_PREFIXES[-1]}"


def three(found: float) -> str:
    """Three digits of a number, no exponent: ``0.982``, ``1.02``, ``12.4``, ``431``."""
    found = float(f"{found:.3g}")
    if not found:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(found)) + 1e-9)) if abs(found) >= 1e-6 else 5
    text = f"{found:.{min(places, 5)}f}"
    return text.rstrip("0").rstrip(".") if "." in text and abs(found) < 0.001 else text


def times(factor: float | None) -> str:
    """``2.91×``, ``12.4×``, ``1.3k×``; a dash where it is not known."""
    if factor is None:
        return "-"
    return f"{_scaled(factor, '')}×" if factor >= 999.5 else f"{three(factor)}×"


def interval(line: Line) -> str:
    """Of the factor: ``2.41–3.32×``; open where one end is."""
    low, high = line.factor_low, line.factor_high
    if low is None:
        return "" if high is None else f"below {times(high)}"
    return f"above {times(low)}" if high is None else f"{times(low)[:-1]}–{times(high)}"


def mark(wanted: Wanted | None) -> Piece:
    """Whether it is reached, by glyph and colour; a question mark where the interval does not settle it."""
    if wanted is None:
        return "", ""
    doubt = "?" if wanted.certain is False else ""
    return (f"✓{doubt}", "warning" if doubt else "good") if wanted.reached else (f"✕{doubt}", "error")


def state(found: State, count: int = 0) -> Piece:
    """A verdict of the gate, by glyph, word and colour; `count`: how many cells have it."""
    text, ink = _STATES[found]
    return (f"{text} {count}" if count > 1 and found not in ("fine", "first", "") else text), ink


def ink_of(line: Line) -> str:
    """The colour of a line: red for what it must be and is not, or is worse than what is beside it; yellow where the
    interval does not settle it."""
    if line.must is not None:
        return "error" if not line.must.reached else "warning" if line.must.certain is False else "good"
    if line.factor is None:
        return ""
    if line.factor_low is not None and line.factor_low > 1:
        return "good"
    if line.factor_high is not None and line.factor_high < 1:
        return "error"
    return "quiet"


def outcome(row: SessionRow) -> Piece:
    """How it ended: what the gate said, or how much of what it must it has; before it, of what kind it is. Small sizes
    say nothing of how fast it is."""
    kind = ("" if row.alike else "≠ ") + ("~ " if row.quick else "")
    if row.state:
        text, ink = state(row.state, row.count)
        return kind + text, ink
    reached, of = row.must
    if row.failures:
        return f"{kind}✕ {row.failures} failed", "error"
    if row.quick or not of:
        return f"{kind}✓", "quiet" if row.quick else "good"
    return (f"{kind}✓ {reached}/{of}", "good") if reached == of else (f"{kind}✕ {reached}/{of}", "error")
