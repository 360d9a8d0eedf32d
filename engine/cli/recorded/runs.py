"""``shoal runs``: the recorded runs, the newest first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from engine.cli.recorded.recorded import (
    StoreProblem,
    asked,
    data_on_stdout,
    database,
    db_option,
    last_moment,
    moment,
    say,
)
from engine.cli.words import clock, duration, number, printable, table

if TYPE_CHECKING:
    from engine.store.queries import Run

STATUSES: Final = ("running", "done", "failed", "interrupted", "crashed")
"""As `engine.store.queries` has them: written again here, for help must not load a database."""
_HEADS: Final = ("RUN", "NAME", "STATUS", "STARTED", "TIME", "TASKS", "DONE", "FAILED", "RATE")
_COLUMNS: Final = (
    "id", "name", "status", "started", "ended", "seconds", "tasks", "done", "failed", "left", "rate", "resumed",
    "version", "origin", "command",
)  # fmt: skip
"""Of CSV."""


def _cells(run: Run) -> tuple[str, ...]:
    of = "" if run.origin is None else f" (rerun of {printable(run.origin)})"
    return (
        printable(run.id), f"{printable(run.name)}{of}", run.status, clock(run.started), duration(run.seconds),
        number(run.tasks) + ("+" if run.left is None else ""), number(run.done), number(run.failed),
        f"{number(run.rate)}/s",
    )  # fmt: skip


def _not_run(run: Run) -> str:
    return "?" if run.left is None else number(run.left)


def _table(found: list[Run]) -> None:
    """As text; what never ran has a column where a run has ended with some of it left."""
    heads: tuple[str, ...] = _HEADS
    rows = [_cells(run) for run in found]
    left = ["" if run.status == "running" or run.left == 0 else _not_run(run) for run in found]
    if any(left):
        at = heads.index("FAILED") + 1
        heads = (*heads[:at], "NOT RUN", *heads[at:])
        rows = [(*row[:at], one, *row[at:]) for row, one in zip(rows, left, strict=True)]
    table(heads, rows, right=4, styled=2)


def _csv(found: list[Run]) -> None:
    import csv
    import shlex
    import sys

    data_on_stdout()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for run in found:
        writer.writerow([*(getattr(run, name) for name in _COLUMNS[:-1]), shlex.join(run.command)])


@click.command()
@db_option
@click.option("--status", type=click.Choice(STATUSES), help="Only runs that ended so, or are running.")
@click.option("--name", metavar="TEXT", help="Only runs with TEXT in their name.")
@click.option("--since", type=moment, metavar="TIME", help="Only runs that began since: 2h or 3d ago, or a date.")
@click.option("--until", type=last_moment, metavar="TIME", help="Only runs that began until then.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one run a line.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, one run a line; times in seconds since 1970.")
def runs(
    db: Path | None,
    status: str | None,
    name: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List recorded runs, the newest first.

    TIME is 90s, 15m, 2h, 3d or 2w ago, or a date: 2026-01-31, '2026-01-31 14:00'.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    import msgspec

    from engine.store import queries
    from engine.store.schema import NoDatabaseError

    try:
        with asked(db) as connection:
            found = queries.runs(connection, status, name, limit, since=since, until=until)
    except StoreProblem as error:
        if db is None and isinstance(error.__cause__, NoDatabaseError):  # nothing was run yet: nothing is wrong
            say(error.message)
            return
        raise
    if as_json:
        for run in found:
            click.echo(msgspec.json.encode(msgspec.structs.asdict(run) | {"rate": run.rate, "left": run.left}))
    elif as_csv:
        _csv(found)
    elif found:
        _table(found)
    elif any(given is not None for given in (status, name, since, until)):
        say("no such runs")
    else:
        say(f"no runs recorded yet at {database(db)}")
