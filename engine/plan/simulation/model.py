"""What a simulation is made of, worked out once for all its rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.plan.claims import is_template, of_task
from engine.plan.effort import Calendar, Estimate, exactly
from engine.plan.model import Claim, Decided
from engine.plan.order import topological
from engine.plan.simulation.resources import Resource, has_work, resources_of
from engine.plan.steps import RunSpec, SpecError, Step, numbers

MOST_TASKS = 5_000_000
"""Tasks of a simulation: each of them runs, one by one."""


@dataclass(slots=True)
class Node:
    """A step as it is simulated.

    Attributes:
        tasks: those that somebody works on; 0 where nobody does.
        resource: who does them, None for nobody.
        work: what one of them takes.
        wait: what passes before the first may begin.
        each: what each task claims, where that is not the same for all.
        good: what comes after it may go on.
    """

    name: str
    tasks: int
    resource: int | None
    work: Estimate
    wait: Estimate | None
    priority: int
    claims: Sequence[Claim] = ()
    each: list[list[Claim]] | None = None
    lane: str | None = None
    good: bool = True


@dataclass(slots=True)
class Model:
    """All of it.

    Attributes:
        before: for each node, those that it comes after.
        order: the nodes, each after those that it comes after.
        lanes: limits by name.
    """

    nodes: list[Node]
    before: list[list[int]]
    order: list[int]
    resources: list[Resource]
    lanes: dict[str, int]
    calendar: Calendar = field(default_factory=Calendar)

    @property
    def tasks(self) -> int:
        """That somebody works on."""
        return sum(node.tasks for node in self.nodes)

    @property
    def uncertain(self) -> bool:
        """Whether it may take this long or that."""
        return any(not node.work.certain or (node.wait is not None and not node.wait.certain) for node in self.nodes)


def model_of(spec: RunSpec, cores: int, decisions: Mapping[str, Decided] | None = None) -> Model:
    """The model of a plan.

    `decisions`: what gates are to come to, by the names of their steps; all others let go on. Raises `SpecError` for a
    plan that is too large, or for a decision of what is no gate.
    """
    decided = dict(decisions or {})
    gates = {step.name for step in spec.steps if step.gate is not None}
    for name in decided:
        if name not in gates:
            from engine.settings.fields import nearest

            raise SpecError(f"no gate {name!r}{nearest(name, gates)}")
    resources, of = resources_of(spec, cores)
    tasks = sum(step.total or 1 for step, resource in zip(spec.steps, of, strict=True) if resource is not None)
    if tasks > MOST_TASKS:
        raise SpecError(f"{tasks:,} tasks are more than are simulated: {MOST_TASKS:,} at the most")
    nodes = []
    for step, resource in zip(spec.steps, of, strict=True):
        node = _node(step, resource)
        node.good = decided.get(step.name, "go") == "go"
        nodes.append(node)
    before = numbers(spec.steps)
    lanes = {lane.name: lane.limit for lane in spec.outline.lanes.values()}
    return Model(nodes, before, topological(before), resources, lanes, spec.outline.calendar)


def _node(step: Step, resource: int | None) -> Node:
    wait = step.wait if step.wait is not None and step.wait.high > 0 else None
    if resource is None or step.estimate is None or not has_work(step):
        return Node(step.name, 0, None, exactly(0.0), wait, step.priority)
    node = Node(step.name, step.total or 1, resource, step.estimate, wait, step.priority, lane=step.lane)
    if any(is_template(claim) for claim in step.claims):
        node.each = [
            of_task(step.claims, argument, step.keywords, number) for number, argument in enumerate(step.arguments, 1)
        ]
    else:
        node.claims = step.claims
    return node
