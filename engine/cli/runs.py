"""``shoal runs``: the recorded runs, the newest first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from engine.store.queries import Run

STATUSES: Final = ("running", "done", "failed", "interrupted", "crashed")
"""As `engine.store.queries` has them: written again here, for help must not load a database."""
_HEADS: Final = ("RUN", "NAME", "STATUS", "STARTED", "TIME", "TASKS", "DONE", "FAILED", "RATE")
_STYLES: Final = {
    "running": "cyan",
    "done": "green",
    "failed": "red",
    "interrupted": "yellow",
    "crashed": "red",
}


class StoreProblem(click.ClickException):
    """The database can't be used, or has no such run."""

    exit_code = 2


def database(given: Path | None) -> Path:
    """The file to ask: the one given, or the one that runs are recorded in by default."""
    if given is not None:
        return given
    from engine.store.places import default_database

    return default_database()


def clock(seconds: float) -> str:
    """A time since the Unix epoch as people read it, here."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(seconds: float | None) -> str:
    """``340 µs``, ``12.5 ms``, ``3.42 s``, ``5:07``, ``2:05:07``; ``-`` where it isn't known."""
    if seconds is None:
        return "-"
    for limit, unit, factor in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3), (60.0, "s", 1.0)):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}" if seconds else "0 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def number(value: float) -> str:
    """A count, thousands apart; a rate with a decimal where that says something."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def printable(text: str) -> str:
    """One line without what a terminal would obey: names and messages are whatever somebody wrote."""
    return " ".join("".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text).split())


def _cells(run: Run) -> tuple[str, ...]:
    return (
        printable(run.id), printable(run.name), run.status, clock(run.started), duration(run.seconds),
        number(run.tasks), number(run.done), number(run.failed), f"{number(run.rate)}/s",
    )  # fmt: skip


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: int, styled: int | None = None) -> None:
    """Print a table: colours and the terminal's width on a terminal, else plain text with aligned columns.

    Columns from `right` on are numbers. `styled`: the column that holds a status.
    """
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            cells = zip(row, widths, strict=True)
            line = (text.rjust(w) if at >= right else text.ljust(w) for at, (text, w) in enumerate(cells))
            click.echo("  ".join(line).rstrip())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for at, head in enumerate(heads):
        drawn.add_column(head, justify="right" if at >= right else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        # Text: a name may hold what rich takes for markup.
        drawn.add_row(
            *(Text(t, style=_STYLES.get(t, "") if at == styled else "") for at, t in enumerate(row))
        )
    Console(highlight=False).print(drawn)


@click.command()
@click.option("--db", type=click.Path(path_type=Path), metavar="FILE", help="Database to read.")
@click.option("--status", type=click.Choice(STATUSES), help="Only runs that ended so, or are running.")
@click.option("--name", metavar="TEXT", help="Only runs with TEXT in their name.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one run a line.")
def runs(db: Path | None, status: str | None, name: str | None, limit: int, as_json: bool) -> None:
    """List recorded runs, the newest first."""
    from contextlib import closing

    import msgspec

    from engine.store import queries
    from engine.store.schema import NoDatabaseError, StoreError, explain

    path = database(db)
    import sqlite3

    try:
        with closing(queries.open_readonly(path)) as connection:
            found = queries.runs(connection, status, name, limit)
    except NoDatabaseError as error:
        click.echo(str(error), err=as_json)  # programs read the other stream
        return
    except (StoreError, sqlite3.Error) as error:
        raise StoreProblem(str(error if isinstance(error, StoreError) else explain(path, error))) from error
    if as_json:
        for run in found:
            click.echo(msgspec.json.encode(msgspec.structs.asdict(run) | {"rate": run.rate}))
    elif found:
        table(_HEADS, [_cells(run) for run in found], right=4, styled=2)
    elif status or name:
        click.echo("no such runs")
    else:
        click.echo(f"no runs recorded yet at {path}")
