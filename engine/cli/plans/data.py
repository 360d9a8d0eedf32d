"""A simulation as data for other programs: times in seconds of work time from the beginning."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.cli.plans.text import moved, shortened
from engine.plan.ownership.matrix import prove
from engine.plan.simulation.simulate import Simulation
from engine.plan.steps import RunSpec


def simulation_data(spec: RunSpec, found: Simulation) -> dict[str, Any]:
    """All that came out."""
    schedule = found.schedule
    critical = {link.step for link in found.chain}
    moves = moved(found)
    steps = []
    for number, node in enumerate(found.model.nodes):
        if number in schedule.skipped:
            steps.append({"name": node.name, "runs": False})
            continue
        tasks = schedule.tasks(number)
        steps.append(
            {
                "name": node.name, "runs": True, "owner": spec.steps[number].owner,
                "who": None if node.resource is None else found.model.resources[node.resource].name,
                "tasks": node.tasks, "ready": schedule.ready[number], "begin": schedule.begin[number],
                "start": min(schedule.start[tasks.start : tasks.stop], default=schedule.begin[number]),
                "end": schedule.finish[number], "waited": schedule.waited(number), "worked": schedule.worked(number),
                "critical": number in critical, "moves": moves.get(number),
            }
        )  # fmt: skip
    spread = None
    if found.spread is not None:
        spread = msgspec.to_builtins(found.spread)
        spread["critical"] = {
            node.name: share for node, share in zip(found.model.nodes, found.spread.critical, strict=True)
        }
    return {
        "plan": spec.name,
        "seconds": schedule.length,
        "week": spec.outline.calendar.week,
        "spread": spread,
        "chain": [
            msgspec.to_builtins(link) | {"step": spec.steps[link.step].name} for link in found.chain
        ],
        "loads": [
            {
                "name": load.resource.name, "kind": load.resource.kind, "workers": load.resource.workers,
                "work": load.work, "share": load.share, "weeks": load.weeks,
            }
            for load in found.loads
        ],
        "milestones": [msgspec.to_builtins(one) | {"slack": one.slack} for one in found.milestones],
        "shortened": shortened(found),
        "conflicts": [one.text for one in prove(spec.outline, spec.steps).conflicts],
        "steps": steps,
    }  # fmt: skip
