"""``shoal explain``: why a task of a run that is going on does not run."""

from __future__ import annotations

import click

from engine.cli.live.live import LiveProblem, connected
from engine.cli.words import printable


@click.command()
@click.argument("task")
@click.option("--run", metavar="RUN", help="Its id, the beginning of it, its name, or `last`.")
@click.option("--json", "as_json", is_flag=True, help="The reasons as one JSON object.")
def explain(task: str, run: str | None, as_json: bool) -> None:
    """Say why a task does not run, and since when.

    What it comes after, and how far that is; who has what it claims, or the memory; which lane is full; which gate is
    held; whom it waits for; whether agents are busy, not there, or nothing is sent at all; or on which agent it runs.
    Without --run: of the only run that is going on.

    TASK is NAME[NUMBER], as `shoal agents` has it, NAME alone where that has one task. Of several calls of one name
    `shoal explain` says how they are told apart. Exit code 2: there is no such task that is not over.
    """
    with connected(run) as client:
        reply = client.command("explain", task)
    if not reply.ok:
        raise LiveProblem(reply.text)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(reply.data))
        return
    first, *rest = map(printable, reply.data["lines"])
    click.echo(f"{printable(reply.data['task'])}  {first}")
    for line in rest:
        click.echo(f"  {line}")
