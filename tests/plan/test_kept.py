"""What is kept of a run: how it is written, what makes two runs the same, and how changed files are noticed."""

from __future__ import annotations

import os
import sys
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.plan import kept
from engine.plan.kept import Kept, changed, decode, encode, fingerprints, items_of, settled
from engine.plan.steps import RunSpec, SpecError, Step
from engine.settings.types import PoolSettings, Settings


def one(**given: Any) -> Kept:
    return replace(
        Kept(1, ["m:f"], False, {"timeout": 1.5, "name": None}, Settings(batch_size=3), "/work", ["/work"], "-"),
        **given,
    )


def test_what_is_kept_comes_back() -> None:
    found = one(plan='name = "é\0"', cwd="/\udcff", prints={"a": "b"}, total=3)
    text = encode(found)
    assert text.isascii()
    assert decode(text) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1}', "[" * 100_000])
def test_what_another_version_has_kept_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"^what is kept of it was written by another version of Shoal$"):
        decode(text)


def test_the_digest_tells_what_would_be_done_apart() -> None:
    same = one().digest
    given: dict[str, Any]
    for given in ({"options": {"timeout": 1.5, "name": "x", "agents": 3}}, {"settings": Settings()}, {"path": []}):
        assert one(**given).digest == same, given
    for given in (
        {"options": {"timeout": 2.0}}, {"what": ["m:g"]}, {"plan": "x"}, {"prints": {"a": "b"}}, {"cwd": "/"},
        {"out": None}, {"items": kept.Items("a", 1, "b", 1)}, {"dashes": True},
        {"included": {"a": "b"}}, {"assigned": {"n": "1"}},
    ):  # fmt: skip
        assert one(**given).digest != same, given


def test_what_is_said_of_plans_that_are_apart() -> None:
    first = one(plan="x", what=["p.toml"])
    assert kept.options_apart(first, first) == []
    assert kept.options_apart(first, replace(first, assigned={"n": "2"})) == ["--set"]
    assert kept.options_apart(first, replace(first, included={"a": "b"})) == ["p.toml"]


def test_a_plan_that_is_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(one(plan="x")).why_not == ""
    monkeypatch.setattr(kept, "SPEC_BYTES", 1 << 20)
    found = settled(one(plan="x" * (3 << 20)))
    assert found.why_not == "what would be kept of its plan takes 3 MiB, and 1 MiB is the most"
    assert len(encode(found)) < 10_000


def _spec(*steps: Step, init: str | None = None) -> RunSpec:
    return RunSpec("r", [PoolSettings(init=init)], list(steps))


def test_the_module_of_a_callable_is_found_without_importing_it(tmp_path: Path) -> None:
    package = tmp_path / "pack" / "inner"
    package.mkdir(parents=True)
    for folder in (tmp_path / "pack", package):
        (folder / "__init__.py").write_text("raise RuntimeError")
    deep, top = package / "deep.py", tmp_path / "top.py"
    deep.write_text("1")
    top.write_text("2")
    steps = (
        Step("a", call="pack.inner.deep:f"),
        Step("b", call="top:f"),
        Step("c", call="math:pi"),
        Step("d", call="no:f"),
    )
    found = fingerprints(_spec(*steps, init="pack:start"), [str(tmp_path)], [])
    assert sorted(found) == sorted(map(str, (deep, top, tmp_path / "pack" / "__init__.py")))
    assert changed(found) == []
    deep.write_text("3")
    top.unlink()
    assert sorted(changed(found)) == sorted(map(str, (deep, top)))


def test_what_pools_import_counts_too_and_what_is_installed_to_be_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, source = tmp_path / "here", tmp_path / "source"
    for folder in (here, source / "edited"):
        folder.mkdir(parents=True)
    files = [here / "early.py", here / "warm.py", source / "edited" / "__init__.py", source / "edited" / "deep.py"]
    for file in files:
        file.write_text("raise RuntimeError")

    class Finder:
        """As setuptools puts one beside those of Python's own."""

        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name == "edited":
                return spec_from_file_location(name, files[2], submodule_search_locations=[str(source / "edited")])
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    pool = PoolSettings(preload=("early", "edited", "nowhere"), warmup="warm:up")
    found = fingerprints(RunSpec("r", [pool], [Step("a", call="edited.deep:f")]), [str(here)], [])
    assert sorted(found) == sorted(map(str, files))
    files[1].write_text("1")
    assert changed(found) == [str(files[1])]


def test_a_command_is_its_program_and_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("script.sh", "data.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)

    def of(*command: str) -> set[str]:
        found = fingerprints(_spec(Step("a", command=list(command))), [], [])
        return {os.path.relpath(name, tmp_path) for name in found if name.startswith(str(tmp_path))}

    assert of("sh", "-e", "script.sh", "data.txt") == {"script.sh"}
    assert of("./tool", "data.txt") == {"tool"}
    assert of("{}", "data.txt") == set()


def test_files_that_tasks_are_given_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = tmp_path / "data", tmp_path / "folder"
    data.write_bytes(b"x" * 100)
    folder.mkdir()
    found = fingerprints(_spec(), [], [str(data), str(folder)])
    assert sorted(found) == [str(data), str(folder)]
    monkeypatch.setattr(kept, "_WHOLE", 10)
    large = fingerprints(_spec(), [], [str(data)])
    os.utime(data, ns=(1, 1))
    assert changed(large) == [str(data)], "a large one goes by its time"
    monkeypatch.undo()
    assert changed(found) == []


def test_items_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    path = tmp_path / "items.txt"
    path.write_text("a\n")
    before = items_of(path, 1)
    os.utime(path, ns=(1, 1))
    assert items_of(path, 1) == before
    path.write_text("b\n")
    assert items_of(path, 1).digest != before.digest
    with pytest.raises(SpecError, match="No such file"):
        items_of(tmp_path / "none", 1)
