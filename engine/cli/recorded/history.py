"""``shoal`` alone, on a terminal: the screen of all runs."""

from __future__ import annotations

import click


def history() -> None:
    """Show it until the user leaves."""
    from engine.cli.config import ConfigProblem
    from engine.cli.preferences import preferences
    from engine.cli.running.starting import warn_misspelt
    from engine.cli.view import show_history
    from engine.settings.types import SettingsError

    warn_misspelt()
    try:
        wanted = preferences()
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    if show_history(wanted) == "lost":
        click.echo("shoal: the engine is gone", err=True)
        raise SystemExit(1)
