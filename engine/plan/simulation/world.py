"""The world around the core in a simulation: hosts that are there at once, agents that take as long as was said."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, Final

from engine.core import claims as core_claims
from engine.core.actions import Action, Send, Spawn, StartHost, TasksOver
from engine.core.core import Core
from engine.core.patterns import overlaps
from engine.core.tasks import Options
from engine.plan.model import Claim
from engine.plan.simulation.draws import Draw, likely
from engine.plan.simulation.model import Model, Node
from engine.plan.simulation.schedule import BUSY, HELD, NEVER, Schedule

_NANO: Final = 1e9
_ALL_AT_ONCE: Final = 1 << 62


class World:
    """One round of a simulation.

    Pools of the core are the resources of the model, and one more, in which time alone passes: for waits, and for steps
    that nobody works on. A batch is one task, so nothing waits in the queue of somebody busy.
    """

    def __init__(self, model: Model, draw: Draw = likely) -> None:
        self._model = model
        self._draw = draw
        self._core = Core(spawn_limit=_ALL_AT_ONCE, prefetch=False)
        self._free: list[list[int]] = []
        """Rows of agents that are idle, by pool; the next one is the last."""
        self._rested: list[int] = []
        """How many of them were idle before this moment."""
        self._running: list[tuple[float, int, int, int]] = []
        """Heap of (end, batch, pool, task), the task counted as in the schedule, or its step below 0."""
        self._rows: dict[int, int] = {}
        """The agent of each batch."""
        self._ranges: dict[int, tuple[int, bool]] = {}
        """What ranges are: the number of the node, and whether it is what passes before it."""
        self._ended: list[int] = []
        """Tasks that have ended at this moment."""
        self._last: dict[int, int] = {}
        """The task that each agent has begun last."""
        self.schedule = Schedule.empty([node.tasks for node in model.nodes])

    def run(self) -> Schedule:
        """Let all of it happen."""
        core = self._core
        self._hire()
        self._submit()
        self._act(0.0, core.take(0.0))
        running, rows = self._running, self._rows
        while running:
            now = running[0][0]
            self._ended.clear()
            self._rested = [len(free) for free in self._free]
            while running and running[0][0] == now:
                _, batch, pool, task = heapq.heappop(running)
                row = rows.pop(batch)
                self._free[pool].append(row)
                self._over(now, row, batch, task)
            self._act(now, core.take(now))
        if core.ranges:
            raise AssertionError(f"{len(core.ranges)} ranges were never begun")
        self.schedule.close()
        return self.schedule

    # -- before --------------------------------------------------------------------------------------------------------

    def _hire(self) -> None:
        """All who work are there from the beginning: no more of them than there are tasks."""
        core, model = self._core, self._model
        load = [0] * len(model.resources)
        timed = 0
        for node in model.nodes:
            if node.resource is not None:
                load[node.resource] += node.tasks
            timed += node.wait is not None or node.resource is None
        sizes = [min(one.workers, tasks) for one, tasks in zip(model.resources, load, strict=True)]
        for number, size in enumerate([*sizes, max(1, timed)]):
            pool = core.add_pool(str(number), size, 1)
            self._free.append(list(reversed(pool.rows[:size])))
        self._rested = [0] * len(self._free)
        for name, limit in model.lanes.items():
            core.desk.set_lane(name, limit)
        todo: list[Action] = core.take(0.0)
        while todo:
            for action in todo:
                if isinstance(action, StartHost):
                    core.host_up(0.0, action.shard)
                elif isinstance(action, Spawn):
                    core.agents_up(action.agents)
            todo = core.take(0.0)

    def _submit(self) -> None:
        """All ranges, in the order in which they may come after each other. Once for each step that passes time, and
        once for its tasks."""
        core, model = self._core, self._model
        time = len(model.resources)
        last: list[int] = [0] * len(model.nodes)
        for number in model.order:
            node = model.nodes[number]
            after = [last[other] for other in model.before[number]]
            if node.wait is not None or node.resource is None:
                given = core.submit(1, 2 * number, time, Options(batch_size=1, batch_max=1), after)
                self._ranges[given] = number, True
                after = [given]
            if node.resource is not None:
                options = Options(batch_size=1, batch_max=1, priority=node.priority)
                given = core.submit(node.tasks, 2 * number + 1, node.resource, options, after, **_needs(node))
                self._ranges[given] = number, False
            last[number] = after[0] if node.resource is None else given

    # -- meanwhile -----------------------------------------------------------------------------------------------------

    def _act(self, now: float, actions: Iterable[Action]) -> None:
        model, schedule = self._model, self.schedule
        time = len(model.resources)
        for action in actions:
            if isinstance(action, Send):
                number, passes = self._ranges[action.range]
                node = model.nodes[number]
                if passes or node.wait is None:
                    if schedule.ready[number] == NEVER:
                        before = (schedule.finish[other] for other in model.before[number])
                        schedule.ready[number] = max(before, default=0.0)
                    if not passes:
                        schedule.begin[number] = schedule.ready[number]
                if passes:
                    pool, task = time, -1 - number
                    seconds = 0.0 if node.wait is None else self._draw(node.wait)
                    row = self._free[pool].pop()
                else:
                    assert node.resource is not None
                    pool, task = node.resource, schedule.first[number] + action.first
                    seconds = self._draw(node.work) * model.resources[pool].rate
                    row = self._free[pool].pop()
                    self._begun(now, number, pool, task, row)
                self._rows[action.batch] = row
                heapq.heappush(self._running, (now + seconds, action.batch, pool, task))
            elif isinstance(action, TasksOver):  # what comes after a gate that did not let it go on
                schedule.skipped.add(self._ranges[action.range][0])

    def _begun(self, now: float, number: int, pool: int, task: int, row: int) -> None:
        """A task is begun: note who does it, and what it has waited for."""
        schedule = self.schedule
        schedule.start[task] = now
        schedule.worker[task] = row
        if schedule.begin[number] < now:
            if self._rested[pool]:  # somebody was idle: it was not for want of them
                schedule.why[task] = HELD
                schedule.blamed[task] = self._holder(number, task)
            else:
                schedule.why[task] = BUSY
                schedule.blamed[task] = self._last.get(row, -1)
        self._last[row] = task

    def _holder(self, number: int, task: int) -> int:
        """Which of the tasks that have just ended held what this one needs."""
        node = self._model.nodes[number]
        mine = self._claims(number, task)
        for other in self._ended:
            step = self.schedule.step_of(other)
            if node.lane is not None and self._model.nodes[step].lane == node.lane:
                return other
            if any(_exclude(one, two) for one in mine for two in self._claims(step, other)):
                return other
        return self._ended[0] if self._ended else -1

    def _claims(self, number: int, task: int) -> Sequence[Claim]:
        node = self._model.nodes[number]
        return node.claims if node.each is None else node.each[task - self.schedule.first[number]]

    def _over(self, now: float, row: int, batch: int, task: int) -> None:
        schedule = self.schedule
        number = -1 - task if task < 0 else schedule.step_of(task)
        node = self._model.nodes[number]
        last = task >= 0 or node.resource is None
        if task >= 0:
            schedule.end[task] = now
            self._ended.append(task)
        else:
            schedule.begin[number] = now
        if last:
            schedule.finish[number] = now
        self._core.outcomes(row, batch, 0, 1, () if node.good or not last else (0,), 1)


def _exclude(one: Claim, other: Claim) -> bool:
    return not (one.shared and other.shared) and overlaps(one.what, other.what)


def _needs(node: Node) -> dict[str, Any]:
    """What the core is told of claims and lanes."""

    def told(claims: Iterable[Claim]) -> list[core_claims.Claim]:
        return [core_claims.Claim(claim.what, claim.shared) for claim in claims]

    found: dict[str, Any] = {}
    if node.claims:
        found["claims"] = told(node.claims)
    if node.each is not None:
        found["each"] = [told(claims) for claims in node.each]
    if node.lane is not None:
        found["lane"] = node.lane
    return found
