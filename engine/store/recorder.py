"""The recorder: a process of its own that writes one run to the database, so no commit holds up the engine.

It commits whenever the engine has nothing more to say, and at the latest after `ROWS` rows or `PATIENCE`
seconds. While the database does not take them (another writer, a full disk) messages are kept and tried
again; from `BACKLOG` bytes on none is received, and the engine feels that its channel is full. It outlives
its engine by as long as it takes to write what was said.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final

from engine.store.messages import (
    MESSAGE_MAX,
    Committed,
    Ended,
    Finished,
    Flush,
    FromRecorder,
    Happened,
    Ready,
    ToRecorder,
    encode,
    to_recorder,
)
from engine.store.places import is_gone
from engine.store.schema import StoreError, explain, is_busy, open_database, primary
from engine.store.writer import Writer
from engine.stream.types import UNREADABLE
from engine.wire.channel import Closed, Outbox, Receiver, buffer

ROWS: Final = 4096
"""Rows that are committed together at the most, but for those of the last message."""
PATIENCE: Final = 0.05
"""Seconds from the first message of a transaction to its commit, at the most, while messages keep coming."""
BACKLOG: Final = 32 << 20
"""Bytes of messages kept while the database does not take them."""
_RETRY: Final = 0.05
_LAST_TRIES: Final = 60.0
"""Seconds to go on trying once the engine is gone."""
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""Complaints of SQLite's that may be over when it is asked again."""


def _rows(message: ToRecorder) -> int:
    match message:
        case Finished():
            return len(message.results)
        case Ended():
            return message.count
        case Happened():
            return len(message.events)
        case _:
            return 1


def _say(text: str) -> None:
    """One line on standard error, if anybody has it open."""
    with contextlib.suppress(OSError, ValueError):
        print(f"shoal recorder: {text}", file=sys.stderr, flush=True)


class Recorder:
    """Takes messages from a channel and hands them to a writer. It owns neither connection nor socket."""

    def __init__(self, path: Path, db: sqlite3.Connection, sock: socket.socket, engine: int) -> None:
        """`engine`: a pidfd, or -1 where the engine is gone already."""
        self._path = path
        self._writer = Writer(db)
        self._db = db
        self._outbox = Outbox(sock)
        self._receiver = Receiver(sock, buffer(MESSAGE_MAX))
        self._channel = sock.fileno()
        self._engine = engine
        self._gone_at: float | None = None
        """When the engine was seen to be gone: from then on nothing more is put into the channel."""
        self._over = False
        """Whether the channel is empty for good."""
        self._ends = 0
        self._held: list[ToRecorder] = []
        self._rows = 0
        self._bytes = 0
        self._since = 0.0
        self._stuck = False
        """Whether the database did not take what is held."""
        self._told = False
        self._give_up = math.inf

    def run(self) -> bool:
        """Record until the engine is gone and all is written. False if something could not be. Raises
        `StoreError`.
        """
        if self._engine < 0:
            self._lost()
        while True:
            self._take()
            if self._held:
                if self._commit():
                    continue
                if time.monotonic() > self._give_up:
                    _say(f"gave up: {self._rows} rows were not recorded")
                    return False
                self._pause()
            elif self._over:
                return self._finish()
            else:
                self._wait()

    def _wait(self) -> None:
        """Until there is something to do: a message, room for an answer, the engine's death."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN | (select.POLLOUT if len(self._outbox) else 0))
        if self._gone_at is None:
            poller.register(self._engine, select.POLLIN)
        if any(fd == self._engine for fd, _ in poller.poll()):
            self._lost()
        self._outbox.flush()

    def _pause(self) -> None:
        """For a while before the database is asked again."""
        if self._gone_at is not None:
            time.sleep(_RETRY)
            return
        poller = select.poll()
        poller.register(self._engine, select.POLLIN)
        if poller.poll(_RETRY * 1000):
            self._lost()

    def _lost(self) -> None:
        if self._gone_at is None:
            self._gone_at = time.time()
            self._give_up = time.monotonic() + _LAST_TRIES

    def _enough(self) -> bool:
        """Whether a transaction should not wait for more messages."""
        if self._stuck or not self._held:
            return self._bytes >= BACKLOG
        return self._rows >= ROWS or time.monotonic() - self._since >= PATIENCE

    def _take(self) -> None:
        """Take messages until there are no more now, or enough for a transaction."""
        while not self._over and not self._enough():
            try:
                received = self._receiver.receive(socket.MSG_DONTWAIT)
            except Closed:
                # An engine that dies with an answer unread leaves an error in front of its last messages. So
                # the first end is not believed, only the second one.
                self._ends += 1
                if self._ends == 2:
                    self._over = True
                    self._lost()
                continue
            except ValueError as error:
                _say(f"a message was not recorded: {error}")
                continue
            if received is None:
                # A dead engine's end may stay open in a process that it forked; nobody writes to it.
                self._over = self._gone_at is not None
                return
            view, parcels = received
            for parcel in parcels:
                parcel.close()
            self._hold(view)

    def _hold(self, view: memoryview) -> None:
        try:
            message = to_recorder.decode(view)
        except UNREADABLE as error:
            _say(f"a message was not understood: {error}")
            return
        if not self._held:
            self._since = time.monotonic()
        self._held.append(message)
        self._rows += _rows(message)
        self._bytes += len(view)

    def _commit(self) -> bool:
        """Write what is held and answer. False if the database doesn't take it now. Raises `StoreError` if it
        never will.
        """
        try:
            complaints = self._writer.write(self._held, time.time())
        except sqlite3.Error as error:
            self._excuse(error)
            self._stuck = True
            return False
        self._stuck = False
        if self._told:
            _say("the database takes rows again")
            self._told = False
        for complaint in complaints:
            _say(complaint)
        for message in self._held:
            if type(message) is Flush:
                self._outbox.put(encode(Committed(message.number)))
        self._held.clear()
        self._rows = self._bytes = 0
        return True

    def _excuse(self, error: sqlite3.Error) -> None:
        if primary(error) not in _PASSING:
            raise explain(self._path, error) from error
        if not is_busy(error) and not self._told:
            _say(f"{self._path} takes no rows for now, they are kept: {error}")
            self._told = True

    def _finish(self) -> bool:
        """Everything is written: say how the run ended, if it did not say so itself."""
        while self._writer.run is not None and not self._writer.ended:
            try:
                self._writer.crash(self._gone_at or time.time())
                break
            except sqlite3.Error as error:
                self._excuse(error)
                if time.monotonic() > self._give_up:
                    _say("gave up: the run still says that it is running")
                    return False
                time.sleep(_RETRY)
        with contextlib.suppress(sqlite3.Error):  # only advice to the query planner
            self._db.execute("PRAGMA analysis_limit = 400")
            self._db.execute("PRAGMA optimize")
        return True


def sweep(db: sqlite3.Connection) -> None:
    """Runs that say they are running while their engine is gone have crashed: when they were last seen.
    Raises sqlite3.Error.

    Their recorder was killed too, or the machine went down.
    """
    query = "SELECT id, pid, process FROM runs WHERE status = 'running'"
    gone = [(run,) for run, pid, process in db.execute(query).fetchall() if is_gone(pid, process)]
    if gone:
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "UPDATE runs SET status = 'crashed', ended = max(started, seen) WHERE id = ? AND status = 'running'",
                gone,
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise


def _tell(sock: socket.socket, message: FromRecorder) -> None:
    with contextlib.suppress(OSError):  # the engine is gone: nobody needs to know
        sock.send(encode(message))


def _record(path: Path, sock: socket.socket, engine: int) -> bool:
    try:
        db = open_database(path)
    except StoreError as error:
        _tell(sock, Ready(str(error)))
        return False
    with contextlib.closing(db):
        with contextlib.suppress(sqlite3.Error):  # another recorder is at it; there will be a next time
            sweep(db)
        _tell(sock, Ready(""))
        sock.setblocking(False)
        try:
            return Recorder(path, db, sock, engine).run()
        except StoreError as error:
            _say(str(error))
            _tell(sock, Ready(str(error)))
            return False


def main() -> None:
    """Record one run. ``sys.argv``: the database, our end of the channel (a descriptor), the engine's pid."""
    # It ends when its engine does, however that ends, and not because somebody at the terminal or the system
    # wants all to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("shoal-recorder")
    path, channel, pid = Path(sys.argv[0]), int(sys.argv[1]), int(sys.argv[2])
    try:
        engine = os.pidfd_open(pid)
    except OSError:
        engine = -1
    with socket.socket(fileno=channel) as sock:
        well = _record(path, sock, engine)
    if engine >= 0:
        os.close(engine)
    raise SystemExit(0 if well else 1)
