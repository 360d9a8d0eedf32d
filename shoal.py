"""Shoal: fleets of Python agents on one machine.

    from shoal import Engine

    with Engine(8) as engine:
        for result in engine.map(evaluate, points):
            ...

`Engine` is a `concurrent.futures.Executor`. The command ``shoal`` does the same from a terminal, and shows it live.
"""

from __future__ import annotations

import os.path as _path
import sys as _sys
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.core.claims import Claim
    from engine.procs.errors import RemoteError, RemoteTraceback, TaskPoisoned, TaskTimeout
    from engine.procs.failures import SoftTimeout
    from engine.procs.mail import Message, NoAgent, address, receive, send
    from engine.procs.subtasks import Subtask, Subtasks, ask, submit, using, wait
    from engine.runtime.calls.executor import Engine
    from engine.runtime.fleet.launch import StartError
    from engine.runtime.fleet.limits import TooMany
    from engine.settings.types import PoolSettings
    from engine.stream.types import Event

__all__ = [
    "Claim",
    "Engine",
    "Event",
    "Message",
    "NoAgent",
    "PoolSettings",
    "RemoteError",
    "RemoteTraceback",
    "SoftTimeout",
    "StartError",
    "Subtask",
    "Subtasks",
    "TaskPoisoned",
    "TaskTimeout",
    "TooMany",
    "address",
    "ask",
    "receive",
    "send",
    "submit",
    "using",
    "wait",
]

_HERE = _path.dirname(_path.realpath(__file__))  # no pathlib: it is a tenth of what `shoal --help` takes
_HOMES = {
    "Claim": "engine.core.claims",
    "Engine": "engine.runtime.calls.executor",
    "Event": "engine.stream.types",
    "Message": "engine.procs.mail",
    "NoAgent": "engine.procs.mail",
    "PoolSettings": "engine.settings.types",
    "RemoteError": "engine.procs.errors",
    "RemoteTraceback": "engine.procs.errors",
    "SoftTimeout": "engine.procs.failures",
    "StartError": "engine.runtime.fleet.launch",
    "Subtask": "engine.procs.subtasks",
    "Subtasks": "engine.procs.subtasks",
    "TaskPoisoned": "engine.procs.errors",
    "TaskTimeout": "engine.procs.errors",
    "TooMany": "engine.runtime.fleet.limits",
    "address": "engine.procs.mail",
    "ask": "engine.procs.subtasks",
    "receive": "engine.procs.mail",
    "send": "engine.procs.mail",
    "submit": "engine.procs.subtasks",
    "using": "engine.procs.subtasks",
    "wait": "engine.procs.subtasks",
}
"""Where each public name is. They are imported when they are asked for: the command must run where a user's own package
named ``engine`` hides ours.
"""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _check()
    found: object = getattr(_import_module(_HOMES[name]), name)
    globals()[name] = found  # the next time it is simply there
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _check() -> None:
    """Raise ImportError if another package is called as ours."""
    import engine

    place = engine.__file__ or next(iter(getattr(engine, "__path__", ())), "")
    if _path.dirname(_path.dirname(_path.realpath(place))) != _HERE:
        raise ImportError(
            f"a package named 'engine' at {place} hides Shoal's own, which must come before it on sys.path"
        )


def main() -> None:
    """Run the command ``shoal``, whatever else is called ``engine`` here."""
    if "engine" not in _sys.modules:
        # As in `engine.procs.boot`: loaded from its place, not looked up, so nothing on the path can hide it.
        from importlib.util import module_from_spec, spec_from_file_location

        folder = _path.join(_HERE, "engine")
        first = _path.join(folder, "__init__.py")
        spec = spec_from_file_location("engine", first, submodule_search_locations=[folder])
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            _sys.modules["engine"] = module
            spec.loader.exec_module(module)
    _check()
    from engine.cli.main import main as run

    run()
