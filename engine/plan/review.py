"""A plan looked through before it is run: what it amounts to, what its end hangs on, what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

import msgspec

from engine.plan.analysis.gains import gains
from engine.plan.analysis.network import Network, without_estimate, work_of
from engine.plan.analysis.times import Times, critical_path, times
from engine.plan.effort import effort_text
from engine.plan.model import Outline
from engine.plan.ownership.contention import Contention, contention
from engine.plan.ownership.matrix import Proof, prove
from engine.plan.ownership.merge import MergeOrder, merge_order
from engine.plan.steps import RunSpec, Step

_CONTENTIONS: Final = 100
_GAINS: Final = 10
_TOLD: Final = 3


class Share(msgspec.Struct, frozen=True):
    """What one owner has to do, in seconds of work; `effort` is what there is of it, None where nobody says."""

    owner: str
    tasks: int
    work: float
    effort: float | None


class Gain(msgspec.Struct, frozen=True):
    """How many seconds sooner all could be over, at the most, if one set took no time."""

    name: str
    seconds: float


class Review(msgspec.Struct, frozen=True):
    """What was found.

    `tasks` counts all tasks of all sets, `work` is in seconds, and so is `length`: of `path`, a longest chain of sets
    that come after each other, if nobody is short of workers.
    """

    sets: int
    tasks: int
    work: float
    length: float
    path: tuple[str, ...]
    gains: tuple[Gain, ...]
    """The largest first; only a few of them."""
    owners: tuple[Share, ...]
    proof: Proof
    merge: MergeOrder
    contention: tuple[Contention, ...]
    remarks: tuple[str, ...]
    """What is not wrong, but may not be meant."""


def review(spec: RunSpec) -> Review:
    """Look through a plan whose steps do not come after each other in a circle."""
    steps, outline = spec.steps, spec.outline
    network = Network.of(steps)
    found = times(network)
    owners = [_share(name, outline, [step for step in steps if step.owner == name]) for name in outline.owners]
    merge = merge_order(steps, list(outline.owners), outline.merge.order)
    excluded = contention(steps, _CONTENTIONS)
    return Review(
        sets=len(steps),
        tasks=sum(step.total or 1 for step in steps),
        work=sum(map(work_of, steps)),
        length=found.length,
        path=tuple(network.names[node] for node in critical_path(network, found)),
        gains=_gains(network, found),
        owners=tuple(owners),
        proof=prove(outline, steps),
        merge=merge,
        contention=tuple(excluded),
        remarks=tuple(_remarks(spec, owners, merge)),
    )


def _gains(network: Network, found: Times) -> tuple[Gain, ...]:
    most = gains(network, found, inf)
    order = sorted(range(len(most)), key=lambda node: (-most[node], node))
    return tuple(Gain(network.names[node], most[node]) for node in order[:_GAINS] if most[node] > 0)


def _share(name: str, outline: Outline, steps: Sequence[Step]) -> Share:
    work = sum(map(work_of, steps))
    return Share(name, sum(step.total or 1 for step in steps), work, outline.owners[name].effort)


def _remarks(spec: RunSpec, owners: Sequence[Share], merge: MergeOrder) -> list[str]:
    found = [
        f"owner {one.owner} has {effort_text(one.work)} of work, and {effort_text(one.effort)} of effort"
        for one in owners
        if one.effort is not None and one.work > one.effort * (1 + 1e-9)
    ]
    silent = without_estimate(spec.steps)
    if silent and any(step.estimate is not None for step in spec.steps):
        found.append(f"without an estimate, and so of no time: {_some(silent)}")
    found += [f"milestone {one.name} gathers nothing" for one in spec.outline.milestones.values() if not one.tasks]
    used = {step.group for step in spec.steps}
    found += [f"group {name} has no tasks" for name in spec.outline.groups if name not in used]
    if merge.circle and spec.outline.merge.order:
        reasons = "; ".join(reason.text for reason in merge.circle[:_TOLD])
        found.append(f"owners build on each other in a circle, so no merge order suits all: {reasons}")
    found += [f"the merge order that is preferred is not kept: {reason.text}" for reason in merge.against[:_TOLD]]
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
