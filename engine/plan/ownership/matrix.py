"""Who may touch what: paths of owners, what others may read of them, what tasks claim. Every conflict is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import msgspec

from engine.core.patterns import Names, covers, overlaps
from engine.plan.claims import widened
from engine.plan.model import Outline, Owner
from engine.plan.steps import Step

Kind: TypeAlias = Literal["owners", "shared", "claim", "read"]
Mark: TypeAlias = Literal["owns", "reads", "claims", "shares"]


class Side(msgspec.Struct, frozen=True):
    """One of the two that a conflict is between."""

    who: str
    """As people read it: ``owner core``, ``tasks build of owner gpu``."""
    what: str
    """The name or pattern."""


class Conflict(msgspec.Struct, frozen=True):
    """Two who may both touch something that only one of them should."""

    kind: Kind
    one: Side
    other: Side

    @property
    def text(self) -> str:
        """For people, in one line."""
        one, other = self.one, self.other
        if self.kind == "owners":
            return f"{one.who} and {other.who} both own what {one.what} and {other.what} have in common"
        if self.kind == "shared":
            return f"{one.what} of {one.who} overlaps {other.what}, which is shared by all"
        if self.kind == "read":
            return f"{one.who} read {one.what}, which overlaps {other.what} of {other.who}, and may not"
        return f"{one.who} claim {one.what}, which overlaps {other.what} of {other.who}"


class Proof(msgspec.Struct, frozen=True):
    """What was compared, and what came of it: without conflicts, no two owners can touch the same thing."""

    owners: int
    patterns: int
    pairs: int
    """Patterns of two different owners, or of one and of what is shared, that were compared."""
    claims: int
    """Claims of tasks that were held against the owners' patterns."""
    conflicts: tuple[Conflict, ...]


def prove(outline: Outline, steps: Sequence[Step]) -> Proof:
    """Compare the patterns of all pairs of owners, and what tasks claim with what is whose.

    Claims of a whole set of tasks count as the pattern of all that they may be. A task without an owner belongs to
    nobody: whatever it claims of somebody's is a conflict.
    """
    owners = list(outline.owners.values())
    found: list[Conflict] = []
    pairs = 0
    for one, other in combinations(owners, 2):
        pairs += len(one.paths) * len(other.paths)
        found.extend(_between(one, other))
    for owner in owners:
        pairs += len(owner.paths) * len(outline.shared)
        found.extend(
            Conflict("shared", Side(_owner(owner.name), path), Side("all", shared))
            for path in owner.paths
            for shared in outline.shared
            if overlaps(path, shared)
        )
    claims = _claims(outline, steps, found)
    patterns = sum(len(owner.paths) for owner in owners)
    return Proof(len(owners), patterns, pairs, claims, tuple(found))


def _between(one: Owner, other: Owner) -> Iterable[Conflict]:
    for mine in one.paths:
        for theirs in other.paths:
            if overlaps(mine, theirs):
                yield Conflict("owners", Side(_owner(one.name), mine), Side(_owner(other.name), theirs))


def _claims(outline: Outline, steps: Sequence[Step], found: list[Conflict]) -> int:
    """How many there are."""
    names = Names()
    of: dict[str, list[str]] = {}
    for owner in outline.owners.values():
        for path in owner.paths:
            names.add(path)
            of.setdefault(path, []).append(owner.name)
    count = 0
    for step in steps:
        for claim in step.claims:
            count += 1
            what = widened(claim)
            for path in names.overlapping(what):
                for name in of[path]:
                    if name != step.owner and not (claim.shared and _may_read(outline, step.owner, what)):
                        side = Side(_tasks(step), what)
                        found.append(Conflict("read" if claim.shared else "claim", side, Side(_owner(name), path)))
    return count


def _may_read(outline: Outline, owner: str | None, what: str) -> bool:
    return owner is not None and any(covers(pattern, what) for pattern in outline.owners[owner].reads)


def _owner(name: str) -> str:
    return f"owner {name}"


def _tasks(step: Step) -> str:
    return f"tasks {step.name} of " + (f"owner {step.owner}" if step.owner is not None else "nobody")


class Row(msgspec.Struct, frozen=True):
    """One pattern of the ownership matrix."""

    what: str
    marks: dict[str, Mark]
    """By owner; ``shares``: it may claim it for a while."""


def matrix(outline: Outline, steps: Sequence[Step]) -> list[Row]:
    """The ownership matrix: each pattern with what each owner may do with it, or claims of it for a task."""
    rows: dict[str, dict[str, Mark]] = {}
    for owner in outline.owners.values():
        for path in owner.paths:
            rows.setdefault(path, {})[owner.name] = "owns"
    for owner in outline.owners.values():
        for path in owner.reads:
            rows.setdefault(path, {}).setdefault(owner.name, "reads")
    for path in outline.shared:
        rows.setdefault(path, {}).update(dict.fromkeys(outline.owners, "shares"))
    for step in steps:
        for claim in step.claims:
            if step.owner is not None:
                marks = rows.setdefault(widened(claim), {})
                if marks.get(step.owner) in (None, "shares"):
                    marks[step.owner] = "claims"
    return [Row(what, marks) for what, marks in rows.items()]
