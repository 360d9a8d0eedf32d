"""Requests between teams: which pool answers those of each kind, by the owner that the plan names for them."""

from __future__ import annotations

from engine.plan.steps import RunSpec


def answering(spec: RunSpec) -> dict[str, str]:
    """The pool that answers each kind of requests that the plan knows: the one that is called as their owner, or the
    only one in which that owner has tasks; "" for that of whoever asks."""
    pools = {pool.name for pool in spec.pools}
    theirs: dict[str, set[str]] = {}
    for step in spec.steps:
        if step.owner is not None:
            theirs.setdefault(step.owner, set()).add(step.pool)
    found = {}
    for kind in spec.outline.requests.values():
        owner = kind.answered_by or ""
        several = {owner} if owner in pools else theirs.get(owner, set())
        found[kind.name] = next(iter(several)) if len(several) == 1 else ""
    return found
