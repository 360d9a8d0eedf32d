"""The results of a run that is over, written anew from its record: nothing runs again."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from engine.cli.running.again import Found
    from engine.runtime.record.earlier import Earlier
    from engine.store.queries import JobRow, Run

_CHUNK: Final = 2_000
"""Tasks that are read at once."""
_READER_LEFT: Final = 141


def out_of(found: Found, out: str | None) -> str | None:
    """Where results of a run that is over are to go: where it is said now, or where they went if they are not whole
    there. None: there is nothing to be written.
    """
    return out or (found.kept.out if found.run.summary.get("unwritten") else None)


def is_over(found: Found) -> bool:
    """Whether every task of a run has an outcome, and it had come to its end."""
    run, total = found.run, found.kept.total
    if total is None and found.known.ended:
        total = found.known.count
    return run.status == "done" or (run.status == "failed" and total is not None and found.over >= total)


def nothing_left(run: Run) -> str:
    """That there is nothing to resume, and what can be done."""
    anew = f"shoal resume {run.id} --out FILE writes its results anew"
    if run.status == "done":
        return f"run {run.id} is done: nothing is left to resume ({anew})"
    if not run.failed:
        return f"run {run.id} is over, and none of its tasks has failed: nothing is left to resume ({anew})"
    have = "1 of its tasks has" if run.failed == 1 else f"{run.failed:,} of its tasks have"
    left = f"run {run.id} is over, and {have} failed: nothing is left to resume"
    return f"{left} (shoal rerun --failed {run.id} runs what failed, {anew})"


def write_anew(found: Found, out: str, as_json: bool) -> int:
    """Write a line for each task to `out`, as the run would have written them; the exit code that it would have had.

    What is there stays until that is whole. Raises `SpecError` where it can't be, `StartError` where the record is not
    to be trusted.
    """
    from engine.cli.recorded.recorded import data_on_stdout
    from engine.cli.running.resultsfile import writer_of
    from engine.plan.steps import SpecError
    from engine.runtime.record.earlier import Earlier

    kept, run = found.kept, found.run
    data_on_stdout()
    read = kept.what[0] if kept.items is None else kept.items.path
    reads: list[str | int] = [] if kept.stream else [os.path.join(kept.cwd, read)]
    writer = writer_of(out, [*reads, str(found.database)], again=True)
    assert writer is not None
    jobs = _jobs(found)
    # Results of classes of the user's own are read as in the run: it had these to find their modules.
    sys.path.extend(entry for entry in kept.path if entry not in sys.path)
    count = 0
    earlier = Earlier(found.database, run.id, [one.id for one in found.taken])
    with contextlib.closing(earlier), contextlib.closing(writer):
        for count, line in enumerate(_lines(found, earlier, jobs), 1):
            writer.put(count - 1, line)
            if writer.failed is not None:
                break
        writer.begin()  # of a run without tasks it is empty
        writer.finish()
    if writer.failed is not None:
        if out == "-" and isinstance(writer.failed, BrokenPipeError):
            return _READER_LEFT
        where = "to standard output" if out == "-" else out
        raise SpecError(f"can't write {where}: {writer.failed.strerror or writer.failed}")
    status = _settle(found)
    if as_json:
        _tell({"event": "summary", **run.summary, "status": status})
    else:
        results = "1 result" if count == 1 else f"{count:,} results"
        where = "standard output" if out == "-" else os.path.abspath(out)
        text = f"{run.name} {run.id}: {results} written to {where} from the record; nothing ran again"
        click.echo(text, err=True)
    return int(status == "failed")


def _tell(summary: dict[str, Any]) -> None:
    import msgspec

    summary.pop("unwritten", None)
    click.echo(msgspec.json.encode(summary))


def _jobs(found: Found) -> list[JobRow]:
    """The steps of a run. Raises `SpecError` where some results are not in the database."""
    from engine.cli.running.again import asking, opened
    from engine.store import queries

    with asking(found.database), contextlib.closing(opened(found.database)) as db:
        jobs = queries.jobs(db, found.run.id)
        left = sum(queries.large_results(db, one.id).left_out for one in (found.run, *found.taken))
    if left:
        raise _too_large(found)
    return jobs


def _too_large(found: Found) -> Exception:
    from engine.plan.steps import SpecError

    why = "some are not in the database, which they were too large for (record_result_max)"
    return SpecError(f"results of run {found.run.id} can't be written anew: {why}: shoal rerun runs all of it again")


def _lines(found: Found, earlier: Earlier, jobs: list[JobRow]) -> Iterator[str]:
    """Those of one step after the other, in the order in which they began. Raises as `Earlier.outcomes` does."""
    from engine.runtime.record.earlier import is_large, line_of

    began = {
        job.job: next((one.outcome.started or 0.0 for one in earlier.outcomes(job.job, 0, 1)), 0.0) for job in jobs
    }
    run = found.run
    # Where items became fewer, more are recorded than there are tasks.
    counted = len(jobs) == 1 and not run.origin and "subtasks" not in run.summary
    most = run.summary.get("tasks", sys.maxsize) if counted else sys.maxsize
    for job in sorted(jobs, key=lambda job: (began[job.job], job.job)):
        first = 0
        while known := list(earlier.outcomes(job.job, first, min(first + _CHUNK, most))):
            first += _CHUNK
            for one in known:
                outcome = earlier.filled(one, job.job)
                if is_large(outcome):
                    raise _too_large(found)
                with earlier.reading():
                    line = line_of(outcome, job.name if len(jobs) > 1 else None)
                yield line


def _settle(found: Found) -> str:
    """Results are written, so that the run ended as its tasks did; how that is. Where the database takes nothing now,
    it goes on saying that they are not.
    """
    from engine.store.schema import FAULTS, StoreError, open_database
    from engine.store.unwritten import settle

    run = found.run
    unwritten = run.summary.get("unwritten")
    if not unwritten:
        return run.status
    status = str(unwritten["otherwise"])
    with contextlib.suppress(StoreError, *FAULTS), contextlib.closing(open_database(found.database)) as db:
        settle(db, run.id, run.resumed, status)
    return status
