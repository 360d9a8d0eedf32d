"""``shoal export``: what came of each task of a recorded run, or its samples, for other programs; or a recording."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.recorded.recorded import StoreProblem, asked, database, db_option, say, told
from engine.cli.words import several

if TYPE_CHECKING:
    import sqlite3

    from engine.store.queries import Outcome

_RESULTS: Final = {
    "task": "word",
    "index": "int",
    "ok": "bool",
    "result": "json",
    "result_kind": "word",
    "data": "binary",
    "attempts": "int",
    "agent": "word",
    "started": "float",
    "seconds": "float",
    "kind": "word",
    "error": "text",
    "traceback": "text",
}
"""The columns, and of what type each is. They are called as in the file that ``shoal run --out`` writes."""
_WHOLE: Final = {
    "samples",
    "done",
    "failed",
    "queued_max",
    "busy_max",
    "restarts",
    "memory",
    "redelivered",
    "memory_used",
    "fds",
}


def _row(name: str, one: Outcome) -> tuple[Any, ...]:
    head = name, one.task, one.state == "done", one.result, one.result_kind, one.blob
    timed = one.attempts, one.agent, one.started, one.seconds
    if one.state == "done":
        return (*head, *timed, None, None, None)
    error = f"{one.error_type}: {one.error_message}" if one.error_type else one.error_message
    return (*head, *timed, one.error_kind, error, one.error_traceback or None)


def _results(db: sqlite3.Connection, run: str) -> Iterator[tuple[Any, ...]]:
    from engine.store import queries

    for job in queries.jobs(db, run):
        name = job.name or f"job {job.job}"
        for one in queries.outcomes(db, run, job.job):
            yield _row(name, queries.filled(db, run, job.job, one))


def _samples(db: sqlite3.Connection, run: str) -> tuple[dict[str, str], Iterator[tuple[Any, ...]]]:
    from engine.store.queries import Sample, samples

    names = dict(map(tuple, db.execute("SELECT pool, name FROM pools WHERE run = ?", (run,))))
    fields = Sample.__struct_fields__
    types = {name: "word" if name == "pool" else "int" if name in _WHOLE else "float" for name in fields}

    def rows() -> Iterator[tuple[Any, ...]]:
        for sample in samples(db, run):
            found = {name: getattr(sample, name) for name in fields}
            yield tuple((found | {"pool": names.get(sample.pool)}).values())

    return types, rows()


def _recording(run: str, db: Path | None, out: str | None) -> None:
    """All that its screens showed, as a file of `engine.stream.files`."""
    from engine.cli.recorded.outfile import written
    from engine.store.recording import StoredRecording
    from engine.stream import files

    if out in (None, "-") and sys.stdout.isatty():
        raise StoreProblem("a recording is nothing for a terminal: use --out FILE")
    path = database(db)
    with told(path):
        recording = StoredRecording(path, run)
        with written(out, path) as stream:
            count = files.write(stream, recording)
    if out not in (None, "-"):
        say(f"{several(count, 'moment')} of run {recording.hello.run} in {out}")
    if not recording.complete:
        say("it is made of samples: what its screens showed was not recorded, or not all the time")


@click.command()
@click.argument("run")
@db_option
@click.option("--samples", is_flag=True, help="How the run was, second by second, instead of its results.")
@click.option("--recording", is_flag=True, help="What its screens showed, for `shoal replay FILE`.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a line of names.")
@click.option("--parquet", "form", flag_value="parquet", help="Parquet; needs pyarrow.")
@click.option("--jsonl", "form", flag_value="jsonl", default=True, help="JSON, one task a line (the default).")
@click.option("--out", metavar="FILE", help="Write to FILE instead of standard output.")
def export(run: str, db: Path | None, samples: bool, recording: bool, form: str, out: str | None) -> None:
    """Write what came of each task of a recorded run, in order.

    RUN is its id, the beginning of it, or `last`. A line has `task` and `index`, `ok`, `attempts`, `agent`, `started`,
    `seconds`, and `result`, or `kind`, `error` and `traceback` where the task failed. Results are exact: `result` is
    JSON, in CSV and Parquet its text; what JSON can't hold is told by `result_kind`, and `data` has the bytes. Of a
    rerun it is those that ran in it; its results file (`shoal rerun --out`) is whole.
    """
    if recording:
        if samples or form != "jsonl":
            raise click.UsageError("--recording excludes --samples, --csv and --parquet")
        _recording(run, db, out)
        return
    from engine.cli.recorded import formats
    from engine.cli.recorded.outfile import written
    from engine.store import queries

    write: Callable[..., int] = {"csv": formats.as_csv, "parquet": formats.parquet, "jsonl": formats.jsonl}[form]
    if form == "parquet":
        formats.pyarrow()
        if out in (None, "-") and sys.stdout.isatty():
            raise StoreProblem("Parquet is nothing for a terminal: use --out FILE")
    with asked(db) as connection:
        found = queries.find(connection, run)
        types, rows = _samples(connection, found.id) if samples else (_RESULTS, _results(connection, found.id))
        with written(out, database(db)) as stream:
            count = write(list(types), list(types.values()), rows, stream)
    if out not in (None, "-"):
        say(f"{several(count, 'sample' if samples else 'task')} of run {found.id} in {out}")
    if not samples and (missing := found.tasks - found.done - found.failed) > 0:
        say(f"{several(missing, 'task')} of the run {'has' if missing == 1 else 'have'} no outcome")
