"""What is known of a run that is resumed, or of one whose failed tasks are run again: from the database."""

from __future__ import annotations

import contextlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.plan.steps import SpecError, Step
from engine.runtime.fleet.launch import StartError
from engine.runtime.results import row
from engine.wire import frames, values

if TYPE_CHECKING:
    from engine.store.queries import Outcome, StoredDecision


class Known(NamedTuple):
    """A task that is over."""

    outcome: Outcome
    run: str
    """With which it was recorded."""
    taken: bool
    """That is not the run that goes on, but one whose done tasks it takes over."""


class Earlier:
    """The outcomes of tasks. They are asked for in pieces, so that no reader stands in the way of the recorder."""

    def __init__(self, database: Path, run: str | None, taken: Sequence[str] = ()) -> None:
        """`run`: that goes on; None for a new one. `taken`: runs whose done tasks count as done, the newest first.

        Raises `StartError` where it can't be asked, and if somebody else may write to it, for there are pickles in it;
        `SpecError` if one of `taken` is no more.
        """
        from engine.store import queries  # a run that is begun has no need of it

        check_owner(database)
        self._database = database
        self._taken = taken
        self._runs = [*([] if run is None else [(run, False)]), *((one, True) for one in taken)]
        self._queries = queries
        with _asking(database):
            self._db = queries.open_readonly(database)
            try:
                self._look()
            except BaseException:
                self._db.close()
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """What can't be read of what was done becomes a `SpecError`, one line: without it nothing can be begun."""
        from engine.store.schema import FAULTS, StoreError, damaged, explain

        try:
            yield
        except SpecError:
            raise
        except (StoreError, *FAULTS, ValueError, LookupError) as error:
            found: Exception = damaged(self._database)
            if isinstance(error, StoreError):
                found = error
            elif isinstance(error, FAULTS):
                found = explain(self._database, error)
            text = f"nothing more can be begun, for what was done before can't be read: {found}"
            raise SpecError(text) from error

    def _look(self) -> None:
        """Raise `SpecError` if a run whose done tasks count is no more: some of what was read may be missing then."""
        for run in self._taken:
            if self._queries.of_id(self._db, run) is None:
                why = f"what was done before it was recorded with run {run}, which has been deleted"
                raise SpecError(f"nothing more can be begun: {why}")

    def outcomes(self, job: int, first: int, stop: int) -> Iterator[Known]:
        """Those of the tasks first..stop-1 of a job that are over, in order, each once. Raises `SpecError` if a run
        that had some of them is no more, or where they can't be read.
        """
        with self.reading():
            found = [list(self._of(run, taken, job, first, stop)) for run, taken in self._runs]
            self._look()  # afterwards: it is taken off the list before its rows go
        last = -1
        for known in heapq.merge(*found, key=lambda known: known.outcome.task):  # the newest first among equals
            if known.outcome.task > last:
                last = known.outcome.task
                yield known

    def _of(self, run: str, taken: bool, job: int, first: int, stop: int) -> Iterator[Known]:
        for outcome in self._queries.outcomes(self._db, run, job, first, stop):
            if not taken or outcome.state == "done":
                yield Known(outcome, run, taken)

    def answers(self) -> list[StoredDecision]:
        """What people decided on gates that were held: of the run that goes on all, the newest last; of those that it
        takes over only that it goes on, for whoever runs something again asks again. Raises `SpecError`."""
        found: list[StoredDecision] = []
        with self.reading():
            for run, taken in reversed(self._runs):
                asked = self._queries.decisions(self._db, run)
                found += [one for one in asked if one.by and (one.decided == "go" or not taken)]
        return found

    def filled(self, known: Known, job: int) -> Outcome:
        """The outcome, with a large result. Raises `SpecError` if its run is no more, or where it can't be read."""
        with self.reading():
            found = self._queries.filled(self._db, known.run, job, known.outcome)
            if is_large(found) and known.taken:
                self._look()
        return found

    def close(self) -> None:
        """May be called twice."""
        self._db.close()


def rest(earlier: Earlier, steps: Sequence[Step], begun: Mapping[str, int], at_once: int) -> Iterator[str]:
    """Lines of results of tasks that were over before. `begun`: how many tasks of each step a run has come to again.

    Raises as `Earlier.outcomes` does.
    """
    for job, step in enumerate(steps, 1):
        at = begun.get(step.name, 0)
        while at < (step.total or 0):
            for known in earlier.outcomes(job, at, at + at_once):
                outcome = earlier.filled(known, job)
                if not is_large(outcome):
                    with earlier.reading():
                        text = line_of(outcome, step.name if len(steps) > 1 else None)
                    yield text
            at += at_once


def last_alert(database: Path, run: str) -> int:
    """The number of the last alert of a run that goes on, 0 if it has none.

    Raises `StartError` where the database can't be asked.
    """
    from engine.store import queries

    with _asking(database), contextlib.closing(queries.open_readonly(database)) as db:
        return queries.last_alert(db, run)


@contextlib.contextmanager
def _asking(database: Path) -> Iterator[None]:
    """What the database complains of in here becomes a `StartError`: one line."""
    from engine.store.schema import FAULTS, StoreError, explain

    try:
        yield
    except StoreError as error:
        raise StartError(str(error)) from error
    except FAULTS as error:
        raise StartError(str(explain(database, error))) from error


def check_owner(database: Path) -> None:
    """Raise `StartError` if others may have written to a database, or to files beside it: what is in it is not to be
    trusted.

    Raises OSError if there is none.
    """
    from engine.store.trust import distrust

    why = distrust(database)
    if why is not None:
        raise StartError(f"{why}: results in it are not read")


def is_large(outcome: Outcome) -> bool:
    """Whether its result was too large to be recorded."""
    return outcome.result_kind == "large"


def item_of(outcome: Outcome) -> Any:
    """The result of a task that is done, as an item of a column: a plain value, or a pickle."""
    match outcome.result_kind:
        case "bytes":
            return outcome.blob
        case "pickle":
            return values.Ext(values.PICKLE, outcome.blob or b"")
        case "float":
            return float(json.loads(outcome.result or "null"))
        case _:
            return json.loads(outcome.result or "null")


def line_of(outcome: Outcome, task: str | None) -> str:
    """Its line in a results file, as it was first written, or would have been."""
    if outcome.state == "failed":
        detail: dict[str, Any] = json.loads(outcome.result) if outcome.result else {}
        failure = frames.Failure(
            0, outcome.error_kind or "", outcome.error_type or "", outcome.error_message or "",
            outcome.error_traceback or "", b"", detail,
        )  # fmt: skip
        return row(outcome.task, task, None, [], failure)
    return row(outcome.task, task, item_of(outcome), [], None)
