"""What was typed to begin a run, without what a screen adds when it starts the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

_SERVE: Final = "--serve"
"""The option by which an engine is told where to say that it listens; nobody types it."""
_PROGRAMS: Final = ("shoal", "__main__.py")


def typed(words: Sequence[str]) -> list[str]:
    """A command line as somebody typed it; one of another program as it is."""
    found = list(words)
    if not found or PurePath(found[0]).name not in _PROGRAMS:
        return found
    end = found.index("--") if "--" in found else len(found)
    if _SERVE in found[:end]:
        at = found.index(_SERVE)
        del found[at : at + 2]
    return found
