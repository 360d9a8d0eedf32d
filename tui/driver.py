"""The terminal as the screens write to it: one that takes nothing holds nobody up, and it is always given back."""

from __future__ import annotations

import contextlib
import signal
import termios
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

from rich.cells import cell_len
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver

_PATIENCE: Final = 1.0
"""Seconds for which the last that was written is waited for, where nobody seems to read it."""
_AGAIN: Final = 0.02
"""Seconds between two looks whether there is still something to throw away."""


def _forgiving(encoding: str) -> Callable[[], IncrementalDecoder]:
    """What makes a decoder that takes a byte which is none of a letter for a letter that nothing is bound to."""
    return partial(getincrementaldecoder(encoding), errors="replace")


vars(linux_driver)["getincrementaldecoder"] = _forgiving
"""The thread that hears keys makes its decoder itself, and would end at such a byte: the noise of a line, or a key of a
terminal that is set to Latin-1."""


class TerminalDriver(LinuxDriver):
    """Textual's own, which waits for a terminal that takes nothing for ever, starts twice when a process that was
    stopped by somebody else goes on, and ends at a byte that it can't decode.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        assert self._file is not None, "there is no standard error"
        self._encoding = self._file.encoding.lower().replace("_", "-")
        self._narrow = self._encoding not in ("utf-8", "utf8")

    @property
    def waiting(self) -> int:
        """Writes that the terminal has not taken yet."""
        return 0 if self._writer_thread is None else self._writer_thread._queue.qsize()

    def start_application_mode(self) -> None:
        """Take the terminal. From then on no write ever waits: whoever draws has to look at what is `waiting`."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None:
            self._writer_thread._queue.maxsize = 0

    def write(self, data: str) -> None:
        """Write what the terminal can show: a letter that it has not got is a question mark in each of its cells."""
        if self._narrow and not data.isascii():
            data = "".join(map(self._shown, data))
        super().write(data)

    def _run_input_thread(self) -> None:
        """Hear keys. What goes wrong with it goes wrong with the app: as the exception that it is, not as a picture."""
        try:
            self.run_input_thread()
        except Exception as error:
            self._app.call_later(_raise, error)

    def _shown(self, letter: str) -> str:
        try:
            letter.encode(self._encoding)
        except UnicodeEncodeError:
            return "?" * cell_len(letter)
        return letter

    def close(self) -> None:
        """Wait until all is written; where nobody reads, throw it away."""
        writer = self._writer_thread
        if writer is None:
            return
        writer._queue.put(None)
        writer.join(_PATIENCE)
        if writer.is_alive():
            signal.signal(signal.SIGWINCH, lambda *_: None)
        while writer.is_alive() and writer.ident is not None:
            try:
                termios.tcflush(writer.fileno(), termios.TCOFLUSH)
            except termios.error:  # it is gone: what is written fails, too
                break
            with contextlib.suppress(ProcessLookupError):  # the kernel tells it of no room that comes by a flush
                signal.pthread_kill(writer.ident, signal.SIGWINCH)
            writer.join(_AGAIN)

    def _sigcont_application(self, *_: object) -> None:
        """Go on. Whoever was not stopped by us, but by a signal that nobody can catch, has not given the terminal
        back: do it now, or there would be two of everything that reads and writes.
        """
        if self._must_signal_resume or not self._auto_restart:
            super()._sigcont_application()
        else:  # later: whatever was being done, it may hold a lock that is needed for it
            self._loop.call_soon_threadsafe(self._take_again)

    def _take_again(self) -> None:
        self.suspend_application_mode()
        self._must_signal_resume = True
        self.resume_application_mode()


def _raise(error: Exception) -> NoReturn:
    raise error
