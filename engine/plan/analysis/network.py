"""Task sets and what each comes after, as numbers: a set is one node, however many tasks it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.plan.order import followers, topological
from engine.plan.steps import Step, numbers


@dataclass(frozen=True, slots=True)
class Network:
    """Nodes 0, 1 ... in the order of the steps.

    Attributes:
        names: of the task sets.
        before: for each node, those that it comes after.
        after: for each node, those that come after it.
        order: all nodes, each after those that it comes after.
        seconds: how long each takes from where it could begin to its end, most likely.
    """

    names: list[str]
    before: list[list[int]]
    after: list[list[int]]
    order: list[int]
    seconds: list[float]

    @classmethod
    def of(cls, steps: Sequence[Step], workers: Mapping[str, int] | None = None) -> Network:
        """The network of steps that do not come after each other in a circle; else it raises `order.Circle`.

        `workers`: by the names of steps, how many of its tasks can run at the same time; whoever is not there, all.
        """
        before = numbers(steps)
        found = [seconds_of(step, None if workers is None else workers.get(step.name)) for step in steps]
        return cls([step.name for step in steps], before, followers(before), topological(before), found)


def seconds_of(step: Step, workers: int | None = None) -> float:
    """How long a step takes from where it could begin to its end, most likely, with so many tasks at a time at the most
    (None: all). A step without an estimate takes no time."""
    waits = 0.0 if step.wait is None else step.wait.likely
    one = 0.0 if step.estimate is None else step.estimate.likely
    rounds = 1 if workers is None else -(-(step.total or 1) // max(1, workers))
    return waits + one * rounds


def work_of(step: Step) -> float:
    """Seconds of work that a step is, most likely, all its tasks together."""
    return 0.0 if step.estimate is None else step.estimate.likely * (step.total or 1)


def without_estimate(steps: Sequence[Step]) -> list[str]:
    """Steps that run something, and do not say how long that takes."""
    return [
        step.name for step in steps if step.estimate is None and (step.call is not None or step.command is not None)
    ]
