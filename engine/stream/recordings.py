"""Recordings of the stream: what a run told its readers, to be told again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from engine.stream.moments import Moment
from engine.stream.types import Hello

COVERS: Final = 150.0
"""Seconds before a moment of which all that is to be shown at it can be had: keyframes, and the course of things."""


class RecordingError(Exception):
    """A recording can't be read. The text is one line for people."""


class Recording(Protocol):
    """One run, from the database or a file. Times are seconds since the Unix epoch.

    Any thread may ask; nothing is held open between two questions but by a `window` that goes on.
    """

    @property
    def hello(self) -> Hello:
        """Who was recorded."""

    @property
    def start(self) -> float:
        """When the run began. Nothing was told before."""

    @property
    def end(self) -> float:
        """When something was told for the last time, so far."""

    @property
    def complete(self) -> bool:
        """Whether it has all that was told. Else frames were made of samples, and states of agents are not known."""

    @property
    def damage(self) -> str:
        """What is wrong with it, one line for people; "" for nothing. Then it ends where it is whole no more."""

    def window(self, since: float, until: float) -> Iterator[Moment]:
        """What was told after `since`, and until then, in order. Raises `RecordingError`.

        Where a run was resumed, its first moment begins with `Hello` once more: what follows is another engine's.
        """

    def look(self) -> bool:
        """Look again how far it goes. False: no further from here on. Raises `RecordingError`."""
