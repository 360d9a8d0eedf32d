"""A reader of the stream, in a program that has more descriptors open than `select` can take."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import closing

import pytest

from engine.stream import live
from engine.stream.client import Client
from engine.stream.types import Frame
from shoal import Engine

MANY = 1100


@pytest.fixture
def many() -> Iterator[None]:
    """More descriptors than 1,023 are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY:
        pytest.skip(f"no more than {hard} descriptors may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(MANY)]
    try:
        yield
    finally:
        for fd in kept:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.needs("pooling")
def test_a_run_is_found_and_read(request: pytest.FixtureRequest) -> None:
    with Engine(1, name="many") as engine:
        engine.wait_ready(60)
        control = engine._worker.run.control
        assert control is not None
        request.getfixturevalue("many")
        (found,) = live.runs(frames=True)
        assert (found.run, found.frame is not None) == (engine.run_id, True)
        with closing(Client(control.path)) as client:
            assert client._socket.fileno() > 1023
            assert client.subscribe(["frames"]).ok
            while not isinstance(client.receive(10), Frame):
                pass
