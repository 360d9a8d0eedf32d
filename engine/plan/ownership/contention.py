"""Tasks that will have to wait for each other, because they claim the same thing and nothing says which comes first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.core.patterns import Names
from engine.plan.claims import is_template, widened
from engine.plan.order import topological
from engine.plan.steps import Step, numbers

MOST_STEPS = 5_000
"""Steps up to which those that come after each other anyway are told from others: a bit for each pair of them."""


class Contention(msgspec.Struct, frozen=True):
    """Two sets of tasks, or one of several, whose tasks exclude each other."""

    one: str
    other: str
    what: str
    """What `one` claims."""


def contention(steps: Sequence[Step], most: int = 1000) -> list[Contention]:
    """Pairs of steps whose claims overlap, not both shared, and of which none comes after the other; also single steps
    with several tasks that all claim the same. Not more than `most`.
    """
    before = _all_before(numbers(steps)) if len(steps) <= MOST_STEPS else None
    names = Names()
    holders: dict[str, list[tuple[int, bool]]] = {}
    found: list[Contention] = []
    for number, step in enumerate(steps):
        seen: set[int] = set()
        for claim in step.claims:
            what = widened(claim)
            if not claim.shared and not is_template(claim) and (step.total or 2) > 1:
                found.append(Contention(step.name, step.name, what))
            for held in names.overlapping(what):
                for other, shared in holders[held]:
                    ordered = before is not None and bool(before[number] >> other & 1 or before[other] >> number & 1)
                    if other not in seen and other != number and not ordered and not (shared and claim.shared):
                        seen.add(other)
                        found.append(Contention(steps[other].name, step.name, held))
            if len(found) >= most:
                return found[:most]
        for claim in step.claims:
            what = widened(claim)
            names.add(what)
            holders.setdefault(what, []).append((number, claim.shared))
    return found


def _all_before(before: Sequence[Sequence[int]]) -> list[int]:
    """For each, a bit for every other one that it comes after, however far."""
    found = [0] * len(before)
    for number in topological(before):
        for other in before[number]:
            found[number] |= found[other] | 1 << other
    return found
