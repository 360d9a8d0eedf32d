"""What the commands about recorded runs have in common: the database they ask, what is wrong with it, options."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    import sqlite3

_SPAN: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([smhdw])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

db_option = click.option("--db", type=click.Path(path_type=Path), metavar="FILE", help="Database to use.")
"""Every command about recorded runs has it."""


class StoreProblem(click.ClickException):
    """The database can't be used, or has no such run."""

    exit_code = 2


def database(given: Path | None) -> Path:
    """The file to ask: the one given, or the one that runs are recorded in by default."""
    if given is not None:
        return given
    from engine.store.places import default_database

    return default_database()


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """What goes wrong with the database at `path` in here becomes a `StoreProblem`: one line, exit code 2."""
    from engine.store.schema import FAULTS, StoreError, explain
    from engine.stream.recordings import RecordingError

    try:
        yield
    except (StoreError, RecordingError) as error:
        raise StoreProblem(str(error)) from error
    except FAULTS as error:
        raise StoreProblem(str(explain(path, error))) from error


@contextlib.contextmanager
def asked(given: Path | None, *, quiet: bool = False) -> Iterator[sqlite3.Connection]:
    """The database, to be asked: all that is read in here is of one moment. Unless `quiet`, it is said if a file stands
    in for some of it. Raises `StoreProblem`.
    """
    from engine.store.queries import open_readonly

    path = database(given)
    if not quiet:
        _tell_waiting(path)
    with told(path), contextlib.closing(open_readonly(path)) as connection:
        # A run that goes on meanwhile must not have more tasks in one answer than in another.
        connection.execute("BEGIN")
        yield connection


def told_size(db: sqlite3.Connection, path: Path) -> str:
    """What a database holds, wherever it lies, and what its log takes on disk beside that, for people."""
    from engine.cli.words import size
    from engine.store.pruning import used

    log = 0
    with contextlib.suppress(OSError):
        log = path.with_name(f"{path.name}-wal").stat().st_size
    return f"{size(used(db))}, and {size(log)} of log" if log else size(used(db))


def _tell_waiting(path: Path) -> None:
    from engine.store.aside import waiting

    found: list[Path] = []
    with contextlib.suppress(OSError, RuntimeError):  # there is no working folder, no home
        found = waiting(path)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        end = "what it has is not told here; the next run or resumption takes it in"
        say(f"{found[0]}{more} stands in for {path}: {end}")


def say(text: str) -> None:
    """One line for whoever watches, on standard error: standard output is for data."""
    click.echo(text, err=True)


def quiet_colors() -> None:
    """No colours where ``NO_COLOR`` says so; click itself looks only whether there is a terminal."""
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False


def data_on_stdout() -> None:
    """Data is UTF-8, wherever it is written."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def span(text: str) -> float:
    """Seconds of ``90s``, ``15m``, ``2h``, ``30d``, ``2w``. Raises ValueError, with a text for people."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time such as 90s, 15m, 2h, 30d or 2w")
    return float(match[1]) * _UNITS[match[2]]


def span_option(text: str) -> float:
    """A length of time as an option has it, in seconds. Raises `click.BadParameter`."""
    try:
        return span(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def moment(text: str, *, last: bool = False) -> float:
    """A moment as an option has it, in seconds since the Unix epoch: so long ago, or a date, with or without a time of
    that day. `last`: a date alone is the end of that day, and not its beginning. Raises `click.BadParameter`.
    """
    import time
    from datetime import datetime, timedelta

    text = text.strip()
    with contextlib.suppress(ValueError):
        return time.time() - span(text)
    try:
        found = datetime.fromisoformat(text)
        if last and len(text) <= len("2026-01-31"):
            found += timedelta(days=1)
        return found.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        text = f"{text!r} is no time such as 2h, 3d, 2026-01-31 or '2026-01-31 14:00'"
        raise click.BadParameter(text) from error


def last_moment(text: str) -> float:
    """As `moment` with `last`."""
    return moment(text, last=True)
