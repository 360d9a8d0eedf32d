"""Histograms as bytes and back."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.histogram import Histogram
from engine.metrics.packed import pack, unpack

VALUES = st.lists(st.one_of(st.integers(0, 200), st.integers(0, 1 << 62)), max_size=60)


@given(VALUES, st.integers(0, 10), st.integers(1, 1 << 40))
def test_it_comes_back_as_it_was(values: list[int], p: int, times: int) -> None:
    histogram = Histogram(p)
    for value in values:
        histogram.record(value, times)
    packed = pack(histogram)
    assert unpack(packed) == histogram
    assert pack(unpack(packed)) == packed == pack(histogram.frozen())


@given(VALUES, st.data())
def test_a_part_of_it_is_refused(values: list[int], data: st.DataObject) -> None:
    packed = pack(Histogram.of(values or [1]))
    with pytest.raises(ValueError, match=r"packed histogram"):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])
    with pytest.raises(ValueError, match=r"packed histogram"):
        unpack(packed + b"\x00")


@given(st.binary(max_size=80), VALUES, st.data())
def test_garbage_is_refused_or_is_a_sound_histogram(noise: bytes, values: list[int], data: st.DataObject) -> None:
    packed = bytearray(pack(Histogram.of(values or [1])))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    for garbage in (noise, b"\x01\x05" + noise, bytes(packed)):
        with contextlib.suppress(ValueError):
            found = unpack(garbage)
            assert found.count == int(found.counts.sum())
            if found.count:
                assert found.min is not None
                assert found.max is not None
                assert found.min * found.count <= found.sum <= found.max * found.count
                assert found.min <= found.at_rank(1) <= found.at_rank(found.count) <= found.max


def test_what_contradicts_itself_is_refused() -> None:
    sound = [1, 5, 2, 55, 5, 50, 5, 1, 45, 1]  # format, p, count, sum, min, max; 1 in bucket 5, 1 in 45 beyond it
    assert unpack(bytes(sound)) == Histogram.of([5, 50])
    for place, number, why in (
        (2, 3, "counts do not add up"),
        (3, 9, "its sum can't be"),
        (3, 101, "its sum can't be"),
        (4, 6, "extremes"),
        (5, 51, "extremes"),
        (7, 0, "no such bucket"),
        (8, 0, "counts do not add up"),
    ):
        changed = list(sound)
        changed[place] = number
        with pytest.raises(ValueError, match=why):
            unpack(bytes(changed))


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 2"):
        unpack(b"\x02" + pack(Histogram())[1:])


def test_what_a_minute_of_tasks_takes() -> None:
    values = np.random.default_rng(1).lognormal(13, 0.5, 100_000).astype(np.int64)
    assert len(pack(Histogram.of(values))) < 500
