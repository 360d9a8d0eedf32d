"""The benchmark of alerts: what is measured at which size, what it must reach, and the tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.bench import machine
from engine.bench.alerts.probe import Deaths, probe
from engine.bench.aligned import aligned
from engine.bench.guard.cells import Cell
from engine.bench.progress import Progress
from engine.bench.report import figure
from engine.bench.run import MeasurementFailed
from engine.bench.statistics import median, quantile
from engine.stream.benchmarks import Row as Planned

OVER: Final = 4
"""Processes that compute for each core, where every core has too much to do."""


@dataclass(frozen=True)
class Bound:
    """What a quantile of latencies must be below, in seconds."""

    name: str
    quantile: float
    """1: the worst."""
    seconds: float

    def holds(self, values: Sequence[float]) -> bool:
        """Whether it is."""
        return bool(values) and quantile(values, self.quantile) < self.seconds


KILL: Final = (Bound("p50", 0.5, 0.005), Bound("p99", 0.99, 0.020), Bound("worst", 1.0, 0.100))
CROSS: Final = (Bound("worst", 1.0, 0.100),)


@dataclass
class Latencies:
    """One row of latencies."""

    title: str
    values: list[float]
    bounds: tuple[Bound, ...]

    @property
    def reached(self) -> bool:
        """Whether every bound holds."""
        return all(bound.holds(self.values) for bound in self.bounds)


@dataclass
class Outcome:
    """What was found.

    Attributes:
        lines: latencies.
        deaths: by what was going on meanwhile.
        failures: why something was not measured.
        data: all of it, as JSON may hold it.
    """

    lines: list[Latencies]
    deaths: dict[str, Deaths]
    failures: dict[str, str]
    data: dict[str, Any]

    def well(self, quick: bool) -> bool:
        """Whether all was measured, each death counted once and, unless `quick`, every bound kept."""
        exact = all(found.exact for found in self.deaths.values())
        return exact and not self.failures and (quick or all(line.reached for line in self.lines))


def run(quick: bool, progress: Progress, seed: int | None = None) -> Outcome:
    """Measure. `quick`: few kills in a small fleet, to see that each is counted; how soon says nothing then."""
    facts = machine.facts()
    seed = time.time_ns() % 2**32 if seed is None else seed
    begun = time.time()
    cores = facts["cores"]
    agents, kills, mean, crossings = (60, 20, 0.1, 10) if quick else (500, 1000, 0.06, 100)
    lines: list[Latencies] = []
    deaths: dict[str, Deaths] = {}
    failures: dict[str, str] = {}

    def measured(name: str, burning: int, crossings: int, from_notice: bool) -> None:
        progress.begun(1, name)
        progress(f"{name}: {kills:,} kills among {agents} agents, {burning} of which compute")
        try:
            with probe(agents, burning, crossings, seed) as fleet:
                found = deaths[name] = fleet.kill(kills, mean)
                if from_notice:
                    lines.append(Latencies(f"kernel's notice to alert, {name}", found.noticed, KILL))
                else:
                    lines.append(Latencies(f"kill to alert, {name}", found.latencies, KILL))
                    ending = [whole - told for whole, told in zip(found.latencies, found.noticed, strict=True)]
                    lines.append(Latencies("  of that, until the kernel has ended it and the host knows", ending, ()))
                if crossings:
                    progress(f"{name}: {crossings} times beyond a threshold")
                    lines.append(Latencies(f"beyond a threshold to alert, {name}", fleet.cross(crossings), CROSS))
        except MeasurementFailed as error:
            failures[name] = str(error)
            progress.failed(str(error))
        else:
            progress.measured({"ours": [median(found.noticed if from_notice else found.latencies)]})

    few, many = "as many compute as there are cores", f"{OVER} compute for each core"
    progress.planned(
        "alerts", quick, 1, {few: 1, many: 1},
        [Planned(name=name, title=f"an alert of a death, {name}", unit="s", better="low") for name in (few, many)],
    )  # fmt: skip
    measured(few, cores, crossings, False)
    measured(many, OVER * cores, 0, True)
    data = {
        "benchmark": "alerts", "began": begun, "seconds": time.time() - begun, "quick": quick, "seed": seed,
        "machine": facts, "agents": agents,
        "latencies": [
            {
                "what": line.title, "seconds": line.values, "reached": line.reached,
                "must": {bound.name: bound.seconds for bound in line.bounds},
            }
            for line in lines
        ],
        "deaths": {
            name: {
                "kills": found.kills, "missed": found.missed, "doubled": found.doubled, "folded": found.folded,
                "others": found.others, "kill_to_alert": found.latencies, "notice_to_alert": found.noticed,
            }
            for name, found in deaths.items()
        },
        "failures": failures,
    }  # fmt: skip
    return Outcome(lines, deaths, failures, data)


def cells(outcome: Outcome) -> list[Cell]:
    """The latencies as cells of a session."""
    return [
        Cell(name=line.title.strip(), metric=line.title.strip(), unit="s", better="low", floor=1e-3,
             samples={"ours": line.values})
        for line in outcome.lines
        if line.values
    ]  # fmt: skip


def tables(outcome: Outcome) -> str:
    """Two tables: how soon, and whether each death was counted once."""
    rows: list[tuple[str, ...]] = [("WHAT", "N", "P50", "P99", "WORST", "MUST", "")]
    for line in outcome.lines:
        shown = [figure(quantile(line.values, share), "s") if line.values else "" for share in (0.5, 0.99, 1.0)]
        must = ", ".join(f"{bound.name} < {bound.seconds * 1e3:g} ms" for bound in line.bounds)
        verdict = "" if not line.bounds else "yes" if line.reached else "NO"
        rows.append((line.title, f"{len(line.values):,}", *shown, must, verdict))
    text = aligned(rows, (0, 5, 6))
    counts: list[tuple[str, ...]] = [("DEATHS", "KILLED", "MISSED", "DOUBLED", "IN ONE ALERT", "MUST", "")]
    for name, found in outcome.deaths.items():
        cells = (f"{n:,}" for n in (found.kills, len(found.missed), len(found.doubled), found.folded))
        counts.append((name, *cells, "each once", "yes" if found.exact else "NO"))
    text += f"\n\n{aligned(counts, (0, 5, 6))}"
    return text + "".join(f"\n{name}: not measured: {why}" for name, why in outcome.failures.items())
