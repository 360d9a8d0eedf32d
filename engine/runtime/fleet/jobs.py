"""What is submitted to a fleet: one range of tasks, where its arguments come from, and who hears what came of it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import sub
from typing import Any, Protocol

from engine.core.claims import Claim
from engine.core.tasks import Options, Parent
from engine.wire import frames, values
from engine.wire.memory import Parcel


@dataclass(slots=True)
class Group:
    """Outcomes, as accepted by the core, of consecutive tasks of one job."""

    first: int
    items: list[Any]
    """Results as they came: plain values and extensions, to be read with `values.unwrap(item, parcels)`."""
    parcels: list[Parcel]
    failures: Mapping[int, frames.Failure]
    """By index, final ones only; their items are None."""
    retried: Mapping[int, frames.Failure]
    """Failures, by index, of tasks that have no outcome yet after all: they run again."""
    attempts: Mapping[int, int]
    row: int
    started: int
    """Start of the first, CLOCK_MONOTONIC in ns."""
    ends: memoryview
    """When each ended and the next one began, likewise: unsigned 8-byte integers."""
    gone: frozenset[int] = frozenset()
    """Tasks, by index, that had been cancelled: what came of them counts for nothing."""
    decoded: int = 0
    """When it was read, likewise, if that was asked for."""
    plain: bool = False
    """The items are known to be plain values."""

    @property
    def nanoseconds(self) -> array[int]:
        """Run time of each."""
        try:
            return array("Q", map(sub, self.ends, chain((self.started,), self.ends)))
        except OverflowError:  # a task has tampered with them: they do not follow each other
            return array("Q", [0] * len(self.ends))


class Sink(Protocol):
    """Who hears of a job. Called on the fleet's thread; must not block, must not raise."""

    def outcomes(self, group: Group) -> None:
        """Tasks have finished, or failed by themselves."""

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """The engine ended tasks: poisoned, timed out, cancelled, or their dependency or pool failed."""

    def finished(self, failed: int) -> None:
        """Every task of the job is over; nothing more will be heard."""


class Source(Protocol):
    """Where arguments come from."""

    def column(self, first: int, count: int, parcels: list[Parcel]) -> bytes:
        """Arguments first..first+count-1, encoded. May be asked for again, until they are released."""

    def release(self, first: int, count: int) -> None:
        """These are final: their arguments are needed no more."""


class Items:
    """Arguments in memory: plain values, or what `values.hold` made of others."""

    __slots__ = ("_values",)

    def __init__(self, held: list[Any]) -> None:
        self._values = held

    def column(self, first: int, count: int, parcels: list[Parcel]) -> bytes:
        return values.write_column(self._values[first : first + count], parcels)

    def release(self, first: int, count: int) -> None:
        if count == 1:
            self._values[first] = None
        else:
            self._values[first : first + count] = [None] * count


@dataclass(slots=True)
class Job:
    """One range of tasks of one function."""

    function: int
    """As `Functions.define` numbered it."""
    count: int
    source: Source
    sink: Sink
    name: str = ""
    star: bool = False
    """Each argument is ``(args, kwargs)``."""
    pool: int = 0
    options: Options = field(default_factory=Options)
    after: tuple[int, ...] = ()
    """Ranges that must be over, and well, before."""
    claims: tuple[Claim, ...] = ()
    """What each of its tasks claims."""
    each: Sequence[tuple[Claim, ...]] | None = None
    """What they claim beside that, one by one."""
    lane: str | None = None
    """In which they run."""
    memory: int = 0
    """Bytes that each of them takes."""
    parent: Parent | None = None
    """The task whose subtasks they are: it hears of them at once, whatever is recorded by then."""
    record: tuple[int, int] = (0, 0)
    """What it is in the record of the run: the number of its set of tasks, and the index of its first task in there."""
