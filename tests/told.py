"""A recording in memory, for tests of what writes and plays recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.stream.moments import Moment
from engine.stream.types import Hello


class Told:
    """As `engine.stream.recordings.Recording`. It ends with its last moment, unless it is told otherwise."""

    def __init__(self, hello: Hello, moments: Sequence[Moment], end: float | None = None) -> None:
        self.hello = hello
        self.moments = moments
        self.start = hello.started
        self.end = moments[-1][0] if end is None else end
        self.complete = True
        self.damage = ""

    def look(self) -> bool:
        return False

    def window(self, since: float, until: float) -> Iterator[Moment]:
        return (moment for moment in self.moments if since < moment[0] <= until)
