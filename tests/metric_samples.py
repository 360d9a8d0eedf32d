"""A snapshot with a series for each family and each value of its labels, for tests of what is made of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from engine.metrics.families import FAMILIES, Family
from engine.metrics.series import Histograms
from engine.metrics.snapshot import Builder, Snapshot

OPEN = {"shard": ("0", "1"), "version": ("0.1.0",), "python": ("3.11",)}


def label_values(family: Family, pools: Sequence[str]) -> list[tuple[str, ...]]:
    """All that the labels of a family may be."""
    each = [pools if label.name == "pool" else label.values or OPEN[label.name] for label in family.labels]
    return list(itertools.product(*each))


def full_snapshot(at: float = 1.0, pools: Sequence[str] = ("main", "io"), growth: int = 1) -> Snapshot:
    """Everything; counters and histograms grow with `growth`."""
    builder, histograms, chance = Builder(at), Histograms(), random.Random(7)
    for family in FAMILIES.values():
        for labels in label_values(family, pools):
            if family.kind == "histogram":
                held = histograms.of(family.name, labels)
                for _ in range(50):
                    held.record(int(chance.lognormvariate(13 if family.unit == "seconds" else 3, 1)), growth)
            else:
                value = round(chance.uniform(0, 9), 3)
                builder.set(family.name, value * growth if family.kind == "counter" else value, *labels)
    builder.histograms(histograms)
    return builder.snapshot()
