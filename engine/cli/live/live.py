"""What the commands about runs that are going on have in common: which run is meant, and what is wrong with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pathlib import Path

    from engine.stream.client import Client
    from engine.stream.live import Live
    from engine.stream.types import Hello

F = TypeVar("F", bound=Callable[..., Any])

RUN_HELP = "RUN: its id, the beginning of it, its name, or `last`; not needed where only one is going on."


class LiveProblem(click.ClickException):
    """There is no such run going on, or its engine does not do what is asked."""

    exit_code = 2


def run_argument(command: F) -> F:
    """The argument RUN of every command about a run that is going on."""
    return click.argument("run", required=False, metavar="[RUN]")(command)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What goes wrong with sockets in here becomes a `LiveProblem`: one line, exit code 2."""
    from engine.stream.client import StreamError
    from engine.stream.places import UnsafeFolder

    try:
        yield
    except (StreamError, UnsafeFolder) as error:
        raise LiveProblem(str(error)) from error


def find(run: str | None) -> Live:
    """The run that is meant. Raises `LiveProblem`."""
    from engine.stream import live

    with told():
        return live.choose(live.runs(), run)


@contextlib.contextmanager
def connected(run: str | None) -> Iterator[Client]:
    """A connection to the run that is meant. Raises `LiveProblem`, also for what goes wrong with it in here."""
    from engine.stream.client import Client

    found = find(run)
    with told(), contextlib.closing(Client(found.path)) as client:
        yield client


def again(hello: Hello) -> Path | None:
    """Where a run is served by now, whose engine went: it may have been resumed."""
    from engine.stream import live
    from engine.stream.places import UnsafeFolder

    try:
        return next((found.path for found in live.runs() if found.run == hello.run), None)
    except UnsafeFolder:
        return None
