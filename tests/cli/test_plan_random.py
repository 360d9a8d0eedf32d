"""Random plans, simulated and run with agents killed meanwhile: the same must hold of both."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import claimed_functions
import pytest
from killing import kill_all, kill_some, started

from engine.core.patterns import overlaps
from engine.plan.load import load
from engine.plan.simulation.simulate import simulate
from engine.plan.steps import RunSpec, Step

LIMITS = {"one": 1, "two": 2}
HOLDS = {"a": ["a"], "b": ["b"], "d/x": ["d/x"], "d/**": ["d/x", "d/y"]}
"""The locks that a task takes for each claim."""


class Ran(NamedTuple):
    step: str
    start: float
    end: float


def plan(chance: random.Random) -> str:
    """Steps of 1 to 5 tasks, of two pools, after any earlier ones, some in lanes, some with claims."""
    text = "[pools.p]\nagents = 4\n[pools.q]\nagents = 3\n"
    text += "".join(f"[lanes.{name}]\nlimit = {limit}\n" for name, limit in LIMITS.items())
    for number in range(chance.randint(8, 14)):
        before = chance.sample(range(number), min(number, chance.choice((0, 0, 1, 2))))
        claims = [(name, chance.random() < 0.5) for name in chance.sample(list(HOLDS), chance.choice((0, 0, 1, 2)))]
        if {name for name, _ in claims} == {"d/x", "d/**"}:
            claims.pop()  # a process can't have the same lock twice
        wishes = [[lock, shared] for name, shared in claims for lock in HOLDS[name]]
        lane = chance.choice((None, *LIMITS))
        claimed = ", ".join(f'{{ {("exclusive", "shared")[shared]} = "{name}" }}' for name, shared in claims)
        arguments = f'folder = ".", seconds = {chance.choice((0, 0.005, 0.02))}, wishes = {json.dumps(wishes)}'
        text += (
            f'[[tasks]]\nname = "s{number}"\ncall = "claimed_functions:hold"\npool = "{chance.choice("pq")}"\n'
            f'crash_limit = 100\nestimate = "10ms"\npriority = {chance.randint(0, 2)}\nclaims = [{claimed}]\n'
            f"over = {{ number = {{ from = 1, to = {chance.randint(1, 5)} }} }}\narguments = {{ {arguments} }}\n"
            f"after = {json.dumps([f's{other}' for other in before])}\n"
        )
        text += f'lane = "{lane}"\n' if lane is not None else ""
    return text


def broken(spec: RunSpec, ran: list[Ran]) -> Iterator[str]:
    """What must not have been: of each kind."""
    steps = {step.name: step for step in spec.steps}
    for step in spec.steps:
        ends = [one.end for one in ran if one.step in step.after]
        if ends and min(one.start for one in ran if one.step == step.name) < max(ends):
            yield f"{step.name} began before what it comes after was over"
    for name, limit in LIMITS.items():
        inside = [one for one in ran if steps[one.step].lane == name]
        if any(sum(other.start <= one.start < other.end for other in inside) > limit for one in inside):
            yield f"lane {name} was exceeded"
    for one, other in combinations(ran, 2):
        if one.start < other.end and other.start < one.end and exclude(steps[one.step], steps[other.step]):
            yield f"{one.step} and {other.step} exclude each other, and ran at once"


def exclude(one: Step, other: Step) -> bool:
    return any(
        overlaps(mine.what, theirs.what) and not (mine.shared and theirs.shared)
        for mine in one.claims for theirs in other.claims
    )  # fmt: skip


@pytest.mark.needs("pooling")
@pytest.mark.parametrize("seed", range(4))
def test_what_holds_of_a_simulation_holds_of_the_run(seed: int, tmp_path: Path) -> None:
    shutil.copy(claimed_functions.__file__, tmp_path)
    path = tmp_path / "p.toml"
    path.write_text(plan(random.Random(seed)))
    spec = load(path)
    tasks = sum(step.total or 0 for step in spec.steps)

    found = simulate(spec, 1)
    schedule, names = found.schedule, [node.name for node in found.model.nodes]
    simulated = [
        Ran(names[schedule.step_of(task)], schedule.start[task], schedule.end[task])
        for task in range(len(schedule.start))
    ]
    assert len(simulated) == tasks
    assert list(broken(spec, simulated)) == []

    process = started(tmp_path, "run", "p.toml", "--headless", "--db", "runs.db")
    try:
        kill_some(process, tmp_path / "runs.db", tasks, 8, seed)
        _, told = process.communicate(timeout=90)
    finally:
        kill_all(process)
    assert process.returncode == 0, told
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        query = "SELECT name, started, started + seconds - 1e-6 FROM all_tasks JOIN jobs USING (run, job)"
        ran = [Ran(*row) for row in db.execute(query.replace("seconds", "all_tasks.seconds"))]
    assert len(ran) == tasks, "everything that could be begun was"
    assert list(broken(spec, ran)) == []
