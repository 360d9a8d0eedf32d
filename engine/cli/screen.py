"""A run on the screen: the engine is a process of its own, the screen attaches to it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from engine.cli.preferences import preferences
from engine.procs import boot
from engine.stream.client import StreamError

if TYPE_CHECKING:
    from tui.preferences import Preferences

_START: Final = 120.0
"""Seconds for the engine to say where it listens: importing what the run needs comes before that."""
_PATIENCE: Final = 1.0
"""Seconds after which it is said why nothing is seen yet."""


def run_on_screen(arguments: list[str]) -> int:
    """Start ``shoal run`` with these arguments as an engine, and attach a screen to it. The exit code.

    Raises `SettingsError` for a screen that can't be as it is wished, before anything is started.
    """
    wanted = preferences()
    reading, writing = os.pipe()
    log = os.memfd_create("shoal-engine-log", os.MFD_CLOEXEC)
    at = arguments.index("--") if "--" in arguments else len(arguments)
    own = ["shoal", *arguments[:at], "--serve", str(writing), *arguments[at:]]
    process = subprocess.Popen(
        boot.argv("engine.cli.main", *own),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[writing],
        start_new_session=True,  # it outlives the terminal
    )
    os.close(writing)
    try:
        path = _address(reading, process)
        if path is None:
            process.wait()
            _copy(log)
            return process.returncode
        return _watch(path, process, log, wanted)
    finally:
        os.close(reading)
        os.close(log)


def _address(reading: int, process: subprocess.Popen[bytes]) -> Path | None:
    """Where the engine listens; None if it ended without saying so."""
    poller = select.poll()
    poller.register(reading, select.POLLIN)
    deadline = time.monotonic() + _START
    found = b""
    try:
        if not poller.poll(_PATIENCE * 1000):
            click.echo("importing what the run needs ...", err=True)
        while time.monotonic() < deadline and poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            data = os.read(reading, 4096)
            if not data:
                break
            found += data
    except KeyboardInterrupt:
        process.terminate()
        return None
    return Path(found.decode()) if found else None


def _watch(path: Path, process: subprocess.Popen[bytes], log: int, wanted: Preferences) -> int:
    from engine.cli.view import show

    try:
        how = show(path, wanted)
    except StreamError:  # it was over before the screen was up
        how = "ended"
    if how == "detached" and process.poll() is None:
        click.echo(f"detached: the run goes on. To come back: shoal attach {path.stem.partition('-')[0]}", err=True)
        return 0
    try:
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
    _copy(log)
    if process.returncode < 0:
        click.echo(f"shoal: the engine was killed by signal {-process.returncode}", err=True)
        return 1
    return process.returncode


def _copy(log: int) -> None:
    """What the engine had to say, now that the terminal is ours again."""
    os.lseek(log, 0, os.SEEK_SET)
    with os.fdopen(os.dup(log), encoding="utf-8", errors="replace") as told:
        for line in told:
            sys.stderr.write(line)
    sys.stderr.flush()
