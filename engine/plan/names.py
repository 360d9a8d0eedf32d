"""What tasks may come after, by name: other tasks, groups, milestones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from engine.plan.combine import Whole
from engine.plan.order import Circle, topological
from engine.plan.steps import SpecError, Step, numbers
from engine.settings.fields import nearest

_FEW: Final = 24
"""Known names that are worth a list; of more, only one that is close is told."""
_TOLD: Final = 12
_MOST: Final = 5_000_000
"""Pairs of tasks of which one comes after the other."""


def near(name: str, known: Collection[str]) -> str:
    """What to add to the error about a name that isn't known, however many are."""
    told = nearest(name, known)
    return told if len(known) <= _FEW or not told.startswith(";") else ""


def check_names(whole: Whole) -> None:
    """What comes after something must know which: no two have one name. Raises `SpecError`."""
    seen: set[str] = set()
    for sourced in whole.tasks:
        name = sourced.table.name
        if not name or not name.isprintable():
            raise SpecError(f"{sourced.where}: a name is of one line, and not empty")
        if name in seen:
            raise SpecError(f"{sourced.where}: there is another task set of that name")
        seen.add(name)
    kinds = {"tasks": seen, "group": set(whole.plan.groups), "milestone": set(whole.plan.milestones)}
    for one, other in (("tasks", "group"), ("tasks", "milestone"), ("group", "milestone")):
        twice = kinds[one] & kinds[other]
        if twice:
            raise SpecError(f"{whole.path}: {min(twice)!r} is the name of {one} and of a {other}")


class Members:
    """Which tasks are in each group and each milestone, and which of them are its first and its last."""

    def __init__(self, steps: Sequence[Step], direct: Mapping[str, Collection[str]]) -> None:
        """`direct`: for each step, the names that it comes after, as they are written."""
        self.of: dict[str, list[str]] = {}
        self._direct = direct
        self._ends: dict[str, list[str]] = {}
        for step in steps:
            if step.group is not None:
                self.add(step.group, step.name)
            if step.milestone is not None:
                self.add(step.milestone, step.name)

    def add(self, name: str, step: str) -> None:
        """Have a step be a member."""
        found = self.of.setdefault(name, [])
        if step not in found[-1:]:
            found.append(step)

    def first(self, name: str) -> list[str]:
        """Those that come after none of the others."""
        members = dict.fromkeys(self.of.get(name, ()))
        return [one for one in members if not any(other in members for other in self._direct[one])]

    def last(self, name: str) -> list[str]:
        """Those that none of the others comes after."""
        if name not in self._ends:
            members = dict.fromkeys(self.of.get(name, ()))
            before = {other for one in members for other in self._direct[one]}
            self._ends[name] = [one for one in members if one not in before]
        return self._ends[name]


def set_order(whole: Whole, steps: Sequence[Step], members: Members, direct: Mapping[str, Collection[str]]) -> None:
    """Have each step come after what its table, its group and the order of merging say; as names of steps alone.

    Raises `SpecError` for names that are not known, and for tasks that come after each other in a circle.
    """
    plan = whole.plan
    where = {sourced.table.name: sourced.where for sourced in whole.tasks}
    known = [*where, *plan.groups, *plan.milestones]
    pairs = 0

    def expanded(place: str, name: str) -> list[str]:
        if name in where:
            return [name]
        if name in plan.groups or name in plan.milestones:
            return members.last(name)
        raise SpecError(f"{place}: no tasks {name!r}{near(name, known)}")

    for step in steps:
        found: dict[str, None] = {}
        for name in direct[step.name]:
            for other in expanded(where[step.name], name):
                if name != other and other == step.name:
                    raise SpecError(f"{where[step.name]}: comes after {name!r}, which it is part of")
                found[other] = None
        step.after = list(found)
        pairs += len(found)
        _bound(whole, pairs)
    by_name = {step.name: step for step in steps}
    for group, table in plan.groups.items():
        place = whole.where("groups", group)
        if group in table.after:
            raise SpecError(f"{place}: comes after itself")
        before = [other for name in table.after for other in expanded(place, name)]
        for name in members.first(group) if before else ():
            step = by_name[name]
            pairs += len(before)
            _bound(whole, pairs)
            step.after = list(dict.fromkeys([*step.after, *(other for other in before if other != name)]))
    _integrate(whole, steps, by_name)
    check_circle(str(whole.path), steps)


def _bound(whole: Whole, pairs: int) -> None:
    if pairs > _MOST:
        raise SpecError(
            f"{whole.path}: more than {_MOST:,} pairs of tasks of which one comes after the other: "
            "put a task that gathers the first ones between them"
        )


def _integrate(whole: Whole, steps: Sequence[Step], by_name: Mapping[str, Step]) -> None:
    """What runs after all owners' work has come together comes after the last tasks of each of them."""
    merge = whole.plan.merge
    if merge is None or merge.then is None:
        return
    if merge.then not in by_name:
        raise SpecError(f"{whole.path}: then of [merge]: no tasks {merge.then!r}{near(merge.then, list(by_name))}")
    then = by_name[merge.then]
    follows = _followers(steps, merge.then)
    owners = set(merge.order or whole.plan.owners)
    theirs = [step for step in steps if step.owner in owners and step.name not in follows]
    before = {other for step in theirs for other in step.after}
    then.after = list(dict.fromkeys([*then.after, *(step.name for step in theirs if step.name not in before)]))


def _followers(steps: Sequence[Step], name: str) -> set[str]:
    """A step and all that come after it, however far."""
    after: dict[str, list[str]] = {}
    for step in steps:
        for other in step.after:
            after.setdefault(other, []).append(step.name)
    found, todo = {name}, [name]
    while todo:
        for other in after.get(todo.pop(), ()):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def check_circle(where: str, steps: Sequence[Step]) -> None:
    """Raises `SpecError` for steps that come after each other in a circle, and names them."""
    try:
        topological(numbers(steps))
    except Circle as error:
        names = [steps[number].name for number in error.path]
        if len(names) > _TOLD + 1:
            names = [*names[:_TOLD], f"({len(names) - 1 - _TOLD:,} more)", names[-1]]
        raise SpecError(f"{where}: tasks go in a circle: {' -> '.join(names)}") from None
