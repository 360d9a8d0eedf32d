"""``shoal attach``: a screen for a run that is going on."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from engine.cli.live.live import RUN_HELP, LiveProblem, find, run_argument, told
from engine.cli.preferences import screen_options
from engine.cli.words import can_show_screens

_DRIVER: Final = "TEXTUAL_DRIVER"
"""In the environment where somebody else draws the screens, as textual-serve does in a browser."""


@click.command(
    help="Open the screen of a run that is going on, started anywhere on this machine by you.\n\n"
    f"{RUN_HELP} `shoal ps` lists them.\n\n"
    "What the options say can also be kept in the config file; `shoal config show` lists it."
)
@run_argument
@screen_options
@click.option("--plain", is_flag=True, help="No screen: a line a second, as `shoal watch` tells it.")
@click.pass_context
def attach(ctx: click.Context, /, run: str | None, plain: bool, **options: Any) -> None:
    """See `help` above."""
    if not plain and not (can_show_screens() or os.environ.get(_DRIVER)):
        raise LiveProblem(f"a screen needs a terminal; without one there is: shoal watch {find(run).run}")
    if plain:
        from engine.cli.live.watch import watch

        ctx.invoke(watch, run=run, queues=False, shapes=False, as_json=False, every=1.0)
    from engine.cli import view

    view.load()
    from engine.cli.config import ConfigProblem
    from engine.cli.preferences import preferences
    from engine.settings.types import SettingsError

    try:
        wanted = preferences(options)
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    found = find(run)
    code = 0
    try:
        with told():
            how = view.show(found.path, wanted)
    except view.ScreensFailed as error:
        error.tell()
        how, code = error.outcome, error.exit_code
    if how == "detached":
        click.echo(f"detached: the run goes on. To come back: shoal attach {found.run}", err=True)
    elif how == "lost":
        click.echo("shoal: the engine is gone", err=True)
        raise SystemExit(code or 1)
    if code:
        raise SystemExit(code)
