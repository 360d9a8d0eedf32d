"""What the scoreboard says of agents, all of them at once with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.procs.scoreboard import BATCH, BUSY, CELLS, MEMORY, OFFSET, PID, START, STATE, Scoreboard
from engine.stream.types import BUSY as IS_BUSY
from engine.stream.types import DEAD, IDLE

Cells = NDArray[np.uint64]


class Board:
    """The rows of a scoreboard, as of one moment.

    Attributes:
        states: of all agents, as `engine.stream.types` numbers them.
        ages: nanoseconds that the task of each has run, 0 where none does.
        busy: nanoseconds that all agents of each row have ever spent in batches, the current one included.
        memory: resident bytes of those that live, as they last told.
    """

    def __init__(self, board: Scoreboard) -> None:
        self._board = board
        rows = board.rows
        self.states: NDArray[Any] = np.zeros(rows, np.int64)
        self.ages: NDArray[Any] = np.zeros(rows, np.int64)
        self.busy: NDArray[Any] = np.zeros(rows, np.int64)
        self.memory: NDArray[Any] = np.zeros(rows, np.int64)
        self._batch: NDArray[Any] = np.zeros(rows, np.int64)
        self._since: NDArray[Any] = np.zeros(rows, np.int64)
        """When the first task began that was seen of the current batch."""
        self._seen: NDArray[Any] = np.zeros(rows, np.int64)
        self._pids: NDArray[Any] = np.zeros(rows, np.int64)

    def read(self, now: int) -> None:
        """Look at all rows; `now` is CLOCK_MONOTONIC in nanoseconds."""
        # A copy, so that nothing points into the mapping when it is closed; a row's cells need not be of one moment.
        cells = np.frombuffer(bytes(self._board.cells), np.uint64).view(np.int64)
        cells = cells[: self._board.rows * CELLS].reshape(-1, CELLS)
        self.states, self._pids = cells[:, STATE], cells[:, PID]
        living = (self.states != 0) & (self.states != DEAD)
        batch, start = cells[:, BATCH], cells[:, START]
        works = living & (batch != 0) & (cells[:, OFFSET] != 0)
        self.ages = np.where(works, np.maximum(now - start, 0), 0)
        self.memory = np.where(living, cells[:, MEMORY], 0)
        # Time in batches is added up in BUSY when they end; until then it is since the first task that was seen.
        new = batch != self._batch
        self._since = np.where(new, start, self._since)
        self._batch = batch.copy()
        seen = cells[:, BUSY] + np.where(works, np.maximum(now - self._since, 0), 0)
        self.busy = self.busy + np.maximum(seen - self._seen, 0)  # what a dead agent had begun is in no BUSY
        self._seen = seen

    def pids(self, first: int, stop: int) -> list[int]:
        """The processes of the agents of these rows that live."""
        states = self.states[first:stop]
        found: list[int] = self._pids[first:stop][(states >= IDLE) & (states < DEAD)].tolist()
        return found

    def working(self, rows: Any) -> int:
        """How many of these rows are busy."""
        return int(np.count_nonzero(self.states[rows] == IS_BUSY))
