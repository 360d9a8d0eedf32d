"""A reader of an engine's stream, in a process of its own.

It attaches and lets go as the lines of its standard input say, and answers each with a line: how many frames it has
read since the last one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, get_args

from engine.procs import boot
from engine.stream.client import Client, StreamEnded
from engine.stream.types import Frame, Topic

TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)
HZ: Final = 10.0
"""How often it is told of what is sampled."""


class Reader:
    """The process, as the one who started it sees it."""

    def __init__(self, path: Path, topics: Sequence[str]) -> None:
        """Start it; it is attached to nobody yet. `topics`: what it will ask for."""
        self._process = subprocess.Popen(
            boot.argv("engine.bench.reader", str(path), *topics),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[str] = self._process.stdin
        self._out: IO[str] = self._process.stdout
        self.pid = self._process.pid
        self._ask("ready")

    def attach(self) -> None:
        """Attach it to the engine; the engine has taken its wish when this returns."""
        self._ask("attach")

    def detach(self) -> int:
        """Let go of the engine. Returns how many frames were read."""
        return self._ask("detach")

    def _ask(self, what: str) -> int:
        self._in.write(f"{what}\n")
        self._in.flush()
        return int(self._out.readline())

    def close(self) -> None:
        """End the process."""
        self._in.close()
        self._process.wait()
        self._out.close()


def main() -> None:
    """Be the reader of the engine behind a socket, until standard input ends."""
    path, *topics = sys.argv
    client: Client | None = None
    thread: threading.Thread | None = None
    frames = [0]
    for line in sys.stdin:
        if line == "attach\n":
            client = Client(path)
            client.subscribe([topic for topic in TOPICS if topic in topics], HZ)
            frames[0] = 0
            thread = threading.Thread(target=_read, args=(client, frames))
            thread.start()
        elif line == "detach\n":
            assert client is not None
            assert thread is not None
            client.close()
            thread.join()
        print(frames[0], flush=True)
    os._exit(0)  # a thread may still read


def _read(client: Client, frames: list[int]) -> None:
    with contextlib.suppress(StreamEnded):
        while True:
            frames[0] += isinstance(client.receive(), Frame)
