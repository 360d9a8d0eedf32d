"""The benchmark of other tools: the same tasks on Shoal and on each of them, in turns."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from engine.bench import machine
from engine.bench.ablation.effects import Effect, effect, log_ratios
from engine.bench.guard import cells as kept
from engine.bench.others.tools import BY_KEY, TOOLS, installed
from engine.bench.progress import Progress
from engine.bench.run import MeasurementFailed, measure
from engine.stream.benchmarks import Better
from engine.stream.benchmarks import Row as Planned

OURS: Final = "shoal"
ROUNDS: Final = 5
QUICK_ROUNDS: Final = 2
_WORKERS: Final = 2
_CHUNK: Final = 500
_TIMEOUT: Final = 300.0
_BEYOND: Final = 60.0
"""Seconds for all that a tool has started to be ended."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is measured of each tool.

    Attributes:
        key: as `engine.bench.others.script` has it.
        title: with the number in braces.
        unit: "s" or "/s".
        number: of agents or tasks.
        quick: the same with ``--quick``.
        measured: by which measurement of `engine.bench.ours`.
        many: whether only those tools take part that can have hundreds of workers.
    """

    name: str
    key: str
    title: str
    unit: str
    number: int
    quick: int
    measured: str
    many: bool = False

    @property
    def better(self) -> Better:
        """Which values are."""
        return "low" if self.unit == "s" else "high"


TASKS: Final = (
    Task("coordinate", "coordinate", "{:,} workers: start, one task to each, every answer", "s", 16, 3, "start_each"),
    Task(
        "coordinate-many", "coordinate", "{:,} workers: start, one task to each, every answer", "s", 500, 6,
        "start_each", many=True,
    ),
    Task("submit", "submit", "{:,} trivial tasks submitted one by one, 2 workers", "/s", 2_000, 50, "submit"),
    Task("map", "map", f"{{:,}} trivial tasks in chunks of {_CHUNK}, 2 workers", "/s", 1_000_000, 1_000, "map"),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One tool at one task.

    Attributes:
        value: geometric mean over rounds.
        faster: by what factor Shoal is faster; None for itself.
    """

    key: str
    value: Effect
    faster: Effect | None


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        lines: by task, Shoal first, then the others as they are listed.
        versions: of the tools that were there, by key.
        absent: names of those that were not.
        failures: why something was not measured.
        data: all of it, every sample included, as JSON may hold it.
        cells: what the history keeps.
    """

    lines: dict[Task, list[Line]]
    numbers: dict[Task, int]
    versions: dict[str, str]
    absent: list[str]
    failures: dict[str, str]
    data: dict[str, Any]
    cells: list[kept.Cell]


def run(
    python: str, only: Sequence[str], chosen: Sequence[str], rounds: int, quick: bool, progress: Progress, seed: int
) -> Outcome:
    """Measure Shoal and the tools that are there for the interpreter `python`, all for none named in `only`, at the
    tasks `chosen`, all for none.

    In each round tasks take turns in random order, and the tools at each; a first round is dropped. What fails is left
    out from there on. Raises `NoInterpreter`.
    """
    tools = [tool for tool in TOOLS if not only or tool.key in only]
    versions = installed(python, tools)
    absent = [tool.name for tool in tools if tool.key not in versions]
    if absent:
        progress(f"not installed: {', '.join(absent)}")
    facts = machine.facts()
    begun = time.time()
    order = random.Random(seed)
    tasks = [task for task in TASKS if not chosen or task.name in chosen]
    numbers = {task: task.quick if quick else task.number for task in tasks}
    taken: dict[Task, dict[str, list[float]]] = {
        task: {OURS: [], **{tool.key: [] for tool in tools if tool.key in versions and (tool.many or not task.many)}}
        for task in tasks
    }
    failures: dict[str, str] = {}
    progress(f"{sum(map(len, taken.values())) * (rounds + 1)} measurements")
    both = [(task, key) for task in tasks for key in taken[task]]
    progress.planned(
        "peers", quick, rounds, {_named(task, key): rounds + 1 for task, key in both},
        [_planned(task, key, numbers[task]) for task, key in both],
    )  # fmt: skip
    for number in range(rounds + 1):
        for task in order.sample(tasks, len(tasks)):
            for key in order.sample(sorted(taken[task]), len(taken[task])):
                name = _named(task, key)
                if name in failures:
                    continue
                progress.begun(number, name)
                try:
                    found = _measured(python, key, task, numbers[task])
                except MeasurementFailed as error:
                    failures[name] = str(error)
                    progress.failed(str(error))
                    continue
                progress.measured({"ours": [found]})
                if number:
                    taken[task][key].append(found)
    well = {
        task: {key: values for key, values in found.items() if _named(task, key) not in failures}
        for task, found in taken.items()
    }
    lines = {task: _lines(task, found) for task, found in well.items()}
    data = {
        "benchmark": "peers", "began": begun, "seconds": time.time() - begun, "quick": quick, "rounds": rounds,
        "seed": seed, "machine": facts, "python": python, "versions": versions, "absent": absent,
        "tasks": [
            {
                "name": task.name, "title": task.title.format(numbers[task]), "unit": task.unit,
                "number": numbers[task], "tools": [asdict(line) for line in lines[task]], "samples": taken[task],
            }
            for task in tasks
        ],
        "failures": failures,
    }  # fmt: skip
    cells = [cell for task in tasks for cell in _kept(task, numbers[task], well[task])]
    return Outcome(lines, numbers, versions, absent, failures, data, cells)


def _named(task: Task, key: str) -> str:
    """What a measurement is called."""
    return f"{_called(key)}, {task.name}"


def _planned(task: Task, key: str, number: int) -> Planned:
    name = _named(task, key)
    return Planned(name=name, title=f"{_called(key)}: {task.title.format(number)}", unit=task.unit, better=task.better)


def _called(key: str) -> str:
    return key if key == OURS else BY_KEY[key].name


def _measured(python: str, key: str, task: Task, number: int) -> float:
    if key == OURS:
        size: dict[str, Any] = {"agents" if task.key == "coordinate" else "tasks": number}
        return float(measure(task.measured, "ours", size, _TIMEOUT)["value"])
    coordinates = task.key == "coordinate"
    size = {
        "python": python, "tool": key, "task": task.key, "workers": number if coordinates else _WORKERS,
        "tasks": number, "chunk": _CHUNK, "timeout": _TIMEOUT,
    }  # fmt: skip
    return float(measure("other_tool", "peer", size, _TIMEOUT + _BEYOND)["value"])


def _lines(task: Task, found: Mapping[str, Sequence[float]]) -> list[Line]:
    lines = []
    ours = found.get(OURS)
    for key, values in found.items():
        if not values:
            continue
        faster = None
        if key != OURS and ours:
            faster = effect(log_ratios(values, ours) if task.unit == "s" else log_ratios(ours, values))
        lines.append(Line(key, effect([math.log(value) for value in values]), faster))
    return lines


def _kept(task: Task, number: int, found: Mapping[str, list[float]]) -> list[kept.Cell]:
    """Shoal beside each tool."""
    ours = found.get(OURS)
    if not ours:
        return []
    return [
        kept.Cell(
            name=f"{task.name}-{key}", metric=f"{task.title.format(number)}, beside {_called(key)}", unit=task.unit,
            better=task.better, floor=1e-3 if task.unit == "s" else 50.0,
            samples={"ours": ours, key: values}, work=json.dumps({"number": number}),
        )
        for key, values in found.items()
        if key != OURS and values
    ]  # fmt: skip
