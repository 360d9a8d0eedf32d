"""From a record of a ring to a group of outcomes that the core has accepted."""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Collection, Iterator
from typing import Final

from engine.core.core import Core
from engine.core.tasks import Batch
from engine.runtime.fleet.jobs import Group
from engine.stream.types import UNREADABLE
from engine.wire import frames, values
from engine.wire.memory import Parcel

GARBAGE: Final = (*UNREADABLE, ValueError, IndexError, TypeError, EOFError, struct.error, pickle.UnpicklingError)
"""What `accept` may raise for a record that no agent of ours writes."""
_LONGEST: Final = 1 << 60
"""Nanoseconds that tasks may have taken: more than any machine is up."""
_NONE: Final[dict[int, frames.Failure]] = {}


def split(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The records in a host's message, each with the row of its agent. They lie in the message's buffer."""
    at, end = 1, len(view)
    while at < end:
        row = int.from_bytes(view[at : at + 4], "little")
        size = int.from_bytes(view[at + 4 : at + 8], "little")
        at += 8
        yield row, view[at : at + size]
        at += size


def accept(
    core: Core, row: int, record: bytes | memoryview, parcels: list[Parcel], timed: bool = False
) -> tuple[Batch, Group] | None:
    """Give the core the outcomes of a record: what counts of them, with its batch; None if nothing does. `timed`: it is
    to be said when it was read.

    Raises one of `GARBAGE` for a record that no agent of ours writes: before the core has heard of it, so that no task
    is taken for finished whose outcome can't be read.
    """
    batch_id, offset, count, started = frames.HEAD.unpack_from(record)
    body = frames.outcomes_decoder.decode(memoryview(record)[frames.HEAD.size :])
    ends = memoryview(body.ends).cast("Q")
    items = values.open_column(body.values, parcels)
    if len(items) != count or len(ends) != count:
        raise ValueError("a record of other length than its head says")
    if not count or not 0 <= ends[-1] - started < _LONGEST:
        raise ValueError("a record of a time that can't be")
    errors = body.errors
    if errors and any(not offset <= failure.offset < offset + count for failure in errors):
        raise ValueError("a record that has the failure of another")
    decoded = time.monotonic_ns() if timed else 0
    batch = core.batches.get(batch_id)
    final: Collection[int] = ()
    if errors and batch is not None and batch.range.options.retry_on:
        final = {f.offset for f in errors if not worth_retry(f, batch.range.options.retry_on)}
    failed = [f.offset for f in errors] if errors else ()
    accepted = core.outcomes(row, batch_id, offset, count, failed, ends[-1] - started, final)
    if accepted is None or batch is None:
        return None
    base, skip = batch.first, accepted.skip
    if not (skip or errors or accepted.gone):
        return batch, Group(
            accepted.first, items, parcels, _NONE, _NONE, accepted.attempts, row, started, ends, plain=body.plain,
            decoded=decoded,
        )  # fmt: skip
    failures = {base + f.offset: f for f in errors if base + f.offset >= accepted.first}
    retried = {index: failures.pop(index) for index in accepted.retried if index in failures}
    group = Group(
        accepted.first, items[skip:] if skip else items, parcels, failures, retried, accepted.attempts, row,
        ends[skip - 1] if skip else started, ends[skip:], accepted.gone, decoded, body.plain,
    )  # fmt: skip
    for index in accepted.gone:
        failures.pop(index, None)
    return batch, group


def worth_retry(failure: frames.Failure, names: Collection[str]) -> bool:
    """Whether an exception is of one of these classes, given as ``Name`` or ``module.Name``, or derived from one."""
    return any(base in names or base.rpartition(".")[2] in names for base in failure.bases or [failure.type])
