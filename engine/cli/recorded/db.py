"""``shoal db``: what concerns the database as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.recorded.recorded import asked, database, db_option, say, told_size
from engine.cli.words import printable, several


@click.group()
def db() -> None:
    """Check the database."""


@db.command()
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(db: Path | None, as_json: bool) -> None:
    """Look whether the database is sound.

    The file itself, the references in it, and whether the counts that are kept of each run agree with its rows. Exit
    code 1 if something is wrong, with a line for each thing on standard output. Runs may be recorded meanwhile.
    """
    import sqlite3

    import msgspec

    from engine.store import aside, checking
    from engine.store.trust import is_own

    path = database(db)
    found: list[str] = []
    runs = tasks = 0
    takes = ""
    with asked(db, quiet=True) as connection:  # it is told below
        try:
            found.extend(checking.check(connection))
            runs, tasks = connection.execute("SELECT count(*), total(done + failed) FROM runs").fetchone()
            takes = told_size(connection, path)
        except sqlite3.DatabaseError as error:  # too damaged to be asked
            found.append(" ".join(str(error).split()))
    waiting = [str(one) for one in aside.waiting(path)]
    if as_json:
        answer = {"database": str(path), "ok": not found, "wrong": found, "runs": runs, "tasks": int(tasks)}
        click.echo(msgspec.json.encode(answer | {"aside": waiting}))
    else:
        for text in found:
            click.echo(printable(text))
    for one in waiting:
        text = "the next run takes it in" if is_own(Path(one).lstat()) else "it is not yours alone, and stays there"
        say(f"{one} stands in for it: {text}")
    if found:
        say(f"{path}: {several(len(found), 'thing')} wrong")
        raise SystemExit(1)
    say(f"{path} is sound: {several(runs, 'run')}, {several(int(tasks), 'task')}, {takes}")
