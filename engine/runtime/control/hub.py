"""The hub of the control socket: tells every reader what it wants to be told, and waits for none of them."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from engine.metrics.observer import Observer
from engine.runtime.control import fitting
from engine.runtime.control.listener import Peer, listen, peer_of
from engine.runtime.control.reader import Budget, Reader
from engine.runtime.control.topics import TOPICS, known
from engine.runtime.fleet.loop import Loop
from engine.stream.types import (
    RATE_MAX,
    REQUEST_MAX,
    UNREADABLE,
    Command,
    Event,
    Hello,
    Page,
    Refused,
    Reply,
    Subscribe,
    Topic,
    ToReader,
    encoder,
    to_engine,
)

_RECENT: Final = 200
"""Events that a reader who joins is told of."""
_RECENT_BYTES: Final = 1 << 20
_FAREWELL: Final = 0.3
"""Seconds for all readers together to take what is left to say."""
_SHARE: Final = 0.05
"""Share of the loop's time that the requests of all readers together may take for long ..."""
_BURST: Final = 0.25
"""... and seconds of it, at once."""
_LATER: Final = 1.0
"""Seconds in which nobody comes in, if there was no descriptor for one."""


_SAMPLED: Final = sorted((topic for topic, kind in TOPICS.items() if kind.sampled), key=lambda topic: topic == "frames")
"""In the order in which they are shown. A frame comes last: who has it knows all else of that moment."""


class Answerer(Protocol):
    """Who answers what the hub itself can't: the run."""

    def answer(self, request: Page | Command, peer: Peer) -> Reply:
        """The answer to a reader's request. Must not raise."""


class Control:
    """Listens at a path of its own.

    Attributes:
        path: of the socket.
        rate: how often a second something is sampled, at the most.
        beginnings: by topic, what a reader is told first that asks for it; again when it has missed changes.
    """

    def __init__(
        self, loop: Loop, hello: Hello, answerer: Answerer, name: str = "", rate: float = 10.0,
        observer: Observer | None = None,
    ) -> None:  # fmt: skip
        """Raises OSError where the socket can't be made. `name`: of its file, the run's id if there is none.
        `observer`: is told what readers cost.
        """
        self._loop = loop
        self._hello = hello
        self._answerer = answerer
        self._observer = Observer() if observer is None else observer
        self._readers: dict[int, Reader] = {}
        self._recent: deque[bytes] = deque(maxlen=_RECENT)
        self._recent_bytes = 0
        self._last_event = 0
        self._last: dict[Topic, list[bytes]] = {}
        """The newest of each sampled topic, as it travels."""
        self._closed_until = 0.0
        self._muted: set[Reader] = set()
        """Readers that ask without end: they are not listened to for a while."""
        self._wanted = 0.0
        self._time = Budget(_BURST, _SHARE, time.monotonic())
        self.rate = rate
        self.beginnings: dict[Topic, Callable[[], Sequence[ToReader]]] = {}
        self._listener, self.path = listen(name or hello.run)
        loop.watch(self._listener.fileno(), self._join)

    # -- who is there -------------------------------------------------------------------------------------------------

    @property
    def watched(self) -> bool:
        """Whether anybody reads."""
        return bool(self._readers)

    @property
    def wanted_rate(self) -> float:
        """How often a second something sampled is to be shown to somebody; 0 if nobody wants any."""
        return min(self.rate, self._wanted)

    def _count(self) -> None:
        """Readers have come or gone, or want something else."""
        rates = (r.hz for r in self._readers.values() if any(TOPICS[topic].sampled for topic in r.topics))
        self._wanted = max(rates, default=0.0)

    def wants(self, topic: Topic) -> bool:
        """Whether anybody is to be told of a topic."""
        return any(topic in reader.topics for reader in self._readers.values())

    def reached(self, topics: Sequence[Topic]) -> bool:
        """Whether a reader that is told of one of these topics has all that it was told by now."""
        return any(
            not reader.behind and any(topic in reader.topics for topic in topics) for reader in self._readers.values()
        )

    # -- what is told -------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Tell every reader that wants events, soon if not now."""
        with self._observer.spends("encoding"):
            data = fitting.event(event)
        self._last_event = event.number
        if len(self._recent) == _RECENT:
            self._recent_bytes -= len(self._recent[0])
        self._recent.append(data)
        self._recent_bytes += len(data)
        while self._recent_bytes > _RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popleft())
        self._tell("events", data)

    def tell(self, topic: Topic, message: ToReader) -> None:
        """Tell every reader that wants the topic, soon if not now."""
        for data in self._parts(message):
            self._tell(topic, data)

    def _parts(self, message: ToReader) -> list[bytes]:
        with self._observer.spends("encoding"):
            return fitting.parts(message)

    def show(self, topic: Topic, parts: Sequence[ToReader]) -> None:
        """What a sampled topic is now: for those who want it, have room, and have not just been shown the same."""
        before = self._last.get(topic, [])
        now = [data for part in parts for data in self._parts(part)]
        self._last[topic] = [
            before[number] if number < len(before) and before[number] == data else data
            for number, data in enumerate(now)
        ]

    def sample(self, everybody: bool = False) -> None:
        """Show readers what was handed to `show`, each as often as it asked for; or `everybody`, now."""
        now = time.monotonic()
        slack = 0.5 / self.rate
        with self._observer.spends("sending"):
            for reader in list(self._readers.values()):
                if reader.due(now, slack) or everybody:
                    try:
                        for topic in _SAMPLED:
                            if topic in reader.topics:
                                reader.show(topic, self._last.get(topic, ()))
                    except OSError:
                        self._leave(reader)

    def _tell(self, topic: Topic, data: bytes) -> None:
        if self._readers:
            with self._observer.spends("sending"):
                for reader in list(self._readers.values()):
                    if topic in reader.topics:
                        self._do(reader, reader.tell, data)

    def _do(self, reader: Reader, what: Callable[[bytes], bool], data: bytes) -> None:
        """Say something to a reader now, or once it has room."""
        try:
            if what(data):
                self._loop.when_room(reader.sock.fileno(), lambda: self._room(reader))
                self._hear_or_not(reader)
        except OSError:
            self._leave(reader)

    def _room(self, reader: Reader) -> None:
        with self._observer.spends("sending"):
            try:
                done = reader.flush()
            except OSError:
                self._leave(reader)
                return
            if done:
                self._loop.when_room(reader.sock.fileno(), None)
                if reader.missed:  # of events the record has what it has missed, and of these things nobody has
                    reader.missed = False
                    self._begin(reader, reader.topics)
            self._hear_or_not(reader)

    def _begin(self, reader: Reader, topics: frozenset[Topic]) -> None:
        """Tell a reader how it is now with topics of which it will be told the changes."""
        for topic in topics:
            for message in self.beginnings[topic]() if topic in self.beginnings else ():
                for data in self._parts(message):
                    self._do(reader, reader.tell, data)

    # -- what readers say ---------------------------------------------------------------------------------------------

    def _join(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # it left again; or no descriptor is left, and it would be tried again and again
            self._closed_until = time.monotonic() + _LATER
            self._loop.mute(self._listener.fileno(), True)
            return
        sock.setblocking(False)
        peer = peer_of(sock)
        if not peer.trusted:
            with contextlib.suppress(OSError):
                sock.send(encoder.encode(Refused("this engine belongs to another user")))
            sock.close()
            return
        reader = Reader(sock, peer, time.monotonic())
        self._readers[sock.fileno()] = reader
        self._count()
        self._loop.watch(sock.fileno(), lambda: self._read(reader))
        with self._observer.spends("sending"):
            for data in (encoder.encode(self._hello), *self._recent, *self._last.get("frames", ())):
                self._do(reader, reader.tell, data)

    def _read(self, reader: Reader) -> None:
        try:
            data = reader.sock.recv(REQUEST_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(reader)
            return
        began = time.monotonic()
        try:
            request = to_engine.decode(data)
        except UNREADABLE as error:
            self._do(reader, reader.answer, encoder.encode(Refused(f"not a request: {error}")))
        else:
            answer = self._answer(reader, request)
            with self._observer.spends("encoding"):
                data = fitting.reply(answer)
            with self._observer.spends("sending"):
                self._do(reader, reader.answer, data)
        now = time.monotonic()
        reader.charge(now - began, now)
        if until := self._time.spend(now - began, now):  # all of them together ask for too much: each that asks waits
            reader.muted_until = max(reader.muted_until, until)
        if reader.muted_until and reader.sock.fileno() >= 0:
            self._muted.add(reader)
            self._hear_or_not(reader)

    def _answer(self, reader: Reader, request: Subscribe | Page | Command) -> Reply:
        if not isinstance(request, Subscribe):
            return self._answerer.answer(request, reader.peer)
        try:
            topics = known(request.topics)
        except ValueError as error:
            return Reply(request.id, False, str(error))
        if not 0.01 <= request.hz <= RATE_MAX:
            return Reply(request.id, False, f"hz must be from 0.01 to {RATE_MAX:g}, not {request.hz:g}")
        new = topics - reader.topics
        reader.subscribe(topics, request.hz)
        self._count()
        self._begin(reader, new)
        data: dict[str, Any] = {
            "topics": sorted(topics), "hz": min(request.hz, self.rate), "event": self._last_event
        }  # fmt: skip
        return Reply(request.id, True, "subscribed", data)

    # -- time ---------------------------------------------------------------------------------------------------------

    @property
    def due(self) -> float | None:
        """When `tick` is to be called, by the monotonic clock; None: it need not."""
        if not self._muted and not self._closed_until:
            return None
        times = [reader.muted_until for reader in self._muted]
        if self._closed_until:
            times.append(self._closed_until)
        return min(times, default=None)

    def tick(self, now: float) -> None:
        """Listen again to those who were not for a while."""
        if self._closed_until and now >= self._closed_until:
            self._closed_until = 0.0
            self._loop.mute(self._listener.fileno(), False)
        for reader in [reader for reader in self._muted if now >= reader.muted_until]:
            self._muted.discard(reader)
            reader.muted_until = 0.0
            self._hear_or_not(reader)

    def _hear_or_not(self, reader: Reader) -> None:
        """One that asks without end, or does not take the answers, is not listened to for a while."""
        fd = reader.sock.fileno()
        if fd >= 0:
            self._loop.mute(fd, bool(reader.muted_until) or reader.unanswered)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _leave(self, reader: Reader) -> None:
        fd = reader.sock.fileno()
        if fd >= 0 and self._readers.pop(fd, None) is not None:
            self._muted.discard(reader)
            self._count()
            self._loop.unwatch(fd)
            reader.sock.close()

    def close(self) -> None:
        """Let the readers go, and take the socket's file away. One that does not read does not hold us up."""
        until = time.monotonic() + _FAREWELL
        for reader in list(self._readers.values()):
            with contextlib.suppress(OSError):
                reader.part(lambda: until - time.monotonic())
            self._leave(reader)
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
        with contextlib.suppress(OSError):  # another engine's socket is in there
            self.path.parent.rmdir()
