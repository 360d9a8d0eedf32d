"""``shoal`` on a terminal, a suite measured from its screen 8: shown, kept, stopped, and nothing left of it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_screens import FullScreen
from processes import marked_processes, wait_for

from engine.cli.bench.benches import KeptBenches


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[FullScreen]:
    """The screens over an empty record, on the one of benchmarks."""
    found = FullScreen([sys.executable, "-m", "engine.cli"], tmp_path, width=120, height=36)
    try:
        found.wait_to_show("NO RUN")
        found.type("8")
        found.wait_to_show("not measured here yet")
        yield found
    finally:
        found.close()


def measured(terminal: FullScreen, suite: str, steps: int) -> None:
    """Begin to measure a suite, so many steps to the right of the first one, at small sizes."""
    terminal.type("l" * steps)
    terminal.type("r")
    terminal.wait_to_show(f"Measure {suite}: ")
    terminal.type("u")
    terminal.wait_to_show(f"measuring: quick {suite}")


@pytest.mark.needs("pooling")
def test_a_suite_is_measured_and_kept(terminal: FullScreen) -> None:
    measured(terminal, "memory", 8)
    terminal.wait_to_show("warm-up")
    terminal.wait_to_show("round 2 of 3")
    wait_for(lambda: terminal.shows("✓ finished"), 60, what="the end")
    (kept,) = KeptBenches().sessions()
    assert (kept.suite, kept.quick, kept.whole, kept.failures) == ("memory", True, True, 0)
    terminal.wait_to_show(kept.id)
    told = KeptBenches().session(kept.id)
    assert [line.rounds for line in told.lines] == [3, 3, 3]
    terminal.type("q")
    assert terminal.wait() == 0
    assert terminal.not_restored() == []


def test_it_ends_with_the_screens(terminal: FullScreen) -> None:
    measured(terminal, "spawn", 3)
    terminal.wait_to_show("warm-up")
    wait_for(lambda: len(marked_processes()) > 3, what="what it has started")
    terminal.type("q")
    terminal.wait_to_show("Stop the benchmark, and leave?")
    terminal.type("y")
    assert terminal.wait() == 0
    assert terminal.not_restored() == []
    wait_for(lambda: not marked_processes(), what="all of it is gone")
    assert KeptBenches().sessions() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_screens_that_are_killed(terminal: FullScreen, number: signal.Signals) -> None:
    measured(terminal, "spawn", 3)
    terminal.wait_to_show("warm-up")
    wait_for(lambda: len(marked_processes()) > 3, what="what it has started")
    terminal.process.send_signal(number)
    terminal.wait()
    wait_for(lambda: not marked_processes(), what="all of it is gone")
