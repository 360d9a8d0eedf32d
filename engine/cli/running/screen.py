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
from engine.cli.running.serving import place
from engine.procs import boot

if TYPE_CHECKING:
    from engine.cli.recorded.archive import StoreArchive
    from tui.feed import SocketFeed
    from tui.preferences import Preferences
    from tui.shell import Outcome

_START: Final = 120.0
"""Seconds for the engine to say where it listens: importing what the run needs comes before that."""
_PATIENCE: Final = 1.0
"""Seconds after which it is said what is waited for."""


class _Engine:
    """The engine's process, which says by a pipe where it listens; or ends, and has said why in its log.

    A `tui.starting.Starting`.
    """

    def __init__(self, arguments: list[str]) -> None:
        """Start it. `arguments`: those of ``shoal``."""
        self._reading, writing = os.pipe()
        self._log = os.memfd_create("shoal-engine-log", os.MFD_CLOEXEC)
        at = arguments.index("--") if "--" in arguments else len(arguments)
        own = ["shoal", *arguments[:at], "--serve", str(writing), *arguments[at:]]
        self.process = subprocess.Popen(
            boot.argv("engine.cli.main", *own),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[writing],
            start_new_session=True,  # it outlives the terminal
        )
        os.close(writing)
        self._poller = select.poll()
        self._poller.register(self._reading, select.POLLIN)
        self._said = b""
        self._complete = False
        self._archive: StoreArchive | None = None
        self._database: Path | None = None

    @property
    def path(self) -> Path | None:
        """Where it listens, as far as it has said so."""
        return place(self._said) if self._complete else None

    def wait(self, seconds: float) -> bool:
        """Whether it has said where it listens, or has ended, within so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._complete and self._hear(deadline - time.monotonic()):
            pass
        return self._complete

    def accepts(self) -> bool:
        """Whether it goes on, once it has looked at what was asked for; importing it comes after that."""
        if not self._hear(_PATIENCE):
            click.echo("looking at what is to be run ...", err=True)
        while not self._said and not self._complete:
            self._hear(_START)
        return bool(self._said)

    def _hear(self, seconds: float) -> bool:
        if not self._poller.poll(max(0.0, seconds) * 1000):
            return False
        data = os.read(self._reading, 4096)
        self._said += data
        self._complete = not data
        return True

    def connect(self) -> SocketFeed | None:
        """What it tells; None if it ended without saying where it listens. Raises `StreamError`."""
        from engine.cli.live.live import again
        from tui.feed import SocketFeed

        if self.path is None:
            return None
        feed = SocketFeed(self.path, again)
        hello = feed.take().hello
        if hello is not None and hello.database:
            self._database = Path(hello.database)
            if self._archive is not None:
                self._archive.look_in(self._database)
        return feed

    def archive(self) -> StoreArchive:
        """The history: of the database that its run is recorded in, as soon as that is known."""
        from engine.cli.recorded.archive import StoreArchive

        self._archive = StoreArchive(self._database)
        return self._archive

    def end(self) -> None:
        """Have it end."""
        self.process.terminate()

    def close(self) -> None:
        """Hear no more of it."""
        os.close(self._reading)
        os.close(self._log)

    def tell(self) -> None:
        """What it had to say, now that the terminal is ours again."""
        os.lseek(self._log, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self._log), encoding="utf-8", errors="replace") as told:
            for line in told:
                sys.stderr.write(line)
        sys.stderr.flush()


def run_on_screen(arguments: list[str]) -> int:
    """Start ``shoal run`` with these arguments as an engine, and a screen that shows it. The exit code.

    Raises `SettingsError` for a screen that can't be as it is wished, before anything is started.
    """
    wanted = preferences()
    engine = _Engine(arguments)
    try:
        return _watch(engine, wanted)
    except KeyboardInterrupt:
        engine.end()
        return _over(engine)
    finally:
        engine.close()


def _watch(engine: _Engine, wanted: Preferences) -> int:
    from engine.cli import view

    view.warm()  # meanwhile the engine imports what it needs
    from tui.starting import StartingFeed

    if not engine.accepts():  # a screen that opened only to close again would be in the way of the line that says why
        return _over(engine)
    try:
        how = view.shown(StartingFeed(engine), preferences=wanted, archive=engine.archive)
    except view.ScreensFailed as error:
        error.tell()
        _left(engine, error.outcome)
        return error.exit_code
    return _left(engine, how)


def _left(engine: _Engine, how: Outcome) -> int:
    """The screen has gone: the exit code, after a word about what became of the run."""
    if how != "detached":
        return _over(engine)
    try:
        if not engine.wait(_PATIENCE):
            click.echo("importing what the run needs ...", err=True)
            engine.wait(_START)
    except KeyboardInterrupt:  # whoever has detached wants the terminal back, and the run to go on
        pass
    if engine.process.poll() is not None:
        return _over(engine)
    run = "" if engine.path is None else f" {engine.path.stem.partition('-')[0]}"
    click.echo(f"detached: the run goes on. To come back: shoal attach{run}", err=True)
    return 0


def _over(engine: _Engine) -> int:
    """Wait for the end of the engine, and say what it said; its exit code."""
    process = engine.process
    try:
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
    engine.tell()
    if process.returncode < 0:
        click.echo(f"shoal: the engine was killed by signal {-process.returncode}", err=True)
        return 1
    return process.returncode
