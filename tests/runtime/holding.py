"""Holds the agents of an engine up, for as long as a test wants."""

from __future__ import annotations

from pathlib import Path

import remote_functions as remote
from processes import wait_for

from engine.runtime.calls.futures import TaskFuture
from shoal import Engine


class Held:
    """A task that runs until it is let go."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.path = path
        self.future: TaskFuture = engine.submit(remote.wait_until, str(path))

    def begin(self) -> Held:
        """Wait until an agent has it: from then on nothing that is submitted to an engine of one agent is sent."""
        wait_for(self.future.running)
        return self

    def release(self) -> None:
        """Let it end."""
        self.path.touch()
