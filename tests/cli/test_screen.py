"""``shoal run`` on a terminal: the engine is a process of its own, the screen comes and goes."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import wait_for

from shoal import Engine

_CONTROL = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")


class Terminal:
    """A command on a pseudo-terminal of 100x30, and everything it has written."""

    def __init__(self, arguments: list[str], cwd: Path, **env: str) -> None:
        self.master, slave = pty.openpty()
        os.environ.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", *arguments],
            stdin=slave, stdout=slave, stderr=slave, cwd=cwd, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"} | env,
        )  # fmt: skip
        os.close(slave)
        self.raw = b""

    def read(self) -> None:
        while select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self.raw += data

    @property
    def text(self) -> str:
        return _CONTROL.sub(b"", self.raw).decode("utf-8", "replace")

    def shows(self, what: str) -> bool:
        self.read()
        return what in self.text

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait(self) -> int:
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
            select.select([self.master], [], [], 0.02)
        self.read()
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def start(terminals: list[Terminal], cwd: Path, *arguments: str, **env: str) -> Terminal:
    terminal = Terminal(list(arguments), cwd, **env)
    terminals.append(terminal)
    return terminal


def test_run_detach_attach_stop(tmp_path: Path, terminals: list[Terminal]) -> None:
    (tmp_path / "items.txt").write_text("0.05\n" * 4000)
    first = start(
        terminals, tmp_path, "run", "engine.workloads.coordination:sleep", "--items", "items.txt", "--agents", "4",
        "--name", "on-screen",
    )  # fmt: skip
    wait_for(lambda: first.shows("LIVE") and first.shows("on-screen"), what="the screen")
    first.type("q")
    wait_for(lambda: first.shows("detach") or first.shows("Detach"), what="the question")
    first.type("d")
    assert first.wait() == 0
    assert "shoal attach" in first.text
    run = re.search(r"shoal attach ([0-9a-f]{8})", first.text)
    assert run is not None
    second = start(terminals, tmp_path, "attach", run.group(1)[:4])
    wait_for(lambda: second.shows("LIVE") and second.shows("on-screen"), what="the screen again")
    second.type("q")
    wait_for(lambda: second.shows("detach") or second.shows("Detach"), what="the question")
    second.type("s")
    assert second.wait() == 0


def test_a_run_that_ends_is_shown_ended_and_its_exit_code_comes_through(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    (tmp_path / "items.txt").write_text("0.1\n-1\n")
    terminal = start(
        terminals, tmp_path, "run", "engine.workloads.coordination:sleep", "--items", "items.txt", "--agents", "1"
    )
    wait_for(lambda: terminal.shows("ENDED"), what="the end")
    terminal.type("q")
    assert terminal.wait() == 1
    assert "1 of 2 done, 1 failed" in terminal.text


def test_bad_input_never_opens_the_screen(tmp_path: Path, terminals: list[Terminal]) -> None:
    (tmp_path / "items.txt").write_text("1\n")
    for arguments, told in (
        (["run", "nope:f", "--items", "items.txt"], "No module named 'nope'"),
        (["run", "nope.toml"], "no such plan"),
    ):
        terminal = start(terminals, tmp_path, *arguments)
        assert terminal.wait() == 2
        assert told in terminal.text
        assert b"\x1b[?1049h" not in terminal.raw


def test_the_history_opens_runs_that_go_on_and_plays_those_that_have_ended(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    place = Path(os.environ["XDG_DATA_HOME"]) / "shoal" / "runs.db"
    place.parent.mkdir(parents=True)
    with Engine(1, name="gone-by", record=place) as engine:
        assert engine.submit(abs, -3).result(60) == 3
    with Engine(1, name="going-on", record=place) as engine:
        engine.wait_ready(60)
        terminal = start(terminals, tmp_path)
        wait_for(lambda: terminal.shows("going-on") and terminal.shows("gone-by"), what="the history")
        wait_for(lambda: terminal.shows("1 live"), what="that one goes on")
        terminal.type("\r")
        wait_for(lambda: terminal.shows("throughput") and terminal.shows("LIVE"), what="the run that goes on")
        terminal.type("7")
        wait_for(lambda: terminal.shows("gone-by") and terminal.text.count("gone-by") > 1, what="the history again")
        terminal.type("j\r")
        wait_for(lambda: terminal.shows("REPLAY"), what="the recording")
        terminal.type("q")
        assert terminal.wait() == 0
        assert b"\x1b[?1049l" in terminal.raw
        assert engine.submit(abs, -3).result(60) == 3, "nobody has ended it"


def test_the_history_of_nothing(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminal = start(terminals, tmp_path)
    wait_for(lambda: terminal.shows("no runs yet"), what="the empty history")
    terminal.type("q")
    assert terminal.wait() == 0


def test_without_a_terminal_there_is_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: shoal")


def test_a_screen_that_cannot_be_never_opens_and_starts_nothing(tmp_path: Path, terminals: list[Terminal]) -> None:
    (tmp_path / "items.txt").write_text("1\n")
    run = ["run", "engine.workloads.coordination:echo", "--items", "items.txt", "--agents", "1"]
    for arguments, env, told in (
        ([], {"SHOAL_THEME": "shoal-drk"}, "SHOAL_THEME: no theme 'shoal-drk': did you mean 'shoal-dark'?"),
        (run, {"SHOAL_RATE": "3"}, "SHOAL_RATE is one of 1, 2, 5, 10, not '3'"),
        (["attach", "--theme", "nrd"], {}, "--theme: no theme 'nrd': did you mean 'nord'?"),
    ):
        terminal = start(terminals, tmp_path, *arguments, **env)
        assert terminal.wait() == 2
        assert terminal.text.strip() == f"shoal: {told}"
        assert b"\x1b[?1049h" not in terminal.raw
    assert not (Path(os.environ["XDG_DATA_HOME"]) / "shoal" / "runs.db").exists()


def test_options_of_attach_reach_the_screen(tmp_path: Path, terminals: list[Terminal]) -> None:
    with Engine(1, name="looked-at") as engine:
        engine.wait_ready(60)
        terminal = start(terminals, tmp_path, "attach", "--ascii", "--read-only", "--no-mouse", "--theme", "nord")
        wait_for(lambda: terminal.shows("* LIVE"), what="the screen, in ASCII")
        assert b"\x1b[?1000h" not in terminal.raw, "the mouse is not asked for"
        terminal.type("q")
        wait_for(lambda: terminal.shows("detach"), what="the question")
        assert "ends the run at once" not in terminal.text, "one may only look"
        terminal.type("d")
        assert terminal.wait() == 0
