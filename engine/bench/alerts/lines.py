"""The findings as lines: how soon an alert is there, and whether each death was counted once."""

from __future__ import annotations

from engine.bench.alerts.suite import Outcome
from engine.bench.lines import Figure, Line, Wanted
from engine.bench.statistics import quantile


def lines(outcome: Outcome) -> list[Line]:
    """All of them."""
    found = []
    for line in outcome.lines:
        if not line.values:
            continue
        worst = quantile(line.values, 1.0)
        bound = next((bound.seconds for bound in line.bounds if bound.quantile == 1.0), None)
        factor = None if bound is None or not worst > 0 else bound / worst
        text = ", ".join(f"{bound.name} < {bound.seconds * 1e3:g} ms" for bound in line.bounds)
        name = line.title.strip()
        found.append(
            Line(
                part="how soon", name=name, title=name, unit="s", value=quantile(line.values, 0.5),
                rounds=len(line.values), factor=factor, of="" if factor is None else "must",
                figures={"p99": Figure(quantile(line.values, 0.99), "s"), "worst": Figure(worst, "s")},
                must=Wanted(text=text, reached=line.reached, at=1.0) if line.bounds else None, cell=name,
            )
        )  # fmt: skip
    for name, deaths in outcome.deaths.items():
        found.append(
            Line(
                part="deaths", name=name, title=name, value=float(deaths.kills), rounds=1,
                figures={"missed": Figure(len(deaths.missed)), "doubled": Figure(len(deaths.doubled)),
                         "in one alert": Figure(deaths.folded)},
                must=Wanted(text="each once", reached=deaths.exact),
            )
        )  # fmt: skip
    return found
