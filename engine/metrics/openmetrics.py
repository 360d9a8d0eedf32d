"""A snapshot as the families of prometheus-client, which writes the page. Needs that package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from engine.metrics.families import FAMILIES, Family
from engine.metrics.observer import Observer
from engine.metrics.snapshot import Labels, Snapshot


class SnapshotCollector(Collector):
    """Says the newest snapshot to prometheus-client whenever the page is asked for.

    Histograms have classic buckets. Each counts integers below a power of two, so its ``le`` is the last of them:
    2**k - 1 nanoseconds, messages or bytes. That is exact.
    """

    def __init__(self, newest: Callable[[], Snapshot | None], observer: Observer | None = None) -> None:
        """`newest`: called by the threads of the server; None while there is none. `observer`: told the cost."""
        self._newest = newest
        self._observer = observer

    def describe(self) -> Iterator[Metric]:
        """The families without values, for a reader who asks for some by name."""
        for told in FAMILIES.values():
            yield _empty(told)

    def collect(self) -> Iterator[Metric]:
        """The families that have a series."""
        snapshot = self._newest()
        if snapshot is None:
            return
        for told in FAMILIES.values():
            # Within one family, since a generator's caller works in between.
            with self._observer.spends("render") if self._observer else nullcontext():
                made = _filled(told, snapshot)
            if made is not None:
                yield made


def registry(newest: Callable[[], Snapshot | None], observer: Observer | None = None) -> CollectorRegistry:
    """A registry of its own with nothing but these metrics."""
    made = CollectorRegistry(auto_describe=False)
    made.register(SnapshotCollector(newest, observer))
    return made


def _empty(told: Family) -> Any:
    names = told.label_names
    if told.kind == "counter":
        return CounterMetricFamily(told.name, told.help, labels=names, unit=told.unit)
    if told.kind == "info":
        return InfoMetricFamily(told.name.removesuffix("_info"), told.help)
    if told.kind == "histogram":
        return HistogramMetricFamily(told.name, told.help, labels=names, unit=told.unit)
    return GaugeMetricFamily(told.name, told.help, labels=names, unit=told.unit)


def _filled(told: Family, snapshot: Snapshot) -> Metric | None:
    values: Mapping[Labels, float] = snapshot.values.get(told.name, {})
    histograms = snapshot.histograms.get(told.name, {})
    if not values and not histograms:
        return None
    made = _empty(told)
    for labels, value in values.items():
        if told.kind == "info":
            made.add_metric((), dict(zip(told.label_names, labels, strict=True)))
        else:
            made.add_metric(labels, value)
    edges = told.edges if histograms else ()
    ends = [floatToGoString(((1 << k) - 1) / told.scale) for k in edges]  # type: ignore[no-untyped-call]
    for labels, histogram in histograms.items():
        buckets = list(zip(ends, histogram.below(edges), strict=True))
        buckets.append(("+Inf", histogram.count))
        made.add_metric(labels, buckets, histogram.sum / told.scale)
    return made  # type: ignore[no-any-return]
