"""Windows against the events themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.histogram import Histogram
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder, Snapshot
from engine.metrics.stack import Stack
from engine.metrics.windows import Windows

DONE = "shoal_tasks_finished_total"
RUN = "shoal_task_run_seconds"


@dataclass
class Source:
    """Counts tasks of pools, and remembers each with its time."""

    told: list[tuple[float, str, int]] = field(default_factory=list)
    histograms: Histograms = field(default_factory=Histograms)
    done: dict[str, int] = field(default_factory=dict)

    def task(self, at: float, pool: str, took: int) -> None:
        self.told.append((at, pool, took))
        self.done[pool] = self.done.get(pool, 0) + 1
        self.histograms.of(RUN, (pool, "call")).record(took)

    def snapshot(self, at: float) -> Snapshot:
        self.histograms.keep("pool", self.done)
        builder = Builder(at)
        for pool, count in self.done.items():
            builder.set(DONE, count, pool, "done")
        builder.histograms(self.histograms)
        return builder.snapshot()

    def since(self, after: float, pool: str | None = None) -> list[int]:
        return [took for at, name, took in self.told if at > after and pool in (None, name)]


STEP = st.tuples(
    st.floats(0.05, 4.0), st.lists(st.tuples(st.sampled_from(["main", "io"]), st.integers(1, 1 << 40)), max_size=4)
)


@given(st.lists(STEP, min_size=1, max_size=60))
def test_a_window_has_what_happened_in_it(steps: list[tuple[float, list[tuple[str, int]]]]) -> None:
    source, windows, now = Source(), Windows(100.0), 100.0
    pushed = [100.0]
    for seconds, tasks in steps:
        now += seconds
        for pool, took in tasks:
            source.task(now, pool, took)
        windows.push(source.snapshot(now))
        pushed.append(now)
        for span in (10.0, 60.0, None):
            window = windows.over(span)
            begin = now - window.seconds
            assert min(abs(begin - at) for at in pushed) < 1e-9  # the moment of a snapshot
            if span is None:
                assert window.seconds == pytest.approx(now - 100.0)
            elif now - 100.0 >= span:
                # As old as asked for, up to how far apart snapshots come and are kept.
                assert span <= window.seconds + 1e-9
                assert window.seconds <= span * 1.1 + 4.0 + 1e-9
            else:
                assert window.seconds == pytest.approx(now - 100.0)
            for pool in ("main", "io"):
                expected = source.since(begin + 1e-9, pool)
                assert (window.added(DONE, pool=pool) or 0) == len(expected)
                assert (window.histogram(RUN, pool=pool)).count == len(expected)
                assert (window.histogram(RUN, pool=pool)).sum == sum(expected)
                assert Stack([window.changes(RUN, (pool, "call"), (pool, "command"))]).numbers == [len(expected)]
            both = window.histogram(RUN)
            assert list(both.counts) == list(Histogram.of(source.since(begin + 1e-9)).counts)


def test_a_window_is_never_about_a_time_in_which_nobody_looked() -> None:
    source, windows = Source(), Windows(0.0)

    def push(at: float) -> None:
        source.task(at, "main", 1000)
        windows.push(source.snapshot(at))

    push(100.0)  # the first look at a run
    assert windows.over(10).seconds == windows.over(60).seconds == 0
    assert windows.over(10).rate(DONE) is None
    assert windows.over().seconds == 100
    for second in range(101, 180):
        push(float(second))
    assert [windows.over(span).seconds for span in (10, 60)] == [10, pytest.approx(63, abs=3)]
    push(200.0)  # too long for the one, and short enough for the other
    assert [windows.over(span).seconds for span in (10, 60)] == [0, pytest.approx(63, abs=3)]
    push(201.0)
    assert windows.over(10).rate(DONE) == 1
    push(500.0)
    push(501.0)
    assert [windows.over(span).rate(DONE) for span in (10, 60)] == [1, 1]
    assert windows.over().added(DONE) == 84


def test_rates_and_shares() -> None:
    windows = Windows(0.0)
    for second in range(31):
        builder = Builder(float(second))
        builder.set("shoal_pool_acquires_total", 8 * second, "main", "hit")
        builder.set("shoal_pool_acquires_total", 2 * second + (100 if second > 25 else 0), "main", "cold")
        windows.push(builder.snapshot())
    assert windows.over(10).rate("shoal_pool_acquires_total", result="hit") == 8
    assert windows.over(10).share("shoal_pool_acquires_total", {"result": "hit"}, pool="main") == 80 / 200
    assert windows.over().share("shoal_pool_acquires_total", {"result": "hit"}) == 240 / 400
    assert windows.over().share("shoal_pool_acquires_total", {"result": "wait"}) == 0
    assert windows.over(10).share("shoal_pool_acquires_total", {"result": "hit"}, pool="none") is None
    assert windows.over(10).rate(DONE) is None


def test_a_quantile_of_a_window_is_of_its_values_alone() -> None:
    source, windows = Source(), Windows(0.0)
    for second in range(100):
        for _ in range(20):
            source.task(second, "main", 1_000_000 if second < 60 else 9_000_000)
        windows.push(source.snapshot(float(second)))
    lately = windows.over(10).histogram(RUN).quantile(0.5)
    assert lately == pytest.approx(9e6, rel=0.016)
    assert windows.over().histogram(RUN).quantile(0.5) == pytest.approx(1e6, rel=0.016)
    assert windows.over(10).histogram(RUN).quantile(0.999) is None  # 200 values


def test_a_pool_that_went_takes_its_past_with_it() -> None:
    source, windows = Source(), Windows(0.0)
    for second in range(1, 6):
        source.task(second, "main", 10)
        source.task(second, "io", 20)
        windows.push(source.snapshot(float(second)))
    del source.done["io"]
    windows.push(source.snapshot(6.0))
    assert windows.over(10).added(DONE, pool="io") is None
    assert windows.over(10).histogram(RUN, pool="io").count == 0
    assert windows.over(10).changes(RUN, ("io", "call")) == []
    for _ in range(50):  # a namesake, with more than the old one ever had
        source.task(7.0, "io", 30)
    windows.push(source.snapshot(7.0))
    for second in range(8, 15):
        windows.push(source.snapshot(float(second)))
    window = windows.over(10)
    assert window.seconds == 10  # so the one before is in its first snapshot
    assert window.added(DONE, pool="io") == 50
    assert window.histogram(RUN, pool="io").min == 30
    assert window.added(DONE, pool="main") == 1


def test_a_counter_that_began_anew_counts_from_nothing() -> None:
    windows = Windows(0.0, spans=(2.0,))
    for second, count in ((1, 100), (2, 100), (3, 7)):
        builder, histograms = Builder(float(second)), Histograms()
        builder.set(DONE, count, "main", "done")
        histograms.of(RUN, ("main", "call")).record(5, count)
        builder.histograms(histograms)
        windows.push(builder.snapshot())
    assert windows.over(2).seconds == 2
    assert windows.over(2).added(DONE) == 7
    assert windows.over(2).histogram(RUN).count == 7
    assert Stack([windows.over(2).changes(RUN, ("main", "call"))]).numbers == [7]


def test_only_what_a_minute_needs_is_kept() -> None:
    source, windows = Source(), Windows(0.0)
    for tenth in range(3000):
        source.task(tenth / 10, "main", tenth)
        windows.push(source.snapshot(tenth / 10))
    assert all(len(kept) <= 12 for kept in windows._kept.values())
    assert 60 <= windows.over(60).seconds <= 66
    assert 10 <= windows.over(10).seconds <= 11


def test_what_can_not_be_asked_for() -> None:
    windows = Windows(5.0)
    assert windows.over(10).seconds == 0
    assert windows.over(10).rate(DONE) is None
    windows.push(Source().snapshot(7.0))
    with pytest.raises(ValueError, match=r"a snapshot of 6\.0 after one of 7\.0"):
        windows.push(Source().snapshot(6.0))
    with pytest.raises(ValueError, match="no window of 61 s is kept, but of 10, 60 s"):
        windows.over(61)
    with pytest.raises(ValueError, match="is a gauge, no counter"):
        windows.over(10).added("shoal_machine_cores")
    with pytest.raises(ValueError, match="no metric"):
        windows.over(10).histogram("shoal_nothing")
    with pytest.raises(ValueError, match="is a counter, no histogram"):
        windows.over(10).histogram(DONE)
