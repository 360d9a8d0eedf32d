"""``shoal run`` on a terminal: the engine is a process of its own, the screen comes and goes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_screens import FullScreen
from processes import wait_for

from shoal import Engine


@pytest.fixture
def terminals() -> Iterator[list[FullScreen]]:
    opened: list[FullScreen] = []
    yield opened
    for terminal in opened:
        terminal.close()


def start(terminals: list[FullScreen], cwd: Path, *arguments: str, **env: str) -> FullScreen:
    terminal = FullScreen([sys.executable, "-m", "engine.cli", *arguments], cwd, width=100, height=30, **env)
    terminals.append(terminal)
    return terminal


def test_run_detach_attach_stop(tmp_path: Path, terminals: list[FullScreen]) -> None:
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
    tmp_path: Path, terminals: list[FullScreen]
) -> None:
    (tmp_path / "items.txt").write_text("0.1\n-1\n")
    terminal = start(
        terminals, tmp_path, "run", "engine.workloads.coordination:sleep", "--items", "items.txt", "--agents", "1"
    )
    wait_for(lambda: terminal.shows("ENDED"), what="the end")
    terminal.type("q")
    assert terminal.wait() == 1
    assert "1 of 2 done, 1 failed" in terminal.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nope.toml"], "no such plan"),
        (["run", "time:sleep", "--items", "none.txt"], "none.txt"),
        (["run", "time:sleep", "--agents", "0"], "--agents"),
    ],
)
def test_bad_input_never_opens_the_screen(
    tmp_path: Path, terminals: list[FullScreen], arguments: list[str], told: str
) -> None:
    terminal = start(terminals, tmp_path, *arguments)
    assert terminal.wait() == 2
    assert told in terminal.text
    assert b"\x1b[?1049h" not in terminal.raw


def test_what_only_an_import_shows_to_be_wrong_is_told_where_it_can_be_read(
    tmp_path: Path, terminals: list[FullScreen]
) -> None:
    (tmp_path / "items.txt").write_text("1\n")
    terminal = start(terminals, tmp_path, "run", "nope:f", "--items", "items.txt")
    assert terminal.wait() == 2
    left = terminal.raw.rpartition(b"\x1b[?1049l")[2]
    assert b"No module named 'nope'" in left
    assert left.count(b"\n") == 1


SLOW = """
import os, time
open("begun", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
def f(x):
    time.sleep(60)
"""


def leaving_a_start(terminals: list[FullScreen], folder: Path) -> FullScreen:
    """The screen of a run that imports until there is a file `go`; it asks whether to detach or to stop."""
    (folder / "slow.py").write_text(SLOW)
    (folder / "items.txt").write_text("1\n")
    terminal = start(terminals, folder, "run", "slow:f", "--items", "items.txt", "--agents", "1")
    wait_for(lambda: (folder / "begun").exists(), what="the import")
    wait_for(lambda: terminal.shows("STARTING"), what="the screen")
    terminal.type("q")
    wait_for(lambda: terminal.shows("etach"), what="the question")
    return terminal


def test_who_detaches_from_a_start_need_not_wait_for_it(tmp_path: Path, terminals: list[FullScreen]) -> None:
    terminal = leaving_a_start(terminals, tmp_path)
    terminal.type("d")
    wait_for(lambda: terminal.shows("importing"), what="the terminal given back")
    terminal.type("\x03")
    assert terminal.wait() == 0
    assert "the run goes on" in terminal.text
    (tmp_path / "go").touch()
    stop = [sys.executable, "-m", "engine.cli", "ctl", "stop"]
    wait_for(
        lambda: subprocess.run(stop, capture_output=True, check=False).returncode == 0, what="the run, and its end"
    )


@pytest.mark.parametrize(("answer", "code"), [("d", 0), ("s", 130)])
def test_the_screen_does_not_wait_for_imports(
    tmp_path: Path, terminals: list[FullScreen], answer: str, code: int
) -> None:
    terminal = leaving_a_start(terminals, tmp_path)
    terminal.type(answer)
    if answer == "d":
        wait_for(lambda: b"\x1b[?1049l" in terminal.raw or terminal.shows("importing"), what="the terminal given back")
        (tmp_path / "go").touch()
    assert terminal.wait() == code
    if answer == "d":
        run = re.search(r"shoal attach ([0-9a-f]{8})", terminal.text)
        assert run is not None
        second = start(terminals, tmp_path, "attach", run.group(1))
        wait_for(lambda: second.shows("LIVE"), what="the screen again")
        second.type("q")
        wait_for(lambda: second.shows("etach"), what="the question again")
        second.type("s")
        assert second.wait() == 0


def test_the_history_opens_runs_that_go_on_and_plays_those_that_have_ended(
    tmp_path: Path, terminals: list[FullScreen]
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


def test_the_history_of_nothing(tmp_path: Path, terminals: list[FullScreen]) -> None:
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


def test_a_screen_that_cannot_be_never_opens_and_starts_nothing(tmp_path: Path, terminals: list[FullScreen]) -> None:
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


def test_options_of_attach_reach_the_screen(tmp_path: Path, terminals: list[FullScreen]) -> None:
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


@pytest.mark.parametrize("redirection", ["</dev/null", "2>errors", "<&-", "<&- >&- 2>errors"])
def test_without_a_terminal_attach_says_what_there_is(
    redirection: str, tmp_path: Path, terminals: list[FullScreen]
) -> None:
    with Engine(1, name="looked-at") as engine:
        command = f"{shlex.quote(sys.executable)} -P -m engine.cli attach looked-at {redirection}"
        terminal = FullScreen(["sh", "-c", command], tmp_path)
        terminals.append(terminal)
        assert terminal.wait() == 2
        file = tmp_path / "errors"
        told = terminal.text + (file.read_text() if file.exists() else "")
        assert told.strip() == f"shoal: a screen needs a terminal; without one there is: shoal watch {engine.run_id}"


def test_a_terminal_that_knows_no_escapes_gets_no_screen(tmp_path: Path, terminals: list[FullScreen]) -> None:
    (tmp_path / "items.txt").write_text("1\n")
    with Engine(1, name="looked-at"):
        attached = start(terminals, tmp_path, "attach", TERM="dumb")
        assert attached.wait() == 2
        assert "without one there is: shoal watch" in attached.text
    ran = start(
        terminals, tmp_path, "run", "engine.workloads.coordination:echo", "--items", "items.txt", "--agents", "1",
        TERM="dumb",
    )  # fmt: skip
    assert ran.wait() == 0
    history = start(terminals, tmp_path, TERM="dumb")
    assert history.wait() == 2
    assert "Usage: shoal" in history.text
    for terminal in (attached, ran, history):
        assert b"\x1b[?1049h" not in terminal.raw


def test_the_screens_are_loaded_while_the_engine_looks_at_what_is_to_be_run() -> None:
    code = (
        "import sys; from engine.cli.running import screen; accepts = screen._Engine.accepts; "
        "screen._Engine.accepts = lambda own: print('tui.app' in sys.modules) or accepts(own); "
        "sys.exit(screen.run_on_screen(['run', 'nowhere:nothing', '--range', '1', '--no-record']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n"
    assert done.returncode == 2, done.stderr
