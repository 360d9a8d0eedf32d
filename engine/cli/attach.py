"""``shoal attach``: a screen for a run that is going on."""

from __future__ import annotations

import click

from engine.cli.live import RUN_HELP, find, run_argument, told


@click.command(
    help="Open the screen of a run that is going on, started anywhere on this machine by you.\n\n"
    f"{RUN_HELP} `shoal ps` lists them."
)
@run_argument
def attach(run: str | None) -> None:
    """See `help` above."""
    found = find(run)
    from engine.cli.view import show

    with told():
        how = show(found.path)
    if how == "detached":
        click.echo(f"detached: the run goes on. To come back: shoal attach {found.run}", err=True)
    elif how == "lost":
        click.echo("shoal: the engine is gone", err=True)
        raise SystemExit(1)
