"""How a run is begun: on a screen or without one, and what a person is told where it can't be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from engine.cli.words import can_show_screens


def code_of(work: Callable[[], int]) -> int:
    """The exit code of work; 2, and one line, where it can't be begun."""
    try:
        return work()
    except Exception as error:
        told = _refused(error)
        if told is None:
            raise
        for line in told:
            click.echo(f"shoal: {line}", err=True)
        return 2


def _refused(error: Exception) -> list[str] | None:
    """What a person is told of why something can't be begun; None if this is no such reason. What knows them is loaded
    only now: a screen need not wait for it.
    """
    from engine.plan.steps import SpecError
    from engine.settings.types import SettingsError

    if isinstance(error, (SpecError, SettingsError)):
        return str(error).splitlines()  # alert rules have one for each thing that is wrong
    from engine.runtime.fleet.launch import StartError
    from engine.runtime.fleet.limits import TooMany
    from engine.stream.places import UnsafeFolder

    return [str(error)] if isinstance(error, (StartError, TooMany, UnsafeFolder)) else None


def wants_screen(options: dict[str, Any]) -> bool:
    """Whether a run is to be shown on a screen: a person sits there, and has not said no."""
    return not options["headless"] and not options["as_json"] and options["serve"] is None and can_show_screens()


def warn_misspelt() -> None:
    """Say which environment variables are nearly, but not, the name of a setting."""
    from engine.settings.sources import misspelt

    for line in misspelt(os.environ):
        click.echo(f"shoal: warning: {line}", err=True)
