"""What one run measures: who writes it down, who counts it, and who is shown it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from engine.metrics.pending import NO_DESCRIPTORS, Pending
from engine.metrics.series import Histograms
from engine.runtime.meters.meter import Meter

if TYPE_CHECKING:
    from engine.metrics.observer import Observer
    from engine.metrics.server import MetricsServer
    from engine.metrics.snapshot import Snapshot
    from engine.runtime.fleet.fleet import Fleet
    from engine.runtime.meters.sampling import Sampling
    from engine.runtime.record.line import Line
    from engine.store.messages import Distribution
    from engine.stream.types import Frame, MetricsNow, QueuesNow, ShapesNow, Topic

T = TypeVar("T")

LOOPBACK: Final = "127.0.0.1"
SECONDS: Final = 1.0
"""Between two samples, where there are readers, a record, or a page."""
QUEUES_SECONDS: Final = 0.45
"""The same, where somebody asks for queues: they are shown them twice a second."""


class Meters:
    """The metrics of one run, on its thread. It loads no numpy before `begin`.

    Attributes:
        sampled_at: when the last sample was taken, by the monotonic clock.
        server: serves the newest sample, if anybody asked for that.
        topics: what readers are shown of samples, by topic: made when it is called, of now if its argument says so.
    """

    def __init__(self, fleet: Fleet, version: str, observer: Observer) -> None:
        """Measure from now on."""
        self._fleet = fleet
        self._version = version
        self._began = time.monotonic()
        self._histograms = Histograms()
        self._observer = observer
        self._pending = Pending(self._histograms, failed=self._give_up)
        self._meter = Meter(fleet.core, self._pending, self._count, cold=not fleet.settings.enable_pooling)
        self._sampling: Sampling | None = None
        self._loading: threading.Thread | None = None
        self._wanted = False
        self._failed = False
        self.sampled_at = 0.0
        self.server: MetricsServer | None = None
        self.topics: dict[Topic, Callable[[bool], MetricsNow | QueuesNow | ShapesNow | None]] = {
            "metrics": self.view, "queues": self.queues, "shapes": self.shapes
        }  # fmt: skip
        fleet.meter = self._meter
        fleet.loop.timed = True

    # -- who samples --------------------------------------------------------------------------------------------------

    def serve(self, port: int, host: str) -> None:
        """Serve the page of metrics. Raises `MissingPackage` and `ServeError` of `engine.metrics.server`."""
        from engine.metrics.server import MetricsServer

        self.server = MetricsServer(self.newest, port, host, self._observer)

    def due(self, queues: bool) -> bool:
        """Whether it is time for another sample. `queues`: somebody is shown them."""
        seconds = QUEUES_SECONDS if queues else SECONDS
        return time.monotonic() - self.sampled_at >= seconds * 0.95  # frames come a little early or late

    def begin(self) -> None:
        """Somebody will want samples: keep what they will count, and load what that takes, by a thread, lest the loop
        stand still for it."""
        if not self._wanted:
            self._wanted = True
            self._meter.sample(True)
        if self._loading is None:
            self._loading = threading.Thread(target=_load, name="shoal-numpy", daemon=True)
            self._loading.start()

    def sample(
        self, frame: Frame, delivered: float, line: Line | None, database: Path | None, last: bool = False
    ) -> None:
        """Count, and take a sample; the frame is of now. Nothing is done while what it takes is loaded, but for the
        `last` one. A bug of ours here ends the samples, and not the run."""
        if self._failed:
            return
        try:
            self._sample(frame, delivered, line, database, last)
        except Exception:
            self._give_up()

    def _give_up(self) -> None:
        """To be called while the error is handled: who is counted for has tasks and hosts to see to."""
        if self._failed:
            return
        self._failed = True
        self._meter.sample(False)
        logging.getLogger("shoal").exception("the metrics can't be sampled, and stay as they are")

    def _sample(self, frame: Frame, delivered: float, line: Line | None, database: Path | None, last: bool) -> None:
        self.begin()
        sampling = self._loaded(wait=last)
        if sampling is not None:
            self.sampled_at = time.monotonic()
            sampling.sample(frame, delivered, line, database, last)

    def _loaded(self, wait: bool = False) -> Sampling | None:
        """What counts and samples; None while that is loaded, unless somebody can `wait` for it."""
        if self._sampling is None and self._loading is not None:
            if self._loading.is_alive() and not wait:
                return None
            self._loading.join()
            try:
                import engine.metrics.folding  # noqa: F401 - what is measured is counted with it, at any moment
                from engine.runtime.meters.sampling import Sampling
            except OSError as error:
                if error.errno not in NO_DESCRIPTORS:
                    raise
                self._loading = None  # it is tried again with the next sample
                return None
            self._sampling = Sampling(
                self._fleet, self._meter, self._pending, self._histograms, self._observer, self._began, self._version
            )
        return self._sampling

    def rest(self) -> None:
        """Nobody wants samples any more, until one is asked for again."""
        if self._wanted:
            self._wanted = False
            self._meter.sample(False)

    def _count(self) -> None:
        """The logs are full: the sampler is late, or has not begun."""
        if self._failed:
            return
        try:
            if (sampling := self._loaded()) is not None:
                sampling.count()
        except Exception:
            self._give_up()

    # -- who is shown them --------------------------------------------------------------------------------------------

    def newest(self) -> Snapshot | None:
        """The last sample; None before the first. Any thread may ask."""
        return self._sampling.windows.newest if self._sampling is not None and self.sampled_at else None

    def view(self, fresh: bool = False) -> MetricsNow | None:
        """The windows, as readers are shown them: made anew once a second, and if they are to be `fresh`.

        None before the first sample, as are `queues` and `shapes`.
        """
        return self._shown(lambda sampling: sampling.recent.get(fresh))

    def queues(self, fresh: bool = False) -> QueuesNow | None:
        """Queues as of the newest sample: made when this is called, twice a second, and if they are to be `fresh`."""
        return self._shown(lambda sampling: sampling.queues.get(fresh))

    def shapes(self, fresh: bool = False) -> ShapesNow | None:
        """Distributions of the last minute, as of the newest sample: made when this is called, once a second, and if
        they are to be `fresh`."""
        return self._shown(lambda sampling: sampling.shapes.get(fresh))

    def _shown(self, get: Callable[[Sampling], T]) -> T | None:
        if self._sampling is None or self._failed or not self.sampled_at:
            return None
        try:
            return get(self._sampling)
        except Exception:  # as in `sample`
            self._give_up()
            return None

    def distributions(self) -> list[Distribution]:
        """Run time and wait of each pool so far, for the record."""
        try:
            return [] if self._sampling is None else self._sampling.distributions()
        except Exception:
            self._give_up()
            return []

    def close(self) -> None:
        """Serve nothing any more. May be called twice."""
        server, self.server = self.server, None
        if server is not None:
            server.close()
        if self._loading is not None:
            self._loading.join()


def _load() -> None:
    """Import what a sample takes. If that fails, the sampler will find out, and say so."""
    try:
        import engine.metrics.folding
        import engine.runtime.meters.sampling  # noqa: F401
    except Exception:
        return
