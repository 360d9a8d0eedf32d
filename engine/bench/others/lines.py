"""The findings as lines: Shoal beside each tool, task by task."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.bench.ablation.effects import CONFIDENCE, Effect
from engine.bench.lines import Line, of_effect, of_factor, wanted
from engine.bench.others.suite import OURS, Outcome, Task
from engine.bench.others.tools import BY_KEY
from engine.bench.others.wanted import AIM, MUST
from engine.bench.rows import Limit
from engine.bench.statistics import Interval
from engine.bench.verdicts import Verdict, verdict


def lines(outcome: Outcome) -> list[Line]:
    """All of them, Shoal alone where no tool was there."""
    found = []
    for task, told in outcome.lines.items():
        title = task.title.format(outcome.numbers[task])
        ours = next((line.value for line in told if line.key == OURS), None)
        if ours is None:
            continue
        others = [line for line in told if line.key != OURS]
        if not others:
            found.append(Line(part=title, name=OURS, title=OURS, unit=task.unit, **of_effect(ours)))
        for line in others:
            name = BY_KEY[line.key].name
            version = outcome.versions.get(line.key, "")
            must, aim = judged(task, line.key, line.faster)
            found.append(
                Line(
                    part=title, name=line.key, title=f"{name} {version}".rstrip(), unit=task.unit,
                    must=wanted(must, _at(MUST, task, line.key)), aim=wanted(aim, _at(AIM, task, line.key)),
                    cell=f"{task.name}-{line.key}", **of_effect(ours),
                    **of_factor(line.faster, name, line.value.ratio),
                )
            )  # fmt: skip
    return found


def _at(bounds: dict[tuple[str, str], float], task: Task, key: str) -> float | None:
    return bounds.get((task.name, key))


def judged(task: Task, key: str, faster: Effect | None) -> tuple[Verdict | None, Verdict | None]:
    """What Shoal must be, and is to be, beside a tool at a task, and whether it is."""
    if faster is None:
        return None, None
    known = {"ratio": faster.ratio}
    intervals = {}
    if faster.low is not None and faster.high is not None:
        intervals["ratio"] = Interval(faster.low, faster.high, CONFIDENCE)
    found = [
        verdict(_limits(bounds.get((task.name, key))), known, intervals, faster.rounds) for bounds in (MUST, AIM)
    ]  # fmt: skip
    return found[0], found[1]


def _limits(bound: float | None) -> Sequence[Limit]:
    if bound is None:
        return ()
    text = "ahead" if math.isclose(bound, 1.0) else f"> {bound:g}x"
    return (Limit("ratio", ">", bound, text),)
