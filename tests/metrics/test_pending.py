"""From what the engine's thread leaves behind to histograms."""

from __future__ import annotations

import subprocess
import sys
import threading
from array import array
from itertools import chain

import pytest
from descriptors import NoDescriptors
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics import folding
from engine.metrics.histogram import Histogram
from engine.metrics.pending import Pending
from engine.metrics.series import Histograms, Series

RUN: Series = ("shoal_task_run_seconds", ("main", "call"))
OTHER: Series = ("shoal_task_run_seconds", ("io", "command"))
SIZE: Series = ("shoal_batch_messages", ("main", "out"))


def ends(*times: int) -> memoryview:
    return memoryview(array("Q", times).tobytes()).cast("Q")


GROUP = st.tuples(
    st.sampled_from([RUN, OTHER]), st.integers(0, 1 << 62), st.lists(st.integers(0, 1 << 36), max_size=20)
)


@given(st.lists(GROUP, max_size=12), st.lists(st.tuples(st.integers(0, 99), st.integers(1, 5)), max_size=9))
def test_each_task_takes_from_the_end_before_to_its_own(
    groups: list[tuple[Series, int, list[int]]], singles: list[tuple[int, int]]
) -> None:
    histograms = Histograms()
    pending = Pending(histograms)
    expected = {RUN: Histogram(), OTHER: Histogram(), SIZE: Histogram()}
    for series, started, times in groups:
        at, stops = started, []
        for time in times:
            at += time
            stops.append(at)
            expected[series].record(time)
        pending.group(series, started, ends(*stops))
    for value, count in singles:
        pending.value(SIZE, value, count)
        expected[SIZE].record(value, count)
    pending.count()
    for series, histogram in expected.items():
        assert histograms.of(*series) == histogram
    pending.count()
    assert all(histograms.of(*series) == histogram for series, histogram in expected.items())


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    histograms = Histograms()
    pending = Pending(histograms)
    pending.group(RUN, 100, ends(90, 95, 80))
    pending.count()
    assert histograms.of(*RUN) == Histogram.of([0, 5, 0])


def test_where_nobody_samples_the_last_are_kept_and_the_others_counted() -> None:
    histograms = Histograms()
    pending = Pending(histograms, weight=2_000, last=5)
    told = 0
    for number in range(1, 301):
        pending.group(RUN, 0, ends(*range(number, number + 10)))
        pending.value(SIZE, number, 2)
        told += 12
        assert len(pending._groups) + len(pending._singles) <= 2_000 // 40 + 1
    assert pending.skipped > 0
    pending.count()
    counted = histograms.of(*RUN).count + histograms.of(*SIZE).count
    assert counted + pending.skipped == told
    assert counted >= 5 * 12
    assert histograms.of(*RUN).max == 300  # the last one is among them


def test_how_much_may_be_pending_does_not_shrink() -> None:
    histograms = Histograms()
    pending = Pending(histograms, weight=2_000, last=5)
    most = 0
    for number in range(3_000):
        pending.group(RUN, number, ends(number + 1))
        if number > 2_000:
            most = max(most, len(pending._groups))
        if number == 1_000:
            pending.count()
    assert most == 2_000 // 41


def test_large_groups_are_bounded_by_how_many_are_kept() -> None:
    histograms = Histograms()
    pending = Pending(histograms, weight=100, last=3)
    for _ in range(50):
        pending.group(RUN, 0, ends(*range(1000)))
        assert len(pending._groups) <= 4
    pending.count()
    assert histograms.of(*RUN).count + pending.skipped == 50_000


def test_a_sampler_that_is_late_costs_time_and_no_value() -> None:
    histograms = Histograms()
    pending = Pending(histograms, weight=500)
    pending.sampled = True
    for _ in range(100):
        pending.group(RUN, 0, ends(*range(10)))
    assert histograms.of(*RUN).count > 900  # counted before anybody asked
    pending.count()
    assert (histograms.of(*RUN).count, pending.skipped) == (1000, 0)


def test_a_failure_in_counting_is_told_and_not_raised_to_who_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("a bug")

    monkeypatch.setattr(folding, "fold_groups", broken)
    histograms = Histograms()
    with pytest.raises(OverflowError):
        measure(Pending(histograms, weight=500), 100)

    failures = []

    def failed() -> None:
        failures.append(str(sys.exception()))
        pending.sampled = False

    pending = Pending(histograms, weight=500, last=5, failed=failed)
    measure(pending, 1000)
    assert failures == ["a bug"]
    assert len(pending._groups) <= 10, "what is pending stays bounded"
    assert not histograms.lock.locked()


def measure(pending: Pending, groups: int) -> None:
    pending.sampled = True
    for _ in range(groups):
        pending.group(RUN, 0, ends(*range(10)))


def test_while_somebody_counts_the_engine_does_not_wait() -> None:
    histograms = Histograms()
    pending = Pending(histograms, weight=100)
    pending.sampled = True
    with histograms.lock:
        for _ in range(100):
            pending.group(RUN, 0, ends(1))
    pending.count()
    assert histograms.of(*RUN).count == 100


@pytest.mark.parametrize("weight", [1 << 19, 3_000])
def test_another_thread_may_count(weight: int) -> None:
    histograms = Histograms()
    pending = Pending(histograms, weight)
    pending.sampled = True
    over = threading.Event()

    def count() -> None:
        while not over.is_set():
            pending.count()

    counter = threading.Thread(target=count)
    counter.start()
    try:
        for number in range(20_000):
            pending.group(RUN, number, ends(number + 7, number + 20))
            if number % 4 == 0:
                pending.value(SIZE, 3)
    finally:
        over.set()
        counter.join()
    pending.count()
    assert histograms.of(*RUN) == Histogram.of(list(chain([7] * 20_000, [13] * 20_000)))
    assert histograms.of(*SIZE).count == 5_000
    assert pending.skipped == 0


def test_only_histograms_of_the_table_are_counted() -> None:
    histograms = Histograms()
    with pytest.raises(ValueError, match="no metric shoal_nothing"):
        histograms.of("shoal_nothing", ())
    with pytest.raises(ValueError, match="is a gauge"):
        histograms.of("shoal_pool_agents", ("main", "idle"))
    with pytest.raises(ValueError, match="kind is one of call, command"):
        histograms.of("shoal_task_run_seconds", ("main", "main/3"))
    assert histograms.frozen().get("shoal_task_run_seconds", {}) == {}


def test_series_of_pools_that_are_gone_are_forgotten() -> None:
    histograms = Histograms()
    for series in (RUN, OTHER, SIZE, ("shoal_loop_lag_seconds", ())):
        histograms.of(*series).record(1)
    histograms.keep("pool", {"io"})
    left = {(name, labels) for name, held in histograms.frozen().items() for labels in held}
    assert left == {OTHER, ("shoal_loop_lag_seconds", ())}


def test_what_has_not_changed_is_frozen_once() -> None:
    histograms = Histograms()
    histograms.of(*RUN).record(1)
    histograms.of(*OTHER).record(1)
    before = histograms.frozen()[RUN[0]]
    histograms.of(*RUN).record(1)
    after = histograms.frozen()[RUN[0]]
    assert after[OTHER[1]] is before[OTHER[1]]
    assert (before[RUN[1]].count, after[RUN[1]].count) == (1, 2)


def test_neither_the_engine_nor_its_thread_loads_what_counting_needs() -> None:
    script = """
import sys
from shoal import Engine
import engine.metrics.pending, engine.metrics.series, engine.metrics.families, engine.metrics.snapshot
import engine.metrics.windows, engine.metrics.observer, engine.metrics.server
from array import array
pending = engine.metrics.pending.Pending(engine.metrics.series.Histograms())
pending.group(("shoal_task_run_seconds", ("main", "call")), 0, memoryview(array("Q", [1])))
print(sorted({"numpy", "prometheus_client"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_cannot_be_counted_for_want_of_descriptors_is_dropped_and_the_next_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    histograms = Histograms()
    pending = Pending(histograms, last=2)
    short = NoDescriptors(monkeypatch, "engine.metrics.folding", 1)
    for number in range(5):
        pending.value(SIZE, number)
    pending.count()
    assert short.left == 0
    assert (pending.skipped, histograms.of(*SIZE).count) == (3, 0)
    pending.count()
    assert histograms.of(*SIZE).count == 2
