"""Engines for one test each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from holding import Held

from shoal import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(2, attachable=False) as engine:
        yield engine


@pytest.fixture
def single(tmp_path: Path) -> Iterator[tuple[Engine, Held]]:
    """An engine of one agent, and the task that this agent is busy with until it is released."""
    with Engine(1, attachable=False) as engine:
        held = Held(engine, tmp_path / "go")
        try:
            yield engine, held.begin()
        finally:
            held.release()


@pytest.fixture
def gate(tmp_path: Path) -> Any:
    """A path for which `remote.wait_until` waits; touch it."""
    return tmp_path / "gate"
