"""What the commands of the benchmark have in common: its suites, where figures are written, and how one ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from engine.bench.guard.sessions import Session
    from engine.cli.bench.telling import Telling

SUITES: Final = (
    "speed", "recorder", "watch", "tui", "spawn", "pool", "queues", "throughput", "latency", "memory",
)  # fmt: skip
"""Those of `engine.bench.rows`, which the help does not load."""

_ENOUGH: Final = 3


def enough(rounds: int | None) -> bool:
    """Whether a session of so many rounds, None for the usual number, may stand for its suite: of fewer an interval
    says nothing. How many there were stands beside each figure.
    """
    return rounds is None or rounds >= _ENOUGH


def keep(session: Session, told: Telling) -> None:
    """Have a session in the history. What was measured is worth showing where it can't be kept."""
    from engine.bench.guard import history, pruning

    told.failures = session.failures
    try:
        history.keep(history.default_folder(), session)
    except history.HistoryError as error:
        told.say(f"not kept: {error}")
    else:
        told.session = session.id
        pruning.bound(history.default_folder(), session.suite)


def opened(output: str | None) -> Path | None:
    """The file for JSON, found to be writable before minutes go by."""
    if output is None or output == "-":
        return None
    try:
        with open(output, "a"):
            pass
    except OSError as error:
        raise click.UsageError(f"can't write {output}: {error.strerror}") from error
    return Path(output)
