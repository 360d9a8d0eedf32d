"""Screens that end by a mistake of ours: a line says so, the exit code too, and a run goes on."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from full_screens import FullScreen
from processes import wait_for

from shoal import Engine

RECORDING = Path(__file__).parents[2] / "fixtures" / "recordings" / "alerts.shoal"
BROKEN = """
import sys
from engine.cli import view
view.load()
from tui.app import ShoalApp
from tui.driver import TerminalDriver
def broken(self, *_):
    raise ValueError("what was wished\\nand more")
{method} = broken
from engine.cli.main import main
main()
"""
"""``shoal``, of which something is broken."""
TOLD = "shoal: the screens have failed: ValueError: what was wished; traceback: "

Broken = Callable[..., FullScreen]


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Broken]:
    """Opens the screens of some arguments, in which the key that changes the theme is broken, or something else is."""
    opened: list[FullScreen] = []

    def open_(*arguments: str, method: str = "ShoalApp.action_next_theme") -> FullScreen:
        command = [sys.executable, "-c", BROKEN.format(method=method), *arguments]
        opened.append(FullScreen(command, tmp_path, TMPDIR=str(tmp_path)))
        return opened[-1]

    yield open_
    for screen in opened:
        screen.close()


def told(screen: FullScreen) -> list[str]:
    """The lines that are left on the terminal, which is as it was; the traceback is where they say."""
    assert screen.wait() == 70
    assert screen.not_restored() == []
    lines = screen.raw.rpartition(b"\x1b[?1049l")[2].decode()
    first, *others = re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x07", "", lines).strip().splitlines()
    assert first.startswith(TOLD)
    traceback = Path(first.removeprefix(TOLD)).read_text()
    assert traceback.startswith("Traceback (most recent call last):")
    assert traceback.endswith("ValueError: what was wished\nand more\n")
    return others


def test_the_history_and_a_replay(broken: Broken) -> None:
    for arguments, shown in (((), "no runs yet"), (("replay", str(RECORDING)), "REPLAY")):
        screen = broken(*arguments)
        screen.wait_to_show(shown)
        screen.type("t")
        assert told(screen) == []


def test_the_thread_that_hears_keys(broken: Broken) -> None:
    screen = broken(method="TerminalDriver.process_message")
    screen.wait_to_show("no runs yet")
    screen.type("j")
    assert told(screen) == []


def test_a_run_that_is_attached_to_goes_on(broken: Broken) -> None:
    with Engine(1, name="looked-at") as engine:
        engine.wait_ready(60)
        screen = broken("attach")
        screen.wait_to_show("LIVE")
        screen.type("t")
        (line,) = told(screen)
        assert re.fullmatch("detached: the run goes on. To come back: shoal attach [0-9a-f]{8}", line)
        assert engine.submit(abs, -3).result(60) == 3


def test_a_run_that_was_begun_with_a_screen_goes_on(tmp_path: Path, broken: Broken) -> None:
    (tmp_path / "items.txt").write_text("0.05\n" * 4000)
    screen = broken("run", "engine.workloads.coordination:sleep", "--items", "items.txt", "--agents", "1")
    screen.wait_to_show("LIVE")
    screen.type("t")
    (line,) = told(screen)
    run = line.removeprefix("detached: the run goes on. To come back: shoal attach ")
    again = broken("attach", run)
    again.wait_to_show("LIVE")
    again.type("q")
    again.wait_to_show("etach")
    again.type("s")
    wait_for(lambda: again.process.poll() is not None, what="its end")
    assert again.wait() == 0


def test_a_run_that_is_over_is_not_said_to_go_on(tmp_path: Path, broken: Broken) -> None:
    (tmp_path / "items.txt").write_text("0\n")
    screen = broken("run", "engine.workloads.coordination:sleep", "--items", "items.txt", "--agents", "1")
    screen.wait_to_show("ENDED")
    screen.type("t")
    assert "1 of 1 done" in told(screen)[0]
