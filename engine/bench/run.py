"""Runs measurements: each in a process of its own, the sides of a row one after the other, in random order."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from engine.bench import watch
from engine.bench.rows import Row
from engine.procs import boot

Say = Callable[[str], None]
Samples = dict[str, list[dict[str, Any]]]
"""By side, one result for each pair."""


_GRACE: Final = 10.0
"""Seconds for a process to be gone that was killed."""


class MeasurementFailed(Exception):
    """A measurement did not come to its end. The text is one line."""


def measure(function: str, side: str, size: dict[str, Any], timeout: float, profile: Path | None = None) -> Any:
    """What one measurement found. Its process, and what it leaves of its group, is ended if it fails.

    Raises `MeasurementFailed`.
    """
    asked = {"function": function, "side": side, "size": size, "parent": os.getpid()}
    if profile is not None:
        asked["profile"] = str(profile)
    with (
        tempfile.TemporaryFile() as said,
        # Not its own, or what it keeps there would outlive it if it were killed; a recorder may still be writing.
        tempfile.TemporaryDirectory(prefix="shoal-bench-", ignore_cleanup_errors=True) as folder,
    ):
        process = subprocess.Popen(
            boot.argv("engine.bench.child", json.dumps(asked)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=os.environ | {"TMPDIR": folder},
            start_new_session=True,  # a group of its own, to be ended as one
        )
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise MeasurementFailed(f"no answer within {timeout:g} s") from None
        finally:
            if process.returncode != 0:
                _end(process)
        if process.returncode:
            said.seek(0)
            last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:] or [_how(process.returncode)]
            raise MeasurementFailed(last[0][:300])
    try:
        return json.loads(out)
    except ValueError:
        raise MeasurementFailed("it printed what is no JSON") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and its group; then its recorder, which would go on by itself, and look for another place to write to."""
    recorders = []
    for found in watch.descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            if watch.name(found) == "shoal-recorder":
                recorders.append(os.pidfd_open(found))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    for recorder in recorders:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(recorder, signal.SIGKILL)
        select.select([recorder], [], [], _GRACE)
        os.close(recorder)


def _how(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


class Round:
    """What there is to measure, and what has been."""

    def __init__(self, rows: Sequence[Row], rounds: int, quick: bool, seed: int, say: Say) -> None:
        self.rows = list(rows)
        self.rounds = rounds
        self.quick = quick
        self.samples: dict[str, Samples] = {row.name: {side: [] for side in row.sides} for row in rows}
        self.watched: dict[str, dict[str, Any]] = {row.name: {} for row in rows}
        """By row and side, what the warm-up round saw of memory."""
        self.failures: dict[str, str] = {}
        self._random = random.Random(seed)
        self._rate = 0.0
        self._say = say

    def run(self) -> None:
        """All rounds; the first is a warm-up, and dropped. A row that fails is left out from there on."""
        if any("task_seconds" in row.size for row in self.rows):
            from engine.workloads.coordination import calibrate

            self._rate = calibrate()
        for number in range(self.rounds + 1):
            rows = [row for row in self.rows if row.name not in self.failures and self._takes_part(row, number)]
            self._random.shuffle(rows)
            for row in rows:
                self._say(f"{f'round {number}/{self.rounds}' if number else 'warm-up'}: {row.name}")
                try:
                    self._pairs(row, number)
                except MeasurementFailed as error:
                    self.failures[row.name] = str(error)
                    self._say(f"{row.name}: {error}")

    @staticmethod
    def _takes_part(row: Row, number: int) -> bool:
        return number <= row.rounds if row.rounds > 1 else (number == 1 or not row.rounds)

    def size(self, row: Row) -> dict[str, Any]:
        """The arguments of a row's measurement: its work as iterations, counted once for both sides."""
        size = row.sized(self.quick)
        if "task_seconds" in size:
            size["iterations"] = round(size.pop("task_seconds") * self._rate)
        return size

    def _pairs(self, row: Row, number: int) -> None:
        sides, size = list(row.sides), self.size(row)
        warm_up = number == 0
        repeat = row.quick_repeat if self.quick else row.repeat
        for _ in range(1 if warm_up else repeat):
            self._random.shuffle(sides)
            pair = {}
            for side in sides:
                more = {"watched": True} if warm_up and row.watched else {}
                pair[side] = measure(row.measured_by, side, size | more, row.timeout)
            if not warm_up:
                for side, found in pair.items():
                    self.samples[row.name][side].append(found)
            elif row.watched:
                self.watched[row.name] = pair
