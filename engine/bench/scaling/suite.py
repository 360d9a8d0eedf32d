"""The benchmark of scaling: what is made larger, and what its cost is then."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from engine.bench import machine
from engine.bench.ablation.effects import Effect, effect
from engine.bench.guard import cells as kept
from engine.bench.progress import Progress
from engine.bench.run import MeasurementFailed, measure
from engine.bench.scaling.model import Model, fitted, predicted
from engine.bench.scaling.power import Power, power
from engine.stream.benchmarks import Better
from engine.stream.benchmarks import Row as Planned

ROUNDS: Final = 3
QUICK_ROUNDS: Final = 2
_TIMEOUT: Final = 900.0
_TASK_SECONDS: Final = 0.001
_ON_CORES: Final = {False: 4_000, True: 100}
"""Tasks for all numbers of cores, by whether it is quick."""
ELSEWHERE: Final = (
    *((cores, 1) for cores in (2, 4, 8, 16, 32, 64, 128)),
    *((64, machines) for machines in (2, 8, 32)),
)
"""Cores of each machine, and machines, that the model is asked for."""

_K: Final = 1024


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is made larger.

    Attributes:
        name: as ``--only`` has it.
        title: for people.
        of: what a size counts.
        unit: of what is measured: "s", or "/s" for tasks a second.
        sizes, quick: in order.
        measured: by which measurement of `engine.bench.ours`.
        arguments: of it, from a size and from whether it is quick.
    """

    name: str
    title: str
    of: str
    unit: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    measured: str
    arguments: Callable[[int, bool], dict[str, Any]]

    @property
    def better(self) -> Better:
        """Which values are."""
        return "low" if self.unit == "s" else "high"

    def sized(self, size: int) -> str:
        """What a measurement is called."""
        return f"{size:,} {self.of}"

    def planned(self, size: int) -> Planned:
        """A size, before it is measured."""
        return Planned(name=self.sized(size), title=f"{size:,} {self.title}", unit=self.unit, better=self.better)

    def seconds(self, size: int, value: float) -> float:
        """What a measured value comes to for all of the work; of a fixed piece of work, the same for each size, a
        thousandth.
        """
        if self.unit == "s":
            return value
        return (size if self.name == "tasks" else 1000) / value


def _payload(size: int, quick: bool) -> dict[str, Any]:
    times = 200 if size <= 64 * _K else 20 if size <= 8 * _K * _K else 5
    return {"size": size, "times": min(times, 5) if quick else times}


def _cores() -> tuple[int, ...]:
    """1, 2, 4 and so on, and all."""
    there = len(os.sched_getaffinity(0))
    return (*(1 << power for power in range(there.bit_length()) if 1 << power < there), there)


def sweeps() -> tuple[Sweep, ...]:
    """All of them. How many cores there are is looked up here."""
    cores = _cores()
    return (
        Sweep(
            "agents", "agents: start, one task to each, every answer", "agents", "s",
            (2, 8, 32, 128, 512, 2_000, 4_000), (2, 4, 8), "start_each", lambda n, quick: {"agents": n},
        ),
        Sweep(
            "tasks", "trivial tasks by map, 2 agents", "tasks", "/s",
            (1_000, 10_000, 100_000, 1_000_000, 10_000_000), (100, 1_000, 10_000), "map",
            lambda n, quick: {"tasks": n},
        ),
        Sweep(
            "payload", "bytes to an agent and back, one at a time", "bytes", "s",
            (0, _K, 64 * _K, _K**2, 8 * _K**2, 64 * _K**2), (0, 16 * _K, 256 * _K, _K**2), "there_and_back", _payload,
        ),
        Sweep(
            "cores", "cores, an agent on each: tasks of 1 ms of work, engine included", "cores", "/s",
            cores, cores, "on_cores", lambda n, quick: {"cores": n, "tasks": _ON_CORES[quick]},
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One size: what was measured, geometric mean and interval."""

    size: int
    value: Effect


@dataclass(frozen=True)
class Curve:
    """One sweep. `growth`: of the seconds; None where fewer than two sizes above 0 were measured."""

    sweep: Sweep
    points: list[Point]
    growth: Power | None


@dataclass(frozen=True)
class Elsewhere:
    """What the model says of a place: tasks a second, with the interval that the rounds' own models span."""

    cores: int
    machines: int
    rate: Effect


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        model: None where there is nothing to fit it to.
        ceiling: tasks a second that the engine hands out, None where that was not measured.
        failures: why something was not measured.
        data: all of it, every sample included, as JSON may hold it.
        cells: what the history keeps.
    """

    curves: list[Curve]
    model: Model | None
    ceiling: float | None
    elsewhere: list[Elsewhere]
    failures: dict[str, str]
    data: dict[str, Any]
    cells: list[kept.Cell]


def run(only: Sequence[str], rounds: int, quick: bool, progress: Progress, seed: int) -> Outcome:
    """Measure the sweeps named, all for none. In each round all sizes of all of them take turns in random order; a
    first round is dropped. What fails is left out from there on.
    """
    facts = machine.facts()
    begun = time.time()
    order = random.Random(seed)
    chosen = [sweep for sweep in sweeps() if not only or sweep.name in only]
    taken: dict[tuple[str, int], list[float]] = {
        (sweep.name, size): [] for sweep in chosen for size in (sweep.quick if quick else sweep.sizes)
    }
    by_name = {sweep.name: sweep for sweep in chosen}
    iterations = 0
    if "cores" in by_name:
        from engine.workloads.coordination import calibrate

        iterations = round(_TASK_SECONDS * calibrate())
    failures: dict[str, str] = {}
    progress(f"{len(taken) * (rounds + 1)} measurements")
    progress.planned(
        "scaling", quick, rounds, {by_name[name].sized(size): rounds + 1 for name, size in taken},
        [by_name[name].planned(size) for name, size in taken],
    )  # fmt: skip
    for number in range(rounds + 1):
        for name, size in order.sample(sorted(taken), len(taken)):
            what = by_name[name].sized(size)
            if what in failures:
                continue
            progress.begun(number, what)
            sweep = by_name[name]
            arguments = sweep.arguments(size, quick) | ({"iterations": iterations} if name == "cores" else {})
            try:
                found = float(measure(sweep.measured, "ours", arguments, _TIMEOUT)["value"])
            except MeasurementFailed as error:
                failures[what] = str(error)
                progress.failed(str(error))
                continue
            progress.measured({"ours": [found]})
            if number:
                taken[name, size].append(found)
    well = {
        sweep.name: {
            size: values
            for (name, size), values in taken.items()
            if name == sweep.name and sweep.sized(size) not in failures
        }
        for sweep in chosen
    }
    curves = [_curve(sweep, well[sweep.name]) for sweep in chosen]
    ceiling = _ceiling(well.get("tasks", {}))
    model, elsewhere = _modelled(well.get("cores", {}), ceiling)
    data = {
        "benchmark": "scaling", "began": begun, "seconds": time.time() - begun, "quick": quick, "rounds": rounds,
        "seed": seed, "machine": facts,
        "sweeps": [
            {
                "name": curve.sweep.name, "title": curve.sweep.title, "of": curve.sweep.of, "unit": curve.sweep.unit,
                "points": [
                    asdict(point) | {"samples": taken[curve.sweep.name, point.size]} for point in curve.points
                ],
                "growth": None if curve.growth is None else asdict(curve.growth),
            }
            for curve in curves
        ],
        "model": None
        if model is None
        else asdict(model) | {"ceiling": ceiling, "elsewhere": [asdict(place) for place in elsewhere]},
        "failures": failures,
    }  # fmt: skip
    cells = [cell for sweep in chosen for cell in _kept(sweep, well[sweep.name], quick)]
    return Outcome(curves, model, ceiling, elsewhere, failures, data, cells)


def _curve(sweep: Sweep, taken: Mapping[int, Sequence[float]]) -> Curve:
    points = [Point(size, effect([math.log(value) for value in values])) for size, values in taken.items() if values]
    fit = {point.size: sweep.seconds(point.size, point.value.ratio) for point in points if point.size > 0}
    growth = power(list(fit), list(fit.values())) if len(fit) > 1 else None
    return Curve(sweep, points, growth)


def _ceiling(taken: Mapping[int, Sequence[float]]) -> float | None:
    """Of the most tasks: of few, the rate is that of beginning."""
    values = taken[max(taken)] if taken else ()
    return effect([math.log(value) for value in values]).ratio if values else None


def _modelled(taken: Mapping[int, Sequence[float]], ceiling: float | None) -> tuple[Model | None, list[Elsewhere]]:
    rates = {size: effect([math.log(value) for value in values]).ratio for size, values in taken.items() if values}
    model = fitted(rates)
    if model is None:
        return None, []
    rounds = min(len(values) for values in taken.values())
    models = [fitted({size: values[at] for size, values in taken.items()}) for at in range(rounds)]
    places = []
    for cores, machines in ELSEWHERE:
        logs = [math.log(predicted(one, ceiling, cores, machines)) for one in models if one is not None]
        places.append(Elsewhere(cores, machines, effect(logs)))
    return model, places


def _kept(sweep: Sweep, taken: Mapping[int, Sequence[float]], quick: bool) -> list[kept.Cell]:
    return [
        kept.Cell(
            name=f"{sweep.name}-{size}", metric=f"{size:,} {sweep.title}", unit=sweep.unit,
            better=sweep.better, floor=1e-3 if sweep.unit == "s" else 50.0,
            samples={"ours": list(values)}, work=json.dumps(sweep.arguments(size, quick)),
        )
        for size, values in taken.items()
        if values
    ]  # fmt: skip
