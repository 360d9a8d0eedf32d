"""The engine that is measured, in a process of its own: told what to be by its one argument, what to do by lines."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from engine.bench.tasks import burn, wait
from engine.procs import system
from engine.stream import places
from shoal import Engine, PoolSettings

QUEUE = "queue"
"""The pool whose queue is filled up: one agent, which is busy."""
_CRASHES = 10_000
"""That one task may be in: nothing is to be given up here."""


def main() -> None:
    """Begin, say where, and fill the queue by so many tasks for each line with a number; end with the input."""
    asked: dict[str, Any] = json.loads(sys.argv[0])
    system.die_with_parent(asked["parent"])
    with Engine(
        asked["agents"], name="bench-alerts", pools=[PoolSettings(name=QUEUE, size=1)], record=asked["database"],
        settings={"alert_rules": asked["rules"]}, crash_limit=_CRASHES, batch_max=1, preload="engine.bench.tasks",
    ) as engine:  # fmt: skip
        engine.wait_ready()
        for number in range(asked["agents"]):
            engine.submit(burn if number < asked["burning"] else wait, number)
        queue = engine.using(pool=QUEUE)
        queue.submit(wait, 0)
        path = places.runtime_folder() / f"{engine.run_id}.sock"
        print(json.dumps({"path": str(path)}), flush=True)
        for line in sys.stdin:
            at = time.monotonic()
            for number in range(int(line)):
                queue.submit(wait, number)
            print(json.dumps({"at": at}), flush=True)
        engine._worker.run.ask_to("stop")  # none of these tasks ever ends
        engine._worker.wake()
