"""What callers want of the thread that owns their run, on its way there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.core.claims import Claim
from engine.core.tasks import Options
from engine.runtime.calls.futures import TaskFuture
from engine.runtime.calls.maps import MapChunk

if TYPE_CHECKING:
    from engine.runtime.run import Run


@dataclass(slots=True, frozen=True, eq=False)
class How:
    """How calls are to be run: in which pool, with which options."""

    pool: int
    options: Options
    claims: tuple[Claim, ...] = ()
    each: Callable[..., Any] | None = None
    """Gives what a call claims beside that, by its arguments."""
    lane: str | None = None
    memory: int = 0
    """Bytes that a call takes."""


Call: TypeAlias = tuple[TaskFuture, Callable[..., Any], bool, Any, How, tuple[Claim, ...]]
"""One submitted task on its way to the worker thread: future, function, whether its argument is ``(args, kwargs)``,
that argument as it is held, how it is to be run, and what it alone claims.
"""


class Barrier:
    """Somebody waits until every agent is there."""

    __slots__ = ("passed",)

    def __init__(self) -> None:
        self.passed = threading.Event()


class Errand:
    """Something that a caller has done in the thread that owns the run, and waits for."""

    __slots__ = ("error", "over", "result", "work")

    def __init__(self, work: Callable[[Run], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = threading.Event()

    def run(self, run: Run) -> None:
        """Do it, and tell whoever waits."""
        try:
            self.result = self.work(run)
        except Exception as error:
            self.error = error
        self.over.set()


class Retract:
    """What was cancelled by a caller, on its way."""

    __slots__ = ("running", "what")

    def __init__(self, what: TaskFuture | MapChunk, running: bool) -> None:
        self.what = what
        self.running = running


Thing: TypeAlias = Call | MapChunk | Retract | Barrier | Errand
"""What callers want of the thread."""
