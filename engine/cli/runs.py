"""``shoal runs``: the recorded runs, the newest first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

if TYPE_CHECKING:
    from engine.store.queries import Run

STATUSES: Final = ("running", "done", "failed", "interrupted", "crashed")
"""As `engine.store.queries` has them: written again here, for help must not load a database."""
_HEADS: Final = ("RUN", "NAME", "STATUS", "STARTED", "TIME", "TASKS", "DONE", "FAILED", "RATE")
_SPARE: Final = ("RATE", "TASKS", "SHARDS", "STARTED", "TIME", "RUN TIME", "ATTEMPTS")
"""Columns that a narrow terminal goes without, the first one first."""
_NAME_LEAST: Final = 10
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
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


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

    console = Console(highlight=False)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    least = [min(width, _NAME_LEAST) if head == "NAME" else width for head, width in zip(heads, widths, strict=True)]
    shown = list(range(len(heads)))
    for head in _SPARE:  # a narrow terminal: better whole columns fewer than all of them cut off
        if head in heads and sum(least[at] + 2 for at in shown) > console.width:
            shown.remove(heads.index(head))
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="")
    for at in shown:
        side: Literal["left", "right"] = "right" if at >= right else "left"
        drawn.add_column(heads[at], justify=side, no_wrap=True, overflow="ellipsis", min_width=least[at])
    for row in rows:
        styles = [_STYLES.get(text, "") if at == styled else "" for at, text in enumerate(row)]
        # Text: a name may hold what rich takes for markup.
        drawn.add_row(*(Text(row[at], styles[at]) for at in shown))
    console.print(drawn)


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
    from engine.store.schema import FAULTS, NoDatabaseError, StoreError, explain

    path = database(db)
    try:
        with closing(queries.open_readonly(path)) as connection:
            found = queries.runs(connection, status, name, limit)
    except NoDatabaseError as error:
        click.echo(str(error), err=as_json)  # programs read the other stream
        return
    except (StoreError, *FAULTS) as error:
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
