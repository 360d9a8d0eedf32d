"""A run as data, whether it was typed on the command line or read from a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


class SpecError(ValueError):
    """A run that can't be. The text is one line: what, where, and what to do."""


@dataclass(slots=True)
class PoolSpec:
    """A pool as it is asked for."""

    name: str = "main"
    agents: int | None = None
    """None: as many as there are cores."""
    shards: int | None = None
    preload: list[str] = field(default_factory=list)
    warmup: str | None = None
    """``module:function`` called once before the agents are forked."""


@dataclass(slots=True)
class Step:
    """Tasks of one function, or of one command, over many arguments.

    Exactly one of `call` and `command` is set. `arguments` gives one value a task, and may be endless; with `keywords`
    each is a dict of keyword arguments. `gather` names steps whose arguments and results are this step's two arguments,
    as lists.
    """

    name: str
    pool: str = "main"
    call: str | None = None
    command: list[str] | None = None
    arguments: Iterable[Any] = ()
    keywords: bool = False
    total: int | None = None
    after: list[str] = field(default_factory=list)
    gather: str | None = None
    timeout: float | None = None
    retries: int = 0
    report: bool = False
    """Its result is what the run is for: the summary prints it."""


@dataclass(slots=True)
class RunSpec:
    """A whole run."""

    name: str
    pools: list[PoolSpec]
    steps: list[Step]
    batch_max: int = 500
    path: list[str] = field(default_factory=list)
    """Folders to put before the module path of agents."""
