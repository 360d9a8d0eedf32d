"""The reactor. It alone owns the state of every task."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from engine.core.actions import Accepted, Action, Recall
from engine.core.alone import Alone
from engine.core.tasks import CANCELLED, DONE, FAILED, Batch, TaskRange

_TIMEOUTS: Final = frozenset({"TimeoutError", "OSError", "Exception", "BaseException"})
"""What a task that ran out of time has raised, by the names that `retry_on` may give it, beside TaskTimeout."""
_NOTHING: Final[frozenset[int]] = frozenset()
_NO_INDEXES: Final[set[int]] = set()
"""Nothing is ever added to it, nor to the other."""
_NO_ATTEMPTS: Final[dict[int, int]] = {}
_NOBODYS_FAULT: Final = frozenset({"stopped", "health", "retired", "recycled", "cancelled", "killed"})
"""Ends of an agent for which the task that ran in it is not to blame."""


class Core(Alone):
    """Tasks, batches, agents and shards of one run.

    Stimuli are methods; each takes the time it happened. They never call out: what is to be done is
    collected, and `take`
    hands it over after one scheduling pass, however many stimuli came before.

    The promise: an outcome is accepted once. A task may run again after a death, never after its outcome was
    accepted.
    """

    def admit(self, batches: int | None) -> None:
        """Send so many batches at the most until this is said anew; None: any number. Pools take turns at them, and do
        not grow meanwhile beyond what can be sent."""
        self.quota = batches

    @property
    def idle(self) -> bool:
        """No batch is out."""
        return not self.batches

    # -- what hosts say --------------------------------------------------------------------------------------

    def outcomes(
        self,
        row: int,
        batch_id: int,
        offset: int,
        tasks: int,
        failed: Sequence[int],
        nanoseconds: int,
        final: Container[int] = (),
    ) -> Accepted | None:
        """Outcomes of `tasks` tasks from `offset` on in a batch; `failed` are the offsets of those that
        failed by themselves, and `final` of those among them that are not worth a retry.

        Returns what of it counts, or None if none does: an unknown batch, or outcomes accepted before.
        """
        batch = self.batches.get(batch_id)
        if batch is None or not 0 <= offset < offset + tasks <= batch.count or offset + tasks <= batch.accepted:
            self.stale += tasks
            return None
        found, pool = batch.range, self.pools[batch.range.pool]
        skip = max(0, batch.accepted - offset)
        self.stale += skip
        if (
            offset > batch.accepted
        ):  # outcomes before these were lost (a task may overwrite its agent's ring): run them again
            gap = batch.accepted
            lost = self._pass(batch, offset)[0]
            pool.sent -= lost
            self.shards[batch.shard].tasks -= lost
            self._again(found, batch.first + gap, batch.first + offset)
        first, fresh = batch.first + batch.accepted, tasks - skip
        live, gone = self._pass(batch, offset + tasks)
        pool.sent -= live
        agent, shard = self.agents[row], self.shards[batch.shard]
        agent.proven = True
        agent.early_deaths = 0
        shard.early_deaths = 0
        shard.tasks -= live
        errors = {at for at in failed if offset <= at < offset + tasks} if failed else _NOTHING
        self._costs[found.function].learn(nanoseconds * 1e-9, tasks, len(errors))
        found.set(first, fresh, DONE)
        for index in gone:
            found.state[index] = CANCELLED
        retried: set[int] = set() if errors else _NO_INDEXES
        bad = 0
        for at in errors:
            index = batch.first + at
            if index < first or index in gone:
                continue
            if at not in final and self._retry(found, index):
                retried.add(index)
            else:
                found.state[index] = FAILED
                bad += 1
        attempts = _NO_ATTEMPTS
        if found.attempts or found.tries:
            attempts = {}
            for index in range(first, first + fresh):
                attempt = 1 + found.attempts.get(index, 0) + found.tries.get(index, 0) - (index in retried)
                if attempt > 1:
                    attempts[index] = attempt
        over = live - len(retried)
        self.accepted += over
        self.done += over - bad
        self.failed += bad
        if bad and found.parent is not None:
            self.nested[1] += bad
        pool.done += over - bad
        pool.failed += bad
        if batch.accepted == batch.count:
            self._forget(batch)
        if retried:
            for index in sorted(retried, reverse=True):
                self._enqueue(found, index, index + 1, front=True)
        if over:
            self._final(found, over, failed=bad)
        return Accepted(found.id, first, fresh, skip, frozenset(retried), gone, attempts)

    def _pass(self, batch: Batch, upto: int) -> tuple[int, frozenset[int]]:
        """Move on in a batch; how many tasks that count lie in between, and the indexes of those that are gone."""
        if not batch.gone:
            live, batch.accepted = upto - batch.accepted, upto
            return live, _NOTHING
        passed = [at for at in batch.gone if at < upto]
        batch.gone.difference_update(passed)
        live = upto - batch.accepted - len(passed)
        batch.accepted = upto
        return live, frozenset(batch.first + at for at in passed)

    def agent_down(
        self, now: float, row: int, generation: int, batches: Iterable[tuple[int, int]], why: str, text: str
    ) -> None:
        """An agent is gone; all it had finished was given to `outcomes` before.

        Args:
            batches: (batch, offset of the task that ran, -1 if none did) for each batch it had.
            why: "" (it died), ``timeout``, ``memory`` (its task took more than it may), ``start`` (it could not start),
                ``spawn`` (it could not be started), ``health`` (it did nothing any more), ``cancelled`` (with the task
                that it ran), ``killed`` (on request), ``recycled``, ``retired`` or ``stopped``.
            text: how it died, for people.
        """
        agent = self.agents[row]
        if agent.generation != generation:
            return
        shard = self.shards[agent.shard]
        began = agent.proven
        for batch_id, running in batches:
            began = began or running >= 0
            self._lost(batch_id, running, why, text)
        self._gone(now, agent, why, text, began)
        if shard.batches and (not shard.up or (shard.batches > shard.up and not agent.wanted)):
            self._actions.append(Recall(shard.id))  # nobody there to begin them, for who knows how long

    def culprit(self, batch_id: int, running: int, why: str) -> tuple[TaskRange, int] | None:
        """The task, as range and index, against which the end of an agent counts; None if none is to blame. To be asked
        before `agent_down` or `host_down`, which do what follows from it."""
        batch = self.batches.get(batch_id)
        if batch is None or why in _NOBODYS_FAULT or running in batch.gone:
            return None
        return (batch.range, batch.first + running) if batch.accepted <= running < batch.count else None

    def host_down(self, now: float, shard_id: int, running: Mapping[int, int], text: str) -> None:
        """A host is gone and its agents with it; all they had finished was given to `outcomes` before.

        `running` has, by batch, the offset of the task that ran in it.
        """
        shard = self.shards[shard_id]
        if not shard.running:
            return
        self._host_gone(now, shard, text, bool(running))  # first, so that nothing is placed there
        for batch in [b for b in reversed(self.batches.values()) if b.shard == shard_id]:
            self._lost(batch.id, running.get(batch.id, -1), "", text)
        self._move_away(shard)

    def returned(self, batches: Iterable[tuple[int, int, int]]) -> None:
        """Tasks come back that no agent had begun: those of a batch from an offset on, 0 for a whole batch. The third
        number is the nanoseconds that the task before those has run by now, 0 if none did."""
        for batch_id, offset, nanoseconds in sorted(batches, reverse=True):  # the first sent come to stand first again
            batch = self.batches.get(batch_id)
            if batch is None or offset >= batch.count:
                continue
            self._costs[batch.range.function].at_least(nanoseconds * 1e-9)
            stop = batch.first + batch.count
            if offset <= batch.accepted:
                offset = batch.accepted
                self._forget(batch)
            else:
                left = batch.left
                batch.count = offset
                batch.gone = {at for at in batch.gone if at < offset}
                self.pools[batch.range.pool].sent -= left - batch.left
                self.shards[batch.shard].tasks -= left - batch.left
            self._again(batch.range, batch.first + offset, stop, lost=False)

    def break_pool(self, pool: int, why: str) -> None:
        """A pool can't start, for a reason found outside: its tasks fail."""
        self._break(self.pools[pool], why)

    # -- time ------------------------------------------------------------------------------------------------

    def take(self, now: float) -> list[Action]:
        """One scheduling pass; then everything that is to be done, in order."""
        for segment in self._new:
            segment.since = now
        self._new.clear()
        if self.stood_in:
            self._keep_stand_ins()
        if self.desk and self.quota is None and not self.holding:
            for pool in self.pools:
                self._schedule_subtasks(pool, now)
            self._grant(self.pools, now)
        for pool in self.pools if self.quota is None else (*self.pools[self._turn :], *self.pools[: self._turn]):
            if pool.nested and not self.crowded:
                self._schedule_subtasks(pool, now)
            if pool.queued and not self.holding:
                if pool.lined:
                    self._schedule_both(pool, now)
                else:
                    self._schedule(pool, now)
            self._adjust(pool, now)
            self._see_overdue(pool, now)
        if self._to_spawn:
            self._spawn()
        if self.aside and len(self.aside) == len(self.batches):
            self._see_stuck()
        actions, self._actions = self._actions, []
        return actions

    # -- inside ----------------------------------------------------------------------------------------------

    def _lost(self, batch_id: int, running: int, why: str, text: str) -> None:
        """A batch whose agent died: blame the task that ran, send the others again. Being stopped is nobody's
        fault."""
        batch = self.batches.get(batch_id)
        if batch is None:
            return
        guilty = self.culprit(batch_id, running, why)
        self._forget(batch)
        found = batch.range
        start, stop = batch.first + batch.accepted, batch.first + batch.count
        if guilty is not None:
            _, index = guilty
            self._again(found, index + 1, stop)
            self._blame(found, index, why, text)
            stop = index
        self._again(found, start, stop)

    def _blame(self, found: TaskRange, index: int, why: str, text: str) -> None:
        """Count a death or a timeout against the task that ran."""
        if why == "timeout":
            names = found.options.retry_on
            if (not names or any(map(_names_timeout, names))) and self._retry(found, index):
                self._again(found, index, index + 1)
                return
            limit = found.options.timeout or 0.0
            self._end(found, index, index + 1, "timeout", f"took longer than its timeout of {limit:g} s")
            return
        attempt = found.attempts[index] = found.attempts.get(index, 0) + 1
        if attempt < found.options.crash_limit:
            self._again(found, index, index + 1)
            return
        times = "once" if attempt == 1 else f"{attempt} times"
        self._end(found, index, index + 1, "poisoned", f"its agent died {times} while it ran; the last: {text}")

    def _forget(self, batch: Batch) -> None:
        if batch.aside is not None:
            self.step_back(batch.aside)
        del self.batches[batch.id]
        shard, pool = self.shards[batch.shard], self.pools[batch.range.pool]
        shard.batches -= 1
        pool.out -= 1
        left = batch.left
        pool.sent -= left
        shard.tasks -= left
        if batch.needs is not None:
            self.desk.release(batch.needs, batch.id)


def _names_timeout(name: str) -> bool:
    """Whether the name of an exception is that of a task's timeout, or of a class that this is derived from."""
    module, _, short = name.rpartition(".")
    return short == "TaskTimeout" or (short in _TIMEOUTS and module in ("", "builtins"))
