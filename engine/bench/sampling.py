"""Preloaded into a nursery, samples the processes forked from it: where they are, by their own processor time.

A host or an agent may be killed at any moment, so what was seen is written out again and again.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

FOLDER: Final = "SHOAL_BENCH_PROFILE"
"""Name of the environment variable with the folder for samples."""
_EVERY: Final = 0.001
"""Seconds of processor time between samples; the kernel makes whole ticks of its own of it."""
_WRITE_AFTER: Final = 5


class Gathered:
    """Samples of all processes of a kind: how many wrote any, their processor time, and samples by line."""

    def __init__(self) -> None:
        self.processes = 0
        self.seconds = 0.0
        self.lines: Counter[str] = Counter()


_seen: Counter[str] = Counter()


def _begin() -> None:
    _seen.clear()
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)


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
        partly.write_text(json.dumps([kind, time.process_time(), _seen]))
        partly.replace(Path(folder) / f"{os.getpid()}.samples")


def gathered(folder: Path) -> dict[str, Gathered]:
    """What was seen in a run, by kind of process."""
    found: dict[str, Gathered] = {}
    for path in folder.glob("*.samples"):
        kind, seconds, seen = json.loads(path.read_text())
        one = found.setdefault(kind, Gathered())
        one.processes += 1
        one.seconds += seconds
        one.lines.update(seen)
    return found


if FOLDER in os.environ:
    os.register_at_fork(after_in_child=_begin)
