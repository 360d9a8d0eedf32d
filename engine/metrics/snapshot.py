"""All metrics at one moment, which nothing changes any more: threads may read it, and moments be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from engine.metrics.families import Family, family

if TYPE_CHECKING:
    from engine.metrics.histogram import Histogram
    from engine.metrics.series import Histograms

Labels: TypeAlias = tuple[str, ...]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values of all series at one moment: a series that is not here does not exist.

    Attributes:
        at: seconds, of the clock that whoever makes them uses throughout.
        values: gauges and counters by family and values of labels, in base units.
        histograms: frozen ones, likewise, in nanoseconds or whole units.
    """

    at: float
    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[Labels, Histogram]] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of a gauge or counter over all series with these labels, None if there is none.

        Raises ValueError for unknown names and labels, and where several series would be added up that do not add,
        such as ratios.
        """
        told = family(name)
        found = [value for key, value in self.values.get(name, {}).items() if matches(told, key, labels)]
        if len(found) > 1 and not told.adds:
            raise ValueError(f"{name}: {len(found)} series, which can't be added up; say which")
        return sum(found) if found else None

    def histogram(self, name: str, **labels: str) -> Histogram:
        """All series of a histogram with these labels, merged. Raises ValueError for unknown names and labels."""
        from engine.metrics.histogram import Histogram

        told = family(name).of_kind("histogram")
        return Histogram.union(
            found for key, found in self.histograms.get(name, {}).items() if matches(told, key, labels)
        )

    def series(self) -> Iterator[tuple[str, Labels]]:
        """The names and labels of all that is here."""
        for name, held in (*self.values.items(), *self.histograms.items()):
            for labels in held:
                yield name, labels

    @property
    def nbytes(self) -> int:
        """Memory of the histograms' buckets."""
        return sum(each.nbytes for held in self.histograms.values() for each in held.values())


class Builder:
    """Makes a snapshot. What a pool that is gone had is not said again, and so it is gone."""

    def __init__(self, at: float) -> None:
        """`at`: the moment, in seconds."""
        self._at = at
        self._values: dict[str, dict[Labels, float]] = {}
        self._histograms: Mapping[str, Mapping[Labels, Histogram]] = {}

    def set(self, name: str, value: float, *labels: str) -> None:
        """The value of a series, in base units; labels in the order of the table of families.

        Raises ValueError for a name or labels that are not in that table, and for a series that has a value already.
        """
        if (name, labels) not in _checked:
            _check(name, labels)
        held = self._values.setdefault(name, {})
        if labels in held:
            raise ValueError(f"{name}{list(labels)} is said twice")
        held[labels] = value

    def histograms(
        self,
        histograms: Histograms,
        derive: Callable[[Mapping[str, Mapping[Labels, Histogram]]], Mapping[str, Mapping[Labels, Histogram]]]
        | None = None,
    ) -> None:
        """All histograms as they are now; whoever counts into them waits meanwhile. `derive` makes others of them."""
        with histograms.lock:
            held = histograms.frozen()
        for name, more in derive(held).items() if derive is not None else ():
            held.setdefault(name, {}).update(more)
        self._histograms = held

    def set_all(self, values: Mapping[str, Mapping[Labels, float]]) -> None:
        """Values by family and labels, as `set` takes them one by one: what has not changed need not be said anew."""
        for name, told in values.items():
            for labels in told:
                if (name, labels) not in _checked:
                    _check(name, labels)
            held = self._values.setdefault(name, {})
            if not held.keys().isdisjoint(told):
                raise ValueError(f"a series of {name} is said twice")
            held.update(told)

    def snapshot(self) -> Snapshot:
        """The snapshot; the builder is of no use after it."""
        return Snapshot(self._at, _sealed(self._values), _sealed(self._histograms))


_checked: set[tuple[str, Labels]] = set()
"""Series that are known to be in the table: looking each up takes longer than all else."""
_CHECKED: Final = 10_000


def _check(name: str, labels: Labels) -> None:
    """Raises ValueError for a series that is not in the table, or has no plain value."""
    told = family(name)
    if told.kind == "histogram":
        raise ValueError(f"{name} is a histogram, which has no value")
    told.check(labels)
    if len(_checked) >= _CHECKED:
        _checked.clear()
    _checked.add((name, labels))


def matches(told: Family, key: Labels, labels: Mapping[str, str]) -> bool:
    """Whether a series has all of these labels. Raises ValueError for a label that its family has not."""
    names = told.label_names
    for name in labels:
        if name not in names:
            raise ValueError(f"{told.name} has no label {name}")
    return all(labels.get(name, value) == value for name, value in zip(names, key, strict=True))


def _sealed(held: Mapping[str, Mapping[Labels, _T]]) -> Mapping[str, Mapping[Labels, _T]]:
    return MappingProxyType({name: MappingProxyType(dict(each)) for name, each in held.items() if each})
