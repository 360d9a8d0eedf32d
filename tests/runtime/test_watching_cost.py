"""What those cost who look on: counted by what it is for, and told with the frames."""

from __future__ import annotations

from contextlib import closing

import pytest
from commands import data, run
from processes import wait_for

from engine.metrics.observer import PARTS
from engine.stream.client import Client
from engine.stream.types import Frame
from shoal import Engine


@pytest.mark.needs("pooling")
def test_what_a_reader_costs_is_counted_by_what_it_is_for() -> None:
    with Engine(2, name="watched") as engine:
        engine.wait_ready(60)
        observer, control = engine._worker.run.observer, engine._worker.run.control
        assert engine.submit(abs, -1).result(20) == 1
        assert observer.seconds["sending"] == observer.seconds["pages"] == 0, "nobody reads"
        assert control is not None
        with closing(Client(control.path)) as client:
            assert client.subscribe(["frames", "cells", "events", "alerts", "metrics"]).ok
            assert client.agents()[1] == 2
            assert engine.submit(print, "to tell of").result(20) is None
            frames: list[float] = []

            def told() -> bool:
                message = client.receive(10)
                if isinstance(message, Frame):
                    assert message.watching is not None
                    frames.append(message.watching)
                return all(observer.seconds[part] > 0 for part in PARTS)

            wait_for(told, 60, "all of it has cost something")
            wait_for(lambda: told() and len(frames) > 3, what="more frames")
        assert frames == sorted(frames)
        assert 0 < frames[-1] <= observer.total < 20


@pytest.mark.needs("pooling")
def test_the_status_of_a_run_says_what_watching_costs() -> None:
    with Engine(1, name="watched") as engine:
        engine.wait_ready(60)
        (told,) = data(run("status", "--json"))
        assert 0 < told["watching"] < told["elapsed"]
        (line,) = [line for line in run("status").stdout.splitlines() if line.startswith("  watching: ")]
        assert line.endswith("% of a core")
        assert " of processor time so far, " in line
