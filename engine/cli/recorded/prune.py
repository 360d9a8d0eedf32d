"""``shoal prune``: old runs are deleted, and their space is given back."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.recorded.recorded import asked, database, db_option, say, span_option, told, told_size
from engine.cli.words import clock, number, printable, several, size, table

if TYPE_CHECKING:
    import sqlite3

    from engine.store.pruning import Old


def _bytes(text: str) -> int:
    from engine.settings.sizes import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _remove(db: sqlite3.Connection, chosen: list[Old], rest: list[Old], most: int | None) -> list[Old]:
    """Delete these, and of the rest the oldest ones while more than `most` bytes are used; which ones it were."""
    from engine.store import pruning

    removed = [run for run in chosen if pruning.remove(db, run.id)]
    for run in rest:  # how large each is was estimated
        if most is None or pruning.used(db) <= most:
            break
        if pruning.remove(db, run.id):
            removed.append(run)
    return removed


def _tell(runs: list[Old], as_json: bool) -> None:
    import msgspec

    if as_json:
        for run in runs:
            click.echo(msgspec.json.encode(run))
    elif runs:
        rows = [
            (run.id, printable(run.name), run.status, clock(run.ended), number(run.tasks), size(run.size))
            for run in runs
        ]
        table(("RUN", "NAME", "STATUS", "ENDED", "TASKS", "ABOUT"), rows, right=4, styled=2)


@click.command()
@db_option
@click.option("--keep", type=span_option, metavar="TIME", help="Delete what ended longer ago: 12h, 30d, 8w.")
@click.option("--max-size", type=_bytes, metavar="SIZE", help="Then the oldest, until no more is used: 500M, 2G.")
@click.option("--dry-run", is_flag=True, help="Delete nothing, say what would be.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one deleted run a line.")
def prune(db: Path | None, keep: float | None, max_size: int | None, dry_run: bool, as_json: bool) -> None:
    """Delete old runs, and give their space back.

    Runs that are going on are never touched, nor are those whose results or items these take over; and neither they,
    nor whoever reads, have to wait for this.
    """
    if keep is None and max_size is None:
        raise click.UsageError("say what to keep: --keep 30d, --max-size 2G, or both")
    from engine.store import pruning
    from engine.store.schema import open_database

    path = database(db)
    with asked(db) as reader:
        used, takes = pruning.used(reader), told_size(reader, path)
        old = pruning.candidates(reader)
    chosen = pruning.choose(old, used, None if keep is None else time.time() - keep, max_size)
    if dry_run:
        _tell(chosen, as_json)
        gain = sum(run.size for run in chosen)
        say(f"would delete {several(len(chosen), 'run')}, about {size(gain)} of {takes}")
        return
    with told(path), contextlib.closing(open_database(path)) as writer:
        writer.execute("PRAGMA busy_timeout = 10000")
        before = path.stat().st_size
        pruning.sweep_up(writer)
        removed = _remove(writer, chosen, old[len(chosen) :], max_size)
        _tell(removed, as_json)
        why = pruning.give_back(writer)
        used = pruning.used(writer)
    after = path.stat().st_size
    say(f"deleted {several(len(removed), 'run')}; {path} takes {size(after)}, it took {size(before)}")
    if why:
        say(f"not all of the space was given back: {why}")
    if max_size is not None and used > max_size:
        say(f"what is left takes more than {size(max_size)}: it belongs to runs that are going on, or to no run")
