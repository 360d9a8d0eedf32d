"""Helpers of tests that start processes."""

from __future__ import annotations

import os
import resource
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.settings.resolve import resolve

MARK = f"SHOAL_TEST={uuid.uuid4().hex}"
"""In the environment of whatever this test session starts, so that it is found whoever its parent is by then."""


def marked_processes() -> dict[int, str]:
    """Living processes, other than this one, that descend from this test session: names by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            if MARK.encode() not in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                continue
            state, _, _ = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].strip().partition(" ")
            name = Path(f"/proc/{entry}/comm").read_text().strip()
        except (OSError, ValueError):  # it ended while we looked
            continue
        if state != "Z":
            found[int(entry)] = name
    return found


def wait_for(condition: Callable[[], object], seconds: float = 20.0, what: str = "") -> None:
    """Wait until something is true, as soon as it is; fail the test if it never gets so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.005)


@contextmanager
def at_most(descriptors: int) -> Iterator[None]:
    """Nothing with a higher number can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def enabled(mechanism: str) -> bool:
    """Whether engines of this test session have ``pooling``, ``batching``, ``parallel_spawn`` or ``sharding``."""
    found: bool = getattr(resolve(config=Path(os.devnull)).settings, f"enable_{mechanism}")
    return found


def scaled(tasks: int) -> int:
    """So many tasks; or a few, where each has a fresh interpreter of its own, which takes 0.2 s to start."""
    return tasks if enabled("pooling") else min(tasks, max(4, tasks // 200))
