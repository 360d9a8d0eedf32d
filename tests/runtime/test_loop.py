"""The loops' one wait: it may be asked for any length."""

from __future__ import annotations

import os

import pytest

from engine.procs.poll import Poll
from engine.runtime.fleet.loop import Loop


@pytest.mark.parametrize("seconds", [None, 0.0, 1e9])
def test_a_wait_of_years_is_as_good_as_any(seconds: float | None) -> None:
    loop = Loop()
    loop.wake()
    loop.step(seconds)
    loop.close()


def test_a_host_waits_for_years_as_well() -> None:
    reading, writing = os.pipe()
    poll = Poll()
    heard: list[bytes] = []
    poll.watch(reading, lambda: heard.append(os.read(reading, 9)))
    os.write(writing, b"x")
    poll.wait(1e9)
    assert heard == [b"x"]
    for fd in (reading, writing):
        os.close(fd)
