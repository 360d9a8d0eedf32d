"""Preloaded into a nursery, samples the processes forked from it: where they are, each millisecond of processor time.

A host or an agent may be killed at any moment, so what was seen is written out again and again.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

FOLDER: Final = "SHOAL_BENCH_PROFILE"
"""Name of the environment variable with the folder for samples."""
EVERY: Final = 0.001
"""Seconds of processor time between samples."""
_WRITE_AFTER: Final = 100

_seen: Counter[str] = Counter()


def _begin() -> None:
    _seen.clear()
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)


def _sample(_: int, frame: FrameType | None) -> None:
    if frame is not None:
        _seen[f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_name}"] += 1
    if _seen.total() % _WRITE_AFTER == 0:
        write()


def _short(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])


def write() -> None:
    """Write down what this process has seen so far."""
    folder = os.environ.get(FOLDER)
    if folder:
        kind = Path("/proc/self/comm").read_text().strip()
        partly = Path(folder) / f"{os.getpid()}.partly"
        partly.write_text(json.dumps([kind, _seen]))
        partly.replace(Path(folder) / f"{os.getpid()}.samples")


def gathered(folder: Path) -> dict[str, tuple[int, int, list[tuple[int, str]]]]:
    """By kind of process: samples, processes, and (samples, line) from the most on."""
    found: dict[str, tuple[int, Counter[str]]] = {}
    for path in folder.glob("*.samples"):
        kind, seen = json.loads(path.read_text())
        processes, total = found.get(kind, (0, Counter()))
        found[kind] = (processes + 1, total + Counter(seen))
    return {
        kind: (total.total(), processes, [(count, line) for line, count in total.most_common()])
        for kind, (processes, total) in found.items()
    }


if FOLDER in os.environ:
    os.register_at_fork(after_in_child=_begin)
