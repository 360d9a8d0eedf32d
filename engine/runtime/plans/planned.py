"""The plan of a run as it is by now: what readers are told of its steps, made when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from engine.plan.analysis.network import Network
from engine.plan.analysis.outlook import Outlook, Rest, outlook
from engine.plan.steps import RunSpec, Step, numbers
from engine.runtime.atwork import Busy, at_work
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.plans.course import Course
from engine.runtime.plans.outlined import is_people, outlined
from engine.stream.plans import (
    OVER,
    STEPS_MAX,
    GateNow,
    MilestoneNow,
    OwnerNow,
    PlanNow,
    PlanOutline,
    StepNow,
    StepState,
    now_parts,
    outline_parts,
)
from engine.stream.types import MESSAGE_MAX, ToReader

if TYPE_CHECKING:  # they know the run, which knows this
    from engine.runtime.plans.decisions import Gates
    from engine.runtime.plans.turns import Turns

_PACE: Final = 0.5
"""Seconds from one look at the plan to the next."""
_SELDOM: Final = 100
"""A hundredth of the time goes into that at the most."""
_ROOM: Final = MESSAGE_MAX - 1_000
"""Bytes of a message."""
_RECORDED: Final = 1_000
"""Steps of the largest plan whose course is recorded for a replay."""
_CHAIN: Final = 500
"""Steps of the chain that are told of."""
_GATES: Final = 100
"""That were decided on last, and are told of."""
_REASONS: Final = 3
_TEXT: Final = 200
_WAITS_FOR: Final = 3
_JUST: Final = 2.0
"""Seconds after an outcome for which a step is still said to run, though at this very moment no agent is at it."""


class Begun(Protocol):
    """A step that runs or has run, as its driver knows it."""

    submitted: int
    over: int
    failed: int
    job: int
    barred: str
    bars: str
    course: Course

    @property
    def finished(self) -> bool:
        """All of its tasks are over."""


class Planned:
    """Of one run, on its thread."""

    def __init__(self, fleet: Fleet, spec: RunSpec, begun: Mapping[str, Begun], gates: Gates, turns: Turns) -> None:
        """`begun`: the steps that run or have run, by name."""
        self._fleet = fleet
        self._spec = spec
        self._steps = begun
        self._gates = gates
        self._turns = turns
        self._began = time.time()
        self._due = 0.0
        self._last: list[ToReader] | None = None
        self._recorded: dict[int, StepNow] = {}

    def course(self, name: str) -> Course:
        """How a step has gone so far."""
        begun = self._steps.get(name)
        return Course() if begun is None else begun.course

    # -- what is told --------------------------------------------------------------------------------------------------

    def told(self, last: bool = False) -> list[ToReader] | None:
        """The plan, in messages; None: it is not yet time to look again, what was told last holds."""
        now = time.monotonic()
        if self._last is not None and not last and now < self._due:
            return None
        self._last = [*self._outline_parts, *now_parts(self.now(), _ROOM)]
        self._due = now + max(_PACE, _SELDOM * (time.monotonic() - now))
        return self._last

    def changed(self) -> PlanNow | None:
        """For the record: what has changed since it was last asked for; None for a plan that is too large for that."""
        if not self._recordable:
            return None
        now = self.now()
        steps = [step for step in now.steps if _counts(step) != _counts(self._recorded.get(step.number))]
        self._recorded.update((step.number, step) for step in steps)
        return PlanNow(
            now.at, tuple(steps), True, now.ends, now.chain, now.gates, now.milestones, now.owners, now.guessed
        )

    def whole(self) -> list[ToReader]:
        """For the record: all of it."""
        if not self._recordable:
            return []
        now = self.now()
        self._recorded = {step.number: step for step in now.steps}
        return [self.outline, now]

    @property
    def _recordable(self) -> bool:
        return len(self._spec.steps) <= _RECORDED

    @cached_property
    def outline(self) -> PlanOutline:
        """The plan as it is written."""
        return outlined(self._spec)

    @cached_property
    def _outline_parts(self) -> list[PlanOutline]:
        return outline_parts(self.outline, _ROOM)

    # -- one step ------------------------------------------------------------------------------------------------------

    @cached_property
    def _at(self) -> dict[str, int]:
        return {step.name: number for number, step in enumerate(self._spec.steps)}

    def number(self, name: str) -> int | None:
        """Of a step that readers are told of, by its name; None: there is none."""
        found = self._at.get(name)
        return found if found is not None and found < STEPS_MAX else None

    def job(self, name: str) -> int | None:
        """The number of its job in the record; None: it has not begun."""
        begun = self._steps.get(name)
        return None if begun is None else begun.job

    def open_before(self, number: int) -> list[int]:
        """What a step waits for: gates before it that are held, or else all that it comes after that is not over."""
        held = [one for one in self._before[number] if self.is_held(one)]
        return held or [one for one in self._before[number] if not self._is_over(one)]

    # -- how it is now -------------------------------------------------------------------------------------------------

    @cached_property
    def _network(self) -> Network:
        return Network.of(self._spec.steps)

    @cached_property
    def _before(self) -> list[list[int]]:
        return numbers(self._spec.steps)

    def now(self) -> PlanNow:
        """All of it, in one message that may be too long for a reader."""
        steps, at, monotonic = self._spec.steps, time.time(), time.monotonic()
        busy = at_work(self._fleet)
        states = [self._state(number, busy, at) for number in range(len(steps))]
        rests = self._rests(states, busy, at, monotonic)
        found = outlook(self._network, rests)
        guessed = not any(rest.one for rest in rests)
        on_chain = set(found.chain)
        shown = [
            self._step(number, states[number], busy, found, rests[number], number in on_chain, at, guessed)
            for number in range(min(len(steps), STEPS_MAX))
        ]
        over = all(state in OVER for state, _ in states)
        ended = max((begun.course.ended or 0.0 for begun in self._steps.values()), default=0.0)
        ends = (ended or None) if over else None if guessed else at + found.length
        chain = tuple(number for number in found.chain if number < STEPS_MAX)[-_CHAIN:]
        return PlanNow(
            round(at, 3), tuple(shown), True, _rounded(ends), chain, tuple(self._gates_now()),
            tuple(self._milestones(states, found, at, guessed)), tuple(self._owners(busy, rests)), guessed,
        )  # fmt: skip

    def _state(self, number: int, busy: Mapping[int, Busy], at: float) -> tuple[StepState, str]:
        """How a step is, and why, where that is not plain."""
        step = self._spec.steps[number]
        begun, course = self._steps.get(step.name), self.course(step.name)
        if begun is None:
            if any(not self._is_over(other) for other in self._before[number]):
                return "waiting", ""
            if self._turns.due(step.name) is not None:
                return "delayed", ""
            held = next((one for one in self._before[number] if self.is_held(one)), None)
            if held is not None:
                return "held", f"gate {self._spec.steps[held].name} waits for an answer"
            return "ready", ""
        if begun.finished:
            if not begun.failed:
                return "done", ""
            why, ran = begun.barred or self._lost(number), course.tasks
            if why and not ran:
                return "barred", why
            return "failed", "" if ran else course.why
        if is_people(step):
            return "people", ""
        just = course.ended is not None and at - course.ended < _JUST
        return ("running" if begun.job in busy or just else "ready"), ""

    def _lost(self, number: int) -> str:
        """Which of those that a step comes after has failed, in words; "" for none."""
        for other in self._before[number]:
            begun = self._steps.get(self._spec.steps[other].name)
            if begun is not None and begun.failed:
                return f"{self._spec.steps[other].name}, which it comes after, has failed"
        return ""

    def _is_over(self, number: int) -> bool:
        begun = self._steps.get(self._spec.steps[number].name)
        return begun is not None and begun.finished

    def is_held(self, number: int) -> bool:
        """Whether it is a gate that waits for somebody's answer."""
        return self._spec.steps[number].name in self._gates.held

    def _rests(
        self, states: Sequence[tuple[StepState, str]], busy: Mapping[int, Busy], at: float, monotonic: float
    ) -> list[Rest]:
        """What is left of each step: by how long its tasks took so far, else by the estimate, else by what tasks of its
        pool took."""
        pools = self._pool_means()
        agents = {pool.name: pool.maximum for pool in self._fleet.core.pools}
        rests = []
        for step, (state, _) in zip(self._spec.steps, states, strict=True):
            begun, course = self._steps.get(step.name), self.course(step.name)
            mean = course.mean
            if state in OVER:
                rests.append(Rest(0, mean, ended=course.ended or 0.0))
                continue
            one = mean
            if one is None:
                one = step.estimate.likely if step.estimate is not None else pools.get(step.pool)
            tasks = max(1, (step.total or 1) - (0 if begun is None else begun.over))
            now = None if begun is None else busy.get(begun.job)
            running = monotonic - now.last if now is not None and now.tasks >= tasks else 0.0
            wait = 0.0 if step.wait is None or begun is not None else step.wait.likely
            if (due := self._turns.due(step.name)) is not None:
                wait = max(0.0, due - monotonic)
            rests.append(Rest(tasks, one, self._workers(step, agents), min(running, one or 0.0), wait))
        return rests

    def _pool_means(self) -> dict[str, float]:
        """Seconds that a task of each pool took on average."""
        sums: dict[str, list[float]] = {}
        for step in self._spec.steps:
            course = self.course(step.name)
            if course.tasks:
                found = sums.setdefault(step.pool, [0.0, 0.0])
                found[0] += course.seconds
                found[1] += course.tasks
        return {pool: seconds / tasks for pool, (seconds, tasks) in sums.items()}

    def _workers(self, step: Step, agents: Mapping[str, int]) -> int | None:
        """Tasks of a step that can run at the same time, None: all."""
        if is_people(step):
            owner = self._spec.outline.owners.get(step.owner or "")
            return None if owner is None else owner.workers
        lane = self._fleet.core.desk.claims.lanes.get(step.lane) if step.lane else None
        most = agents.get(step.pool) or 1
        return most if lane is None else max(1, min(most, lane.limit))

    def _step(
        self, number: int, how: tuple[StepState, str], busy: Mapping[int, Busy], found: Outlook, rest: Rest,
        critical: bool, at: float, guessed: bool,
    ) -> StepNow:  # fmt: skip
        step, (state, why) = self._spec.steps[number], how
        begun, course = self._steps.get(step.name), self.course(step.name)
        now = None if begun is None else busy.get(begun.job)
        over, unknown = state in OVER, guessed or state in OVER
        began = course.began
        if now is not None:
            first = now.first + time.time() - time.monotonic()
            began = first if began is None else min(began, first)
        open_ = self.open_before(number) if state in ("waiting", "held") else []
        due = self._turns.due(step.name) if state == "delayed" else None
        starts = began if began is not None else None if unknown else at + found.starts[number] + rest.wait
        taken, over_now, failed = (0, 0, 0) if begun is None else (begun.submitted, begun.over, begun.failed)
        return StepNow(
            number,
            state,
            done=over_now - failed,
            failed=failed,
            running=0 if now is None else now.tasks,
            taken=taken,
            began=_rounded(began),
            ended=_rounded(course.ended),
            mean=None if course.mean is None else round(course.mean, 9),
            starts=_rounded(starts),
            ends=_rounded(course.ended if over else None if guessed else at + found.ends[number]),
            slack=None if unknown else _rounded(found.slack[number]),
            rank=None if unknown else _rounded(found.ranks[number]),
            gain=None if unknown or found.gains is None else _rounded(found.gains[number]),
            critical=critical and (over or not guessed),
            waits_for=tuple(one for one in open_ if one < STEPS_MAX)[:_WAITS_FOR],
            more=max(0, len(open_) - _WAITS_FOR),
            until=None if due is None else _rounded(due + time.time() - time.monotonic()),
            why=why[:_TEXT],
        )

    def _gates_now(self) -> list[GateNow]:
        found = []
        for told in self._gates.summary()[-_GATES:]:
            number, reasons = self._at[told["gate"]], told["reasons"][:_REASONS]
            if told.get("by"):
                reasons.append(f"said by {told['by']}" + (f": {told['why']}" if told.get("why") else ""))
            if number < STEPS_MAX:
                reasons = tuple(reason[:_TEXT] for reason in reasons)
                found.append(GateNow(number, told["decided"], reasons, self.is_held(number)))
        return found

    @cached_property
    def _members(self) -> list[list[int]]:
        """By milestone, the numbers of its steps."""
        return [[self._at[name] for name in one.tasks] for one in self._spec.outline.milestones.values()]

    def _milestones(
        self, states: Sequence[tuple[StepState, str]], found: Outlook, at: float, guessed: bool
    ) -> list[MilestoneNow]:
        made = []
        outline = self.outline.milestones
        for milestone, members in zip(outline, self._members, strict=False):
            tasks, done, failed = self._sums(members)
            lost = any(states[number][0] in ("failed", "barred") for number in members)
            reached = bool(members) and all(states[number][0] == "done" for number in members)
            ends: float | None = None
            if reached:
                ends = max(self.course(self._spec.steps[number].name).ended or 0.0 for number in members) or None
            elif members and not lost and not guessed:
                ends = at + max(found.ends[number] for number in members)
            slack = None if ends is None or milestone.target is None else self._began + milestone.target - ends
            over = sum(states[number][0] == "done" for number in members)
            made.append(MilestoneNow(tasks, done, failed, over, _rounded(ends), reached, _rounded(slack)))
        return made

    def _owners(self, busy: Mapping[int, Busy], rests: Sequence[Rest]) -> list[OwnerNow]:
        of: dict[str, list[int]] = {}
        for number, step in enumerate(self._spec.steps):
            if step.owner is not None:
                of.setdefault(step.owner, []).append(number)
        made = []
        for owner in list(self._spec.outline.owners)[: len(self.outline.owners)]:
            members = of.get(owner, [])
            tasks, done, failed = self._sums(members)
            begun = [one for number in members if (one := self._steps.get(self._spec.steps[number].name)) is not None]
            running = sum(busy[one.job].tasks for one in begun if one.job in busy)
            works = [(rests[number].tasks, rests[number].one) for number in members if rests[number].tasks]
            known = all(one is not None for _, one in works)
            left = sum(count * (one or 0.0) for count, one in works) if known else None
            made.append(OwnerNow(tasks, done, failed, running, _rounded(left)))
        return made

    def _sums(self, members: Sequence[int]) -> tuple[int, int, int]:
        """Tasks of some steps: all, done, failed."""
        steps = [self._spec.steps[number] for number in members]
        begun: list[Any] = [one for step in steps if (one := self._steps.get(step.name)) is not None]
        failed = sum(one.failed for one in begun)
        return sum(step.total or 1 for step in steps), sum(one.over for one in begun) - failed, failed


def _counts(step: StepNow | None) -> tuple[object, ...]:
    """What tells whether a step is still as it was told."""
    if step is None:
        return ()
    return step.state, step.done, step.failed, step.running, step.critical, step.began


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
