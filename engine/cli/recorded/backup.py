"""``shoal backup``: a copy of the database, also while runs are recorded."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from engine.cli.recorded.recorded import StoreProblem, asked, database, db_option, say
from engine.cli.words import duration, size


class _Progress:
    """Tells of a copy: on a terminal in one line that changes, else from time to time."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._begun = self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        share = f"{100 * done / max(1, total):.0f} %"
        if self._terminal:
            click.echo(f"\r{share} copied", nl=False, err=True)
        elif now - self._told > 10:
            self._told = now
            say(f"{share} copied")

    def finish(self) -> str:
        """Leave the line; how long it took."""
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
        return duration(time.monotonic() - self._begun)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@db_option
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def backup(file: Path, db: Path | None, force: bool) -> None:
    """Copy the database to FILE, also while runs are recorded.

    The copy is of one moment, and a single file: `shoal runs --db FILE` reads it. FILE is replaced only once the copy
    is whole, and not while another program has it open.
    """
    from engine.store import backup as store

    path = database(db)
    with asked(db) as connection:
        if file.exists() and os.path.samefile(file, path):
            raise StoreProblem(f"{file} is the database itself")
        if file.exists() and not force:
            raise StoreProblem(f"{file} is there already; --force replaces it")
        progress = _Progress()
        try:
            copied = store.backup(connection, file, progress)
        except OSError as error:
            raise StoreProblem(f"can't write {file}: {error.strerror or error}") from error
        finally:
            took = progress.finish()
    say(f"{size(copied)} copied to {file} in {took}")
