"""What a suite has found, line by line, in one form for all suites: what the history keeps, screens draw and documents
show.

Wherever something is compared it is as a factor by which it is better, above 1, whatever the unit: than what was
measured beside it, or else than the bound that it must keep.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from engine.bench.ablation.effects import CONFIDENCE, Effect
from engine.bench.report import UNITS
from engine.bench.rows import Limit, Row
from engine.bench.statistics import Interval, median_interval
from engine.bench.verdicts import Finding, Verdict
from engine.stream.benchmarks import Better
from engine.stream.benchmarks import Row as Planned


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a line.

    Attributes:
        text: for people.
        reached: it is so, by the figures.
        certain: at either end of their intervals as well; None where there is none to say so.
        at: as a factor; None where it is about something else.
    """

    text: str
    reached: bool
    certain: bool | None = None
    at: float | None = None


class Figure(msgspec.Struct, frozen=True, array_like=True):
    """A value and its unit."""

    value: float
    unit: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line.

    Attributes:
        part: heading of the table that it stands in; "" for the only one.
        name: unique within its part.
        title: for people.
        unit: of `value`.
        value: ours; None for a line that only compares.
        low, high: of its interval.
        confidence: of that, and of the factor's.
        rounds: that it is taken from.
        beside: what it is compared with; "" for nothing.
        other: the value of that.
        factor: by which ours is better.
        factor_low, factor_high: of its interval.
        of: what a factor of 1 is: as good as what is "beside", or just what it "must" be.
        must, aim: what is wanted.
        figures: what was found besides, by name.
        note: for people.
        cell: of the session, with its samples; "" for none.
    """

    part: str = ""
    name: str
    title: str
    unit: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = CONFIDENCE
    rounds: int = 0
    beside: str = ""
    other: float | None = None
    factor: float | None = None
    factor_low: float | None = None
    factor_high: float | None = None
    of: Literal["", "beside", "must"] = ""
    must: Wanted | None = None
    aim: Wanted | None = None
    figures: dict[str, Figure] = {}
    note: str = ""
    cell: str = ""


# -- factors -----------------------------------------------------------------------------------------------------------


def factor(better: Better, ratio: float | None) -> float | None:
    """From a value by another one to how many times better it is; None where that can't be said."""
    if ratio is None or not ratio > 0 or not math.isfinite(ratio):
        return None
    return 1 / ratio if better == "low" else ratio


def bound(row: Row) -> float | None:
    """What the value of a row must keep; or what is aimed at, where it must nothing; None for a row that is compared
    with something else."""
    if row.peer:
        return None
    limits = (limit.bound for limit in (*row.must, *row.aim) if limit.of == "ours")
    return next(limits, None)


def at(row: Row, limits: Sequence[Limit]) -> float | None:
    """Limits of a row as a factor; None where they are about something else."""
    of, unit = ("ratio", 1.0) if row.peer else ("ours", bound(row))
    limit = next((limit for limit in limits if limit.of == of), None)
    return None if limit is None or not unit else factor(row.better, limit.bound / unit)


def planned(row: Row, quick: bool) -> Planned:
    """A row, before it is measured."""
    return Planned(
        name=row.name, title=row.titled(quick), unit=row.unit, better=row.better, beside=row.peer, bound=bound(row),
        must=", ".join(limit.text for limit in row.must), aim=", ".join(limit.text for limit in row.aim),
        must_at=at(row, row.must), aim_at=at(row, row.aim),
    )  # fmt: skip


# -- from what suites find ---------------------------------------------------------------------------------------------


def wanted(verdict: Verdict | None, at_: float | None = None) -> Wanted | None:
    """A verdict, and where it lies."""
    if verdict is None:
        return None
    return Wanted(text=verdict.text, reached=verdict.reached, certain=verdict.certain, at=at_)


def of_finding(found: Finding, ours: Sequence[float]) -> Line:
    """A row that was measured. `ours`: our samples."""
    row = found.row
    own = median_interval(ours) if len(ours) > 1 else None
    limit = bound(row)
    ratio, between = found.ratio, found.interval
    if not row.peer and limit:
        ratio = found.ours / limit
        between = None if own is None else Interval(own.low / limit, own.high / limit, own.confidence)
    ends = (None, None) if between is None else _turned(row.better, between.low, between.high)
    times = factor(row.better, ratio)
    interval = own or between
    return Line(
        name=row.name, title=found.title, unit=row.unit, value=found.ours, low=None if own is None else own.low,
        high=None if own is None else own.high, confidence=CONFIDENCE if interval is None else interval.confidence,
        rounds=found.pairs, beside=row.peer, other=found.peer, factor=times,
        factor_low=None if times is None else ends[0], factor_high=None if times is None else ends[1],
        of="" if times is None else "beside" if row.peer else "must",
        must=wanted(found.must, at(row, row.must)), aim=wanted(found.aim, at(row, row.aim)),
        figures={name: Figure(value, UNITS.get(name, "")) for name, value in found.figures.items()}, cell=row.name,
    )  # fmt: skip


def _turned(better: Better, low: float, high: float) -> tuple[float | None, float | None]:
    """The ends of an interval of ratios as those of factors."""
    return (factor(better, high), factor(better, low)) if better == "low" else (low, high)


def of_effect(found: Effect) -> dict[str, Any]:
    """The arguments of a line that are its value."""
    return {"value": found.ratio, "low": found.low, "high": _end(found.high), "rounds": found.rounds}


def of_factor(found: Effect | None, beside: str, other: float | None = None) -> dict[str, Any]:
    """The arguments of a line that compare it."""
    if found is None:
        return {}
    return {
        "beside": beside, "other": other, "factor": found.ratio, "factor_low": found.low,
        "factor_high": _end(found.high), "of": "beside",
        "note": {True: "", False: "no measurable effect here", None: "one round: not known"}[found.measurable],
    }  # fmt: skip


def _end(value: float | None) -> float | None:
    """An interval that is open at its end has none there."""
    return None if value is None or value >= sys.float_info.max else value


def figures(found: Mapping[str, tuple[float | None, str]]) -> dict[str, Figure]:
    """Those that are known."""
    return {name: Figure(float(value), unit) for name, (value, unit) in found.items() if value is not None}
