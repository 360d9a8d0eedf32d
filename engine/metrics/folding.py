"""From what is pending to histograms, with numpy and all at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.metrics.series import Histograms, Series


def durations(starts: Iterable[int], ends: list[memoryview]) -> NDArray[np.int64]:
    """The time from each start to the first end of its group, and from there on between its ends."""
    lengths = np.fromiter(map(len, ends), np.int64, len(ends))
    told = np.frombuffer(b"".join(ends), np.int64)
    before = np.empty_like(told)
    before[1:] = told[:-1]
    firsts = np.cumsum(lengths) - lengths
    begun = np.array(list(starts), np.uint64).view(np.int64)  # as the ends are read: garbage is somebody's, too
    some = lengths > 0
    before[firsts[some]] = begun[some]
    return told - before


def fold_groups(groups: Iterable[tuple[Series, int, memoryview]], histograms: Histograms) -> None:
    """Count the durations of groups of tasks."""
    sorted_out: dict[Series, tuple[list[int], list[memoryview]]] = {}
    for series, started, ends in groups:
        found = sorted_out.get(series)
        if found is None:
            found = sorted_out[series] = ([], [])
        found[0].append(started)
        found[1].append(ends)
    for series, (starts, all_ends) in sorted_out.items():
        histograms.of(*series).record_array(durations(starts, all_ends))


def fold_singles(singles: Iterable[tuple[Series, int, int]], histograms: Histograms) -> None:
    """Count single values, each so many times."""
    alone: dict[Series, list[int]] = {}
    for series, value, count in singles:
        if count == 1:
            found = alone.get(series)
            if found is None:
                alone[series] = [value]
            else:
                found.append(value)
        else:
            histograms.of(*series).record(value, count)
    for series, values in alone.items():
        histograms.of(*series).record_array(values)
