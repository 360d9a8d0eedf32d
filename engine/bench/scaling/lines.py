"""The findings as lines: each size, how the cost grows, and what the model says of other places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.bench.lines import Figure, Line, of_effect
from engine.bench.scaling.suite import Curve, Outcome

MODEL: Final = "model, not measured: tasks of 1 ms elsewhere"


def lines(outcome: Outcome) -> list[Line]:
    """All of them."""
    found = [line for curve in outcome.curves if curve.points for line in _curve(curve)]
    return [*found, *_model(outcome)]


def _curve(curve: Curve) -> Iterator[Line]:
    sweep = curve.sweep
    for point in curve.points:
        each = sweep.seconds(point.size, point.value.ratio) / point.size if point.size else None
        figures = {} if each is None or sweep.name == "cores" else {"for each": Figure(each, "s")}
        yield Line(
            part=sweep.title, name=str(point.size), title=f"{point.size:,} {sweep.of}", unit=sweep.unit,
            figures=figures, cell=f"{sweep.name}-{point.size}", **of_effect(point.value),
        )  # fmt: skip
    growth = curve.growth
    if growth is not None:
        yield Line(
            part=sweep.title, name="growth", title=f"time grows as {sweep.of} to the power", value=growth.exponent,
            low=growth.low, high=growth.high, rounds=growth.points, figures={"between the largest two":
            Figure(growth.last)}, note=growth.words,
        )  # fmt: skip


def _model(outcome: Outcome) -> Iterator[Line]:
    model = outcome.model
    if model is None:
        return
    cores = ", ".join(map(str, model.cores))
    law = "the universal scalability law" if model.whole else "Amdahl's law, for want of more numbers of cores"
    figures = {"contention": Figure(model.contention), "coherency": Figure(model.coherency)}
    if outcome.ceiling is not None:
        figures["at most"] = Figure(outcome.ceiling, "/s")
    yield Line(
        part=MODEL, name="law", title=f"{law}, fitted to {cores} cores", figures=figures,
        note="cores are like those here; machines have an engine each, and nothing goes between them",
    )  # fmt: skip
    for place in outcome.elsewhere:
        perfect = model.one * place.cores * place.machines
        machines = f" on each of {place.machines} machines" if place.machines > 1 else ""
        yield Line(
            part=MODEL, name=f"{place.cores}x{place.machines}", title=f"{place.cores} cores{machines}", unit="/s",
            figures={"of perfect": Figure(place.rate.ratio / perfect, "%")}, **of_effect(place.rate),
        )  # fmt: skip
