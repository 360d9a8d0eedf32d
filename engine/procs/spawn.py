"""How a host starts an agent: by a fork of itself, which is warm, or by executing a fresh interpreter."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Final, TypeAlias

from engine.procs import agent, boot
from engine.procs.ring import Reader
from engine.procs.scoreboard import (
    ASK,
    BATCH,
    CELLS,
    GENERATION,
    GROUP,
    HELD,
    MEMORY,
    OFFSET,
    PID,
    PONG,
    START,
    STATE,
    Scoreboard,
)  # fmt: skip
from engine.procs.slots import Slot
from engine.procs.weight import held, packed
from engine.wire import channel, frames, values

_STARTING: Final = 1
_Ends: TypeAlias = tuple[socket.socket, socket.socket]
"""The host's and the agent's end of a channel."""


class Spawner:
    """Starts the agents of one host."""

    def __init__(
        self, config: frames.HostConfig, board: Scoreboard, fd: int, outputs: tuple[int, int], buffer: memoryview
    ) -> None:
        """What all its agents have in common.

        Args:
            config: the host's.
            board: the scoreboard.
            fd: its descriptor, for fresh agents; -1 where agents are forks.
            outputs: descriptors for what agents print.
            buffer: shared by the receivers of all their channels.
        """
        self._config = config
        self._board = board
        self._fd = fd
        self._outputs = outputs
        self._buffer = buffer
        self._host = os.getpid()

    def start(self, agents: Iterable[tuple[int, int]]) -> list[tuple[int, int, Slot | OSError]]:
        """Start the agents of some (row, generation); each again with its slot, or with why the kernel did not let us.

        Nothing but forks happens between the first fork and the last: whatever this process writes to in between would
        be copied for each of them, and be that agent's alone.
        """
        warm = self._config.care.fresh is None
        shared = packed(0, held("self")[1]) if warm else 0
        begun = [self._begin(row, generation, shared) for row, generation in agents]
        start = self._fork if warm else self._execute
        # What this process has made is not for the agents to look through when they collect: each would write to all of
        # it. Here, where nobody collects, and not by each of them, which writes to a dozen pages.
        gc.freeze()
        pids: list[int | OSError] = []
        for row, _, ends in begun:
            if isinstance(ends, OSError):
                pids.append(ends)
                continue
            try:
                pids.append(start(row, ends[1]))
            except OSError as error:
                pids.append(error)
        return [(*known[:2], self._started(*known, pid)) for known, pid in zip(begun, pids, strict=True)]

    def _begin(self, row: int, generation: int, memory: int) -> tuple[int, int, _Ends | OSError]:
        """Make ready what an agent finds when it begins: its row, its ring, its channel."""
        board, base = self._board, row * CELLS
        try:
            ends = channel.pair()
        except OSError as error:
            return row, generation, error
        for cell in (BATCH, OFFSET, START, GROUP, HELD, ASK, PONG):
            board.cells[base + cell] = 0
        board.cells[base + MEMORY] = memory
        board.cells[base + STATE] = _STARTING
        board.cells[base + GENERATION] = generation
        Reader(board, row).reset()
        return row, generation, ends

    def _fork(self, row: int, theirs: socket.socket) -> int:
        pid = os.fork()
        if pid == 0:
            config = self._config
            agent.main(self._board, row, theirs, self._host, self._outputs, config.late, config.initializer)
        self._board.cells[row * CELLS + PID] = pid  # at once: should this process die now, it says who to wait for
        return pid

    def _started(self, row: int, generation: int, ends: _Ends | OSError, pid: int | OSError) -> Slot | OSError:
        if isinstance(ends, OSError):
            return ends
        ours, theirs = ends
        if isinstance(pid, OSError):
            ours.close()
            theirs.close()
            return pid
        ours.setblocking(False)
        try:
            slot = Slot(row, generation, pid, ours, theirs, self._board, self._buffer)
        except OSError as error:  # no descriptor left to watch it by
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            ours.close()
            theirs.close()
            return error
        config = self._config
        fresh = config.care.fresh
        if fresh is not None:
            large = len(config.initializer) > values.LARGE
            begin = frames.Begin(
                row, self._host, config.rows, config.capacity, list(sys.path), fresh, config.late,
                b"" if large else config.initializer,
            )  # fmt: skip
            slot.outbox.put(frames.encode(begin), [values.parcel(config.initializer)] if large else None)
        return slot

    def _execute(self, row: int, theirs: socket.socket) -> int:
        """Execute a fresh interpreter that becomes an agent. This process has one thread, so that nobody else inherits
        what is inheritable for a moment."""
        passed = (theirs.fileno(), self._fd)
        for fd in passed:
            os.set_inheritable(fd, True)
        try:
            argv = boot.argv("engine.procs.fresh", *map(str, passed))
            out, err = self._outputs
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out, 1),
                (os.POSIX_SPAWN_DUP2, err, 2),
            ]
            pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
            self._board.set(row, PID, pid)
            return pid
        finally:
            for fd in passed:
                os.set_inheritable(fd, False)
