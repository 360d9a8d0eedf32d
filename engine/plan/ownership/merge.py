"""In which order the work of owners comes together: what others build on first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from engine.plan.order import Circle, topological
from engine.plan.steps import Step, numbers


class Reason(msgspec.Struct, frozen=True):
    """Why one owner's work comes before another's: a task of the second comes after one of the first."""

    first: str
    second: str
    task: str
    after: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.task} of {self.second} comes after {self.after} of {self.first}"


class MergeOrder(msgspec.Struct, frozen=True):
    """What was found.

    `circle`: why there is no order that suits all dependencies, one owner after the other; empty where there is one.
    `against`: why the preferred order was not kept.
    """

    order: tuple[str, ...]
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...] = ()
    circle: tuple[Reason, ...] = ()


def merge_order(steps: Sequence[Step], owners: Sequence[str], preferred: Sequence[str] = ()) -> MergeOrder:
    """The order of owners that suits what their tasks come after, otherwise as it is preferred; where they build on
    each other in a circle, the preferred order as it is.

    Owners that are not in `preferred` come behind the others, as they are in `owners`.
    """
    wanted = [*preferred, *(name for name in owners if name not in preferred)]
    place = {name: at for at, name in enumerate(wanted)}
    found = _reasons(steps, place)
    before: list[list[int]] = [[] for _ in wanted]
    for first, second in found:
        before[place[second]].append(place[first])
    reasons = tuple(found.values())
    try:
        order = tuple(wanted[at] for at in topological(before))
    except Circle as error:
        path = [wanted[at] for at in error.path]
        circle = tuple(found[first, second] for first, second in pairwise(path))
        return MergeOrder(tuple(wanted), reasons, circle=circle)
    against = tuple(reason for (first, second), reason in found.items() if preferred and place[first] > place[second])
    return MergeOrder(order, reasons, against)


def _reasons(steps: Sequence[Step], known: Mapping[str, int]) -> dict[tuple[str, str], Reason]:
    """By pair of owners, the first reason; work of nobody passes on what it comes after."""
    before = numbers(steps)
    upstream: list[dict[str, str]] = [{} for _ in steps]
    found: dict[tuple[str, str], Reason] = {}
    for number in topological(before):
        for other in before[number]:
            owner = steps[other].owner
            if owner is not None and owner in known:
                upstream[number].setdefault(owner, steps[other].name)
            else:
                for name, task in upstream[other].items():
                    upstream[number].setdefault(name, task)
        mine = steps[number].owner
        if mine is not None and mine in known:
            for owner, task in upstream[number].items():
                if owner != mine:
                    found.setdefault((owner, mine), Reason(owner, mine, steps[number].name, task))
    return found
