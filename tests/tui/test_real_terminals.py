"""The screens on real terminals: what becomes of these, and of the processors, whatever happens to either."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from full_screens import FullScreen
from processes import wait_for

from engine.stream.types import Frame
from tui.view import View

Open = Callable[..., FullScreen]
_CTRL_Z = "\x1a"


class Beat:
    """An engine that says something new twenty times a second."""

    def __init__(self, engine: Any, frame: Frame) -> None:
        self.engine = engine
        self.said = 0
        self._frame = frame
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for number in itertools.count(1):
            frame = msgspec.structs.replace(
                self._frame, number=self._frame.number + number, elapsed=self._frame.elapsed + number / 20, done=number,
                rate=500.0 + 400 * (number % 7), running=number % 9,
            )  # fmt: skip
            with contextlib.suppress(OSError):
                self.engine.send(frame)
            self.said = number
            if self._stopping.wait(0.05):
                return

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.fixture
def frame(running: View) -> Frame:
    """What the engine says."""
    assert running.frame is not None
    return running.frame


@pytest.fixture
def engine(engine_of: Any, frame: Frame) -> Any:
    """An engine that has said one thing."""
    return engine_of()


def command_for(engine: Any, ascii_: bool = False) -> list[str]:
    """The screens over an engine, nothing else."""
    script = (
        "import sys; from tui.preferences import Preferences; from tui.session import run; "
        f"print('it ended:', run({str(engine.path)!r}, preferences=Preferences(ascii={ascii_})))"
    )
    return [sys.executable, "-c", script]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens the screens on a terminal of their own."""
    screens: list[FullScreen] = []

    def open_(arguments: list[str], **more: Any) -> FullScreen:
        screens.append(FullScreen(arguments, **more))
        return screens[-1]

    yield open_
    for screen in screens:
        screen.close()


def detach(screen: FullScreen) -> None:
    """Leave a run that goes on; the terminal is as it was."""
    asked = len(screen.raw)
    screen.type("q")
    screen.wait_to_show("etach", asked)
    screen.type("d")
    assert screen.wait() == 0
    assert "it ended: detached" in screen.text
    assert screen.not_restored() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal(engine: Any, frame: Frame, opened: Open, number: signal.Signals) -> None:
    screen = opened(command_for(engine))
    engine.send(frame)
    screen.wait_to_show("LIVE")
    assert {"mode 1049", "local", "cursor hidden"} <= set(screen.not_restored()), "or this test could not fail"
    screen.process.send_signal(number)
    assert screen.wait() == 0
    assert "it ended: detached" in screen.text
    assert screen.not_restored() == []


def test_a_storm_of_resizes(engine: Any, frame: Frame, opened: Open) -> None:
    screen = opened(command_for(engine))
    chance = random.Random(3)
    with Beat(engine, frame):
        screen.wait_to_show("LIVE")
        for _ in range(300):
            screen.resize(chance.randrange(1, 320), chance.randrange(1, 90))
            screen.read()
            time.sleep(0.002)
        screen.resize(30, 10)
        mark = len(screen.raw)
        screen.wait_to_show("60x20", mark)
        mark = len(screen.raw)
        screen.resize(100, 30)
        screen.wait_to_show("LIVE", mark)
        memory, threads = screen.memory(), len(os.listdir(f"/proc/{screen.process.pid}/task"))
        for _ in range(300):
            screen.resize(chance.randrange(1, 320), chance.randrange(1, 90))
            screen.read()
            time.sleep(0.002)
        mark = len(screen.raw)
        screen.resize(90, 28)
        screen.wait_to_show("LIVE", mark)
        assert screen.memory() - memory < 16 << 20
        # Fewer is well: the thread that loads the other screens may have been counted before, and ends.
        assert len(os.listdir(f"/proc/{screen.process.pid}/task")) <= threads
    detach(screen)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(engine: Any, frame: Frame, opened: Open) -> None:
    shell = opened(["bash", "--norc", "--noprofile", "-i"], PS1="ready> ")
    shell.wait_to_show("ready> ")
    shell.type(shlex.join(command_for(engine)) + "\n")
    with Beat(engine, frame):
        shell.wait_to_show("LIVE")
        for _ in range(2):
            mark = len(shell.raw)
            shell.type(_CTRL_Z)
            shell.wait_to_show("Stopped", mark)
            shell.wait_to_show("ready> ", mark)
            assert [
                name for name in shell.not_restored() if name.startswith(("mode 1", "cursor", "lines", "keys"))
            ] == []
            mark = len(shell.raw)
            shell.type("stty -a; echo 'so it' is\n")
            shell.wait_to_show("so it is", mark)
            said = shell.raw[mark:].decode(errors="replace").replace(";", " ").split()
            assert {"icanon", "echo", "isig", "icrnl", "iexten"} <= set(said)
            mark = len(shell.raw)
            shell.type("fg\n")
            shell.wait_to_show("LIVE", mark)
            assert {"mode 1049", "mode 1003", "cursor hidden"} <= set(shell.not_restored())
    mark = len(shell.raw)
    shell.type("q")
    shell.wait_to_show("etach", mark)
    shell.type("d")
    shell.wait_to_show("it ended: detached", mark)
    shell.wait_to_show("ready> ", mark)
    shell.type("exit\n")
    assert shell.wait() == 0
    assert [name for name in shell.not_restored() if not name.startswith("mode 2004")] == []


def test_stopped_and_continued_by_others_it_goes_on(engine: Any, frame: Frame, opened: Open) -> None:
    screen = opened(command_for(engine))
    with Beat(engine, frame):
        screen.wait_to_show("LIVE")
        threads = len(os.listdir(f"/proc/{screen.process.pid}/task"))
        for _ in range(3):
            screen.process.send_signal(signal.SIGSTOP)
            wait_for(lambda: _state(screen.process.pid) == "T", what="it is stopped")
            screen.read()
            mark = len(screen.raw)
            screen.process.send_signal(signal.SIGCONT)
            screen.wait_to_show("LIVE", mark)
        wait_for(lambda: len(os.listdir(f"/proc/{screen.process.pid}/task")) == threads, what="no thread more")
        mark = len(screen.raw)
        screen.type("2")
        screen.wait_to_show("agents", mark)
    detach(screen)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_terminal_that_takes_nothing_costs_nothing(engine: Any, frame: Frame, opened: Open) -> None:
    screen = opened(command_for(engine), width=200, height=50)
    with Beat(engine, frame) as beat:
        screen.wait_to_show("LIVE")
        filled(screen)
        used, memory, said = screen.seconds_used(), screen.memory(), beat.said
        time.sleep(3.0)  # so long is looked at; nothing is waited for
        assert beat.said - said > 20, "the engine is heard all the while"
        assert screen.seconds_used() - used < 0.6
        assert screen.memory() - memory < 8 << 20
        mark, old = len(screen.raw), beat.said
        wait_for(
            lambda: any(screen.shows(f"{new}/100,000", mark) for new in range(old, beat.said + 1)),
            what="it follows again",
        )
    detach(screen)


def filled(screen: FullScreen) -> None:
    """Until there is no room for what it writes, because nobody reads."""
    widths = itertools.cycle((200, 199))

    def full() -> bool:
        screen.resize(next(widths), 50)  # all of it is drawn again
        return not screen.has_room()

    wait_for(full, what="the terminal is full")
    time.sleep(0.5)  # the screens go on drawing for a while before they notice


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_takes_nothing_keeps_nobody(
    engine: Any, frame: Frame, opened: Open, number: signal.Signals
) -> None:
    screen = opened(command_for(engine), width=200, height=50)
    with Beat(engine, frame):
        screen.wait_to_show("LIVE")
        filled(screen)
        screen.process.send_signal(number)
        wait_for(lambda: screen.process.poll() is not None, what="it has ended, though nobody reads")
    assert [name for name in screen.not_restored() if not name.startswith(("mode", "cursor", "lines", "keys"))] == []


def test_a_terminal_that_took_nothing_and_hangs_up_ends_it(engine: Any, frame: Frame, opened: Open) -> None:
    screen = opened(command_for(engine), width=200, height=50)
    with Beat(engine, frame):
        screen.wait_to_show("LIVE")
        filled(screen)
        screen.hang_up()
        wait_for(lambda: screen.process.poll() is not None, what="it has ended")


def test_bytes_that_are_no_utf_8_are_passed_over(engine: Any, frame: Frame, opened: Open) -> None:
    screen = opened(command_for(engine))
    engine.send(frame)
    screen.wait_to_show("LIVE")
    mark = len(screen.raw)
    screen.type_bytes(b"\xe9\xff\xc32")
    screen.wait_to_show("waiting for the agents", mark)
    screen.type("/")
    screen.wait_to_show("failed>0", mark)
    mark = len(screen.raw)
    screen.type_bytes(b"n\xe9m")
    screen.wait_to_show("n\ufffdm", mark)
    mark = len(screen.raw)
    screen.type("\r")
    screen.wait_to_show("Quit", mark)
    detach(screen)


def test_an_engine_that_dies_is_said_to_be_gone_and_nobody_spins(engine: Any, frame: Frame, opened: Open) -> None:
    screen = opened(command_for(engine))
    engine.send(frame)
    screen.wait_to_show("LIVE")
    mark = len(screen.raw)
    engine.close()
    screen.wait_to_show("LOST", mark)
    used = screen.seconds_used()
    time.sleep(2.0)  # so long is looked at
    assert screen.seconds_used() - used < 1.0  # who spins takes both; the other screens may be loaded meanwhile
    screen.type("q")
    assert screen.wait() == 0
    assert "it ended: lost" in screen.text
    assert screen.not_restored() == []


def test_a_locale_of_ascii_is_told_ascii(engine_of: Any, running: View, frame: Frame, opened: Open) -> None:
    assert running.hello is not None
    engine = engine_of(msgspec.structs.replace(running.hello, name="größe ●"))
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LANG": "", "LC_CTYPE": ""}
    screen = opened(command_for(engine, ascii_=True), **locale)
    with Beat(engine, frame):
        screen.wait_to_show("* LIVE")
        for key, word in (("2", "agents"), ("5", "alerts"), ("3", "waiting"), ("1", "throughput"), ("?", "help")):
            mark = len(screen.raw)
            screen.type(key)
            screen.wait_to_show(word, mark)
        screen.type("?")
    detach(screen)
    assert screen.raw.isascii()
    assert b"\\u" not in screen.raw
    assert b"\\x" not in screen.raw, "a letter takes the place of one"
