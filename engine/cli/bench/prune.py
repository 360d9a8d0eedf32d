"""``shoal bench prune``: old sessions are deleted."""

from __future__ import annotations

import time

import click

from engine.cli.bench.guard import problems
from engine.cli.recorded.recorded import say, span_option
from engine.cli.words import clock, several, size, table


@click.command(short_help="Delete old sessions; never baselines, nor what is compared with.")
@click.option("--keep", type=span_option, metavar="TIME", help="Delete what was measured longer ago: 12h, 30d, 8w.")
@click.option(
    "--most", type=click.IntRange(min=1), metavar="N", help="Then the oldest of a suite and size on a machine, until "
    "so many are left.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Delete nothing, say what would be.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one deleted session a line.")
def prune(keep: float | None, most: int | None, dry_run: bool, as_json: bool) -> None:
    """Delete old sessions.

    Never one that has a name or was accepted, that a cell is compared with now, the newest whole one of a suite, nor
    the eight newest of a suite and size on a machine, which a trend takes. Beyond 500 of a kind the oldest go by
    themselves.
    """
    if keep is None and most is None:
        raise click.UsageError("say what to keep: --keep 90d, --most 100, or both")
    import json

    from engine.bench.guard import history, pruning

    with problems():
        past = history.History(history.default_folder())
        found = pruning.chosen(past, None if keep is None else time.time() - keep, most)
        taken = {session.id: _size(history.place(past.folder, session)) for session in found}
        if not dry_run:
            found = pruning.remove(past.folder, found)
    if as_json:
        for session in found:
            told = {"id": session.id, "suite": session.suite, "quick": session.quick, "began": session.began}
            click.echo(json.dumps(told | {"bytes": taken[session.id]}))
    elif found:
        rows = [
            (session.id, clock(session.began), f"{session.suite}{' quick' if session.quick else ''}", session.code,
             size(taken[session.id]))
            for session in found
        ]  # fmt: skip
        table(("SESSION", "BEGAN", "SUITE", "CODE", "SIZE"), rows, right=4)
    gain = size(sum(taken[session.id] for session in found))
    left = len(past.sessions) - len(found)
    say(
        f"{'would delete' if dry_run else 'deleted'} {several(len(found), 'session')}, {gain}; "
        f"{several(left, 'session')} {'would be left' if dry_run else 'are left' if left != 1 else 'is left'}"
    )


def _size(path: object) -> int:
    import os

    try:
        return os.stat(str(path)).st_size
    except OSError:
        return 0
