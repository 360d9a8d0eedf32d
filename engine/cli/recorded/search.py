"""``shoal search``: words in what failed, what was printed and what happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.recorded.recorded import asked, db_option, say
from engine.cli.words import clock, printable, table

if TYPE_CHECKING:
    from engine.store.queries import Found


def _cells(found: Found) -> tuple[str, ...]:
    place = found.source if found.task is None else f"{found.source} {found.job}[{found.task}]"
    when = "-" if found.at is None else clock(found.at)
    return found.run, printable(found.run_name), printable(place), when, printable(found.excerpt)


@click.command()
@click.argument("text", nargs=-1, required=True)
@db_option
@click.option("--run", metavar="RUN", help="Only in this run: its id, the beginning of it, or `last`.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one text a line, in full.")
def search(text: tuple[str, ...], db: Path | None, run: str | None, limit: int, as_json: bool) -> None:
    """Find words in errors, captured output and events of recorded runs.

    What has all words of TEXT, or words that begin so, is found, the newest run first; capitals make no difference. A
    text that was said many times in a run is shown once, where it came first.
    """
    import msgspec

    from engine.store import queries

    with asked(db) as connection:
        only = None if run is None else queries.find(connection, run).id
        found = queries.search(connection, " ".join(text), only, limit)
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one))
    elif found:
        table(("RUN", "NAME", "WHERE", "WHEN", "TEXT"), [_cells(one) for one in found], right=5)
    else:
        say("nothing found")
    if len(found) == limit:
        say("there may be more: --limit says how many are shown")
