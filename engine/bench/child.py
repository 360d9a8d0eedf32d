"""One measurement in a process of its own: told what to do by its one argument, it prints what it found as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.procs import system


def main() -> None:
    """Measure one side of one row."""
    asked = json.loads(sys.argv[0])
    system.die_with_parent(asked["parent"])
    call = measurement(asked["side"], asked["function"])
    if asked.get("profile"):
        from engine.bench.profile import profiled

        with profiled(Path(asked["profile"])):
            found = call(**asked["size"])
    else:
        found = call(**asked["size"])
    print(json.dumps(found), flush=True)


def measurement(side: str, name: str) -> Callable[..., dict[str, Any]]:
    """The measurement of this name, all that it needs imported. Raises KeyError."""
    if side == "ours":
        from engine.bench import ours

        return ours.MEASUREMENTS[name]
    from engine.bench import peers

    return peers.found(name)
