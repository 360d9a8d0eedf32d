"""The histograms that are being filled, one for each series."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

from engine.metrics.families import family

if TYPE_CHECKING:
    from engine.metrics.histogram import Histogram

Series: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of a family, and the values of its labels, in their order."""


class Histograms:
    """One histogram for each family and values of its labels, made when it is first asked for.

    Who counts into one, or calls `frozen`, holds `lock` meanwhile, if there are other threads that do.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._made: dict[str, dict[tuple[str, ...], Histogram]] = {}
        self._frozen: dict[str, dict[tuple[str, ...], Histogram]] = {}

    def of(self, name: str, labels: tuple[str, ...]) -> Histogram:
        """The histogram of a series. Raises ValueError if there is no such family, or it has other labels."""
        made = self._made.get(name)
        if made is None:
            family(name).of_kind("histogram")
            made = self._made[name] = {}
        found = made.get(labels)
        if found is None:
            family(name).check(labels)
            from engine.metrics.histogram import Histogram  # numpy: only where something is counted

            found = made[labels] = Histogram()
        return found

    def keep(self, label: str, values: Collection[str]) -> None:
        """Forget the series that have this label with another value: of pools that are gone."""
        with self.lock:
            for name, made in self._made.items():
                names = family(name).label_names
                if label in names:
                    at = names.index(label)
                    for gone in [labels for labels in made if labels[at] not in values]:
                        del made[gone]

    def frozen(self) -> dict[str, dict[tuple[str, ...], Histogram]]:
        """All as they are now. Where nothing was added it is the same object as the last time: who keeps many moments
        keeps each histogram once."""
        now = {}
        for name, made in self._made.items():
            before = self._frozen.get(name, {})
            now[name] = {labels: _unchanged(before.get(labels), held) for labels, held in made.items()}
        self._frozen = now
        return {name: dict(made) for name, made in now.items()}


def _unchanged(before: Histogram | None, now: Histogram) -> Histogram:
    return before if before is not None and before.count == now.count else now.frozen()
