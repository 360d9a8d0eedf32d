"""All metrics at one moment."""

from __future__ import annotations

import threading

import pytest
from metric_samples import full_snapshot

from engine.metrics.histogram import Histogram
from engine.metrics.observer import Observer
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder


def test_series_are_added_up_and_merged_where_a_label_is_left_open() -> None:
    builder, histograms = Builder(3.0), Histograms()
    for pool, hits, waits in (("main", 10, 1), ("io", 20, 2)):
        builder.set("shoal_pool_acquires_total", hits, pool, "hit")
        builder.set("shoal_pool_acquires_total", waits, pool, "wait")
    histograms.of("shoal_pool_use_seconds", ("main",)).record(5)
    histograms.of("shoal_pool_use_seconds", ("io",)).record(7_000)
    builder.histograms(histograms)
    found = builder.snapshot()
    assert found.value("shoal_pool_acquires_total", pool="main", result="hit") == 10
    assert found.value("shoal_pool_acquires_total", result="hit") == 30
    assert found.value("shoal_pool_acquires_total") == 33
    assert found.value("shoal_pool_acquires_total", pool="none") is None
    assert found.value("shoal_machine_cores") is None
    assert found.histogram("shoal_pool_use_seconds") == Histogram.of([5, 7_000])
    assert found.histogram("shoal_pool_use_seconds", pool="io") == Histogram.of([7_000])
    assert found.histogram("shoal_pool_use_seconds", pool="none") == Histogram()
    with pytest.raises(ValueError, match="has no label shard"):
        found.value("shoal_pool_acquires_total", shard="0")


def test_what_does_not_add_up_is_not_added() -> None:
    builder = Builder(0.0)
    for shard, ratio in (("0", 0.5), ("1", 1.5)):
        builder.set("shoal_shard_balance_ratio", ratio, "main", shard)
    found = builder.snapshot()
    assert found.value("shoal_shard_balance_ratio", shard="1") == 1.5
    with pytest.raises(ValueError, match="2 series, which can't be added up"):
        found.value("shoal_shard_balance_ratio")


def test_nothing_changes_it() -> None:
    builder, histograms = Builder(0.0), Histograms()
    builder.set("shoal_machine_cores", 2)
    histograms.of("shoal_loop_lag_seconds", ()).record(5)
    builder.histograms(histograms)
    found = builder.snapshot()
    histograms.of("shoal_loop_lag_seconds", ()).record(9)
    builder.set("shoal_machine_load1", 1.0)
    assert found.histogram("shoal_loop_lag_seconds") == Histogram.of([5])
    assert found.value("shoal_machine_load1") is None
    with pytest.raises(TypeError):
        found.values["shoal_machine_cores"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        found.values["shoal_machine_cores"][()] = 3  # type: ignore[index]
    with pytest.raises(ValueError, match="frozen"):
        found.histograms["shoal_loop_lag_seconds"][()].record(1)


def test_what_is_not_in_the_table_is_refused() -> None:
    builder = Builder(0.0)
    with pytest.raises(ValueError, match="no metric shoal_cores"):
        builder.set("shoal_cores", 2)
    with pytest.raises(ValueError, match="is a histogram"):
        builder.set("shoal_loop_lag_seconds", 2)
    with pytest.raises(ValueError, match="state is one of"):
        builder.set("shoal_pool_agents", 2, "main", "lost")
    builder.set("shoal_machine_cores", 2)
    with pytest.raises(ValueError, match="said twice"):
        builder.set("shoal_machine_cores", 2)


def test_its_size_is_told() -> None:
    assert 10_000 < full_snapshot().nbytes < 1_000_000


def test_the_cost_of_watching_is_a_metric() -> None:
    observer, builder = Observer(), Builder(0.0)
    with observer.spends("count"):
        sum(range(300_000))
    with pytest.raises(ZeroDivisionError), observer.spends("render"):
        1 / 0  # noqa: B018
    observer.tell(builder, skipped=12)
    found = builder.snapshot()
    assert (found.value("shoal_observer_cpu_seconds_total", part="count") or 0) > 0.0005
    assert found.value("shoal_observer_cpu_seconds_total", part="sample") == 0
    assert found.value("shoal_observer_skipped_values_total") == 12


def test_what_is_within_another_part_is_for_that_alone() -> None:
    observer = Observer()
    with observer.spends("frames"), observer.spends("encoding"):
        sum(range(2_000_000))
    with observer.spends("alerts"):
        thread = threading.Thread(target=lambda: sum(range(2_000_000)))
        thread.start()
        thread.join()
    spent = observer.seconds
    assert spent["encoding"] > 0.002
    assert spent["frames"] < spent["encoding"] / 4
    assert spent["alerts"] < spent["encoding"] / 4, "what another thread does is not for this"
    assert observer.total == sum(spent.values())
    sum(range(2_000_000))
    assert observer.seconds == spent, "after it, nothing is for anybody"
