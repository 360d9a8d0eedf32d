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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.bench import watch
from engine.bench.code import Code
from engine.bench.lines import planned
from engine.bench.progress import WARM_UP, Progress
from engine.bench.rows import Row
from engine.procs import boot
from engine.stream import places
from engine.stream.benchmarks import Row as Planned

Samples = dict[str, list[dict[str, Any]]]
"""By side, one result for each pair."""


_GRACE: Final = 10.0
"""Seconds for a process to be gone that was killed."""


class MeasurementFailed(Exception):
    """A measurement did not come to its end. The text is one line."""


def measure(
    function: str,
    side: str,
    size: dict[str, Any],
    timeout: float,
    profile: Path | None = None,
    code: Code | None = None,
) -> Any:
    """What one measurement found, of this code or another. Its process, and what it leaves of its group, is ended if it
    fails.

    Raises `MeasurementFailed`.
    """
    argv, environment = (boot.argv, {}) if code is None else (code.argv, code.environment)
    asked = {"function": function, "side": side, "size": size, "parent": os.getpid()}
    if profile is not None:
        asked["profile"] = str(profile)
    with (
        tempfile.TemporaryFile() as said,
        # Not its own, or what it keeps there would outlive it if it were killed; a recorder may still be writing.
        tempfile.TemporaryDirectory(prefix="shoal-bench-", ignore_cleanup_errors=True) as folder,
    ):
        process = subprocess.Popen(
            argv("engine.bench.child", json.dumps(asked)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=_environment() | environment | {"TMPDIR": folder},
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


def _environment() -> dict[str, str]:
    """Ours, in which Python may keep what it has compiled: else every process that a measurement starts would compile
    an editable checkout anew, and that would be most of what is measured of a start.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and its group; then its recorder, which would go on by itself, and look for another place to write to; and
    take away the socket of its engine.
    """
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
    with contextlib.suppress(OSError):
        places.sweep(places.runtime_folder())


def _how(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


class Round:
    """What there is to measure, and what has been."""

    def __init__(
        self,
        rows: Sequence[Row],
        rounds: int,
        quick: bool,
        seed: int,
        progress: Progress,
        against: Code | None = None,
        suite: str = "",
        again: bool = False,
    ) -> None:
        """`against`: what our side is measured beside, as the side "against", in the place of what rows have; `suite`,
        `again`: to be told.
        """
        self.rows = list(rows)
        self.rounds = rounds
        self.quick = quick
        self._against = against
        self.samples: dict[str, Samples] = {row.name: {side: [] for side in self._sides(row)} for row in rows}
        self.watched: dict[str, dict[str, Any]] = {row.name: {} for row in rows}
        """By row and side, what the warm-up round saw of memory."""
        self.failures: dict[str, str] = {}
        self._random = random.Random(seed)
        self._rate = 0.0
        self._progress = progress
        self._suite = suite
        self._again = again

    def run(self) -> None:
        """All rounds; the first is a warm-up, and dropped. A row that fails is left out from there on."""
        if any("task_seconds" in row.size for row in self.rows):
            from engine.workloads.coordination import calibrate

            self._rate = calibrate()
        numbers = range(WARM_UP, self.rounds + 1)
        due = {row.name: sum(self._takes_part(row, number) for number in numbers) for row in self.rows}
        self._progress.planned(
            self._suite, self.quick, self.rounds, due, [self._planned(row) for row in self.rows], self._again
        )  # fmt: skip
        for number in numbers:
            rows = [row for row in self.rows if row.name not in self.failures and self._takes_part(row, number)]
            self._random.shuffle(rows)
            for row in rows:
                self._progress.begun(number, row.name)
                try:
                    taken = self._pairs(row, number)
                except MeasurementFailed as error:
                    self.failures[row.name] = str(error)
                    self._progress.failed(str(error))
                else:
                    self._progress.measured(taken)

    def _planned(self, row: Row) -> Planned:
        found = planned(row, self.quick)
        return found if self._against is None else msgspec.structs.replace(found, beside=self._against.text)

    def _sides(self, row: Row) -> tuple[str, ...]:
        return row.sides if self._against is None else ("ours", "against")

    @staticmethod
    def _takes_part(row: Row, number: int) -> bool:
        return number <= row.rounds if row.rounds > 1 else (number == 1 or not row.rounds)

    def size(self, row: Row) -> dict[str, Any]:
        """The arguments of a row's measurement: its work as iterations, counted once for both sides."""
        size = row.sized(self.quick)
        if "task_seconds" in size:
            size["iterations"] = round(size.pop("task_seconds") * self._rate)
        return size

    def repeat(self, row: Row) -> int:
        """Pairs in each round of it."""
        return row.quick_repeat if self.quick else row.repeat

    def _pairs(self, row: Row, number: int) -> dict[str, list[float]]:
        """Measure all pairs of a round; the values of each side."""
        sides, size = list(self._sides(row)), self.size(row)
        warm_up = number == WARM_UP
        values: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(1 if warm_up else self.repeat(row)):
            self._random.shuffle(sides)
            pair = {}
            for side in sides:
                more = {"watched": True} if warm_up and row.watched else {}
                code = self._against if side == "against" else None
                of = "ours" if code is not None else side
                pair[side] = measure(row.measured_by, of, size | more, row.timeout, code=code)
            if not warm_up:
                for side, found in pair.items():
                    self.samples[row.name][side].append(found)
                    values[side].append(float(found["value"]))
            elif row.watched:
                self.watched[row.name] = pair
        return values
