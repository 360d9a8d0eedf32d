"""Plans as texts, for tests: what they come to, and what is said about those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan.load import load
from engine.plan.steps import RunSpec, SpecError
from engine.settings.types import SettingsError

TASK = '[[tasks]]\nname = "a"\ncall = "m:f"\n'


def task(name: str, more: str = "") -> str:
    return f'[[tasks]]\nname = "{name}"\ncall = "m:f"\n{more}\n'


def plan_of(text: str, folder: Path) -> RunSpec:
    path = folder / "plan.toml"
    path.write_text(text)
    return load(path)


def refused(text: str, folder: Path) -> str:
    """What is said about a plan, without the name of the file, which always comes first."""
    with pytest.raises((SpecError, SettingsError)) as caught:
        plan_of(text, folder)
    told = str(caught.value)
    assert told.startswith(f"{folder}/plan.toml: ")
    assert "\n" not in told
    return told.removeprefix(f"{folder}/plan.toml: ")
