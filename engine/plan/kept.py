"""What is kept of a run at its beginning, so that it can be resumed: the plan as it was read, the options, the settings
in force, and how the files that it depends on looked then.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.plan.steps import RunSpec, SpecError
from engine.settings.types import Settings

VERSION: Final = 1
SPEC_BYTES: Final = 16 << 20
"""Of what is kept, without items from a stream, at the most: a longer plan can't be resumed."""
_WHOLE: Final = 64 << 20
"""Bytes up to which a file, other than one of items, is read to see whether it has changed; else time and size tell."""
_MATTER: Final = ("timeout", "soft_timeout", "retries")
"""Options that decide what comes of a task."""
_OF_NOW: Final = ("metrics_port", "metrics_host")
"""Settings that a resumption takes as they are then."""
_INTERPRETERS: Final = re.compile(r"(python|pypy|perl|ruby|bash|sh|dash|zsh|node|Rscript|julia)[0-9.]*$")


class Items(msgspec.Struct, frozen=True):
    """A file of items as it was."""

    path: str
    size: int
    digest: str
    count: int


class Kept(msgspec.Struct, frozen=True):
    """A run as it was begun."""

    version: int
    what: list[str]
    """A plan's path, ``module:function``, or a command."""
    dashes: bool
    """It is a command."""
    options: dict[str, Any]
    """Those of the command line that are not settings."""
    settings: Settings
    """All that was in force."""
    cwd: str
    path: list[str]
    """Where agents find modules."""
    out: str | None
    """Where results go: an absolute path, ``-`` for standard output."""
    plan: str | None = None
    """The plan's text."""
    items: Items | None = None
    stream: bool = False
    """Its items come from standard input."""
    total: int | None = None
    """Tasks in all."""
    prints: dict[str, str] = {}
    """What is told apart of the code and of the files that tasks depend on: a digest by the file's path."""
    why_not: str = ""
    """Why it can't be resumed after all."""
    stream_of: str | None = None
    """The run with which items from standard input were recorded, where that is another one."""
    included: dict[str, str] = {}
    """Texts of the files that the plan includes, by their paths."""
    assigned: dict[str, str] = {}
    """What was set in the plan from outside."""

    @property
    def digest(self) -> str:
        """Of what makes it the same work: equal for a run that would do the same tasks with the same code."""
        items = None if self.items is None else [self.items.path, self.items.digest]
        options = [self.options.get(name) for name in _MATTER]
        same = [
            self.what, self.dashes, options, self.cwd, self.out, self.plan, items, self.stream,
            sorted(self.prints.items()), sorted(self.included.items()), sorted(self.assigned.items()),
        ]  # fmt: skip
        return hashlib.sha256(_text(same).encode()).hexdigest()


def is_of(kept: Kept, other: Kept) -> bool:
    """Whether two runs were asked for in the same words, whatever is in their files."""

    def words(one: Kept) -> tuple[object, ...]:
        return one.what, one.dashes, one.cwd, one.stream, one.items and one.items.path

    return words(kept) == words(other)


def files_apart(kept: Kept, other: Kept) -> list[str]:
    """Files by which two runs of the same words are not the same work."""
    names = sorted(name for name in {*kept.prints, *other.prints} if kept.prints.get(name) != other.prints.get(name))
    if kept.items and other.items and kept.items.digest != other.items.digest:
        names.append(kept.items.path)
    return names


def options_apart(kept: Kept, other: Kept) -> list[str]:
    """Options likewise, and the plan: what a resumption takes from the run as it was begun."""
    names = [_option(name) for name in _MATTER if kept.options.get(name) != other.options.get(name)]
    if kept.out != other.out:
        names.append("--out")
    if kept.assigned != other.assigned:
        names.append("--set")
    if (kept.plan, kept.included) != (other.plan, other.included):
        names.append(kept.what[0])
    return names


def unheeded(kept: Kept, wanted: Kept) -> list[str]:
    """Options and settings of `wanted` that are others than those with which `kept`, the same work, goes on."""
    names = [
        _option(name) for name in {**kept.options, **wanted.options}
        if name not in _MATTER and kept.options.get(name) != wanted.options.get(name)
    ]  # fmt: skip
    settings = (msgspec.structs.asdict(one.settings) for one in (kept, wanted))
    before, now = ({name: value for name, value in one.items() if name not in _OF_NOW} for one in settings)
    return names + [name for name, value in now.items() if before[name] != value]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def encode(kept: Kept) -> str:
    """As the database holds it: JSON, whatever bytes are in the names of files."""
    return _text(msgspec.to_builtins(kept))


def decode(text: str) -> Kept:
    """What `encode` made. Raises `SpecError` for what another version made."""
    try:
        raw = json.loads(text)
        if isinstance(raw, dict) and raw.get("version") == VERSION:
            return msgspec.convert(raw, Kept)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        pass
    raise SpecError("what is kept of it was written by another version of Shoal")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def settled(kept: Kept) -> Kept:
    """The same, or only why it can't be resumed, where it is too long to be kept."""
    size = len(encode(kept))
    if size <= SPEC_BYTES:
        return kept
    why = f"what would be kept of its plan takes {size >> 20} MiB, and {SPEC_BYTES >> 20} MiB is the most"
    return msgspec.structs.replace(
        kept, plan=None, included={}, assigned={}, what=[], options={}, prints={}, why_not=why
    )


def items_of(path: Path, count: int) -> Items:
    """How a file of items looks now. Raises `SpecError`."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return Items(os.path.abspath(path), size, hashlib.file_digest(file, "sha256").hexdigest(), count)
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror or error}") from None


def fingerprints(spec: RunSpec, path: list[str], files: Iterable[str]) -> dict[str, str]:
    """How the code that a run's tasks call, and these files beside it, look now: digests by path.

    Of a callable it is the file of its module, which is found without being imported, and so of what pools import
    before it is called; of a command its program, and the script where that is an interpreter. What can't be found has
    none: a module inside an archive, one that is made while another is imported.
    """
    found: dict[str, str] = {}
    references = [step.call for step in spec.steps] + [one for pool in spec.pools for one in (pool.init, pool.warmup)]
    modules = [reference.partition(":")[0] for reference in references if reference]
    for module in dict.fromkeys([*modules, *(module for pool in spec.pools for module in pool.preload)]):
        source = _source(module, path)
        if source is not None:
            found[source] = _print(source)
    for step in spec.steps:
        for name in _programs(step.command or []):
            found[name] = _print(name)
    for name in files:
        found[name] = _print(name)
    return {name: seen for name, seen in found.items() if seen}


def changed(before: Mapping[str, str]) -> list[str]:
    """Which of these files have changed since, or are gone."""
    return [name for name, seen in before.items() if _print(name) != seen]


def _source(module: str, path: list[str]) -> str | None:
    """The file of a module, found as an import would, but without importing its packages."""
    places: list[str] | None = path
    found = None
    parts = module.split(".")
    for depth in range(len(parts)):
        try:
            name = ".".join(parts[: depth + 1])
            found = PathFinder.find_spec(name, places) or _editable(name, places if depth else None)
            places = None if found is None else list(found.submodule_search_locations or ())
        except (ImportError, ValueError, KeyError, OSError, AttributeError):
            return None
        if found is None:
            return None
    return found.origin if found is not None and found.has_location and found.origin else None


def _editable(name: str, places: list[str] | None) -> ModuleSpec | None:
    """A module as it is found by those who were put beside the finders of Python's own: of packages that are installed
    such that they can be edited.
    """
    for finder in sys.meta_path:
        if finder not in (BuiltinImporter, FrozenImporter, PathFinder):
            found = finder.find_spec(name, places)
            if found is not None:
                return found
    return None


def _programs(command: list[str]) -> list[str]:
    program = shutil.which(command[0]) if command and "{" not in command[0] else None
    if program is None:
        return []
    found = [os.path.abspath(program)]
    script = next((word for word in command[1:] if not word.startswith("-")), "")
    if _INTERPRETERS.match(os.path.basename(program)) and os.path.isfile(script):
        found.append(os.path.abspath(script))
    return found


def _print(name: str) -> str:
    """A digest of a file; of a large one, or a folder, its size and time; "" where there is none."""
    try:
        with open(name, "rb") as file:
            seen = os.fstat(file.fileno())
            if seen.st_size <= _WHOLE:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except IsADirectoryError:
        return "folder"
    except OSError:
        return ""
    return f"{seen.st_size} {seen.st_mtime_ns}"
