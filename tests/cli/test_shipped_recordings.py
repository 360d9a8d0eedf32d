"""The recordings that come along: whole, small, and each with what it is for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from recorded_runs import call

from engine.cli.recorded.replay import replay
from engine.stream.files import FileRecording
from engine.stream.types import ToReader

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "recordings"


def _make() -> ModuleType:
    """The script that has made them: it knows what each is to show."""
    spec = importlib.util.spec_from_file_location("make_recordings", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = _make()
NAMES = sorted(MAKE.SCENES)


def messages(name: str) -> list[ToReader]:
    found = FileRecording(FOLDER / f"{name}.shoal")
    return [message for _, told in found.window(found.start, found.end) for message in told]


def test_there_is_one_of_each_scene() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.shoal")) == NAMES
    text = (FOLDER / "README.md").read_text()
    assert all(f"`{name}.shoal`" in text for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_shows_what_it_is_for(name: str) -> None:
    path = FOLDER / f"{name}.shoal"
    found = FileRecording(path)
    assert (found.hello.name, found.complete, found.damage) == (name, True, "")
    assert path.stat().st_size <= MAKE.LARGEST
    assert MAKE.SCENES[name].shows(messages(name))


@pytest.mark.parametrize("name", NAMES)
def test_none_names_a_folder_of_the_machine_that_it_was_made_on(name: str) -> None:
    told = msgspec.json.encode(messages(name)).decode()
    assert not [word for word in ("/tmp", "/home", "/root", "/work", ".py") if word in told]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_told_to_its_end(name: str) -> None:
    result = call(replay, FOLDER / f"{name}.shoal", "--plain")
    assert result.exit_code == 0
    assert "ENDED" in result.stdout.splitlines()[-1]
    assert result.stderr.startswith("run ")
