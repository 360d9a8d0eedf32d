"""What the stream tells of a plan: its sets of tasks, called steps, as they are written and as they are by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

StepState: TypeAlias = Literal[
    "waiting", "delayed", "held", "people", "ready", "running", "done", "failed", "barred"
]  # fmt: skip
"""``waiting``: for what it comes after. ``delayed``: time has to pass first. ``held``: a gate before it waits for
somebody's answer. ``people``: it is work of people, and waits to be done. ``ready``: it could run, and waits for
agents, a claim or a lane. ``failed``: some of its tasks were run in vain. ``barred``: nothing of it is ever run, for
what it comes after has failed, or its gate does not let go on."""

StepT = TypeVar("StepT", bound=msgspec.Struct)

OVER: Final[tuple[StepState, ...]] = ("done", "failed", "barred")

_LONGEST: Final = 4_000
"""Bytes of a step at the most, as engines cut their texts."""
_STEADY: Final = 10_000
"""Bytes by which the room for a head grows: it is to be the same while a head gets a little longer."""
STEPS_MAX: Final = 5_000
"""Steps that readers are told of, the first ones of the plan."""


class StepOutline(msgspec.Struct, frozen=True, array_like=True):
    """One step as it is written. Texts are cut where they are very long."""

    name: str
    title: str
    what: str
    """What it runs: the name of a function, a command; "" for work of people, and gates that do nothing."""
    total: int | None
    """Tasks, None where nobody knows."""
    after: tuple[int, ...]
    """Numbers of steps that it comes after, the first of them."""
    more_after: int
    """How many more there are."""
    pool: str
    owner: str
    """"" for nobody's, as are the next ones for none."""
    team: str
    group: str
    milestones: tuple[int, ...]
    """That it belongs to, by their places in the outline."""
    lane: str
    claims: tuple[str, ...]
    """The first of what each of its tasks claims."""
    labels: tuple[str, ...]
    estimate: float | None
    """Of one task, seconds."""
    wait: float
    """Seconds that pass before it can begin."""
    gate: tuple[str, ...] | None
    """What must be so before what comes after it, a line for each decision; None: it is no gate."""
    priority: int = 0
    memory: int = 0
    """Bytes that one task may hold, 0 where nobody says."""
    people: bool = False
    """It is work of people."""


class OwnerOutline(msgspec.Struct, frozen=True, array_like=True):
    """Whose work it is."""

    name: str
    title: str
    workers: int | None
    """Who can do it at the same time, None where the agents of pools do."""


class MilestoneOutline(msgspec.Struct, frozen=True, array_like=True):
    """What is to be reached once some steps are done."""

    name: str
    title: str
    target: float | None
    """Seconds from the beginning by which it is to be reached."""
    steps: int
    """How many it gathers."""


class PlanOutline(msgspec.Struct, frozen=True, array_like=True, tag="outline"):
    """A plan as it is written. It does not change while the run goes on: a reader is told it once, a large one in
    several messages."""

    first: int
    """Number of the first step of this message, from 0 on."""
    count: int
    """Steps that readers are told of, in all messages."""
    steps: tuple[StepOutline, ...]
    title: str = ""
    """This and what follows comes with the first step alone."""
    left: int = 0
    """Steps that there are beside those."""
    groups: tuple[tuple[str, str], ...] = ()
    """Names and titles."""
    owners: tuple[OwnerOutline, ...] = ()
    milestones: tuple[MilestoneOutline, ...] = ()
    day: float = 28_800.0
    """Seconds of work in a day, and in a week."""
    week: float = 144_000.0


class StepNow(msgspec.Struct, frozen=True, array_like=True):
    """One step at one moment. Moments are seconds since the Unix epoch."""

    number: int
    state: StepState
    done: int
    """Tasks, as the next ones."""
    failed: int
    running: int
    """On an agent at this moment."""
    taken: int
    """That the engine knows of by now, those that are over included."""
    began: float | None
    """When the first of them began, None: none has, or it is not known any more."""
    ended: float | None
    """When the last of those that are over ended."""
    mean: float | None
    """Seconds that a task took, on average of those that were run."""
    starts: float | None
    """When it may begin, as it looks by now; of one that has begun, `began`. None: nobody can say."""
    ends: float | None
    """When it may end; of one that is over, when it did."""
    slack: float | None
    """Seconds by which it could be late without moving the end of all."""
    rank: float | None
    """Seconds from now, or from its beginning, to the end of all along the longest chain."""
    gain: float | None
    """Seconds by which all is over sooner, if what is left of it took one less."""
    critical: bool
    """The end of all hangs on it."""
    waits_for: tuple[int, ...] = ()
    """The first of the steps that it waits for."""
    more: int = 0
    """How many more there are."""
    until: float | None = None
    """When enough time has passed, of one that is delayed."""
    why: str = ""
    """Why it is barred or held, for people."""


class GateNow(msgspec.Struct, frozen=True, array_like=True):
    """A gate that was decided on."""

    step: int
    decided: str
    """``go``, ``pivot``, ``stop`` or ``hold``."""
    reasons: tuple[str, ...]
    waits: bool = False
    """It is held, and waits for somebody's answer."""


class MilestoneNow(msgspec.Struct, frozen=True, array_like=True):
    """How near a milestone is."""

    tasks: int
    done: int
    failed: int
    steps_done: int
    ends: float | None
    """When it was, or may be, reached; None: nobody can say, or it can't be any more."""
    reached: bool
    slack: float | None
    """Seconds from there to its target; below 0: too late."""


class OwnerNow(msgspec.Struct, frozen=True, array_like=True):
    """What an owner has to do."""

    tasks: int
    done: int
    failed: int
    running: int
    left: float | None
    """Seconds of work that are left, None where nobody can say."""


class PlanNow(msgspec.Struct, frozen=True, array_like=True, tag="plan"):
    """A plan at one moment: sampled, as frames are, though not as often; of a large one in several messages, and only
    those parts that have changed."""

    at: float
    """Seconds since the Unix epoch."""
    steps: tuple[StepNow, ...]
    first: bool = False
    """What follows is told in this message; else what was told before holds."""
    ends: float | None = None
    """When all may be over, or was; None: nobody can say."""
    chain: tuple[int, ...] = ()
    """Numbers of the steps that the end hangs on, from the first to the last; of very many the last ones."""
    gates: tuple[GateNow, ...] = ()
    """In the order in which they were decided on."""
    milestones: tuple[MilestoneNow, ...] = ()
    """As in the outline, as are the owners."""
    owners: tuple[OwnerNow, ...] = ()
    guessed: bool = True
    """Nothing is estimated nor measured: what is said of what is to come is no more than the order."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: every message makes another one
class PlanSeen:
    """What was heard of a plan.

    Attributes:
        steps: as written; too few while not all was heard.
        now: of each step, None before it was heard.
        outline: the message with what is told beside the steps, None before it was heard.
        told: likewise.
    """

    steps: tuple[StepOutline, ...] = ()
    now: tuple[StepNow | None, ...] = ()
    outline: PlanOutline | None = field(default=None)
    told: PlanNow | None = field(default=None)

    @property
    def complete(self) -> bool:
        """Whether all is there to be shown."""
        outline = self.outline
        if outline is None or self.told is None or len(self.steps) < outline.count or len(self.now) < outline.count:
            return False
        return None not in self.now

    def heard(self, message: PlanOutline | PlanNow) -> PlanSeen:
        """The same after one message more."""
        if isinstance(message, PlanOutline):
            first, steps = message.first, message.steps
            known = (*self.steps[:first], *steps, *self.steps[first + len(steps) :])[: message.count]
            return replace(self, steps=known, outline=self.outline if first else message)
        now = list(self.now)
        for step in message.steps:
            if step.number >= len(now):
                now += [None] * (step.number + 1 - len(now))
            now[step.number] = step
        return replace(self, now=tuple(now), told=message if message.first else self.told)


def no_plan(at: float) -> tuple[PlanOutline, PlanNow]:
    """What readers are told of a run that has none, at a moment in seconds since the Unix epoch."""
    return PlanOutline(0, 0, ()), PlanNow(round(at, 3), (), True)


def outline_parts(outline: PlanOutline, room: int) -> list[PlanOutline]:
    """An outline in messages of about `room` bytes each."""
    parts = _cut(outline.steps, room, msgspec.structs.replace(outline, steps=()))
    found = [msgspec.structs.replace(outline, steps=parts[0])]
    at = len(parts[0])
    for steps in parts[1:]:
        found.append(PlanOutline(at, outline.count, steps))
        at += len(steps)
    return found


def now_parts(now: PlanNow, room: int) -> list[PlanNow]:
    """A plan at one moment in messages of about `room` bytes each."""
    first, *rest = _cut(now.steps, room, msgspec.structs.replace(now, steps=()))
    return [msgspec.structs.replace(now, steps=first), *(PlanNow(now.at, steps) for steps in rest)]


def _cut(steps: Sequence[StepT], room: int, head: msgspec.Struct) -> list[tuple[StepT, ...]]:
    """Steps in parts of so many bytes, less in the first one, which has a head beside them. The same steps are always
    in the same part, as far as they stay as long."""
    encode = msgspec.msgpack.Encoder().encode
    beside = -(-len(encode(head)) // _STEADY) * _STEADY
    if len(steps) * _LONGEST < room - beside:  # they fit in any case
        return [tuple(steps)]
    most = max(map(len, map(encode, steps)), default=1)
    first, each = max(0, room - beside) // most, max(1, room // most)
    starts = [0, *range(first, len(steps), each)]
    return [tuple(steps[start:stop]) for start, stop in zip(starts, [*starts[1:], len(steps)], strict=True)]
