"""Who does the tasks of a plan: workers of owners, agents of pools."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.plan.model import Owner
from engine.plan.steps import RunSpec, Step
from engine.settings.pools import complete


class Resource(msgspec.Struct, frozen=True):
    """Those who do tasks of one kind, one each at a time."""

    kind: Literal["owner", "pool"]
    name: str
    workers: int
    rate: float = 1.0
    """Seconds that pass for each second of work: more than 1 for those who work part of the time."""


def resources_of(spec: RunSpec, cores: int) -> tuple[list[Resource], list[int | None]]:
    """All who have something to do, and by step its number in there: None where nobody works.

    An owner's workers, where it says how many, do all that is the owner's; the agents of pools do the rest. A pool that
    may grow counts with all that it may have; `cores` of those that do not say how many. Raises `SettingsError` for a
    pool that can't be.
    """
    found: dict[tuple[str, str], int] = {}
    resources: list[Resource] = []
    of: list[int | None] = []
    pools = {pool.name: pool for pool in spec.pools}
    for step in spec.steps:
        if not has_work(step):
            of.append(None)
            continue
        owner = None if step.owner is None else spec.outline.owners[step.owner]
        by_owner = owner is not None and owner.workers is not None
        key = ("owner", step.owner or "") if by_owner else ("pool", step.pool)
        if key not in found:
            found[key] = len(resources)
            if owner is not None and owner.workers is not None:
                rate = rate_of(owner, spec.outline.calendar.week)
                resources.append(Resource("owner", owner.name, owner.workers, rate))
            else:
                whole = complete(pools[step.pool], spec.settings, cores)
                resources.append(Resource("pool", step.pool, whole.max_size or cores))
        of.append(found[key])
    return resources, of


def rate_of(owner: Owner, week: float) -> float:
    """Seconds that pass for each second of an owner's work."""
    if owner.capacity is None or owner.workers is None:
        return 1.0
    return owner.workers * week / owner.capacity


def has_work(step: Step) -> bool:
    """Whether somebody is busy with it for any time."""
    return step.estimate is not None and step.estimate.high > 0
