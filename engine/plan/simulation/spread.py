"""How long a plan may take: many rounds of it, each with other draws from its uncertain estimates."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from engine.plan.simulation.chain import chain
from engine.plan.simulation.draws import Shape, drawn
from engine.plan.simulation.model import Model
from engine.plan.simulation.world import World

ROUNDS: Final = 200
_TASKS: Final = 400_000
"""Tasks in all rounds together, beyond which there are fewer of them."""
LEAST: Final = 20
"""Rounds below which there is no interval."""


class Spread(msgspec.Struct, frozen=True):
    """What came out, in seconds."""

    rounds: int
    seed: int
    shape: Shape
    mean: float
    low: float
    middle: float
    high: float
    """A tenth of the rounds took less than `low`, half less than `middle`, nine tenths less than `high`."""
    critical: tuple[float, ...]
    """By step, the share of the rounds in which the end hung on it."""


def rounds_for(tasks: int) -> int:
    """How many rounds of a plan of so many tasks take seconds, and not minutes; 0 where that is too few."""
    found = min(ROUNDS, _TASKS // max(1, tasks))
    return found if found >= LEAST else 0


def spread(model: Model, rounds: int, seed: int = 1, shape: Shape = "pert") -> Spread:
    """The same seed gives the same spread."""
    random = Random(seed)
    draw = drawn(random, shape)
    lengths: list[float] = []
    counts = [0] * len(model.nodes)
    for _ in range(rounds):
        schedule = World(model, draw).run()
        lengths.append(schedule.length)
        for step in {link.step for link in chain(model, schedule)}:
            counts[step] += 1
    lengths.sort()
    return Spread(
        rounds, seed, shape, sum(lengths) / rounds, quantile(lengths, 0.1), quantile(lengths, 0.5),
        quantile(lengths, 0.9), tuple(count / rounds for count in counts),
    )  # fmt: skip


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, between the two that are nearest (type 7 of Hyndman and Fan, 1996)."""
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])
