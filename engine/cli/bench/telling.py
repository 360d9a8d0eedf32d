"""What a benchmark says while it measures, on standard error: lines for people, or messages for programs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from engine.bench.progress import Progress
    from engine.stream.benchmarks import Message

_F = TypeVar("_F", bound=Callable[..., Any])
_CHUNK: Final = 4096


def told_by(function: _F) -> _F:
    """The options that say how."""
    for option in (
        click.option(
            "--until-eof", is_flag=True, help="End once standard input has: whoever started it is gone, or stops it.",
        ),
        click.option(
            "--progress", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
            help="What it says meanwhile on standard error: lines for people, or one JSON object a line.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


class Telling:
    """Says what there is to say, in one of both forms.

    Attributes:
        progress: for whoever measures.
        session: id of what was kept.
        failures: why something was not measured, by name.
        verdict: of the gate, one line.
    """

    def __init__(self, form: str) -> None:
        from engine.bench.progress import Progress, narrated

        self._as_json = form == "json"
        self.progress: Progress = Progress(self._write) if self._as_json else narrated(self._echo)
        self.session = ""
        self.failures: Mapping[str, str] = {}
        self.verdict = ""

    def say(self, text: str) -> None:
        """A line."""
        self.progress(text)

    def ended(self, code: int) -> None:
        """The last message; there is no such line."""
        from engine.stream.benchmarks import Ended

        if self._as_json:
            self._write(
                Ended(code=code, session=self.session, failures=dict(self.failures), verdict=self.verdict)
            )  # fmt: skip

    @staticmethod
    def _echo(text: str) -> None:
        click.echo(text, err=True)

    @staticmethod
    def _write(message: Message) -> None:
        from engine.stream.benchmarks import line

        click.echo(line(message), err=True, nl=False)


@contextlib.contextmanager
def telling(form: str, until_eof: bool) -> Iterator[Telling]:
    """Something to tell with. A signal to end, or an end of standard input with `until_eof`, ends it by way of what is
    to be removed: measurements, and their databases.
    """
    before = signal.signal(signal.SIGTERM, _asked_to_end)
    if until_eof:
        threading.Thread(target=_end_at_eof, args=(sys.stdin.fileno(),), name="shoal-eof", daemon=True).start()
    told = Telling(form)
    try:
        yield told
    except SystemExit as end:
        told.ended(end.code if isinstance(end.code, int) else 1)
        raise
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: it was no handler of Python's
    told.ended(0)


def _end_at_eof(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, _CHUNK):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _asked_to_end(number: int, frame: FrameType | None) -> None:
    """End by way of what is to be removed: measurements, and their databases."""
    raise SystemExit(128 + number)
