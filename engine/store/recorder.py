"""The recorder: a process of its own that writes one run to the database, so no commit holds up the engine.

It commits whenever the engine has nothing more to say, and at the latest after so many rows or so long as `intake`
says; then it tells how many messages are safe. While the database does not take them (another writer, a full disk)
they are kept and tried again, which the engine is told; when too many are kept none is received. Once the database
can't be used any more (damaged, moved away, on a file system that became read-only), messages go to a file that stands
in for it. It outlives its engine by as long as it takes to write what was said.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import select
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final

from engine.store.aside import Aside, fold_in
from engine.store.intake import Intake
from engine.store.liveness import Life, sweep
from engine.store.messages import Aside as ToldAside
from engine.store.messages import (
    Busy,
    Committed,
    Complaint,
    FromRecorder,
    Held,
    Opening,
    Ready,
    RunBegan,
    ToRecorder,
    encode,
)
from engine.store.pieces import encoded
from engine.store.schema import FAULTS, StoreError, explain, is_busy, is_full, open_database, primary
from engine.store.writer import Writer
from engine.wire.channel import Outbox

_RETRY: Final = 0.05
_LAST_TRIES: Final = 60.0
"""Seconds to go on trying once the engine is gone."""
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""Complaints of SQLite's that will be over one day, when it is asked again."""
_DOUBTFUL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""Those that may be over, or may not."""
_DOUBT: Final = 5.0
"""Seconds after which these are taken for lasting."""
_SHORT: Final = 1.0
"""Seconds that another writer may be in the way before the engine is told."""


def _say(text: str) -> None:
    """One line on standard error, if anybody has it open."""
    with contextlib.suppress(OSError, ValueError):
        print(f"shoal recorder: {text}", file=sys.stderr, flush=True)


class Recorder:
    """Takes messages from a channel and hands them to a writer. It owns neither connection nor socket."""

    def __init__(self, path: Path, sock: socket.socket, engine: int, durability: str) -> None:
        """`engine`: a pidfd, or -1 where the engine is gone already."""
        self._path = path
        self._durability = durability
        self._db: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._file = (0, 0)
        """Device and inode of the database."""
        self._aside: Aside | None = None
        self._why_aside = ""
        """Why the database can't be used any more."""
        self._opening: list[ToRecorder] = []
        """Messages that whoever goes on in another place must have, as far as they are safe."""
        self._outbox = Outbox(sock)
        self._intake = Intake(sock, self.complain)
        self._channel = sock.fileno()
        self._engine = engine
        self._gone_at: float | None = None
        """When the engine was seen to be gone: from then on nothing more is put into the channel."""
        self._complaints: list[str] = []
        """What the engine is to be told of, with the next answer."""
        self._answered = 0
        self._life: Life | None = None
        """The lock of the run."""
        self._stuck_since: float | None = None
        """Since when what is held can't be written."""
        self._told = ""
        self._give_up = math.inf
        if engine < 0:
            self._lost()

    def close(self) -> None:
        """Give back the lock of the run."""
        if self._life is not None:
            self._life.close()

    def use(self, db: sqlite3.Connection) -> None:
        """Write to this database, which is that at the path."""
        self._db, self._writer = db, Writer(db)
        self._file = self._there()

    def stand_aside(self, error: StoreError) -> None:
        """Write to a file that stands in for the database, which can't be used any more."""
        self._why_aside = str(error)
        self._writer = None

    def _there(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def run(self) -> bool:
        """Record until the engine is gone and all is written. False if something could not be. Raises
        `StoreError` where this run can't be recorded at all, or not any further.
        """
        while True:
            self._take()
            if self._intake.starved:
                _say("no descriptor is left for a large result (ulimit -n)")
                return False  # with a loss that another one may be spared, who will be told again
            if self._intake.held:
                if self._commit():
                    continue
                if self.late:
                    if self._writer is None:
                        _say(f"gave up: {self._intake.rows} rows were not recorded")
                        return False
                    self.stand_aside(StoreError(self._told or f"{self._path} takes no rows"))
                    continue
                self.pause()
            elif self._answered < self._intake.received:
                self._answer()
            elif self._intake.unfit:
                raise StoreError(self._intake.unfit)
            elif self._intake.over:
                return self._finish()
            else:
                self._wait()

    def _take(self) -> None:
        self._intake.take(self._gone_at is not None, self._stuck_since is not None)
        if self._intake.over:
            self._lost()
        if self._life is None and (began := self._began()) is not None:
            self._life = Life(self._path, began.run, began.resumed)

    def _wait(self) -> None:
        """Until there is something to do: a message, room for an answer, the engine's death."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN | (select.POLLOUT if len(self._outbox) else 0))
        if self._gone_at is None:
            poller.register(self._engine, select.POLLIN)
        if any(fd == self._engine for fd, _ in poller.poll()):
            self._lost()
        self._outbox.flush()

    def pause(self) -> None:
        """For a while before the database is asked again."""
        if self._gone_at is not None:
            time.sleep(_RETRY)
            return
        poller = select.poll()
        poller.register(self._engine, select.POLLIN)
        if poller.poll(_RETRY * 1000):
            self._lost()
        self._outbox.flush()

    def _lost(self) -> None:
        if self._gone_at is None:
            self._gone_at = time.time()
            self._give_up = time.monotonic() + _LAST_TRIES

    @property
    def late(self) -> bool:
        """Whether the engine has been gone for so long that the database is not waited for any more."""
        return time.monotonic() > self._give_up

    # -- writing ---------------------------------------------------------------------------------------------

    def _commit(self) -> bool:
        """Write what is held and answer. False if nothing takes it now. Raises `StoreError` if it never will."""
        began = time.monotonic()
        written = self._to_database() if self._writer is not None else self._to_file()
        if not written:
            return False
        rows, seconds = self._intake.rows, time.monotonic() - began
        self._stuck_since = None
        if self._told:
            _say("rows are taken again")
            self._told = ""
        self._opening += [held for held in self._intake.held if isinstance(held, Opening)]
        self._answer(rows, seconds)
        return True

    def _answer(self, rows: int = 0, seconds: float = 0.0) -> None:
        """All that has come is written, but for what is complained of."""
        self._intake.written()
        self._answered = self._intake.received
        if self._complaints:
            self._tell(Complaint(len(self._complaints), self._complaints[0]))
            self._complaints.clear()
        self._tell(Committed(self._intake.received, rows, seconds))

    def complain(self, text: str) -> None:
        """Something can't be written, and never will be."""
        _say(text)
        self._complaints.append(text)

    def _to_database(self) -> bool:
        assert self._writer is not None
        if self._there() != self._file:
            self.stand_aside(StoreError(f"{self._path} was moved, replaced or deleted"))
            return self._to_file()
        try:
            complaints = self._writer.write(self._intake.held, time.time())
        except FAULTS as error:
            if self._excused(error):
                return False
            self.stand_aside(explain(self._path, error))
            return self._to_file()
        for complaint in complaints:
            self.complain(complaint)
        if self._writer.run is None:
            raise StoreError(f"the run has no beginning: {next(iter(complaints), 'nothing was understood')}")
        return True

    def _to_file(self) -> bool:
        try:
            if self._aside is None:
                if (began := self._began()) is None:
                    raise StoreError(self._why_aside)
                aside = Aside(self._path, began.run, self._durability == "full")
                try:
                    aside.append(encoded((*self._opening, *self._intake.held), self.complain))
                except OSError:
                    aside.close()
                    raise
                self._aside = aside
                text = f"{self._why_aside}: this run goes on in {aside.path}, for the next run to take in"
                _say(text)
                self._tell(ToldAside(str(aside.path), text))
            else:
                self._aside.append(encoded(self._intake.held, self.complain))
        except OSError as error:
            self.excuse(f"{self._why_aside}, and no other place takes anything ({error.strerror or error})")
            return False
        return True

    def _began(self) -> RunBegan | None:
        return next(
            (message for message in (*self._opening, *self._intake.held) if isinstance(message, RunBegan)), None
        )

    def _excused(self, error: Exception) -> bool:
        """Whether to try again: what the database complains of will be over, or may be."""
        code, since = primary(error), self._stuck_since
        stuck = 0.0 if since is None else time.monotonic() - since
        if code in _DOUBTFUL and stuck > _DOUBT and not is_full(self._path, error):
            return False
        if code not in _PASSING and code not in _DOUBTFUL:
            return False
        self.excuse(str(explain(self._path, error)), stuck > _SHORT or not is_busy(error))
        return True

    def excuse(self, why: str, aloud: bool = True) -> None:
        """Nothing can be written for now, which the engine is told, once, if `aloud`."""
        if self._stuck_since is None:
            self._stuck_since = time.monotonic()
        if aloud and not self._told:
            self._told = why
            _say(f"no rows are taken for now, they are kept: {why}")
            self._tell(Held(why))

    def _tell(self, message: FromRecorder) -> None:
        if self._gone_at is None:
            self._outbox.put(encode(message))

    def busy(self, text: str) -> None:
        """Something takes long before the engine may begin."""
        _say(text)
        self._tell(Busy(text))

    def ready(self) -> None:
        """The engine may begin."""
        self._tell(Ready(""))

    def _finish(self) -> bool:
        """Everything is written: say how the run ended, if it did not say so itself."""
        if self._aside is not None:
            self._aside.close()
        writer = self._writer
        if writer is None or self._db is None:
            return True
        while writer.run is not None and not writer.ended:
            try:
                writer.crash(self._gone_at or time.time())
                break
            except FAULTS as error:
                if not self._excused(error):
                    raise explain(self._path, error) from error
                if self.late:
                    _say("gave up: the run still says that it is running")
                    return False
                time.sleep(_RETRY)
        # Advice to the query planner; then the log is folded in, for who reads on when we have closed it can't do that.
        for words in ("analysis_limit = 400", "optimize", "wal_checkpoint(TRUNCATE)"):
            with contextlib.suppress(*FAULTS):
                self._db.execute(f"PRAGMA {words}").fetchone()
        return True


def _open(path: Path, durability: str, recorder: Recorder) -> sqlite3.Connection:
    """The database, with what was put aside for it. Raises `StoreError`."""
    db = open_database(path, durability)
    try:
        with contextlib.suppress(*FAULTS):  # another recorder is at it; there will be a next time
            fold_in(path, db, _say, recorder.complain, busy=recorder.busy)
            sweep(db)
    except BaseException:
        db.close()
        raise
    return db


def _record(path: Path, sock: socket.socket, engine: int, durability: str, again: bool) -> bool:
    recorder = Recorder(path, sock, engine, durability)
    db: sqlite3.Connection | None = None
    try:
        while db is None:
            try:
                db = _open(path, durability, recorder)
            except StoreError as error:
                cause = error.__cause__
                if not again:
                    raise
                # An engine relies on us to take the place of another recorder: it can't be refused any more.
                passes = cause is not None and (primary(cause) in _PASSING or is_full(path, cause))
                if passes and not recorder.late:
                    recorder.excuse(str(error))
                    recorder.pause()
                    continue
                recorder.stand_aside(error)
                break
        sock.setblocking(False)
        if db is not None:
            recorder.use(db)
        recorder.ready()
        return recorder.run()
    except StoreError as error:
        _say(str(error))
        with contextlib.suppress(OSError):  # the engine is gone: nobody needs to know
            sock.send(encode(Ready(str(error))))
        return False
    finally:
        recorder.close()
        if db is not None:
            db.close()


def main() -> None:
    """Record one run. ``sys.argv``: the database, our end of the channel (a descriptor), the engine's pid, how durable
    (`Settings.record_durability`), ``again`` if this takes the place of a recorder that died.
    """
    # It ends when its engine does, however that ends, and not because somebody at the terminal or the system
    # wants all to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("shoal-recorder")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # large results take one each
    path, channel, pid, durability = Path(sys.argv[0]), int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        engine = os.pidfd_open(pid)
    except OSError:
        engine = -1
    with socket.socket(fileno=channel) as sock:
        well = _record(path, sock, engine, durability, sys.argv[4] == "again")
    if engine >= 0:
        os.close(engine)
    raise SystemExit(0 if well else 1)
