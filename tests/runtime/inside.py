"""Looks into an engine: its agents' and hosts' processes, and what a test may change of how they are looked after."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.core.core import Core
from engine.core.pools import Pool
from engine.procs.scoreboard import PID
from engine.runtime.fleet import hosts, specs
from engine.runtime.fleet.fleet import Fleet
from shoal import Engine, Event

STARTING = 1
"""State of an agent on the scoreboard."""


def fleet_of(engine: Engine) -> Fleet:
    return engine._worker.run.fleet


def core_of(engine: Engine) -> Core:
    return fleet_of(engine).core


def pool_of(engine: Engine, name: str = "main") -> Pool:
    return next(pool for pool in core_of(engine).pools if pool.name == name)


def agents(engine: Engine, name: str = "main") -> list[int]:
    """Pids of a pool's agents that are up, by row; without those who have just died: 0 is this very process group."""
    fleet = fleet_of(engine)
    found = [fleet.board.get(row, PID) for row in pool_of(engine, name).rows if fleet.core.agents[row].up]
    return [pid for pid in found if pid]


def host_pids(engine: Engine) -> list[int]:
    """Pids of the hosts, by shard; 0 would be this very process group."""
    return [wire.pid for _, wire in sorted(fleet_of(engine).hosts.wires.items()) if wire.pid]


def counts(engine: Engine, name: str = "main") -> dict[str, Any]:
    """A pool's part of `Engine.stats`."""
    found: dict[str, Any] = engine.stats()["pools"][name]
    return found


def cared(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Have the hosts to come see to other things than their settings say."""
    usual = specs.care
    monkeypatch.setattr(hosts, "care", lambda *of: msgspec.structs.replace(usual(*of), **changed))


def kill(pid: int) -> None:
    assert pid > 1
    os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Living children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def module(folder: Path, name: str, text: str) -> str:
    """Write a module for agents to import; its name."""
    (folder / f"{name}.py").write_text(text)
    return name


class Heard(list[Event]):
    """Events as they come."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def kinds(self, kind: str) -> list[Event]:
        """Events of a kind."""
        return [event for event in self if event.kind == kind]

    def why(self, why: str) -> list[Event]:
        """Ends of agents for a reason."""
        return [event for event in self if event.data.get("why") == why]
