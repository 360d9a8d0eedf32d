"""The books: what state every task is in, and what follows from a change of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from engine.core.actions import Action, Happened, RangeOver, Recall, StopTask, TasksOver
from engine.core.batching import Cost
from engine.core.claims import Claim, Needs
from engine.core.desk import Desk
from engine.core.lines import Lot
from engine.core.placement import PIECE, piece_size
from engine.core.pools import Agent, Pool, Shard
from engine.core.queues import Segment
from engine.core.tasks import CANCELLED, FAILED, READY, SENT, WAITING, Batch, Options, Parent, TaskRange

Kind: TypeAlias = Literal["poisoned", "timeout", "dependency", "pool", "depth"]


_PLAIN: Final = Options()
REMEMBERED: Final = 10_000
"""Ranges that are known to have had failures, for those that may come after them."""


class Ledger:
    """Tasks, ranges and their dependencies, and the counters. `Core` adds the agents, what they say, and
    time."""

    def __init__(self) -> None:
        self.pools: list[Pool] = []
        self.shards: list[Shard] = []
        self.agents: list[Agent] = []
        self.ranges: dict[int, TaskRange] = {}
        self.batches: dict[int, Batch] = {}
        self.draining = False
        self.paused = False
        """Nothing is sent for now, because somebody asked for that."""
        self.crowded = False
        """Nothing is sent for now, because what has come out of tasks is still to be written."""
        self.quota: int | None = None
        """Batches that may still be sent for now, of all pools; None: any number."""
        self._turn = 0
        """The pool that comes first where they are counted."""
        self.submitted = 0
        self.done = 0
        self.failed = 0
        self.barred = 0
        """Of those that failed: what they come after had failed, so that they were never begun."""
        self.cancelled = 0
        self.nested = [0, 0, 0]
        """Of these, subtasks of others: submitted, failed and cancelled ones. What came of them is for their parents to
        judge."""
        self.accepted = 0
        """Tasks that are over by an agent's outcome, and not by a word of the core."""
        self.redelivered = 0
        """Tasks to be sent again because whoever had them died, or their outcome was lost."""
        self.stale = 0
        """Outcomes that came too late, or twice, and were dropped."""
        self._costs: dict[int, Cost] = {}
        self._dependents: dict[int, list[TaskRange]] = {}
        self._not_ok: dict[int, None] = {}
        """Ranges that are over and had failures, the last to be named or to end come last; others that are gone from
        `ranges` are well."""
        self._forgotten = 0
        """The last of the ranges that had failures and are not remembered as such: all before it are taken to have had
        some. So nothing runs that must not, and what is remembered is bounded."""
        self._over: deque[TaskRange] = deque()
        """Ranges just over, whose dependents are still to be told."""
        self._actions: list[Action] = []
        self._last_range = 0
        self._gates: set[int] = set()
        """Numbers of gates that nobody has decided on."""
        self.outside: dict[int, tuple[Needs, float]] = {}
        """What is held by somebody outside, and since when, by number; none of these is a range's or a batch's."""
        self.desk = Desk()
        """Who waits for claims and lanes."""
        self._new: list[Segment | Lot] = []
        """Ready tasks that have come since time was last told."""

    @property
    def over(self) -> int:
        """Tasks that are done, failed or cancelled."""
        return self.done + self.failed + self.cancelled

    @property
    def holding(self) -> bool:
        """Nothing is sent for now, or any more."""
        return self.draining or self.paused or self.crowded

    @property
    def queued(self) -> int:
        """Ready tasks of all pools."""
        return sum(pool.queued + pool.nested for pool in self.pools)

    @property
    def eager(self) -> int:
        """Ready tasks of all pools that wait for nothing but an agent."""
        return sum(pool.eager for pool in self.pools)

    def cost(self, function: int) -> float | None:
        """Seconds that a task of a function takes, by what is known so far; None before the first outcome."""
        known = self._costs.get(function)
        return None if known is None else known.seconds

    # -- tasks -----------------------------------------------------------------------------------------------

    def submit(
        self,
        tasks: int,
        function: int,
        pool: int = 0,
        options: Options | None = None,
        after: Iterable[int] = (),
        *,
        claims: Iterable[Claim] = (),
        lane: str | None = None,
        each: Sequence[Iterable[Claim]] | None = None,
        memory: int = 0,
    ) -> int:
        """Take in `tasks` tasks; they wait until every range in `after` is over, and fail if one of those had
        failures. One that is over since more than ten thousand others have failed counts as failed, too, unless it was
        named meanwhile. `after` may also name gates: see `open_gate`.

        A task holds `claims`, those of its own in `each`, a place in `lane`, and `memory` (bytes) of what there is for
        tasks (`set_memory`), from when it is sent until it is over.
        Such tasks are sent to idle agents only, and placed when they are sent, however their pool places others.

        Returns the id of the new range. Raises ValueError for an unknown pool, dependency or lane, a name that can't be
        claimed, more memory than there is, or less than one task.
        """
        return self._take_in(tasks, function, pool, options or _PLAIN, None, after, claims, lane, each, memory)

    def _take_in(
        self, tasks: int, function: int, pool: int, options: Options, parent: Parent | None, after: Iterable[int] = (),
        claims: Iterable[Claim] = (), lane: str | None = None, each: Sequence[Iterable[Claim]] | None = None,
        memory: int = 0,
    ) -> int:  # fmt: skip
        if tasks < 1:
            raise ValueError("a range has at least one task")
        if not 0 <= pool < len(self.pools):
            raise ValueError(f"no pool {pool}")
        wanted = set(after)
        if any(not 0 < other <= self._last_range for other in wanted):
            raise ValueError("a range can only come after an earlier one")
        needs = None
        if claims or lane is not None or each is not None or memory:
            needs = self.desk.claims.wanted(tasks, claims, lane, each, memory)
        self._last_range += 1
        number = self._last_range
        waits = [other for other in wanted if other in self.ranges or other in self._gates]
        new = TaskRange(number, tasks, function, pool, options, len(waits), needs, parent)
        self.ranges[number] = new
        self.submitted += tasks
        self.pools[pool].submitted += tasks
        if parent is not None:
            self.nested[0] += tasks
        self._costs.setdefault(function, Cost())
        bad = [other for other in wanted if other not in self.ranges and self._had_failures(other)]
        broken = self.pools[pool].broken
        if broken is not None:
            self._end_open(new, "pool", broken)
        elif bad:
            self._end_open(new, "dependency", _after(min(bad)))
        elif waits:
            for other in waits:
                self._dependents.setdefault(other, []).append(new)
        else:
            self._enqueue(new, 0, tasks, front=False)
        return number

    def open_gate(self) -> int:
        """A number for ranges to come after that is over when somebody decides so."""
        self._last_range += 1
        self._gates.add(self._last_range)
        return self._last_range

    def decide(self, gate: int, go: bool, why: str = "") -> None:
        """Let what comes after a gate go on, or fail with `why`. Raises ValueError if there is none, or it was decided
        on before."""
        if gate not in self._gates:
            raise ValueError(f"no gate {gate} is open")
        self._gates.discard(gate)
        if not go:
            self._remember(gate)
        self._release(gate, None if go else why or _after(gate))

    def failed_before(self) -> int:
        """The number of a range that is over and had failures before this engine began: for others to come after."""
        self._last_range += 1
        self._remember(self._last_range)
        return self._last_range

    def cancel(self, range_id: int, index: int, *, running: bool = False) -> bool:
        """Cancel a task that no shard has yet; with `running` also one that is out, whose agent is then ended if it has
        begun. False if it is too late, or over. Raises IndexError if there is none."""
        found = self.ranges.get(range_id)
        if found is None:
            return False
        if not 0 <= index < found.count:
            raise IndexError(f"no task {index} in range {range_id}")
        state = found.state[index]
        pool = self.pools[found.pool]
        if state == SENT and running:
            self._call_off(pool, found, index)
        elif state == READY:
            self._hole(pool, found, index, 1)
        elif state != WAITING:
            return False
        found.state[index] = CANCELLED
        self._count_cancelled(pool, found, 1)
        self._actions.append(TasksOver(range_id, index, 1, "cancelled", "cancelled"))
        self._final(found, 1, failed=1)
        return True

    def cancel_rest(self, range_id: int) -> None:
        """Cancel all tasks of a range that no shard has yet; nothing if it is over."""
        found = self.ranges.get(range_id)
        if found is None:
            return
        for state in (READY, WAITING):
            for first, stop in list(found.runs_of(state, 0, found.count)):
                tasks = stop - first
                if state == READY:
                    self._hole(self.pools[found.pool], found, first, tasks)
                found.set(first, tasks, CANCELLED)
                self._count_cancelled(self.pools[found.pool], found, tasks)
                self._actions.append(TasksOver(range_id, first, tasks, "cancelled", "cancelled"))
                self._final(found, tasks, failed=tasks)

    # -- inside ----------------------------------------------------------------------------------------------

    def _count_cancelled(self, pool: Pool, found: TaskRange, tasks: int) -> None:
        self.cancelled += tasks
        pool.cancelled += tasks
        if found.parent is not None:
            self.nested[2] += tasks

    def _hole(self, pool: Pool, found: TaskRange, first: int, tasks: int) -> None:
        """Ready tasks leave their queue from its midst."""
        found.holes = True
        if found.parent is not None:
            pool.nested -= tasks
            if not pool.nested:
                pool.subtasks.clear()
            return
        pool.queued -= tasks
        if found.needs is not None:
            self.desk.hole(pool, found, first, tasks)
        elif pool.queued == pool.lined:  # nothing but holes: let go of their ranges
            for queue in (pool.ready, *(shard.ready for shard in pool.shards)):
                queue.clear()

    def _call_off(self, pool: Pool, found: TaskRange, index: int) -> None:
        """A task that is out no longer counts."""
        out = (b for b in self.batches.values() if b.range is found)
        batch = next(b for b in out if b.accepted <= index - b.first < b.count)
        batch.gone.add(index - batch.first)
        pool.sent -= 1
        self.shards[batch.shard].tasks -= 1
        self._actions.append(StopTask(batch.shard, batch.id, index - batch.first))

    def _enqueue(self, found: TaskRange, first: int, stop: int, *, front: bool) -> None:
        pool = self.pools[found.pool]
        found.set(first, stop - first, READY)
        if found.parent is not None:
            pool.nested += stop - first
            pool.subtasks.push(self._segment(found, first, stop), front=front)
            return
        pool.queued += stop - first
        if found.needs is not None:
            self._new += self.desk.line_up(pool, found, first, stop)
            return
        if pool.placement.late:
            pool.ready.push(self._segment(found, first, stop), front=front)
            return
        self._place(pool, Segment(found, first, stop, 0.0), front=front)

    def _place(self, pool: Pool, segment: Segment, *, front: bool = False) -> None:
        """Put tasks that are ready on shards, in pieces."""
        found, first, stop = segment.range, segment.first, segment.stop
        key = found.options.key if pool.placement.keyed else None
        if key is not None:
            size = stop - first
        else:  # what comes back is not split further, or batches would grow smaller each time
            size = PIECE if front else piece_size(stop - first, len(pool.shards))
        starts = range(first, stop, size)
        for at in reversed(starts) if front else starts:
            shard = pool.placement.place(found.id << 32 | at if key is None else key, pool.shards)
            piece = Segment(found, at, min(stop, at + size), segment.since)
            if not segment.since:  # else they have waited before, elsewhere
                self._new.append(piece)
            shard.ready.push(piece, front=front)
            shard.placed += piece.stop - piece.first

    def _move_away(self, shard: Shard) -> None:
        """What waits at a shard that has nobody any more is placed anew, if others have somebody."""
        pool = self.pools[shard.pool]
        if not pool.up:
            return
        segments = list(shard.ready)
        shard.ready.clear()
        for segment in segments:
            found = segment.range
            key = found.id << 32 | segment.first if found.options.key is None else found.options.key
            other = pool.placement.place(key, pool.shards)
            other.ready.push(segment)
            other.placed += segment.stop - segment.first

    def _segment(self, found: TaskRange, first: int, stop: int) -> Segment:
        segment = Segment(found, first, stop, 0.0)
        self._new.append(segment)
        return segment

    def _again(self, found: TaskRange, first: int, stop: int, *, lost: bool = True) -> None:
        """Tasks that were out are to run again, before all others. Where the pool broke meanwhile, nothing
        runs: they fail."""
        for start, end in reversed(list(found.runs_of(SENT, first, stop))):  # all but those that were cancelled
            broken = self.pools[found.pool].broken
            if broken is not None:
                self._end(found, start, end, "pool", broken)
                continue
            if lost:
                self.redelivered += end - start
                self.pools[found.pool].redelivered += end - start
            else:
                self.pools[found.pool].recalled += end - start
            self._enqueue(found, start, end, front=True)

    def _retry(self, found: TaskRange, index: int) -> bool:
        """Whether a task that failed by itself may run again. It may when draining: whoever resumes the run
        will do it."""
        tries = found.tries.get(index, 0)
        if tries >= found.options.retries or self.pools[found.pool].broken is not None:
            return False
        found.tries[index] = tries + 1
        return True

    def _end(self, found: TaskRange, first: int, stop: int, kind: Kind, text: str) -> None:
        """Fail tasks that are not final, by the core's own word."""
        tasks = stop - first
        found.set(first, tasks, FAILED)
        self.failed += tasks
        self.barred += tasks if kind == "dependency" else 0
        self.pools[found.pool].failed += tasks
        if found.parent is not None:
            self.nested[1] += tasks
        self._actions.append(TasksOver(found.id, first, tasks, kind, text))
        self._final(found, tasks, failed=tasks)

    def _end_open(self, found: TaskRange, kind: Kind, text: str) -> None:
        """Fail every task of a range that no shard has."""
        found.holes = True
        for first, stop in list(found.runs_of(READY, 0, found.count)):
            if found.parent is not None:
                self.pools[found.pool].nested -= stop - first
            else:
                self.pools[found.pool].queued -= stop - first
            if found.needs is not None:
                self.desk.hole(self.pools[found.pool], found, first, stop - first)
            self._end(found, first, stop, kind, text)
        for first, stop in list(found.runs_of(WAITING, 0, found.count)):
            self._end(found, first, stop, kind, text)

    def _final(self, found: TaskRange, tasks: int, *, failed: int) -> None:
        """Some tasks of a range became final; if they were the last, so much for what waits for it."""
        found.remaining -= tasks
        found.failed += failed
        if found.remaining:
            return
        del self.ranges[found.id]
        if found.needs is not None:
            self.desk.claims.done_with(found.needs)
        if found.failed:
            self._remember(found.id)
        self._actions.append(RangeOver(found.id, found.failed))
        self._over.append(found)
        if len(self._over) == 1:  # else a caller further up is at it: a chain of ranges may be longer than the stack
            while self._over:
                over = self._over[0]
                self._release(over.id, _after(over.id) if over.failed else None)
                self._over.popleft()

    def _remember(self, failed: int) -> None:
        self._not_ok.pop(failed, None)
        self._not_ok[failed] = None
        if len(self._not_ok) > REMEMBERED:
            oldest = next(iter(self._not_ok))
            del self._not_ok[oldest]
            self._forgotten = max(self._forgotten, oldest)

    def _had_failures(self, over: int) -> bool:
        if over in self._not_ok:
            self._remember(over)  # whoever names it may do so again
            return True
        return over <= self._forgotten

    def _release(self, over: int, failed: str | None) -> None:
        """A range or gate is over; with why, if what comes after it can't run."""
        for other in self._dependents.pop(over, ()):
            if other.id not in self.ranges:
                continue
            if failed is not None:
                self._end_open(other, "dependency", failed)
                continue
            other.open_dependencies -= 1
            if not other.open_dependencies:
                for first, stop in list(other.runs_of(WAITING, 0, other.count)):
                    self._enqueue(other, first, stop, front=False)

    def _break(self, pool: Pool, why: str) -> None:
        """Nothing of a pool will run any more, but what its agents have begun."""
        if pool.broken is not None:
            return
        pool.broken = why
        text = f"pool {pool.name} can't start: {why}"
        self._actions.append(Happened("error", "pool.broken", text, {"pool": pool.name}))
        self._actions.extend(Recall(shard.id) for shard in pool.shards if shard.batches and shard.running)
        for queue in (pool.ready, pool.subtasks, *(shard.ready for shard in pool.shards)):
            queue.clear()
        for found in [r for r in self.ranges.values() if r.pool == pool.id]:
            self._end_open(found, "pool", why)


def _after(range_id: int) -> str:
    return f"range {range_id} that it comes after had failures"
