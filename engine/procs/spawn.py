"""How a host starts an agent: by a fork of itself, which is warm, or by executing a fresh interpreter."""

from __future__ import annotations

import os
import sys
from typing import Final

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
from engine.wire import channel, frames

_STARTING: Final = 1


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

    def start(self, row: int, generation: int) -> Slot:
        """Start the agent of a row. Raises OSError where the kernel does not let us."""
        board, base = self._board, row * CELLS
        ours, theirs = channel.pair()
        for cell in (BATCH, OFFSET, START, GROUP, MEMORY, HELD, ASK, PONG):
            board.cells[base + cell] = 0
        board.cells[base + STATE] = _STARTING
        board.cells[base + GENERATION] = generation
        Reader(board, row).reset()
        fresh = self._config.care.fresh
        try:
            if fresh is None:
                pid = os.fork()
                if pid == 0:
                    config = self._config
                    agent.main(board, row, theirs, self._host, self._outputs, config.late, config.initializer)
            else:
                pid = self._execute(theirs.fileno())
        except OSError:
            ours.close()
            theirs.close()
            raise
        board.cells[base + PID] = pid
        ours.setblocking(False)
        slot = Slot(row, generation, pid, ours, theirs, board, self._buffer)
        if fresh is not None:
            config = self._config
            begin = frames.Begin(
                row, self._host, config.rows, config.capacity, list(sys.path), fresh, config.late, config.initializer
            )
            slot.outbox.put(frames.encode(begin))
        return slot

    def _execute(self, sock: int) -> int:
        """Execute a fresh interpreter that becomes an agent. This process has one thread, so that nobody else inherits
        what is inheritable for a moment."""
        passed = (sock, self._fd)
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
            return os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
        finally:
            for fd in passed:
                os.set_inheritable(fd, False)
