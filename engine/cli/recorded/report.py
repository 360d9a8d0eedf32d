"""``shoal report``: a recorded run as Markdown that can be pasted into a ticket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from engine.cli.recorded.recorded import asked, database, db_option, say

if TYPE_CHECKING:
    import sqlite3

    from engine.cli.recorded.document import Gathered

_SLOWEST: Final = 10
_FAILURES: Final = 10


def gather(db: sqlite3.Connection, name: str, given: Path | None, now: float) -> Gathered:
    """What the report of a run tells. Raises `StoreError` if there is none of this name."""
    from engine.cli.recorded.document import Gathered
    from engine.plan.kept import Kept, decode
    from engine.plan.steps import SpecError
    from engine.store import queries

    run = queries.find(db, name)
    failures, groups = queries.failure_groups(db, run.id, _FAILURES)
    kept: Kept | None = None
    text = queries.spec(db, run.id)
    if text is not None:
        try:
            kept = decode(text)
        except SpecError:  # another version's
            pass
    unfinished = run.status in ("interrupted", "crashed") or (
        run.status == "failed" and kept is not None and kept.total is not None and run.done + run.failed < kept.total
    )
    return Gathered(
        run=run,
        now=now,
        database=None if given is None else str(given.absolute()),
        folder=None if kept is None else kept.cwd,
        resumable=unfinished and kept is not None and not kept.why_not,
        pools=queries.pools(db, run.id),
        shards=queries.shards(db, run.id),
        durations={at: found for at, found in queries.durations(db, run.id).items() if found.count},
        samples=queries.samples(db, run.id, -1),
        slowest=queries.slowest(db, run.id, _SLOWEST),
        failures=failures,
        failure_groups=groups,
        events=queries.event_groups(db, run.id),
        alerts=queries.events_of(db, run.id, "alert."),
        deaths=queries.deaths(db, run.id),
        redelivered=queries.redelivered(db, run.id),
        memory=queries.peak_memory(db, run.id),
    )


@click.command()
@click.argument("run")
@db_option
@click.option("--out", metavar="FILE", help="Write to FILE instead of standard output.")
def report(run: str, db: Path | None, out: str | None) -> None:
    """Tell of a recorded run in Markdown: totals, run times, failures, events, how to run it again.

    RUN is its id, the beginning of it, or `last`. Of a run that is going on, it tells how it is now.
    """
    import time

    from engine.cli.recorded.document import document
    from engine.cli.recorded.outfile import written

    with asked(db) as connection:
        found = gather(connection, run, db, time.time())
    text = document(found)
    with written(out, database(db)) as stream:
        stream.write(text.encode())
    if out not in (None, "-"):
        say(f"run {found.run.id} in {out}")
