"""From the rows of a meter to histograms, with numpy and all at once."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.core.core import Core
from engine.metrics.series import Histograms
from engine.runtime.meters.meter import FIRST, FOUND, LAST, OUTCOMES, SENDS, Meter

Table: TypeAlias = NDArray[Any]
Whole: TypeAlias = NDArray[np.int64]

_FLOATS: Final = ("sent", "since", "waited")
_OPEN: Final = 20_000
"""Batches that have begun and not ended, of which it is known since when; more are forgotten, the oldest first."""


def _layout(names: tuple[str, ...]) -> np.dtype[Any]:
    return np.dtype([(name, np.float64 if name in _FLOATS else np.int64) for name in names])


_OUTCOMES: Final = _layout(OUTCOMES)
_SENDS: Final = _layout(SENDS)


def nanoseconds(seconds: NDArray[np.float64]) -> Whole:
    """Times in whole nanoseconds."""
    found: Whole = np.rint(seconds * 1e9).astype(np.int64)
    return found


class Counting:
    """Counts what a meter has written down. Who calls it holds the histograms' lock."""

    def __init__(self, core: Core, meter: Meter, histograms: Histograms) -> None:
        self._core = core
        self._meter = meter
        self._histograms = histograms
        self._begun: dict[int, int] = {}
        """When batches began whose last outcome is still to come."""
        self._waits: dict[str, list[tuple[Whole, Whole, Whole]]] = {"ready": [], "agent": []}
        """What waits to be counted by shard: shards, nanoseconds, how many tasks each."""

    def count(self) -> None:
        """Count all there is, but by shard: there are many of these, and a second is soon enough for them."""
        sends = np.frombuffer(self._meter.sends_log.taken(), _SENDS)
        outcomes = np.frombuffer(self._meter.outcomes_log.taken(), _OUTCOMES)
        for found, count in ((sends, self._sends), (outcomes, self._outcomes)):
            if not len(found):
                continue
            owners = np.array([shard.pool for shard in self._core.shards])[found["shard"]]
            present = np.flatnonzero(np.bincount(owners))
            for pool in present:
                count(self._core.pools[pool].name, found if len(present) == 1 else found[owners == pool])

    def count_shards(self) -> None:
        """Count by shard what was counted by pool since the last time."""
        for stage, parts in self._waits.items():
            if not parts:
                continue
            shards, values, times = (np.concatenate(column) for column in zip(*parts, strict=True))
            parts.clear()
            for number in np.flatnonzero(np.bincount(shards)):
                shard = self._core.shards[number]
                mine = shards == number
                labels = self._core.pools[shard.pool].name, str(shard.id), stage
                self._record("shoal_queue_wait_seconds", labels, values[mine], times[mine])

    def _record(self, name: str, labels: tuple[str, ...], values: Whole, times: Whole | None = None) -> None:
        self._histograms.of(name, labels).record_array(values, times)

    def _sends(self, pool: str, rows: Table) -> None:
        self._record("shoal_batch_messages", (pool, "out"), rows["count"])
        self._record("shoal_batch_bytes", (pool, "out"), rows["bytes"])
        self._record("shoal_serialize_seconds", (pool,), rows["encoding"])
        self._waits["ready"].append((rows["shard"], nanoseconds(rows["waited"]), rows["count"]))

    def _outcomes(self, pool: str, rows: Table) -> None:
        count, started, last, flags = rows["count"], rows["started"], rows["last_end"], rows["flags"]
        sent, since, accepted = nanoseconds(rows["sent"]), nanoseconds(rows["since"]), rows["accepted"]
        self._record("shoal_batch_messages", (pool, "back"), count)
        self._record("shoal_batch_bytes", (pool, "back"), rows["bytes"])
        self._record("shoal_batch_linger_seconds", (pool,), last - rows["first_end"])
        self._record("shoal_deserialize_seconds", (pool,), rows["decoding"])
        first = (flags & FIRST).astype(bool)
        assigned = started - sent
        how = flags >> 2
        for at in np.flatnonzero(np.bincount(how[first], minlength=1)):
            acquired = assigned if FOUND[at] == "hit" else started - since  # else it has waited for an agent before
            self._record("shoal_pool_acquire_seconds", (pool, FOUND[at]), acquired[first & (how == at)])
        self._use(pool, rows, first, (flags & LAST).astype(bool))
        for stage, values in (
            ("queue", sent - since), ("assign", assigned), ("back", accepted - last), ("total", accepted - since)
        ):  # fmt: skip
            self._record("shoal_message_latency_seconds", (pool, stage), values, count)
        outside = accepted - since - (last - started) // np.maximum(count, 1)
        self._record("shoal_coordination_seconds", (pool,), outside, count)
        self._waits["agent"].append((rows["shard"], assigned, count))

    def _use(self, pool: str, rows: Table, first: NDArray[np.bool_], last: NDArray[np.bool_]) -> None:
        whole = first & last
        self._record("shoal_pool_use_seconds", (pool,), (rows["last_end"] - rows["started"])[whole])
        begun, ended = rows[first & ~last], rows[last & ~first]
        for batch, started in zip(begun["batch"].tolist(), begun["started"].tolist(), strict=True):
            self._begun[batch] = started
        known = [
            end - started
            for batch, end in zip(ended["batch"].tolist(), ended["last_end"].tolist(), strict=True)
            if (started := self._begun.pop(batch, None)) is not None
        ]
        if known:
            self._record("shoal_pool_use_seconds", (pool,), np.array(known, np.int64))
        while len(self._begun) > _OPEN:
            del self._begun[next(iter(self._begun))]
