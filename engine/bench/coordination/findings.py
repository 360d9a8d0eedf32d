"""What the samples of one number of agents say. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from engine.bench.ablation.cells import Cell
from engine.bench.ablation.effects import CONFIDENCE, Effect, Impact, effect, impact, log_ratios
from engine.bench.coordination.mechanisms import FLAGS
from engine.bench.rows import Limit
from engine.bench.statistics import Interval, median, quantile
from engine.bench.verdicts import Verdict, verdict

_SECONDS: Final = {100: 0.6, 200: 0.8, 300: 1.1, 500: 1.5}
"""By number of agents, what all mechanisms together must stay below."""
_AIMED: Final = {500: 0.8}
SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

Results = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """One combination of mechanisms.

    Attributes:
        seconds: of the whole, as an effect: geometric mean over rounds, interval, n.
        start, tasks: seconds until the last agent had its task, and from there on; medians.
        answers: seconds until an answer was there, quantiles over all answers of all rounds by name.
        delivered: share of all tasks.
        messages: a second, median.
        processor: seconds of all processes, median.
        memory, own, descriptors: while every agent had a task; None where nobody looked.
        errors: by what they say.
    """

    seconds: Effect
    start: float
    tasks: float
    answers: dict[str, float]
    delivered: float
    messages: float
    processor: float
    memory: int | None
    own: int | None
    descriptors: int | None
    errors: dict[str, int]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of all mechanisms together, and whether it is so."""

    what: str
    value: float
    unit: str
    must: Verdict | None
    aim: Verdict | None
    must_at: float | None = None
    aim_at: float | None = None
    """The bounds."""


@dataclass(frozen=True)
class Findings:
    """What was found with one number of agents."""

    agents: int
    flags: tuple[str, ...]
    seconds: dict[Cell, list[float]]
    lines: dict[Cell, Line]
    impact: Impact
    wanted: list[Wanted]
    faster: dict[Cell, Effect]
    """Than with none of the mechanisms, where that was measured in the same rounds."""

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        effects = self.impact
        return {
            "agents": self.agents,
            "cells": [
                {"name": cell.name, "on": sorted(cell.on)} | asdict(line) for cell, line in self.lines.items()
            ],
            "alone": {flag: asdict(one) for flag, one in effects.alone.items()},
            "among": {flag: asdict(one) for flag, one in effects.among.items()},
            "together": None if effects.together is None else asdict(effects.together),
            "interaction": None if effects.interaction is None else asdict(effects.interaction),
            "wanted": [asdict(one) for one in self.wanted],
        }  # fmt: skip


def findings(
    agents: int, flags: Sequence[str], taken: Mapping[Cell, Results], looked: Mapping[Cell, Mapping[str, Any]]
) -> Findings:
    """From the results of each combination, round by round, and from what was looked at in the warm-up round.

    Combinations without results are left out.
    """
    seconds = {cell: [float(one["value"]) for one in found] for cell, found in taken.items() if found}
    lines = {cell: _line(taken[cell], looked.get(cell, {})) for cell in seconds}
    found = impact(flags, {cell.on: values for cell, values in seconds.items()})
    every = next((cell for cell in lines if cell.on == frozenset(flags)), None)
    wanted = (
        [] if every is None else _wanted(agents, lines[every], found.together if set(flags) == set(FLAGS) else None)
    )
    nothing = next((values for cell, values in seconds.items() if not cell.on), [])
    faster = {
        cell: effect(log_ratios(nothing, values))
        for cell, values in seconds.items()
        if cell.on and len(values) == len(nothing)
    }
    return Findings(agents, tuple(flags), seconds, lines, found, wanted, faster)


def _line(found: Results, looked: Mapping[str, Any]) -> Line:
    answers = [when for one in found for when in one["answered"]]
    errors: Counter[str] = Counter()
    for one in found:
        errors.update(one["errors"])

    def middle(name: str) -> float:
        return median([float(one[name]) for one in found])

    return Line(
        effect([math.log(float(one["value"])) for one in found]),
        middle("start"), middle("tasks"),
        {name: quantile(answers, part) for name, part in SHARES.items()} if answers else {},
        sum(one["delivered"] for one in found) / sum(one["asked"] for one in found),
        middle("messages"), middle("processor"),
        looked.get("memory"), looked.get("own"), looked.get("descriptors"), dict(errors),
    )  # fmt: skip


def _wanted(agents: int, line: Line, together: Effect | None) -> list[Wanted]:
    found = [
        _judged(
            "every answer, all mechanisms", "s", line.seconds,
            [Limit("ours", "<", _SECONDS[agents], f"< {_SECONDS[agents]:g} s")] if agents in _SECONDS else [],
            [Limit("ours", "<", _AIMED[agents], f"< {_AIMED[agents]:g} s")] if agents in _AIMED else [],
        )
    ]  # fmt: skip
    if together is not None:
        found.append(
            _judged(
                "faster than with none of them", "x", together,
                [Limit("ours", ">", 5.0, "> 5x")], [Limit("ours", ">", 10.0, "> 10x")],
            )
        )  # fmt: skip
    delivered = Effect(line.delivered, None, None, line.seconds.rounds, 0.0)
    found.append(
        _judged("delivered", "%", delivered, [Limit("ours", ">=", 0.9, ">= 90 %")], [Limit("ours", ">=", 1.0, "100 %")])
    )
    return found


def _judged(what: str, unit: str, found: Effect, must: Sequence[Limit], aim: Sequence[Limit]) -> Wanted:
    known = {"ours": found.ratio}
    intervals = {}
    if found.low is not None and found.high is not None:
        intervals["ours"] = Interval(found.low, found.high, CONFIDENCE)
    judged = [verdict(limits, known, intervals, found.rounds) for limits in (must, aim)]
    bounds = [limits[0].bound if limits else None for limits in (must, aim)]
    return Wanted(what, found.ratio, unit, judged[0], judged[1], bounds[0], bounds[1])
