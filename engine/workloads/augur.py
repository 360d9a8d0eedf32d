"""A fleet that watches twelve business teams: thousands of small observers, and a few who design, plan and judge.

Each observer has a series of readings of its own, and looks for those that stand out from the window before them. The
first way to do that adds up every window anew, the second keeps running sums: the same findings, in a fraction of the
time. `evidence` says how much less it was, measured where it ran.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from engine.workloads.embedding import whole_number

Observation: TypeAlias = dict[str, Any]

READINGS: Final = 2_000
WINDOW: Final = 100
LIMIT: Final = 3.0
"""Standard deviations from which on a reading stands out."""


def readings(team: str, agent: int, count: int = READINGS) -> list[int]:
    """The readings of one observer: always the same ones, 0 to 999, with a rare outlier of 5,000."""
    state = sum(ord(char) * 131**at for at, char in enumerate(team)) % 65_521 * 1_000 + agent
    found = []
    for _ in range(count):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
        value = (state >> 8) % 1_000
        found.append(5_000 if value == 7 else value)
    return found


def observe(team: str, agent: int, naive: bool, count: int = READINGS, window: int = WINDOW) -> Observation:
    """Find the readings that stand out from the `window` readings before them.

    Returns who looked, the ``outliers`` by their places, and the ``seconds`` of looking alone.

    Raises ValueError for numbers out of range.
    """
    count, window = whole_number("count", count, 1), whole_number("window", window, 2)
    series = readings(str(team), whole_number("agent", agent, 0), count)
    begun = time.perf_counter()
    found = _anew(series, window) if naive else _running(series, window)
    return {"team": team, "agent": agent, "outliers": found, "seconds": time.perf_counter() - begun}


def _anew(series: Sequence[int], window: int) -> list[int]:
    found = []
    for at in range(window, len(series)):
        total = squares = 0
        for value in islice(series, at - window, at):
            total += value
            squares += value * value
        if _stands_out(series[at], total, squares, window):
            found.append(at)
    return found


def _running(series: Sequence[int], window: int) -> list[int]:
    total = sum(series[:window])
    squares = sum(value * value for value in series[:window])
    found = []
    for at in range(window, len(series)):
        value, gone = series[at], series[at - window]
        if _stands_out(value, total, squares, window):
            found.append(at)
        total += value - gone
        squares += value * value - gone * gone
    return found


def _stands_out(value: int, total: int, squares: int, count: int) -> bool:
    """By sums of whole numbers, so that both ways agree to the last bit."""
    spread = squares * count - total * total  # the variance, times count squared
    return spread > 0 and (value * count - total) ** 2 > LIMIT**2 * spread


def summary(observed: Sequence[Sequence[Any]], found: Sequence[Observation]) -> dict[str, Any]:
    """What all observers have found together, by team. `observed`: what they were asked, which is not looked at."""
    outliers: dict[str, int] = {}
    for one in found:
        outliers[one["team"]] = outliers.get(one["team"], 0) + len(one["outliers"])
    seconds = math.fsum(one["seconds"] for one in found)
    checksum = 0
    for one in sorted(found, key=lambda each: (each["team"], each["agent"])):
        for at in one["outliers"]:
            checksum = (checksum * 1_000_003 + at + one["agent"]) & 0xFFFF_FFFF
    return {"observers": len(found), "outliers": outliers, "seconds": seconds, "checksum": checksum}


def design(kosha: int, analysis: Mapping[str, Any]) -> dict[str, Any]:
    """What one domain kosha proposes: the team it looks after by turns, and how many of its outliers it will follow."""
    kosha = whole_number("kosha", kosha, 1)
    teams = sorted(analysis["outliers"])
    team = teams[(kosha - 1) % len(teams)]
    return {"kosha": kosha, "team": team, "follows": analysis["outliers"][team] // len(teams)}


def approve(kosha: int, analysis: Mapping[str, Any]) -> dict[str, Any]:
    """What one prime kosha says, of what is not to leave the house: whether its sixth of a team may be observed."""
    kosha = whole_number("kosha", kosha, 1)
    teams = sorted(analysis["outliers"])
    return {"kosha": kosha, "team": teams[(kosha - 1) % len(teams)], "approved": True}


def evidence(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """How much faster the second way was than the first, by the time of all observers, and whether they agree."""
    faster = before["seconds"] / after["seconds"] if after["seconds"] > 0 else math.inf
    same = before["checksum"] == after["checksum"] and before["observers"] == after["observers"]
    return {
        "faster": faster,
        "same": same,
        "observers": after["observers"],
        "outliers": sum(after["outliers"].values()),
    }


def documents(proof: Mapping[str, Any], approvals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is written down in the end."""
    agree = "agree with" if proof["same"] else "differ from"
    approved = sum(bool(one["approved"]) for one in approvals)
    found = f"{proof['observers']:,} observers found {proof['outliers']:,} outliers"
    return {
        "text": f"{found} {proof['faster']:.1f} times faster than at first, and {agree} what was found then. "
        f"{approved} of {len(approvals)} koshas approved."
    }
