"""A plan simulated: when all is over, what that hangs on, who is busy, which milestones are reached when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from engine.plan.model import Decided
from engine.plan.simulation.chain import Link, chain
from engine.plan.simulation.draws import Shape
from engine.plan.simulation.load import Load, loads
from engine.plan.simulation.model import Model, model_of
from engine.plan.simulation.schedule import Schedule
from engine.plan.simulation.spread import Spread, rounds_for, spread
from engine.plan.simulation.world import World
from engine.plan.steps import RunSpec


class Reached(msgspec.Struct, frozen=True):
    """A milestone."""

    name: str
    tasks: int
    """Steps that it gathers."""
    at: float | None
    """Seconds from the beginning; None where some of its steps do not run."""
    target: float | None

    @property
    def slack(self) -> float | None:
        """Seconds by which it is early; negative where it is late, None where that can't be said."""
        return None if self.at is None or self.target is None else self.target - self.at


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came out, with all that is most likely."""

    model: Model
    schedule: Schedule
    chain: list[Link]
    loads: list[Load]
    milestones: list[Reached]
    spread: Spread | None
    """None where nothing is uncertain, or the plan is too large for many rounds."""


def simulate(
    spec: RunSpec,
    cores: int,
    *,
    decisions: Mapping[str, Decided] | None = None,
    rounds: int | None = None,
    seed: int = 1,
    shape: Shape = "pert",
) -> Simulation:
    """Simulate a plan.

    Args:
        cores: agents of a pool that does not say how many.
        decisions: what gates come to; those that are not here let go on.
        rounds: with uncertain estimates; None: as many as take seconds, 0: none.
        seed: of the chance in them.
        shape: of its distribution.

    Raises `SpecError` and `SettingsError` for a plan that can't be simulated.
    """
    model = model_of(spec, cores, decisions)
    schedule = World(model).run()
    found = None
    if model.uncertain:
        count = rounds_for(model.tasks) if rounds is None else rounds
        found = spread(model, count, seed, shape) if count else None
    return Simulation(model, schedule, chain(model, schedule), loads(model, schedule), _reached(spec, schedule), found)


def _reached(spec: RunSpec, schedule: Schedule) -> list[Reached]:
    at = {step.name: number for number, step in enumerate(spec.steps)}
    found = []
    for milestone in spec.outline.milestones.values():
        steps = [at[name] for name in milestone.tasks]
        when = None
        if not schedule.skipped.intersection(steps):
            when = max((schedule.finish[step] for step in steps), default=0.0)
        found.append(Reached(milestone.name, len(steps), when, milestone.target))
    return found
