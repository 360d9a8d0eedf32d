"""``shoal attach``: a screen for a run that is going on."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
def attach(run: str | None) -> None:
    """Watch a run that is going on, started anywhere on this machine by you. RUN: its id, or the beginning of it.

    Without RUN: the one that started last.
    """
    from engine.stream.client import StreamError
    from engine.stream.places import UnsafeFolder, live_sockets

    try:
        live = live_sockets()
    except UnsafeFolder as error:
        _fail(str(error))
    if run is not None:
        found = [path for path in live if path.stem.startswith(run)]
        if not found:
            known = ", ".join(path.stem for path in live) or "none"
            _fail(f"no run {run!r} is going on; going on: {known}")
        if len(found) > 1:
            _fail(f"{run!r} could be {' or '.join(path.stem for path in found)}")
    elif live:
        found = live
    else:
        _fail("no run is going on")
    path: Path = found[0]
    from engine.cli.view import show

    try:
        how = show(path)
    except StreamError as error:
        _fail(str(error))
    if how == "detached":
        click.echo(f"detached: the run goes on. To come back: shoal attach {path.stem}", err=True)
    elif how == "lost":
        _fail("the engine is gone", 1)


def _fail(text: str, code: int = 2) -> NoReturn:
    click.echo(f"shoal: {text}", err=True)
    raise SystemExit(code)
