"""Engines as their users make them, ready to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.bench import profile
from engine.bench.gate import gate
from engine.bench.tasks import identity, meet
from shoal import Engine


def made(agents: int, record: Path | None = None, settings: Mapping[str, object] | None = None) -> Engine:
    """One of so many agents, which records in this database; as a user makes it, unless it is profiled.

    `settings`: by name, over those of the environment and the config file.
    """
    return Engine(agents, preload=profile.preload(), record=record, durability="normal", settings=settings)


def warm(engine: Engine, agents: int, tasks: int = 200) -> None:
    """Every agent is up and has run a task; then so many trivial ones have run."""
    with gate() as opened:
        futures = [engine.submit(meet, opened.folder) for _ in range(agents)]
        opened.open_for(agents)
        for future in futures:
            future.result()
    for future in [engine.submit(identity, number) for number in range(tasks)]:
        future.result()
