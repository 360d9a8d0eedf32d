"""A sample of all metrics. Imported once somebody wants one, for it loads numpy."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.core.pools import Pool
from engine.metrics.histogram import Histogram
from engine.metrics.observer import Observer
from engine.metrics.packed import pack
from engine.metrics.pending import Pending
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder, Snapshot
from engine.metrics.windows import Windows
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.meters.board import Board
from engine.runtime.meters.book import Book
from engine.runtime.meters.counting import Counting
from engine.runtime.meters.machine import Readings
from engine.runtime.meters.meter import Meter
from engine.runtime.meters.processes import Processes
from engine.runtime.meters.queues import queues
from engine.runtime.meters.shapes import shapes
from engine.runtime.meters.shown import Shown
from engine.runtime.meters.view import view
from engine.store.messages import Distribution
from engine.stream.types import Frame, QueuesNow

if TYPE_CHECKING:
    from engine.runtime.record.line import Line

_SLOWLY: Final = 1.0
"""Seconds between two looks at what changes slowly, or is many: shards' histograms, pressure, the database's log."""
_QUEUES: Final = 0.45
"""Seconds for which readers are shown the same queues."""
_VIEW: Final = 0.9
"""The same, of windows and distributions: what ten seconds and more come to, half a second does not change."""
_RUN: Final = "shoal_task_run_seconds"
_LATENCY: Final = "shoal_message_latency_seconds"


class Sampling:
    """Makes snapshots of one fleet, on its thread.

    Attributes:
        windows: what was sampled.
        recent: the windows, as readers are shown them.
        queues: queues by shard, likewise.
        shapes: distributions, likewise.
    """

    def __init__(
        self, fleet: Fleet, meter: Meter, pending: Pending, histograms: Histograms, observer: Observer, began: float,
        version: str,
    ) -> None:  # fmt: skip
        """`began`: when nothing had happened yet, by the monotonic clock."""
        self._fleet = fleet
        self._meter = meter
        self._pending = pending
        self._histograms = histograms
        self._observer = observer
        self._version = version
        self.windows = Windows(began)
        self._began = began
        self._counting = Counting(fleet.core, meter, histograms)
        self._board = Board(fleet.board)
        self._book = Book(fleet.core, meter, fleet.board.rows)
        self._processes = Processes(len(fleet.core.pools))
        self._readings = Readings()
        self._slowly = 0.0
        self._wal: int | None = None
        self.recent = Shown(lambda at: view(self.windows, self._names, at), _VIEW, observer, self._newest)
        self.queues = Shown(self._queues, _QUEUES, observer, self._newest)
        self.shapes = Shown(lambda at: shapes(self.windows, self._names, at), _VIEW, observer, self._newest)

    def count(self) -> None:
        """Count what is pending."""
        with self._observer.spends("count"):
            self._pending.count()
            with self._histograms.lock:
                self._counting.count()

    def sample(
        self, frame: Frame, delivered: float, line: Line | None, database: Path | None, last: bool = False
    ) -> Snapshot:
        """How all is now; the frame is of now, too. `last`: what is looked at seldom is looked at now in any case."""
        self.count()
        with self._observer.spends("sample"):
            return self._sample(frame, delivered, line, database, last)

    def _sample(self, frame: Frame, delivered: float, line: Line | None, database: Path | None, last: bool) -> Snapshot:
        now, nanoseconds = time.monotonic(), time.monotonic_ns()
        builder = Builder(now)
        self._board.read(nanoseconds)
        pools = self.living
        if last or now - self._slowly >= _SLOWLY:
            self._slowly = now
            self._look(database)
        agents = None
        if self._processes.wants(now):
            agents = [(pool.id, self._board.pids(pool.rows.start, pool.rows.start + pool.extent)) for pool in pools]
        self._processes.look(now, agents)
        self._book.pools(builder, pools, frame.pools, self._board, self._processes)
        self._book.shards(builder, pools, self._board, nanoseconds)
        self._engine(builder, frame, delivered, now, line)
        self._observer.tell(builder, self._meter.dropped)
        self._histograms.keep("pool", self._names)
        builder.histograms(self._histograms, self._derived)
        snapshot = builder.snapshot()
        self.windows.push(snapshot)
        return snapshot

    def _newest(self) -> Snapshot:
        return self.windows.newest

    @property
    def living(self) -> list[Pool]:
        """The pools that have, or may have, agents."""
        return [pool for pool in self._fleet.core.pools if pool.broken is None or pool.up]

    @property
    def _names(self) -> list[str]:
        return [pool.name for pool in self.living]

    @staticmethod
    def _derived(
        held: Mapping[str, Mapping[tuple[str, ...], Histogram]],
    ) -> dict[str, dict[tuple[str, ...], Histogram]]:
        """The stage ``run`` of a task's way is its run time."""
        kinds: dict[str, list[Histogram]] = {}
        for (pool, _), histogram in held.get(_RUN, {}).items():
            kinds.setdefault(pool, []).append(histogram)
        return {
            _LATENCY: {
                (pool, "run"): all_[0] if len(all_) == 1 else Histogram.union(all_).frozen()
                for pool, all_ in kinds.items()
            }
        }

    def _look(self, database: Path | None) -> None:
        with self._histograms.lock:
            self._counting.count_shards()
        self._readings.read()
        self._wal = None
        if database is not None:
            try:
                self._wal = Path(f"{database}-wal").stat().st_size
            except OSError:
                pass

    def _engine(self, builder: Builder, frame: Frame, delivered: float, now: float, line: Line | None) -> None:
        put, machine, found = builder.set, frame.machine, self._readings
        mail = self._fleet.post.mail
        for result, letters in (
            ("delivered", mail.delivered), ("redelivered", mail.redelivered), ("dropped", mail.dropped)
        ):  # fmt: skip
            put("shoal_messages_delivered_total", letters, result)
        put("shoal_delivery_ratio", delivered)
        put("shoal_dispatch_busy_seconds_total", self._fleet.loop.busy)
        put("shoal_engine_cpu_seconds_total", found.processor_time)
        put("shoal_engine_memory_bytes", found.resident)
        put("shoal_engine_open_fds", machine.fds)
        put("shoal_engine_max_fds", found.max_fds)
        if line is not None:
            put("shoal_store_queue_depth_messages", line.told - line.safe)
            put("shoal_store_rows_total", line.rows)
            if self._wal is not None:
                put("shoal_store_wal_bytes", self._wal)
        for severity, firing in (self._meter.firing or {}).items():
            put("shoal_alerts_firing", firing, severity)
        put("shoal_machine_cpu_ratio", machine.cpu)
        put("shoal_machine_cores", machine.cores)
        used, limit = found.memory or (machine.memory_used, machine.memory_total)
        put("shoal_machine_memory_used_bytes", used)
        put("shoal_machine_memory_limit_bytes", limit)
        put("shoal_machine_load1", machine.load)
        for name, share in found.pressures.items():
            if share is not None:
                put(f"shoal_{name}_pressure_ratio", share)
        if found.throttled is not None:
            put("shoal_cpu_throttled_seconds_total", found.throttled)
        put("shoal_snapshot_bytes", self.windows.newest.nbytes)
        put("shoal_build_info", 1, self._version, platform.python_version())

    # -- what is made of them -----------------------------------------------------------------------------------------

    def _queues(self, at: float) -> QueuesNow:
        pools = self.living
        return queues(self.windows, pools, self._book.each_shard(pools, self._board), at)

    def distributions(self) -> list[Distribution]:
        """Run time and wait of each pool since the run began, for the record."""
        made = []
        snapshot = self.windows.newest
        for pool in self.living:
            for name, labels in ((_RUN, {}), (_LATENCY, {"stage": "queue"})):
                found = snapshot.histogram(name, pool=pool.name, **labels)
                if found.count:
                    known = "run" if name == _RUN else "queue_wait"
                    made.append(Distribution(known, pool.id, found.count, found.sum, found.min, found.max, pack(found)))
        return made
