"""What a plan says beside its tasks: who works, what may be touched, how much at a time, and what is to be reached."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.plan.effort import NO_TIME, Calendar, Estimate

Level: TypeAlias = Literal["low", "medium", "high"]
Order: TypeAlias = Literal["as-written", "longest-first"]
Decided: TypeAlias = Literal["go", "pivot", "stop", "hold"]

REQUESTS: Final = ("KERNEL", "QUESTION", "BLOCKER", "INTEGRATION")
"""Kinds of requests between teams that every plan knows; a plan may say more of them, and name others."""


class Claim(msgspec.Struct, frozen=True):
    """A name, or a pattern of paths, that a task holds while it runs: alone, or with others that share it."""

    what: str
    """In a set of tasks, ``{x}`` stands for the keyword argument, ``{}`` for the item and ``{n}`` for its number."""
    shared: bool = False


class Lane(msgspec.Struct, frozen=True):
    """How many tasks of a kind may run at the same time."""

    name: str
    limit: int
    labels: tuple[str, ...] = ()
    """Tasks that have one of these go through it, unless they name another lane."""
    pool: str | None = None
    """Who does them: tasks of the lane that name no pool."""


class Owner(msgspec.Struct, frozen=True):
    """Whose tasks are whose, and what that may be about."""

    name: str
    title: str = ""
    workers: int | None = None
    """Who can do them at the same time. None: those of the tasks' pools."""
    capacity: float | None = None
    """Seconds of work that they get done in a week, all together; None: full weeks."""
    effort: float | None = None
    """Seconds of work that there are in all, None where nobody counts."""
    paths: tuple[str, ...] = ()
    """Patterns of paths that nobody else touches."""
    reads: tuple[str, ...] = ()
    """Of others, that may be read."""


class Group(msgspec.Struct, frozen=True):
    """Tasks that belong together: a block of work, a category, a phase."""

    name: str
    title: str = ""
    weeks: tuple[int, int] | None = None
    """The first and the last week it is meant for, counted from 1."""


class Milestone(msgspec.Struct, frozen=True):
    """What is to be reached once some tasks are done."""

    name: str
    title: str = ""
    target: float | None = None
    """Seconds from the beginning by which it is to be reached."""
    tasks: tuple[str, ...] = ()
    """Names of task sets."""


class Team(msgspec.Struct, frozen=True):
    """A name for tasks of people who work together."""

    name: str
    title: str = ""
    owners: tuple[str, ...] = ()


class RequestKind(msgspec.Struct, frozen=True):
    """What one team asks of another."""

    name: str
    answered_by: str | None = None
    within: Estimate = NO_TIME
    """How long an answer takes: time that passes, whoever works meanwhile."""


class Condition(msgspec.Struct, frozen=True):
    """What a number must be like. Exactly one of `metric` and `result` says which number."""

    metric: str | None = None
    result: str | None = None
    """A path of keys into a result, such as ``speed.ratio``; "" is the result itself."""
    of: str | None = None
    """The task whose result that is; None: the one that the gate looks at."""
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    equals: Any = None


class Gate(msgspec.Struct, frozen=True):
    """What must be so before what comes after it. Without conditions, its task must succeed."""

    go: tuple[Condition, ...] = ()
    """All of these."""
    pivot: tuple[Condition, ...] = ()
    """Any of these: another way must be found."""
    stop: tuple[Condition, ...] = ()
    """Any of these: it is given up."""
    of: str | None = None
    """The task whose result is looked at; None: its own, or where it does nothing that of what it comes after."""


class Risk(msgspec.Struct, frozen=True):
    """What may go wrong."""

    text: str
    likelihood: Level
    impact: Level
    tasks: tuple[str, ...] = ()
    mitigation: str = ""


class Suite(msgspec.Struct, frozen=True):
    """Tests that are to be written."""

    name: str
    planned: int
    coverage: float | None = None
    """The share of the code that they are to run."""
    tasks: tuple[str, ...] = ()
    """That write them."""


class Merge(msgspec.Struct, frozen=True):
    """In which order the work of owners comes together."""

    order: tuple[str, ...] = ()
    """As it is preferred."""
    then: str | None = None
    """The task that runs after all of them."""


class Outline(msgspec.Struct, frozen=True):
    """All of it."""

    title: str = ""
    calendar: Calendar = Calendar()
    order: Order = "as-written"
    owners: dict[str, Owner] = {}
    teams: dict[str, Team] = {}
    groups: dict[str, Group] = {}
    lanes: dict[str, Lane] = {}
    milestones: dict[str, Milestone] = {}
    requests: dict[str, RequestKind] = {}
    tests: dict[str, Suite] = {}
    risks: tuple[Risk, ...] = ()
    merge: Merge = Merge()
    shared: tuple[str, ...] = ()
    """Patterns of paths that belong to nobody, and are claimed while they are changed."""
    parameters: dict[str, Any] = {}
    """As they are in force."""
