"""Details of agents, by page: filtered first, then sorted, then cut, over all of them.

Columns are read for all agents, rows are made for those of the page alone: thousands of agents cost a few milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from engine.core.dispatch import EPOCH_SHIFT
from engine.procs.scoreboard import BATCH, BUSY, DONE, FAILED, MEMORY, OFFSET, PID, START, STATE
from engine.procs.weight import unpacked
from engine.runtime.fleet.fleet import Fleet
from engine.stream import filters
from engine.stream.types import ABSENT, AGENT_STATES, DEAD, PAGE_MAX, AgentRow, Page
from engine.stream.types import BUSY as WORKING

_NAME_MAX: Final = 60
"""Characters of a task's name."""
_MOST: Final = 1 << 62


def page(fleet: Fleet, request: Page) -> tuple[list[AgentRow], int]:
    """The rows that were asked for, and how many there are after the filter.

    Raises ValueError for a request that can't be: it may come from any reader.
    """
    if request.of != "agents":
        raise ValueError(f"no pages of {request.of!r}; known: agents")
    if not 0 <= request.offset <= _MOST or not 0 <= request.limit <= PAGE_MAX:
        raise ValueError(f"a page has an offset from 0 and a limit up to {PAGE_MAX}")
    if request.sort:
        filters.check_field(request.sort)
    tests = [(condition.field, filters.test(condition)) for condition in request.filter]
    agents = _Agents(fleet)
    rows = agents.rows()
    for field, fits in tests:
        rows = [row for row, value in zip(rows, agents.column(field, rows), strict=True) if fits(value)]
    if request.sort and request.sort != "agent":
        keys = dict(zip(rows, agents.column(request.sort, rows), strict=True))
        rows.sort(key=keys.__getitem__, reverse=request.descending)
    elif request.descending:
        rows.reverse()
    shown = rows[request.offset : request.offset + request.limit]
    columns = [agents.column(field, shown) for field in AgentRow.__struct_fields__]
    return [AgentRow(*values) for values in zip(*columns, strict=True)], len(rows)


class _Agents:
    """All agents at one moment, column by column."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._now = time.monotonic()
        self._states = fleet.board.low_bytes(STATE, 0, fleet.board.rows)
        self._cells: dict[int, list[int]] = {}

    def rows(self) -> list[int]:
        """Of agents that are there, or were, or will be."""
        agents, states = self._fleet.core.agents, self._states
        return [
            row for pool in self._fleet.core.pools for row in pool.rows[: pool.extent]
            if states[row] != ABSENT or agents[row].wanted
        ]  # fmt: skip

    def column(self, field: str, rows: Iterable[int]) -> list[Any]:
        """A field of these agents."""
        read = getattr(self, f"_{field}")
        return [read(row) for row in rows]

    def _cell(self, cell: int, row: int) -> int:
        column = self._cells.get(cell)
        if column is None:
            column = self._cells[cell] = self._fleet.board.column(cell)
        return column[row]

    def _agent(self, row: int) -> str:
        return self._fleet.name(row)

    def _pool(self, row: int) -> str:
        core = self._fleet.core
        return core.pools[core.shards[core.agents[row].shard].pool].name

    def _shard(self, row: int) -> int:
        return self._fleet.core.agents[row].shard

    def _pid(self, row: int) -> int:
        return self._cell(PID, row) if self._there(row) else 0

    def _state_of(self, row: int) -> int:
        state = self._states[row]
        return state if state < len(AGENT_STATES) else ABSENT

    def _there(self, row: int) -> bool:
        return self._state_of(row) not in (ABSENT, DEAD)

    def _state(self, row: int) -> str:
        if self._fleet.core.agents[row].leaving:
            return "draining"
        return AGENT_STATES[self._state_of(row)]

    def _batch(self, row: int) -> int:
        return self._batch_id(row) & (1 << EPOCH_SHIFT) - 1  # as people count them

    def _batch_id(self, row: int) -> int:
        return self._cell(BATCH, row) if self._state_of(row) == WORKING else 0

    def _offset(self, row: int) -> int:
        return self._cell(OFFSET, row) - 1 if self._batch_id(row) else -1

    def _task(self, row: int) -> str:
        batch, offset = self._fleet.core.batches.get(self._batch_id(row)), self._offset(row)
        if batch is None or not 0 <= offset < batch.count:
            return ""
        index = batch.first + offset
        job = self._fleet.job(batch.range.id)
        if job is None:
            return ""
        return f"{job.name[:_NAME_MAX] or 'task'}[{job.record[1] + index}]"

    def _running(self, row: int) -> float:
        """The clock of START is that of `time.monotonic`."""
        if self._offset(row) < 0:
            return 0.0
        return round(max(0.0, self._now - self._cell(START, row) * 1e-9), 6)

    def _done(self, row: int) -> int:
        return self._cell(DONE, row)

    def _failed(self, row: int) -> int:
        return self._cell(FAILED, row)

    def _memory(self, row: int) -> int:
        return unpacked(self._cell(MEMORY, row))[0] if self._there(row) else 0

    def _busy(self, row: int) -> float:
        """What ran of the batch of the moment counts, too: an agent adds a batch to its cell when that is over."""
        fleet = self._fleet
        since = fleet.since[row]
        if not fleet.core.agents[row].up or self._now <= since:
            return 0.0
        worked = (self._cell(BUSY, row) - fleet.worked[row]) * 1e-9
        batch = fleet.core.batches.get(self._batch_id(row))
        if batch is not None:
            worked += self._now - max(batch.sent, since)
        return round(min(1.0, max(0.0, worked / (self._now - since))), 4)

    def _restarts(self, row: int) -> int:
        agent = self._fleet.core.agents[row]
        return max(0, agent.generation - 1 - (not agent.wanted))


_READERS: Final[list[Callable[..., Any]]] = [getattr(_Agents, f"_{name}") for name in AgentRow.__struct_fields__]
"""Every field has one; a missing one is found when this is imported."""
