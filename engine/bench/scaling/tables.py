"""The findings as tables for people: a line for each size, how the cost grows, and what the model says."""

from __future__ import annotations

import math

from engine.bench.ablation.effects import Effect
from engine.bench.aligned import aligned
from engine.bench.report import figure
from engine.bench.scaling.model import Model
from engine.bench.scaling.suite import Curve, Outcome


def tables(outcome: Outcome) -> str:
    """All of it; what failed follows."""
    parts = [_curve(curve) for curve in outcome.curves if curve.points]
    if outcome.model is not None:
        parts.append(_model(outcome, outcome.model))
    elif any(curve.sweep.name == "cores" for curve in outcome.curves):
        parts.append("MODEL: none; it wants rates of one core and of more")
    if outcome.failures:
        parts.append("\n".join(f"{name}: not measured: {why}" for name, why in outcome.failures.items()))
    return "\n\n".join(parts)


def _curve(curve: Curve) -> str:
    sweep = curve.sweep
    rows: list[tuple[str, ...]] = [(sweep.of.upper(), "FOUND", "95 %", "N", "FOR EACH")]
    for point in curve.points:
        value = point.value
        each = sweep.seconds(point.size, value.ratio) / point.size if point.size else None
        rows.append(
            (
                f"{point.size:,}", figure(value.ratio, sweep.unit), _between(value, sweep.unit), str(value.rounds),
                "" if sweep.name == "cores" else "" if each is None else _small(each),
            )
        )  # fmt: skip
    lines = [sweep.title, aligned(rows, ())]
    growth = curve.growth
    if growth is not None:
        interval = "" if growth.low is None else f" (95 %: {growth.low:.2f} to {growth.high:.2f})"
        lines.append(
            f"time grows as {sweep.of} to the power {growth.exponent:.2f}{interval}, over {growth.points} sizes: "
            f"{growth.words}; {growth.last:.2f} between the largest two"
        )
    return "\n".join(lines)


def _small(seconds: float) -> str:
    return f"{seconds * 1e9:.3g} ns" if seconds < 1e-6 else figure(seconds, "s")


def _model(outcome: Outcome, model: Model) -> str:
    cores = ", ".join(map(str, model.cores))
    law = (
        f"The universal scalability law, fitted to {cores} cores: contention {model.contention:.3g}, coherency "
        f"{model.coherency:.3g}" + ("" if math.isinf(model.best) else f", fastest on {model.best:.0f} cores")
        if model.whole
        else f"Amdahl's law, fitted to {cores} cores: contention {model.contention:.3g}. That is too few for the "
        "universal scalability law, so nothing says where more cores make it slower"
    )
    limit = (
        "How much the engine hands out at most was not measured (sweep tasks), so nothing limits it here"
        if outcome.ceiling is None
        else f"No engine hands out more than the {figure(outcome.ceiling, '/s')} trivial tasks measured"
    )
    rows: list[tuple[str, ...]] = [("CORES", "MACHINES", "TASKS OF 1 MS", "95 %", "OF PERFECT")]
    for place in outcome.elsewhere:
        perfect = model.one * place.cores * place.machines
        rows.append(
            (
                str(place.cores), str(place.machines), figure(place.rate.ratio, "/s"), _between(place.rate, "/s"),
                figure(place.rate.ratio / perfect, "%"),
            )
        )  # fmt: skip
    slower = ["- More cores were slower here, which other programs can do: then the model is of no use."]
    return "\n".join(
        (
            "MODEL, not measured. What it takes for granted:",
            f"- {law}.",
            f"- {limit}.",
            "- Machines have an engine each, and equal shares of the tasks from the start; nothing goes between them.",
            "- Cores are like those here, however many are busy; memory is as fast for all of them.",
            "- The interval is that of the rounds' own models: it says nothing of whether the model holds.",
            *(slower if model.contention >= 1 else []),
            aligned(rows, ()),
        )
    )


def _between(found: Effect, unit: str) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{figure(found.low, unit)} - {figure(found.high, unit)}"
