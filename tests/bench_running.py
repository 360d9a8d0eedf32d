"""A benchmark that measures nothing: it tells what it is told to tell, and ends when it is asked to."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.bench.lines import planned
from engine.bench.rows import SUITES
from engine.cli.bench.benches import KeptBenches
from engine.stream.benchmarks import Begun, Measured, Message, Planned
from tui.archive import ArchiveError
from tui.bench.record import End, How

OURS: Final = {
    "start": 0.43,
    "start-each": 0.45,
    "submit": 98_000.0,
    "map": 1.31e6,
    "round-trip": 182e-6,
    "help": 0.094,
}
THEIRS: Final = {"start": 2.4, "start-each": 2.4, "submit": 3_600.0, "map": 1.38e6, "round-trip": 4e-4, "help": 0.081}


class FakeMeasuring:
    """As `tui.bench.record.Measuring`: some messages once it may go, then nothing until it is asked to stop, unless it
    ends by itself.
    """

    def __init__(self, messages: Sequence[Message], end: End | None = None) -> None:
        self._messages = list(messages)
        self._end = end
        self._stopped = threading.Event()
        self.before_end: Callable[[], object] = lambda: None
        """What is done before its last message is told."""
        self.drained = threading.Event()
        """All was told."""
        self.go = threading.Event()
        """It may tell them."""
        self.stops = 0

    def next(self) -> Message | None:
        """The next one."""
        self.go.wait()
        if self._messages:
            if len(self._messages) == 1 and self._end is not None:
                self.before_end()
            return self._messages.pop(0)
        self.drained.set()
        if self._end is None:
            self._stopped.wait()
        return None

    def stop(self) -> None:
        """It was asked."""
        self.stops += 1
        self._stopped.set()
        self.go.set()

    def wait(self, seconds: float) -> End | None:
        """How it ended."""
        if self._end is not None:
            return self._end
        return End(143) if self._stopped.wait(seconds) else None


class FakeBenches(KeptBenches):
    """What is kept in a folder, and a benchmark that measures nothing."""

    def __init__(self, folder: Path, machine: dict[str, str], measuring: FakeMeasuring | None = None) -> None:
        super().__init__(folder)
        self.machine = machine
        self.measuring = measuring
        self.asked: list[tuple[str, How]] = []
        self.error = ""

    def measure(self, suite: str, how: How) -> FakeMeasuring:
        """That one."""
        self.asked.append((suite, how))
        if self.error or self.measuring is None:
            raise ArchiveError(self.error or "nothing can be started here")
        return self.measuring


def speed(until: int, rounds: int = 3) -> list[Message]:
    """The suite speed as far as so many steps; the last of them has begun and is not over."""
    rows = [row for row in SUITES["speed"] if row.name in OURS]
    chance = random.Random(5)
    found: list[Message] = [
        Planned(
            suite="speed", quick=False, steps=len(rows) * (rounds + 1), rounds=rounds,
            rows=tuple(planned(row, quick=False) for row in rows),
        )
    ]  # fmt: skip
    for step in range(1, until + 1):
        number, row = divmod(step - 1, len(rows))
        name = rows[row].name
        left = 3.1 * (len(rows) * (rounds + 1) - step + 1)
        found.append(Begun(step=step, round=number, row=name, left=left))
        if step < until:
            values = {
                "ours": [OURS[name] * chance.uniform(0.95, 1.05)], "peer": [THEIRS[name] * chance.uniform(0.95, 1.05)],
            }  # fmt: skip
            told = values if number else {}
            found.append(Measured(step=step, round=number, row=name, seconds=3.1, values=told, left=left - 3.1))
    return found
