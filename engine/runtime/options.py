"""What a run is begun with: how it is kept, watched and called."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.runtime.fleet.launch import StartError
from engine.settings.types import Settings


def version() -> str:
    """Version of this installation."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("shoal")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


def settled(database: Path | None) -> Path | None:
    """The same file wherever the program goes: another recorder may have to open it. Raises `StartError`."""
    try:
        return None if database is None else database.absolute()
    except OSError as error:  # the working folder was deleted
        raise StartError(f"can't tell where {database} is: {error.strerror or error}") from error


class ControlError(StartError):
    """A run can't be made attachable."""


@dataclass(slots=True)
class RunOptions:
    """How a run is kept and watched."""

    name: str = "engine"
    database: Path | None = None
    """None: nothing is recorded. How durably is a setting."""
    control: bool = True
    command: list[str] = field(default_factory=lambda: list(sys.argv))
    config: dict[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    spec: str = ""
    """What a resumption needs, as JSON; "" where there can be none."""
    run: str | None = None
    """The id of the run that is resumed; None: a new one."""
    resumed: int = 0
    """Which resumption it is, 0 for a new run."""
    origin: str = ""
    """The run whose tasks this one runs again; "" for none."""
    rerun: str = ""
    """Which of them: ``failed`` or ``all``."""
    elsewhere: int = 0
    """How many of its tasks were done in another run, and so are none of those recorded with this one."""
    waits: Callable[[str], None] = logging.getLogger("shoal").info
    """Told, as one line, what the run waits for that is not begun yet."""
    results: Path | None = None
    """The file that results are written to: the room on its disk is watched."""
    lanes: dict[str, int] = field(default_factory=dict)
    """How many tasks of each lane run at a time."""
    requests: dict[str, str] = field(default_factory=dict)
    """Kinds of requests between teams beside those that are always known, and the pool that answers them, "" for that
    of who asks."""
