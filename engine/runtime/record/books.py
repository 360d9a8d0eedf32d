"""Where tasks are in a run's record: by which job and index what comes of them is told to the recorder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from engine.runtime.results import to_json
from engine.store import messages

if TYPE_CHECKING:
    from engine.runtime.fleet.fleet import Fleet
    from engine.runtime.fleet.jobs import Group
    from engine.runtime.record.recording import Recording

_NESTED_BITS: Final = 20
"""Jobs of subtasks are numbered from here on in each of a run's engines, which takes as many numbers for its own."""
_CALLS: Final = 500
"""Names of calls that have a job of their own in the record."""


class Owner(Protocol):
    """The run whose books they are."""

    fleet: Fleet
    recording: Recording | None
    resumed: int
    total: int | None


class Books:
    """Numbers jobs, and tells what comes of their tasks. To be called on the thread that owns the run.

    Attributes:
        resumable: whether the run can be resumed, as far as is known.
    """

    def __init__(self, owner: Owner, resumable: bool) -> None:
        self._run = owner
        self.resumable = resumable
        self._jobs = 0
        self._calls: dict[tuple[str, int], tuple[int, int]] = {}
        """The jobs of calls, by name and pool: their numbers, and how many calls are in them."""
        self._nested: dict[tuple[str, int], tuple[int, int]] = {}
        """The jobs of subtasks, likewise."""

    def keep(self) -> None:
        """From now on the fleet's outcomes are told to the recorder."""
        fleet = self._run.fleet
        fleet.recorders.append(self._outcomes)
        fleet.enders.append(self._ended)
        fleet.attempts.append(self._attempted)

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def add_job(self, name: str, call: str, pool: int, number: int | None = None, exact: bool = False) -> int:
        """A named set of tasks; its ranges are then submitted with its number: the next one, or `number`.

        `exact`: its results are recorded such that they can be had from there again as what they were.
        """
        self._jobs = number = self._jobs + 1 if number is None else number
        recording = self._run.recording
        if recording is not None:
            recording.line.tell(messages.JobMade(number, name, call, pool))
            if exact:
                recording.exact.add(number)
        return number

    def keep_items(self, first: int, items: list[str]) -> bool:
        """Record items that nobody can read again, before they are submitted; none: that was all. False: there is no
        room for them, and the run can't be resumed.
        """
        recording = self._run.recording
        if recording is None or recording.items(first, items):
            return True
        self.resumable = False
        return False

    def place(self, call: str, pool: int, count: int) -> tuple[int, int]:
        """Where so many calls of something go in the record, if there is one: the number of the job that has its name,
        made if there is none, and the index of the first of them in it.
        """
        key = call, pool
        if key not in self._calls:
            if len(self._calls) >= _CALLS:  # lambdas may have any number of names
                key = "others", pool
            if key not in self._calls:
                self._calls[key] = self.add_job(key[0], key[0], pool), 0
        number, first = self._calls[key]
        self._calls[key] = number, first + count
        return number, first

    def place_subtasks(self, name: str, call: str, pool: int, count: int) -> tuple[int, int]:
        """The same for subtasks, whose jobs are called by the task that submitted them. Each engine of a run has jobs
        of its own for them: what is known of earlier ones is of attempts that came to nothing."""
        run = self._run
        if run.total is not None:
            run.total += count
        key = name, pool
        if key not in self._nested:
            if len(self._nested) >= _CALLS:
                key = "other/subtasks", pool
            if key not in self._nested:
                number = ((1 + run.resumed) << _NESTED_BITS) + len(self._nested) + 1
                self._nested[key] = number, 0
                if run.recording is not None:
                    run.recording.line.tell(messages.JobMade(number, key[0], call, pool))
        number, first = self._nested[key]
        self._nested[key] = number, first + count
        return number, first

    # -- what comes of them -------------------------------------------------------------------------------------------

    def keep_said(self, job: int, index: int, since: float, value: Any, failure: tuple[str, str] | None) -> None:
        """Record what somebody has said of a task: what came of it, or the kind and the text of its failure."""
        recording = self._run.recording
        if recording is None:
            return
        if failure is None:
            kept = messages.Finished(job, index, -1, since, bytes(8), [["json", to_json(value)]], [], [], {})
            recording.line.tell(kept)
        else:
            recording.line.tell(messages.Ended(job, index, 1, *failure, since))
        recording.line.push()  # no death of this process shall undo what people were told is so

    def _recorded(self, range_id: int) -> tuple[int, int]:
        job = self._run.fleet.job(range_id)
        return job.record if job is not None else (0, 0)

    def _outcomes(self, range_id: int, group: Group) -> int:
        recording = self._run.recording
        assert recording is not None
        job, base = self._recorded(range_id)
        return recording.outcomes(job, base, group)

    def _ended(self, range_id: int, first: int, count: int, kind: str, text: str) -> None:
        recording = self._run.recording
        assert recording is not None
        job, base = self._recorded(range_id)
        recording.line.tell(messages.Ended(job, base + first, count, kind, text, time.time()))

    def _attempted(self, range_id: int, index: int, attempt: int, row: int, pid: int, kind: str, text: str) -> None:
        recording = self._run.recording
        assert recording is not None
        job, base = self._recorded(range_id)
        recording.line.tell(messages.Attempt(job, base + index, attempt, row, pid, time.time(), kind, text))
