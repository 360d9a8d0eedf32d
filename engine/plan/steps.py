"""A run as data, whether it was typed on the command line or read from a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.plan.effort import Estimate
from engine.plan.model import Claim, Gate, Outline
from engine.settings.types import PoolSettings, Settings


class _NothingYet:
    """Marks that arguments will come, but none are there now."""


NOTHING_YET: Final = _NothingYet()


class SpecError(ValueError):
    """A run that can't be. The text is one line: what, where, and what to do."""


@dataclass(slots=True)
class Step:
    """Tasks of one function, or of one command, over many arguments.

    At most one of `call` and `command` is set; without them it is work of people, or a gate that looks at what others
    have done. `arguments` gives one value a task, and may be endless; with `keywords` each is a dict of keyword
    arguments. `gather` names steps whose arguments and results are this step's two arguments, as lists. Times are in
    seconds.
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
    """A task that takes longer is killed, and has failed."""
    soft_timeout: float | None = None
    """A task that takes longer is interrupted by an exception, and may still tidy up."""
    retries: int = 0
    """How often a failed task is tried again."""
    retry_on: list[str] = field(default_factory=list)
    """Names of the exceptions after which it is tried again; empty: after any."""
    crash_limit: int = 5
    """Deaths of an agent under one task after which that task is given up."""
    priority: int = 0
    """Higher goes first."""
    stream: bool = False
    """Its arguments are lines of text that come by a stream, and can be read once only."""
    report: bool = False
    """Its result is what the run is for: the summary prints it."""
    title: str = ""
    results: dict[str, str] = field(default_factory=dict)
    """Keyword arguments that are results of other steps, by their names: of one with many tasks, a list of them."""
    owner: str | None = None
    team: str | None = None
    group: str | None = None
    milestone: str | None = None
    labels: tuple[str, ...] = ()
    estimate: Estimate | None = None
    """What one task may take, as people have it."""
    wait: Estimate | None = None
    """Time that passes after what it comes after, before it can begin."""
    memory: int | None = None
    """Bytes that one task may hold."""
    claims: tuple[Claim, ...] = ()
    """What each task holds while it runs."""
    lane: str | None = None
    gate: Gate | None = None
    request: str | None = None
    """The kind of request that it answers."""

    @property
    def of_people(self) -> bool:
        """Its tasks are done by people, whom nobody can run: somebody has to say that they are done."""
        return self.call is None and self.command is None and self.gate is None


@dataclass(slots=True)
class RunSpec:
    """A whole run."""

    name: str
    pools: list[PoolSettings]
    steps: list[Step]
    settings: Settings = field(default_factory=Settings)
    path: list[str] = field(default_factory=list)
    """Folders to put before the module path of agents."""
    files: list[str] = field(default_factory=list)
    """Files whose paths are arguments of tasks."""
    text: str | None = None
    """Of the plan it was read from."""
    outline: Outline = field(default_factory=Outline)
    """What else that plan says."""
    included: dict[str, str] = field(default_factory=dict)
    """Texts of the files that it includes, by their paths."""
    assigned: dict[str, str] = field(default_factory=dict)
    """What was set in it from outside: parameters, and values by dotted names."""


def numbers(steps: Sequence[Step]) -> list[list[int]]:
    """For each step, the numbers of those that it comes after."""
    at = {step.name: number for number, step in enumerate(steps)}
    return [[at[name] for name in step.after] for step in steps]
