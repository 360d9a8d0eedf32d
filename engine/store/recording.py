"""A run of the database as a recording of the stream, also while it is still recorded."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.store import queries
from engine.store.queries import frames as rebuilt
from engine.store.queries import moments as kept
from engine.store.schema import FAULTS, StoreError, explain
from engine.stream.moments import Moment, MomentError, unpack
from engine.stream.recordings import RecordingError
from engine.stream.types import STREAM_VERSION, Event, Frame, Hello, ToReader

_AT_ONCE: Final = 60
"""Moments, or a multiple of it of events, that are read in one transaction: one that lasts keeps the log from being
folded in."""
_GAP: Final = 90.0
"""Seconds between two moments from which on samples take their place; keyframes that are left are a minute apart where
nothing went on."""
_APART: Final = 1.0
"""Seconds between events and the next moment from which on they are a moment of their own."""


class StoredRecording:
    """As `engine.stream.recordings.Recording`. Times are seconds since the Unix epoch.

    Attributes:
        hello: who was recorded.
        start: when the run began.
        end: when something was told for the last time, so far.
        complete: whether what readers were told was kept. Else frames are made of samples.
        damage: "".
    """

    def __init__(self, path: Path, run: str) -> None:
        """`run`: its id, the beginning of it, or ``last``. Raises `StoreError` where there is none, or no database, and
        `RecordingError`."""
        self._path = path
        self.damage = ""
        with self._asked() as db:
            found = queries.find(db, run)
            self.hello = Hello(STREAM_VERSION, found.id, found.name, found.pid, found.started, str(path.absolute()))
            self.start = self.end = found.started
            self.complete = True
            self._look(db, found)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection]:
        """The database, for a moment. A window that one thread has begun, another one may go on with."""
        try:
            with contextlib.closing(queries.open_readonly(self._path, any_thread=True)) as db:
                yield db
        except FAULTS as error:
            raise RecordingError(str(explain(self._path, error))) from error

    def look(self) -> bool:
        """As `engine.stream.recordings.Recording`."""
        try:
            with self._asked() as db:
                found = queries.of_id(db, self.hello.run)
                if found is None:
                    raise RecordingError(f"run {self.hello.run} was deleted from {self._path}")
                self._look(db, found)
        except StoreError as error:
            raise RecordingError(str(error)) from error
        return self._run.status == "running"

    def _look(self, db: sqlite3.Connection, run: queries.Run) -> None:
        self._run = run
        parts, samples = kept.parts(db, run.id), rebuilt.sampled(db, run.id)
        if parts and not self._unpacked(kept.moment_at(db, run.id, parts[-1].last)):
            parts = []  # another version of the stream is told there
        self._parts = {part.first: self._offset(db, parts[:number]) for number, part in enumerate(parts)}
        known = [part.last for part in parts] + ([] if samples is None else [samples[1]])
        last = db.execute("SELECT max(number), at FROM events WHERE run = ?", (run.id,)).fetchone()[1]
        self.end = max([self.end, *known, *(at for at in (last, run.ended) if at is not None)])
        self._rebuilt = rebuilt.Rebuilt(db, run)
        self.complete = bool(parts) and (
            samples is None or (parts[0].first < samples[0] + _GAP and samples[1] < parts[-1].last + _GAP)
        )

    def _offset(self, db: sqlite3.Connection, parts: list[kept.Part]) -> tuple[float, int]:
        """Seconds worked by these engines, and frames that they have told: the next one begins both anew."""
        seconds, frames = 0.0, 0
        for part in parts:
            frame = _newest(self._unpacked(kept.moment_at(db, self._run.id, part.last)))
            if frame is not None:
                seconds, frames = seconds + frame.elapsed, frames + frame.number
        return seconds, frames

    def _unpacked(self, row: kept.StoredMoment | None) -> list[ToReader]:
        """Nothing, if it can't be read."""
        try:
            return [] if row is None else unpack(row.data)
        except MomentError:
            return []

    # -- what was told ------------------------------------------------------------------------------------------------

    def window(self, since: float, until: float) -> Iterator[Moment]:
        """As `engine.stream.recordings.Recording`. Beyond its `end` there is nothing."""
        until = min(until, self.end)
        try:
            with self._asked() as db:
                events = _Events(db, self.hello.run, since, until)
                for at, messages in self._told(db, since, until):
                    yield from events.before(at - _APART)
                    yield at, [*events.until(at), *messages]
                yield from events.before(until)
        except StoreError as error:
            raise RecordingError(str(error)) from error

    def _told(self, db: sqlite3.Connection, since: float, until: float) -> Iterator[Moment]:
        """Moments without events; frames where there are none for long."""
        run = self.hello.run
        if not self._parts:
            yield from self._frames(db, self.start, math.inf, since, until)
            return
        before = kept.moment_at(db, run, since)
        at = self.start if before is None else before.at
        offset = self._parts.get(max((first for first in self._parts if first <= since), default=math.inf), (0.0, 0))
        position = since
        while found := kept.moments(db, run, position, until, _AT_ONCE):
            for row in found:
                yield from self._frames(db, at, row.at, since, until)
                position = at = row.at
                messages = self._unpacked(row)
                if at in self._parts:
                    offset = self._parts[at]
                    if row.resumed:
                        messages = [self.hello, *messages]
                yield at, [_moved(message, *offset) for message in messages]
        following = kept.moment_after(db, run, at)
        yield from self._frames(db, at, math.inf if following is None else following, since, until)

    def _frames(
        self, db: sqlite3.Connection, at: float, next_at: float, since: float, until: float
    ) -> Iterator[Moment]:
        """Frames for what lies between two moments, as far as it is asked for. `next_at`: infinite after the last."""
        last = math.isinf(next_at)
        if self._parts and (self.end if last else next_at) - at <= _GAP:
            return
        newest = None
        for newest in self._rebuilt.frames(db, max(at, since), min(until, next_at - _APART)):
            yield newest.at, [newest]
        ended = self._run.ended
        if last and ended is not None and self._run.status != "crashed" and since < ended <= until:
            yield ended, [self._rebuilt.last(newest)]


class _Events:
    """The events of a window, in order, a part of them at a time."""

    def __init__(self, db: sqlite3.Connection, run: str, since: float, until: float) -> None:
        self._db = db
        self._run = run
        self._until = until
        self._number = kept.events_until(db, run, since)
        self._waiting: deque[Event] = deque()
        self._read()

    def _read(self) -> None:
        found = queries.events(self._db, self._run, after=self._number, limit=20 * _AT_ONCE)
        for event in found:
            self._number = event.number
            self._waiting.append(Event(event.number, event.at, event.level, event.kind, event.text, event.data))  # type: ignore[arg-type]

    def until(self, at: float) -> list[Event]:
        """Those up to then that were not had before."""
        found = []
        while self._waiting and self._waiting[0].at <= min(at, self._until):
            found.append(self._waiting.popleft())
            if not self._waiting:
                self._read()
        return found

    def before(self, at: float) -> Iterator[Moment]:
        """The same, as moments of a second each."""
        while self._waiting and self._waiting[0].at <= min(at, self._until):
            second = math.floor(self._waiting[0].at)
            found = self.until(min(at, math.nextafter(second + 1, 0)))
            yield found[-1].at, list(found)


def _newest(messages: list[ToReader]) -> Frame | None:
    return next((message for message in reversed(messages) if isinstance(message, Frame)), None)


def _moved(message: ToReader, seconds: float, frames: int) -> ToReader:
    """A message as if one engine had told all of them."""
    if not isinstance(message, Frame) or not frames:
        return message
    return msgspec.structs.replace(message, elapsed=message.elapsed + seconds, number=message.number + frames)
