"""The module ``shoal``: what a program imports, and the command, whatever else is called ``engine`` or ``tui``."""

from __future__ import annotations

import importlib
import os
import pty
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from processes import wait_for

import shoal

HERE = Path(shoal.__file__).resolve().parent
SCRIPT = Path(sysconfig.get_path("scripts")) / "shoal"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with packages of the user's, named as ours, that break whatever takes them for ours."""
    folder = tmp_path / "theirs"
    for name in ("engine", "tui"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"WHOSE = 'the user of {name}'\n")
    (folder / "user.py").write_text("import engine\ndef whose(_):\n    return engine.WHOSE\n")
    (folder / "items.txt").write_text("1\n2\n")
    return folder


def test_every_public_name_is_there_and_is_the_very_one() -> None:
    for name in shoal.__all__:
        assert getattr(shoal, name) is getattr(importlib.import_module(shoal._HOMES[name]), name)
        assert name in dir(shoal)
    assert set(shoal._HOMES) == set(shoal.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        shoal.Engin  # noqa: B018


def python(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_importing_it_loads_nothing_before_it_is_asked_for(tmp_path: Path) -> None:
    code = "import sys, shoal; print('engine' in sys.modules); from shoal import *; print(Engine.__name__, TooMany)"
    assert python(code, HERE).stdout == "False\nEngine <class 'engine.runtime.fleet.limits.TooMany'>\n"


def test_a_library_that_is_hidden_says_so(theirs: Path) -> None:
    done = python("from shoal import Engine", theirs, HERE)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: a package named 'engine' at {theirs}/engine/__init__.py hides Shoal's own, "
        "which must come before it on sys.path"
    )


@pytest.mark.skipif(not SCRIPT.exists(), reason="shoal is not installed here")
def test_the_command_runs_beside_a_users_own_engine(theirs: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(theirs)}
    done = subprocess.run(
        [SCRIPT, "run", "user:whose", "--items", "items.txt", "--out", "-", "--no-record"],
        cwd=theirs, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"the user of engine"') == 2


@pytest.mark.skipif(not SCRIPT.exists(), reason="shoal is not installed here")
def test_the_screen_is_ours_beside_a_users_own_tui(theirs: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, "run", "user:whose", "--items", "items.txt", "--agents", "1", "--no-record"],
        cwd=theirs, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(theirs), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    )  # fmt: skip
    os.close(slave)
    os.set_blocking(master, False)
    shown = bytearray()

    def read() -> None:
        try:
            shown.extend(os.read(master, 1 << 16))
        except OSError:  # nothing yet, or the other end is closed
            pass

    def ended() -> bool:
        read()
        return b"ENDED" in shown or process.poll() is not None

    def over() -> bool:
        read()
        return process.poll() is not None

    try:
        wait_for(ended, what="the screen")
        assert process.poll() is None, shown.decode(errors="replace")
        os.write(master, b"q")
        wait_for(over, what="the end")
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
