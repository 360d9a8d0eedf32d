"""The benchmark of coordination: every combination of mechanisms, measured in turns."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.bench import machine
from engine.bench.ablation.cells import Cell, cells
from engine.bench.coordination.findings import Findings, findings
from engine.bench.coordination.mechanisms import FLAGS
from engine.bench.guard import cells as kept
from engine.bench.progress import Progress
from engine.bench.report import figure
from engine.bench.run import MeasurementFailed, measure
from engine.runtime.fleet import memory
from engine.stream.benchmarks import Row as Planned

AGENTS: Final = (100, 200, 300, 500)
QUICK_AGENTS: Final = (4, 8)
ROUNDS: Final = 5
QUICK_ROUNDS: Final = 2
_PATIENCE: Final = 60.0
"""Seconds for a coordination, beside those for each of its agents."""
_PATIENCE_EACH: Final = 1.0
"""A fresh interpreter takes 0.2 s where nothing else runs."""
_ENDING: Final = 60.0
_TRIED: Final = {False: 3, True: 20}
"""Agents with which it is tried how long one takes, by whether they are pooled."""


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        findings: for each number of agents.
        failures: why a combination was not measured, by number of agents and its name.
        data: all of it, every sample included, as JSON may hold it.
        cells: what the history keeps.
    """

    findings: list[Findings]
    failures: dict[str, str]
    data: dict[str, Any]
    cells: list[kept.Cell]


class _Samples:
    """Results by number of agents and combination. One that fails is left out from there on, and told."""

    def __init__(self, agents: Sequence[int], flags: Sequence[str], progress: Progress) -> None:
        self.cells = cells(flags)
        self.always = sorted(set(FLAGS).difference(flags))
        """What is on in every combination."""
        self.taken: dict[tuple[int, Cell], list[dict[str, Any]]] = {(n, c): [] for n in agents for c in self.cells}
        self.looked: dict[tuple[int, Cell], dict[str, Any]] = {}
        self.failures: dict[str, str] = {}
        self._progress = progress

    def take(self, number: int, cell: Cell, warm_up: bool) -> None:
        """Measure once. In the warm-up memory is looked at instead."""
        try:
            found = self.measured(number, cell, warm_up)
        except MeasurementFailed as error:
            self.failures[named(number, cell)] = str(error)
            self._progress.failed(str(error))
            return
        if warm_up:
            self.looked[number, cell] = found
        else:
            self.taken[number, cell].append(found)
        self._progress.measured({"ours": [float(found["value"])]})

    def measured(self, agents: int, cell: Cell, looked: bool) -> dict[str, Any]:
        """One measurement, in a process of its own. Raises `MeasurementFailed`."""
        patience = _PATIENCE + agents * _PATIENCE_EACH
        size = {"agents": agents, "on": [*sorted(cell.on), *self.always], "patience": patience, "looked": looked}
        found: dict[str, Any] = measure("coordinate", "ours", size, patience + _ENDING)
        return found

    def left(self) -> list[tuple[int, Cell]]:
        """What has not failed."""
        return [(number, cell) for number, cell in self.taken if named(number, cell) not in self.failures]


def named(agents: int, cell: Cell) -> str:
    """What a measurement is called."""
    return f"{agents:,} agents, {cell.name.replace('_', ' ')}"


def run(
    agents: Sequence[int], flags: Sequence[str], rounds: int, quick: bool, progress: Progress, seed: int
) -> Outcome:
    """Measure. A first round is dropped, but for the memory that it saw; in each round the combinations of all sizes
    take turns in random order.

    `flags`: the mechanisms that are combined; others are always on.
    """
    facts = machine.facts()
    begun = time.time()
    order = random.Random(seed)
    samples = _Samples(agents, flags, progress)
    if samples.always:
        progress(f"on in every combination: {', '.join(samples.always)}".replace("_", " "))
    progress(_announced(samples, agents, rounds))
    progress.planned(
        "coordination", quick, rounds, {named(*one): rounds + 1 for one in samples.taken},
        [Planned(name=named(*one), title=named(*one), unit="s", better="low") for one in samples.taken],
    )  # fmt: skip
    for number in range(rounds + 1):
        turns = samples.left()
        order.shuffle(turns)
        for size, cell in turns:
            progress.begun(number, named(size, cell))
            samples.take(size, cell, warm_up=not number)
    well = set(samples.left())
    found = [
        findings(
            size,
            flags,
            {cell: samples.taken[size, cell] for cell in samples.cells if (size, cell) in well},
            {cell: samples.looked[size, cell] for cell in samples.cells if (size, cell) in samples.looked},
        )
        for size in agents
    ]
    data = {
        "benchmark": "coordination", "began": begun, "seconds": time.time() - begun, "quick": quick, "rounds": rounds,
        "seed": seed, "machine": facts, "flags": list(flags), "always": samples.always,
        "agents": [
            one.as_data()
            | {
                "samples": {cell.name: samples.taken[one.agents, cell] for cell in samples.cells},
                "warm_up": {cell.name: samples.looked.get((one.agents, cell)) for cell in samples.cells},
            }
            for one in found
        ],
        "failures": samples.failures,
    }  # fmt: skip
    return Outcome(found, samples.failures, data, [cell for one in found for cell in _kept(one)])


def _announced(samples: _Samples, agents: Sequence[int], rounds: int) -> str:
    """How long it will take, and how much memory, by a trial of the slowest combination and of the quickest.

    What can't be tried is measured all the same, and will say why it fails.
    """
    count = len(samples.cells) * len(agents) * (rounds + 1)
    took = {}
    needed = 0.0
    for pooled, tried in _TRIED.items():
        cell = next((one for one in samples.cells if ("pooling" in {*one.on, *samples.always}) == pooled), None)
        if cell is None:
            continue
        begun = time.perf_counter()
        try:
            found = samples.measured(tried, cell, looked=True)
        except MeasurementFailed:
            return f"{count} measurements"
        needed = max(needed, found["own"] / tried * max(agents))
        took[pooled] = found["value"] / tried, time.perf_counter() - begun - found["value"]
    each = 0.0
    for cell in samples.cells:
        an_agent, beside = took["pooling" in {*cell.on, *samples.always}]
        each += math.fsum(an_agent * size + beside for size in agents)
    told = f"{count} measurements, up to {_duration(each * (rounds + 1))} and {figure(needed, 'B')} of memory"
    free = memory.left()
    return told if needed < free else f"{told}; {figure(free, 'B')} is free, so not every agent may get its task"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 90 else f"about {minutes // 60} h {minutes % 60} min"


def _kept(found: Findings) -> list[kept.Cell]:
    """Each combination beside the baseline, so that sessions are compared by what mechanisms bring."""
    nothing = next((seconds for cell, seconds in found.seconds.items() if not cell.on), [])
    work = json.dumps({"agents": found.agents, "flags": list(found.flags)})
    made = []
    for cell, seconds in found.seconds.items():
        samples = {"ours": seconds}
        if cell.on and len(nothing) == len(seconds):
            samples["none"] = nothing
        made.append(
            kept.Cell(
                name=f"{found.agents}-{cell.name.replace(' ', '-')}", metric=named(found.agents, cell), unit="s",
                better="low", floor=1e-3, samples=samples, work=work,
            )
        )  # fmt: skip
    return made
