"""A benchmark in a process of its own, for the screens: what it tells, and that it never outlives them."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from engine.procs import boot
from engine.stream.benchmarks import Message, read
from tui.bench.record import End

_PATIENCE: Final = 20.0
"""Seconds to end by itself once it was asked to; then it is killed."""
_LONGEST: Final = 300
"""Characters of its last words."""


class Measuring:
    """As `tui.bench.record.Measuring`.

    The process has our end of a pipe as its standard input, and ends once that is closed: by us, or by the kernel when
    we are gone, however that came about.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start it. `arguments`: those of ``shoal bench``. Raises OSError."""
        self._process = subprocess.Popen(
            boot.argv("engine.cli.main", "shoal", "bench", *arguments, "--progress", "json", "--until-eof"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a signal of the terminal is for the screens
        )
        self._words = ""
        self._asked: float | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def next(self) -> Message | None:
        """As `tui.bench.record.Measuring`."""
        told = self._process.stderr
        assert told is not None
        if told.closed:
            return None
        for line in told:
            message = read(line)
            if message is not None:
                return message
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._words = text.removeprefix("shoal: ")[:_LONGEST]
        told.close()
        return None

    def stop(self) -> None:
        """As `tui.bench.record.Measuring`."""
        if self._asked is None:
            self._asked = time.monotonic()
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait(self, seconds: float) -> End | None:
        """As `tui.bench.record.Measuring`. One that does not end though it was asked to is killed: what it has started
        ends with it.
        """
        if self._asked is not None and time.monotonic() - self._asked > _PATIENCE:
            self._process.kill()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.stop()
        return End(code, self._words)
