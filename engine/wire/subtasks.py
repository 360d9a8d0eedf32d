"""The messages about subtasks: what tasks that run submit, wait for and are told. Part of `engine.wire.frames`."""

from __future__ import annotations

import msgspec

from engine.wire.failure import Failure


class SubtaskOptions(msgspec.Struct, frozen=True, array_like=True):
    """How subtasks are treated, as `core.tasks.Options` has it. None: as by default."""

    timeout: float | None = None
    soft_timeout: float | None = None
    retries: int = 0
    retry_on: list[str] = []
    crash_limit: int = 5


class Submitted(msgspec.Struct, frozen=True, array_like=True, tag=46):
    """Agent to host to engine: the task that it runs has subtasks. Their parcels come with it."""

    row: int
    generation: int
    batch: int
    """Of the task, with its offset there: whose subtasks they are."""
    offset: int
    first: int
    """Number of the first of them, by the agent's own count."""
    pool: str
    """Which is to run them; "" for that of their kind, or the task's own."""
    kind: str
    """Of the request that they are, "" for none."""
    reference: str
    """As in `Define`; always one that needs no body."""
    name: str
    """What they are called."""
    column: msgspec.Raw
    """As in `Work`; each item is ``(args, kwargs)``."""
    options: SubtaskOptions


class Awaits(msgspec.Struct, frozen=True, array_like=True, tag=47):
    """Agent to host to engine: the task that it runs waits until some of its subtasks are over; or, of none, waits no
    longer."""

    row: int
    generation: int
    batch: int
    offset: int
    numbers: list[int]
    need: int
    """How many of them."""


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, tag=48):
    """Agent to host to engine: subtasks are to be cancelled; or, with `fetch`, their large results are asked for."""

    row: int
    generation: int
    numbers: list[int]
    fetch: bool = False


class Answered(msgspec.Struct, frozen=True, array_like=True, tag=49):
    """Engine to host to agent: subtasks of the task that it runs are over."""

    row: int
    generation: int
    first: int
    column: msgspec.Raw
    """What came of them, one by one, as in `Outcomes`; None where one failed, or its result is kept."""
    failures: list[tuple[int, Failure]]
    """By number. One without a type was ended by the engine: its message says why."""
    kept: list[int]
    """Those whose results are large, and sent when they are asked for."""
