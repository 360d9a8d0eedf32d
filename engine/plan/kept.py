"""What is kept of a run at its beginning, so that it can be resumed: the plan as it was read, the options, the settings
in force, and how the files that it depends on looked then.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
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

    @property
    def digest(self) -> str:
        """Of what makes it the same work: equal for a run that would do the same tasks with the same code."""
        items = None if self.items is None else [self.items.path, self.items.digest]
        options = [self.options.get(name) for name in _MATTER]
        same = [
            self.what, self.dashes, options, self.cwd, self.out, self.plan, items, self.stream,
            sorted(self.prints.items()),
        ]  # fmt: skip
        return hashlib.sha256(_text(same).encode()).hexdigest()


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
    return msgspec.structs.replace(kept, plan=None, what=[], options={}, prints={}, why_not=why)


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

    Of a callable it is the file of its module, which is found without being imported; of a command its program, and the
    script where that is an interpreter. What can't be found has none: a module inside an archive, one that is made
    while another is imported.
    """
    found: dict[str, str] = {}
    references = [step.call for step in spec.steps if step.call] + [pool.init for pool in spec.pools if pool.init]
    for reference in dict.fromkeys(references):
        source = _source(reference.partition(":")[0], path)
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
            found = PathFinder.find_spec(".".join(parts[: depth + 1]), places)
            places = None if found is None else list(found.submodule_search_locations or ())
        except (ImportError, ValueError, KeyError, OSError):
            return None
        if found is None:
            return None
    return found.origin if found is not None and found.has_location and found.origin else None


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
