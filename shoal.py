"""Shoal: fleets of Python agents on one machine.

    from shoal import Engine

    with Engine(8) as engine:
        for result in engine.map(evaluate, points):
            ...

`Engine` is a `concurrent.futures.Executor`. The command ``shoal`` does the same from a terminal, and shows it live.
"""

from __future__ import annotations

from pathlib import Path as _Path

import engine as _engine

if _Path(_engine.__file__ or "").resolve().parent.parent != _Path(__file__).resolve().parent:
    raise ImportError(
        f"a package named 'engine' at {_engine.__file__} hides Shoal's own: "
        "import shoal before it comes first on sys.path"
    )

from engine.runtime.errors import RemoteError, RemoteTraceback, TaskPoisoned, TaskTimeout
from engine.runtime.executor import Engine
from engine.runtime.limits import TooMany
from engine.runtime.nest import StartError
from engine.stream.types import Event

__all__ = [
    "Engine",
    "Event",
    "RemoteError",
    "RemoteTraceback",
    "StartError",
    "TaskPoisoned",
    "TaskTimeout",
    "TooMany",
]
