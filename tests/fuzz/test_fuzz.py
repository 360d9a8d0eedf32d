"""Nothing that another process, a file or a person may have written crashes, holds up or swells whoever reads it.

A slice in the ordinary suite; all of it, and a new table of figures, with SHOAL_TEST_FUZZ=full.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest
from fuzz.mutate import inputs
from fuzz.targets import TARGETS

_FULL: Final = os.environ.get("SHOAL_TEST_FUZZ") == "full"
_SLICE: Final = {"databases": 150, "recordings": 800, "commands": 400, "plans": 300, "stored": 800}
"""Inputs of the slice, where not 1,500."""
_WHOLE: Final = {"databases": 10_000, "commands": 30_000, "plans": 30_000, "recordings": 30_000}
"""Inputs in all, where not 100,000."""
_SECONDS: Final = 20
"""One input may take so long, on a machine that is busy otherwise, before it hangs."""
_GROWTH: Final = 64 << 20
"""Bytes by which all inputs of a target but the first tenth may make the process grow."""
_SPACE: Final = 16 << 30
"""Bytes that the process may have: what asks for more is refused, and does not press the machine."""
_CORPUS: Final = Path(__file__).parent / "corpus"


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def _bounds() -> Iterator[None]:
    """No input hangs, and none gets all of the machine's memory."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"an input took more than {_SECONDS} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE, hard))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.timeout(3600 if _FULL else 120)
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_crashes_hangs_or_swells(name: str, tmp_path: Path) -> None:
    kept = sorted(_CORPUS.glob(f"{name}-*"))
    count = _WHOLE.get(name, 100_000) if _FULL else _SLICE.get(name, 1_500)
    with TARGETS[name](tmp_path) as (seeds, feed), _bounds():
        seeds = [*seeds, *(path.read_bytes() for path in kept)]
        slowest, begun = 0.0, time.monotonic()
        memory = opened = 0
        for number, data in enumerate(inputs(name, count, seeds)):
            if number == count // 10:
                gc.collect()
                memory, opened = _resident(), _descriptors()
            signal.alarm(_SECONDS)
            at = time.monotonic()
            try:
                feed(data)
            except BaseException as error:
                path = tmp_path / f"{name}-{number}"
                path.write_bytes(data)
                pytest.fail(f"input {number}, kept as {path} ({data[:60]!r}): {type(error).__name__}: {error}")
            slowest = max(slowest, time.monotonic() - at)
        signal.alarm(0)
        gc.collect()
        grown, more = _resident() - memory, _descriptors() - opened
        seconds = time.monotonic() - begun
    rate, longest = f"{count / seconds:,.0f}/s", f"{slowest * 1000:.1f} ms"
    print(f"| {name} | {count:,} | {rate} | {longest} | {grown / 2**20:+.1f} MiB | {more:+} |")
    assert grown < _GROWTH
    assert more <= 0
