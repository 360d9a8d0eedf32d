"""The line to the recorder: messages to another process, kept until they are in the database.

A recorder that dies is replaced, and what it had not confirmed is sent again: whoever writes it down ignores what is
there already. One that can't be kept alive is given up after `_TRIES` deaths without a commit between them.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from engine.procs.system import is_stopped
from engine.runtime.fleet.deaths import how
from engine.runtime.fleet.launch import StartError, launch
from engine.runtime.fleet.loop import Loop
from engine.runtime.record.bounds import bounded
from engine.runtime.record.told import Told
from engine.settings.types import Durability
from engine.store import messages
from engine.stream.types import Level
from engine.wire import channel
from engine.wire.memory import Parcel, stow_some

_NONE: Final[list[Parcel]] = []
"""Beside most messages."""


class RecordError(StartError):
    """Nothing can be recorded where a run is to be."""


Say = Callable[[Level, str, str, dict[str, Any]], None]
"""Told of what happens: level, kind, text, data of an event."""

_LAST_WORDS: Final = 10.0
_START: Final = 30.0
_WAIT_TOLD: Final = 10.0
"""Seconds between two lines about what takes long."""
_TRIES: Final = 10
_STARTS: Final = 3
"""Recorders that are started before one has begun, if each is killed."""
_DELAY: Final = 0.05
"""Seconds before the second recorder in a row is started without a commit of the first; doubling from there."""
_LONGEST_DELAY: Final = 5.0
_TOGETHER: Final = 0.05
"""Seconds that messages may wait to be sent together, while whoever waits for what they say could not do anything."""
_MANY: Final = 32 << 10
"""Bytes, by weight, that are sent at once: 256 tasks, each of which counts for 128."""
DATAGRAM: Final = 180_000
"""Bytes of one, at the most: a socket of an unprivileged user takes 212,960."""
_MESSAGE_BYTES: Final = 200
"""What a message that waits counts for beside its own bytes: about what Python takes for it."""
_COUNT: Final = 10_000
"""Messages in one datagram at the most."""
_SILENCE: Final = 5.0
"""Seconds without a word after which a recorder that owes one is looked at."""


class Line:
    """One run's recorder process, whichever it is by now, and the channel to it.

    Attributes:
        told: messages so far.
        safe: of these, from the first on, so many are in the database, or in the file that stands in for it.
        bytes: of the messages that are not.
        large: bytes of the large results beside these.
        lost: why nothing is recorded any more.
        held: why the database takes nothing for now; "" where it does.
        rows: written by recorders, each task counting as one.
        on_commit: called with the seconds that a commit took.
        on_safe: called when `safe` has grown, and when the line is lost.
    """

    def __init__(self, loop: Loop, database: Path, durability: Durability, say: Say) -> None:
        """Start the recorder. Raises `StartError`."""
        self.loop = loop
        self._database = database
        self._durability = durability
        self._say = say
        self.told = self.safe = self.bytes = self.large = 0
        self.lost: str | None = None
        self.held = ""
        self.on_safe: Callable[[], None] = lambda: None
        self.on_commit: Callable[[float], None] = lambda seconds: None
        self.rows = 0
        self._complaints: list[messages.Complaint] = []
        """Of recorders, not told yet."""
        self._opening: list[bytes] = []
        """What every recorder must hear first."""
        self._kept: deque[Told] = deque()
        """Messages that are not safe."""
        self._unsent: list[Told] = []
        """The last of these, which wait to be sent together."""
        self._unsent_weight = 0
        self._unsent_since = 0.0
        self._heard = 0
        """How much of `told` a recorder knows before it is sent what is kept, minus the messages of the opening."""
        self._ready = self._was_ready = False
        self._deaths = 0
        """In a row, without a commit between them."""
        self._again = 0.0
        """When to start another one, 0 if one is there."""
        self._heard_at = 0.0
        """When it last said something, or first had something to confirm; when it was looked at since."""
        self._silent = False
        """Whether it was told that it says nothing."""
        self._waits: Callable[[str], None] = lambda text: None
        self._waited = -math.inf
        """When it was last told what takes long."""
        self._dying: list[subprocess.Popen[bytes]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = channel.buffer(1 << 16)
        self._start()

    def _start(self) -> None:
        """Raises `StartError`."""
        flag = "again" if self._was_ready else "first"
        self._process, sock = launch(
            "engine.store.recorder", str(self._database), "FD", str(os.getpid()), self._durability, flag
        )
        self._again, self._ready = 0.0, False
        self._heard_at = time.monotonic()
        self._sock: socket.socket = sock
        self._receiver = channel.Receiver(sock, self._buffer)
        self._outbox = channel.Outbox(sock)
        self.loop.watch(sock.fileno(), self._read)
        self._heard = self.safe - len(self._opening)
        self._unsent = [*(Told(data, len(data), _NONE, 0) for data in self._opening), *self._kept]
        self.push()

    def wait_ready(self, waits: Callable[[str], None] = lambda text: None) -> None:
        """Wait until the database is open. `waits` hears what takes long. Raises `RecordError` if it can't be."""
        self._waits, self._waited = waits, -math.inf
        while not self._ready and self.lost is None:
            if self._process is None:  # somebody has killed it before it had begun
                self._start()
            poller = select.poll()
            poller.register(self._sock, select.POLLIN)
            if not poller.poll(_START * 1000):
                self.lost = "the recorder does not answer"
            self._read()
        if self.lost is not None:
            raise RecordError(self.lost)

    @property
    def quiet(self) -> bool:
        """Whether all that was told is safe, or never will be."""
        return self.safe >= self.told or self.lost is not None

    @property
    def ready(self) -> bool:
        """Whether there is a recorder, and it has its database open."""
        return self._process is not None and self._ready

    @property
    def pid(self) -> int | None:
        """Of the recorder there is now."""
        return self._process.pid if self._process is not None else None

    def tell(self, message: messages.ToRecorder) -> None:
        """Send a message now or later, in order. Of one that is too long, texts are cut."""
        data = messages.encode(message)
        if len(data) > DATAGRAM:
            for part in bounded(message):
                self._tell(part, messages.encode(part))
        else:
            self._tell(message, data)

    def _tell(self, message: messages.ToRecorder, data: bytes) -> None:
        if len(data) > DATAGRAM:
            text = f"a message is too long to be recorded ({type(message).__name__}, {len(data):,} bytes)"
            self._complaints.append(messages.Complaint(1, text))
            return
        if isinstance(message, messages.Opening):
            self._opening.append(data)
        self.send(data, len(data) + _MESSAGE_BYTES)

    def send(self, data: bytes, weight: int, parcels: list[Parcel] | None = None) -> None:
        """Send an encoded message, no longer than `DATAGRAM`, which counts for so many of the `bytes` as long as it is
        kept, and beside it
        `parcels`, no more than `engine.wire.values.PARCELS_SENT`.
        """
        if self.lost is None:
            self._put(Told(data, weight, parcels or _NONE, sum(parcel.size() for parcel in parcels or _NONE)))

    def hold(self, encode: Callable[[], bytes], weight: int) -> Told | None:
        """As `send`, of a message that may still grow (`grow`) until it is sent: only then it is encoded. None: nothing
        is recorded any more.
        """
        if self.lost is not None:
            return None
        told = Told(None, weight, _NONE, 0, encode)
        self._put(told)
        return told

    def grow(self, told: Told, weight: int) -> None:
        """A message that is held has got more in it."""
        if self.lost is not None:
            return
        told.weight += weight
        self.bytes += weight
        if self._process is not None:
            self._unsent_weight += weight
            if self._unsent_weight >= _MANY:
                self.push()

    def _put(self, told: Told) -> None:
        if not self._kept:
            self._heard_at = time.monotonic()
        self.told += 1
        self.bytes += told.weight
        self.large += told.large
        self._kept.append(told)
        if self._process is None:
            return
        if not self._unsent:
            self._unsent_since = time.monotonic()
        self._unsent.append(told)
        self._unsent_weight += told.weight + told.large
        if self._unsent_weight >= _MANY:
            self.push()

    def push(self) -> None:
        """Send what waits to be sent together."""
        together: list[bytes] = []
        size = 0
        for told in self._unsent:
            data, beside = told.encoded(), told.parcels
            if together and (beside or size + len(data) > DATAGRAM or len(together) == _COUNT):
                self._outbox.put(messages.packed(together))
                together, size = [], 0
            if beside:  # alone: so it is known whose they are
                self._outbox.put(messages.packed([data]), beside)
                if not len(self._outbox):  # a copy is under way, and descriptors may be wanted elsewhere
                    stow_some(beside)
                continue
            together.append(data)
            size += len(data)
        if together:
            self._outbox.put(messages.packed(together))
        self._unsent.clear()
        self._unsent_weight = 0
        if len(self._outbox):
            self.loop.when_room(self._sock.fileno(), self._room)

    def _room(self) -> None:
        if self._outbox.flush():
            self.loop.when_room(self._sock.fileno(), None)

    # -- what it says -------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while (received := self._receiver.receive()) is not None:
                self._hear(messages.from_recorder.decode(received[0]))
        except channel.Closed:
            self._died()

    def _hear(self, answer: messages.FromRecorder) -> None:
        self._heard_at = time.monotonic()
        if self._silent:
            self._silent = False
            self._say("info", "recorder.answers", "the recorder answers again", {})
        match answer:
            case messages.Committed():
                self._deaths = 0
                self._hold("")
                self.rows += answer.rows
                if answer.seconds:
                    self.on_commit(answer.seconds)
                self._forget(answer.count + self._heard)
            case messages.Complaint():
                self._complaints.append(answer)
            case messages.Held():
                self._hold(answer.why)
            case messages.Busy():
                self._wait(answer.text)
            case messages.Aside():
                self._say("error", "recorder.aside", answer.text, {"file": answer.path})
            case messages.Ready() if answer.error:
                self._lose(answer.error)
            case messages.Ready():
                self._ready = True
                if self._was_ready:
                    self._say("info", "recorder.restarted", "another recorder has taken over", {"pid": self.pid})
                self._was_ready = True

    def _wait(self, text: str) -> None:
        """The recorder is not ready yet, and says why."""
        now = time.monotonic()
        if now - self._waited < _WAIT_TOLD:
            return
        self._waited = now
        if self._was_ready:
            self._say("info", "recorder.busy", f"another recorder is {text}", {})
        else:
            self._waits(text)

    def speak(self) -> None:
        """Tell of what recorders have complained of, once somebody listens."""
        if self._complaints:
            count, text = sum(found.count for found in self._complaints), self._complaints[0].text
            self._complaints.clear()
            more = f" (and {count - 1:,} more)" if count > 1 else ""
            text = f"not all that was told could be recorded: {text}{more}"
            self._say("error", "recorder.complaint", text, {"count": count})

    def _forget(self, safe: int) -> None:
        """All up to here is safe."""
        if safe <= self.safe:
            return
        for _ in range(safe - self.safe):
            told = self._kept.popleft()
            self.bytes -= told.weight
            self.large -= told.large
        self.safe = safe
        self.on_safe()

    def _hold(self, why: str) -> None:
        if why and not self.held:
            text = f"no results are passed on for now, and no tasks begun: {why}; they go on as soon as that is over"
            self._say("warning", "recorder.held", text, {"why": why})
        elif self.held and not why:
            self._say("info", "recorder.resumed", "the database takes results again", {})
        self.held = why

    def _lose(self, why: str) -> None:
        if self.lost is None:
            self.lost = why
            self._kept.clear()
            self._unsent.clear()
            self.bytes = self.large = self._unsent_weight = 0
            self.on_safe()

    # -- its death ----------------------------------------------------------------------------------------------------

    def _died(self) -> None:
        process = self._process
        if process is None:
            return
        self.loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._process = None
        self._unsent.clear()
        self._unsent_weight = 0
        try:
            status = process.wait(1.0)
        except subprocess.TimeoutExpired:  # it has hung up, and lives: no recorder of ours does that
            process.kill()
            status = -9
            self._dying.append(process)
        if self.lost is not None:
            return
        self._deaths += 1
        if not self._was_ready:
            if status >= 0 or self._deaths >= _STARTS:  # it ends by itself if it can't begin, and has said why
                self._lose(f"the recorder {how(status)}")
            return
        if self._deaths >= _TRIES:
            self._lose(f"{_TRIES} recorders died one after the other; the last one {how(status)}")
            return
        text = f"the recorder {how(status)}: another one is started, and told again what was not in the database"
        self._say("warning", "recorder.died", text, {"pid": process.pid, "status": status})
        delay = 0.0 if self._deaths == 1 else min(_LONGEST_DELAY, _DELAY * 2**self._deaths)
        self._again = time.monotonic() + delay

    @property
    def due(self) -> float | None:
        """When `tick` is to be called, by the monotonic clock; None: it need not."""
        if self._process is None:
            return self._again or None
        if self._unsent:
            return self._unsent_since + _TOGETHER
        return self._heard_at + _SILENCE if self._kept else None

    def tick(self) -> None:
        """Start another recorder if it is time; see to one that says nothing."""
        now = time.monotonic()
        if self.due is None or now < self.due or self.lost is not None:
            return
        if self._process is not None:
            if self._unsent:
                self.push()
            if now >= self._heard_at + _SILENCE:
                self._look_at(self._process)
                self._heard_at = now
            return
        self._dying = [process for process in self._dying if process.poll() is None]
        try:
            self._start()
        except StartError as error:
            self._deaths += 1
            self._again = now + _LONGEST_DELAY
            if self._deaths >= _TRIES:
                self._again = 0.0
                self._lose(str(error))

    def _look_at(self, process: subprocess.Popen[bytes]) -> None:
        """It owes us an answer. Large writes may take long; but one that was stopped never gives any."""
        if is_stopped(process.pid):
            self._say("warning", "recorder.stopped", "the recorder was stopped, and is replaced", {"pid": process.pid})
            process.kill()
        elif not self._silent and not self.held:
            self._silent = True
            text = f"the recorder has not answered for {_SILENCE:g} s: results wait for it"
            self._say("warning", "recorder.silent", text, {"pid": process.pid})

    # -- the end ------------------------------------------------------------------------------------------------------

    def close(self, given_up: bool = False) -> None:
        """Let it commit and end, and wait for that; not for long if the user has given it up."""
        process, self._process, self._again = self._process, None, 0.0
        if process is not None:
            self.loop.unwatch(self._sock.fileno())
            self.push()
            with contextlib.suppress(OSError):
                self._sock.settimeout(_LAST_WORDS)  # what waits to be sent; unless it is stuck: then it is lost
                self._outbox.flush()
                self._sock.shutdown(socket.SHUT_WR)  # even if a fork of the user's holds our end
            self._sock.close()
            self._dying.append(process)
        for process in self._dying:
            try:
                process.wait(0.2 if given_up else 60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._dying.clear()
