"""What both sides of a measurement do in the same way. Loads nothing of the engine: a peer's process stays as small as
its user's would be.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from typing import Any

from engine.bench import watch

Result = dict[str, Any]

_clock = time.perf_counter


def there_and_back(send: Callable[[Any], Any], np: Any, megabytes: int, watched: bool) -> Result:
    """Send an array with `send` and have it back; for either side."""
    before = watch.rollup(os.getpid()).get("Pss", 0)
    sent = np.arange(megabytes * 125_000, dtype=np.float64)
    watcher = watch.Watcher() if watched else None
    begun = _clock()
    back = send(sent)
    took = _clock() - begun
    found = watcher.stop() if watcher is not None else None
    assert back is not sent
    assert back[-1] == sent[-1]
    assert len(back) == len(sent)
    if found is None:
        return {"value": took}
    arrays = {
        f"{kind} {process}": (peak - (before if int(process) == os.getpid() else first)) / sent.nbytes
        for process, (kind, first, peak) in found["peaks"].items()
    }
    # What shared memory holds that no process maps: none of theirs, but memory all the same.
    return {
        "value": took,
        "peak": max(arrays.values()),
        "arrays": arrays,
        "shared": found["shared"] / sent.nbytes,
        "looks": found["looks"],
    }


def command_seconds(argv: list[str], timeout: float = 60.0) -> float:
    """Wall time of a command that must succeed. Raises CalledProcessError if it does not, TimeoutExpired after so many
    seconds."""
    begun = _clock()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        # The kernel tells when it ends: `wait` with a timeout only looks now and then, ever more seldom.
        ended = os.pidfd_open(process.pid)
        try:
            well = bool(select.select([ended], [], [], timeout)[0])
            took = _clock() - begun
        finally:
            os.close(ended)
        if not well:
            process.kill()
            raise subprocess.TimeoutExpired(argv, timeout)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    return took
