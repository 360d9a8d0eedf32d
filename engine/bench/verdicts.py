"""From samples to a row of the table: medians, ratios with their intervals, and what of the limits holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.bench.rows import Limit, Row
from engine.bench.statistics import Interval, median, median_interval, ratios


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether limits hold.

    Attributes:
        reached: all hold for the medians.
        certain: they would at either end of the intervals as well; None where there is no interval to say so.
        text: the limits, for people.
    """

    reached: bool
    certain: bool | None
    text: str

    @property
    def short(self) -> str:
        """``yes`` and ``no``, with a question mark where the interval does not exclude the contrary."""
        return ("yes" if self.reached else "no") + ("?" if self.certain is False else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured row."""

    row: Row
    title: str
    pairs: int
    ours: float
    peer: float | None
    ratio: float | None
    interval: Interval | None
    """Of the ratio where there is a peer, else of ours."""
    must: Verdict | None
    aim: Verdict | None
    figures: dict[str, float]
    """Medians of what the measurement of ours gives besides."""

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.row.name,
            "title": self.title,
            "unit": self.row.unit,
            "peer": self.row.peer,
            "pairs": self.pairs,
            "medians": {"ours": self.ours, "peer": self.peer},
            "ratio": self.ratio,
            "interval": None if self.interval is None else asdict(self.interval),
            "interval_of": "ratio" if self.row.peer else "ours",
            "must": None if self.must is None else asdict(self.must),
            "aim": None if self.aim is None else asdict(self.aim),
            "figures": self.figures,
        }


def judge(
    row: Row, title: str, ours: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]], watched: dict[str, Any]
) -> Finding:
    """What the samples of a row say. `watched`: our side's memory, seen apart. Raises ValueError for no samples."""
    values = [float(found["value"]) for found in ours]
    theirs = [float(found["value"]) for found in peer]
    paired = ratios(values, theirs) if row.peer else []
    figures = {
        name: median([float(found[name]) for found in ours])
        for name, first in ours[0].items()
        if name != "value" and isinstance(first, int | float)
    }
    figures |= {
        name: float(found) for name, found in watched.items() if name != "value" and isinstance(found, int | float)
    }
    known = {"ours": median(values), **figures}
    intervals = {"ours": median_interval(values)}
    if paired:
        known["ratio"] = median(paired)
        intervals["ratio"] = median_interval(paired)
    return Finding(
        row, title, len(values), known["ours"], median(theirs) if theirs else None, known.get("ratio"),
        intervals["ratio" if paired else "ours"] if len(values) > 1 else None,
        verdict(row.must, known, intervals, len(values)), verdict(row.aim, known, intervals, len(values)), figures,
    )  # fmt: skip


def verdict(
    limits: Sequence[Limit], known: Mapping[str, float], intervals: Mapping[str, Interval], count: int
) -> Verdict | None:
    """Whether all limits hold of what is known, and whether the intervals of `count` values leave a doubt; None for no
    limit.
    """
    if not limits:
        return None
    reached = all(limit.holds(known[limit.of]) for limit in limits)
    at_ends = [
        [limit.holds(end) for end in (intervals[limit.of].low, intervals[limit.of].high)]
        for limit in limits
        if limit.of in intervals
    ]
    if count < 2 or not at_ends:
        certain = None
    elif reached:
        certain = all(all(ends) for ends in at_ends)
    else:  # one that fails at both ends is enough to be sure
        certain = any(not any(ends) for ends in at_ends) or len(at_ends) < len(limits)
    return Verdict(reached, certain, ", ".join(limit.text for limit in limits))
