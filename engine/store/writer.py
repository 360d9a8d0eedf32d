"""What a recorder is told, as rows: many messages in one transaction, and all of them or none.

It knows no clock and no channel. Whatever one message says, it never keeps the others
from being written; what the *database* says (busy, full) is raised, nothing has changed then, and the same
messages can be written again.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from engine.store import aging
from engine.store.columns import as_json, clean
from engine.store.liveness import is_gone
from engine.store.messages import (
    AlertNow,
    Attempt,
    BeginningPart,
    Distribution,
    Ended,
    Finished,
    Happened,
    ItemsRead,
    JobMade,
    Measured,
    Moment,
    Piece,
    PoolMade,
    RunBegan,
    RunEnded,
    Sampled,
    SpecPart,
    ToRecorder,
    Total,
)
from engine.store.schema import StoreError
from engine.store.tasks import Tasks
from engine.store.texts import Texts

_NOT_LATE: Final = (BeginningPart, Happened, AlertNow, Total, RunEnded)
"""What is numbered among what came later, or replaced by it."""
_OUTPUT: Final = frozenset({"agent.stdout", "agent.stderr"})
"""Events that are lines of output."""


class Writer:
    """Writes the messages of one run. The connection is in autocommit mode (``isolation_level=None``)."""

    def __init__(self, connection: sqlite3.Connection, folding: bool = False) -> None:
        """`folding`: the messages were put aside, and may be of a run that was resumed since. Then what came of tasks
        counts, as if it had been told in time, and not how the run was, or ended. `tidy` comes last.
        """
        self._folding = folding
        self._late = False
        """Whether it is a run that was resumed since."""
        self._db = connection
        self._texts = Texts(connection)
        self._tasks = Tasks(connection, self._texts, folding)
        self._agents: list[tuple[range, str]] = []
        self._rolled_up = 0.0
        """When what is old was last made less."""
        self._resumed = 0
        self._events = 0
        """Events that were recorded before the run was resumed."""
        self._parts: dict[int, str] = {}
        """Of a beginning that did not fit one message."""
        self.run: str | None = None
        """Id of the run, once it is in the database."""
        self.ended = False
        """Whether the run's own end is in the database."""

    def write(self, messages: Sequence[ToRecorder], now: float) -> list[str]:
        """Write messages in one transaction; returns complaints of those that can't be written, one line
        each.

        `now`, seconds since the Unix epoch, is kept as the time when the run was last seen alive. Raises
        sqlite3.Error where the database does not take them now, or `StoreError` where the run's id is another
        run's, or its beginning can't be written: then none is written.
        """
        try:
            self._transaction(messages, now, None)
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
            pass
        except (TypeError, ValueError, OverflowError, LookupError):
            pass
        else:
            return list(self._tasks.unread)
        # One of them is at fault: again, each by itself. Never on the way of a healthy run, so it may be
        # slow.
        complaints: list[str] = []
        self._transaction(messages, now, complaints)
        return complaints + self._tasks.unread

    def _transaction(self, messages: Sequence[ToRecorder], now: float, complaints: list[str] | None) -> None:
        before = (
            self.run, self.ended, list(self._agents), self._events, self._resumed, dict(self._parts), self._late,
        )  # fmt: skip
        self._tasks.begin()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for message in messages:
                if complaints is None:
                    self._apply(message)
                else:
                    self._apply_alone(message, complaints)
            if self.run is not None:
                self._tasks.count(self.run, now)
            self._texts.write()
            db.execute("COMMIT")
            self._texts.done(committed=True)
        except BaseException:
            self._texts.done(committed=False)
            self.run, self.ended, self._agents, self._events, self._resumed, self._parts, self._late = before
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _apply_alone(self, message: ToRecorder, complaints: list[str]) -> None:
        db = self._db
        mark = self._tasks.mark()
        db.execute("SAVEPOINT one")
        try:
            self._apply(message)
            self._tasks.flush()
        except sqlite3.OperationalError:
            raise
        except (sqlite3.Error, TypeError, ValueError, OverflowError, LookupError) as error:
            self._tasks.back_to(mark)
            db.execute("ROLLBACK TO one")
            text = " ".join(str(error).split())
            if isinstance(message, RunBegan):
                raise StoreError(f"the beginning of run {message.run} can't be recorded: {text}") from error
            complaints.append(f"a message was not recorded ({type(message).__name__}: {type(error).__name__}: {text})")
        db.execute("RELEASE one")

    def _apply(self, message: ToRecorder) -> None:
        match message:
            case RunBegan():
                self._began(message)
                return
        run = self.run
        if run is None:
            raise ValueError("it came before the beginning of a run")
        if self._late and isinstance(message, _NOT_LATE):
            return
        db = self._db
        match message:
            case Finished():
                self._tasks.finished(run, message, self.agent(message.row))
            case Piece():
                self._tasks.piece(run, message)
            case Ended():
                self._tasks.ended(run, message)
            case Attempt() as tried:
                row = run, tried.job, tried.index, tried.attempt, tried.at, self.agent(tried.row), tried.pid
                db.execute(
                    "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, tried.kind, clean(tried.text)),
                )
                self._texts.add(run, "attempt", clean(tried.text), tried.at, tried.job, tried.index)
            case Happened():
                self._happened(run, message)
            case PoolMade() as pool:
                db.execute(
                    f"INSERT OR {'IGNORE' if self._late else 'REPLACE'} INTO pools VALUES (?, ?, ?, ?, ?, ?)",
                    (run, pool.pool, clean(pool.name), pool.first, pool.size, pool.shards),
                )
                # The newest first: a pool that has grown is told of again.
                self._agents.insert(0, (range(pool.first, pool.first + pool.size), clean(pool.name)))
            case JobMade() as job:
                db.execute(
                    "INSERT INTO jobs (run, job, name, call, pool) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE "
                    "SET name = excluded.name, call = excluded.call, pool = excluded.pool",
                    (run, job.job, clean(job.name), clean(job.call), job.pool),
                )
            case Sampled():
                self._sampled(run, message)
            case Moment() as moment:
                told = run, moment.at, self._resumed, self._events + moment.event, moment.keyframe, moment.data
                db.execute("INSERT OR IGNORE INTO moments VALUES (?, ?, ?, ?, ?, ?)", told)
            case Measured():
                for found in message.found:
                    self._distribution(run, found)
            case AlertNow():
                self._alert(run, message)
            case ItemsRead() as read:
                piece = run, read.first, len(read.items), as_json(read.items)
                db.execute("INSERT OR IGNORE INTO inputs VALUES (?, ?, ?, ?)", piece)
            case BeginningPart() as beginning:
                self._beginning(run, beginning)
            case SpecPart() as spec:
                self._spec(run, spec.part, spec.parts, spec.text)
            case Total(tasks):
                query = "UPDATE runs SET total = ?, tasks = max(?, done + failed) WHERE id = ?"
                db.execute(query, (tasks, tasks, run))
            case RunEnded() as end:
                every, taken = (end.summary.get(name, 0) for name in ("tasks", "taken"))
                tasks = every - taken if type(every) is type(taken) is int else 0
                db.execute(
                    "UPDATE runs SET status = ?, ended = ?, summary = ?, tasks = max(tasks, ?) WHERE id = ?",
                    (end.status, end.ended, as_json(end.summary), tasks, run),
                )
                self.ended = True

    def _began(self, run: RunBegan) -> None:
        old = self._db.execute(
            "SELECT status, started, ended, pid, process, seen, resumed, resumed_at, events_before "
            "FROM runs WHERE id = ?", (run.run,),
        ).fetchone()  # fmt: skip
        events, late = 0, False
        if old is None:
            if run.resumed:
                raise StoreError(f"there is no run {run.run} in the database")
            self._insert_run(run)
        else:
            status, started, ended, pid, process, seen, resumed, resumed_at, events = old
            since = started if resumed_at is None else resumed_at
            if (resumed, since, pid) == (run.resumed, run.started, run.pid):
                # Told again, because a commit was reported as failed and had not, or a recorder died; it may also have
                # thought that its engine had.
                query = "UPDATE runs SET status = 'running', ended = NULL WHERE id = ? AND status = 'crashed'"
                self._db.execute(query, (run.run,))
            elif self._folding and _older(run, started, resumed):
                late = True
            elif not run.resumed:
                raise StoreError(f"there is another run {run.run} in the database")
            elif status == "running" and not is_gone(self._db, run.run, resumed, pid, process):
                raise StoreError(f"run {run.run} is still running (process {pid})")
            elif resumed != run.resumed - 1:
                raise StoreError(f"run {run.run} was resumed by another process meanwhile")
            else:
                events = self._resume_run(run, max(0.0, (seen if ended is None else ended) - since))
        if run.spec:
            self._spec(run.run, 0, 1, run.spec)
        over = late or (old is not None and old[0] not in ("running", "crashed") and old[6] == run.resumed)
        aging.ended(self._db, run.started)
        self.run, self.ended, self._agents, self._events = run.run, over, [], events
        self._resumed, self._parts, self._late = run.resumed, {}, late

    def _insert_run(self, run: RunBegan) -> None:
        self._db.execute(
            "INSERT INTO runs (id, name, status, started, pid, process, seen, version, command, config, "
            "machine, origin, rerun) VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.run, clean(run.name), run.started, run.pid, run.process, run.started, run.version,
                as_json(run.command), as_json(run.config), as_json(run.machine), run.origin or None, run.rerun or None,
            ),
        )  # fmt: skip

    def _resume_run(self, run: RunBegan, worked: float) -> int:
        """Say that a run goes on; `worked`: the seconds of its time until now. Returns how many events it has.

        What it was begun with stays: name, command, settings.
        """
        (events,) = self._db.execute("SELECT ifnull(max(number), 0) FROM events WHERE run = ?", (run.run,)).fetchone()
        self._db.execute(
            "UPDATE runs SET status = 'running', ended = NULL, summary = NULL, pid = ?, process = ?, resumed = ?, "
            "resumed_at = ?, worked = worked + ?, seen = max(seen, ?), events_before = ? WHERE id = ?",
            (run.pid, run.process, run.resumed, run.started, worked, run.started, events, run.run),
        )
        return int(events)

    def _beginning(self, run: str, message: BeginningPart) -> None:
        """What the run was begun with; that stays where it is resumed."""
        if self._resumed:
            return
        self._parts[message.part] = message.text
        if len(self._parts) == message.parts:
            try:
                found = json.loads("".join(self._parts[part] for part in range(message.parts)))
            except RecursionError as error:
                raise ValueError("it is nested too deeply") from error
            told = as_json(found["command"]), as_json(found["config"]), run
            self._db.execute("UPDATE runs SET command = ?, config = ? WHERE id = ?", told)

    def _spec(self, run: str, part: int, parts: int, text: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO specs VALUES (?, ?, ?, ?)", (run, part, parts, clean(text)))

    def _happened(self, run: str, message: Happened) -> None:
        before, events = self._events, message.events
        rows = ((run, before + e.number, e.at, e.level, e.kind, clean(e.text), as_json(e.data)) for e in events)
        self._db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        for event in events:
            output = event.kind in _OUTPUT
            text = clean(str(event.data.get("line")) if output else event.text)
            self._texts.add(run, "output" if output else "event", text, event.at, number=before + event.number)

    def _distribution(self, run: str, found: Distribution) -> None:
        """How times were distributed, beside what the engines before a resumption have said."""
        db = self._db
        where = run, found.name, found.pool
        old = db.execute("SELECT buckets FROM histograms WHERE run = ? AND name = ? AND pool = ?", where).fetchone()
        parts = {part["resumed"]: part for part in (json.loads(old[0]) if old else ())}
        parts[self._resumed] = {
            "resumed": self._resumed, "count": found.count, "total": found.total, "least": found.least,
            "most": found.most, "packed": base64.b64encode(found.packed).decode(),
        }  # fmt: skip
        count, total = (sum(part[name] for part in parts.values()) for name in ("count", "total"))
        least = min((part["least"] for part in parts.values() if part["least"] is not None), default=None)
        most = max((part["most"] for part in parts.values() if part["most"] is not None), default=None)
        db.execute(
            "INSERT OR REPLACE INTO histograms VALUES (?, ?, ?, 'ns', ?, ?, ?, ?, ?)",
            (*where, count, float(total), least, most, as_json([parts[number] for number in sorted(parts)])),
        )

    def _sampled(self, run: str, sample: Sampled) -> None:
        pools = sample.pools
        agents = zip(*((p.starting, p.idle, p.busy, p.draining, p.dead) for p in pools), strict=True)
        states = map(sum, agents) if pools else [0] * 5
        memory = [p.memory for p in pools if p.memory is not None]
        whole = (
            run, sample.at, -1, sample.done, sample.failed, sum(p.queued for p in pools), *states,
            sample.restarts, sum(memory) if memory else None, sample.rate, sample.redelivered, sample.cpu,
            sample.memory_used, sample.load, sample.fds,
        )  # fmt: skip
        each = [
            (
                run, sample.at, p.pool, p.done, p.failed, p.queued, p.starting, p.idle, p.busy, p.draining, p.dead,
                p.restarts, p.memory, None, None, None, None, None, None,
            )
            for p in pools
        ]  # fmt: skip
        query = f"INSERT OR IGNORE INTO samples VALUES ({', '.join('?' * len(whole))})"
        self._db.executemany(query, [whole, *each])
        if sample.at >= self._rolled_up + 60:
            aging.running(self._db, run, sample.at)
            self._rolled_up = sample.at

    def _alert(self, run: str, alert: AlertNow) -> None:
        row = (
            run, alert.number, alert.rule, alert.level, alert.pool, alert.agent, alert.began, alert.fired,
            alert.resolved, alert.acknowledged, alert.value, alert.threshold, clean(alert.text), clean(alert.evidence),
        )  # fmt: skip
        # When it began stays what it was: whoever tells it again may have set the clock meanwhile.
        self._db.execute(
            f"INSERT INTO alerts VALUES ({', '.join('?' * len(row))}) ON CONFLICT DO UPDATE SET "
            "level = excluded.level, resolved = excluded.resolved, value = excluded.value, "
            "acknowledged = coalesce(excluded.acknowledged, acknowledged), threshold = excluded.threshold, "
            "text = excluded.text, evidence = excluded.evidence",
            row,
        )

    def agent(self, row: int) -> str | None:
        """``pool/number`` of the agent of a scoreboard row; None where no pool has it."""
        for rows, name in self._agents:
            if row in rows:
                return f"{name}/{row - rows.start}"
        return None

    def tidy(self) -> None:
        """Delete what was told of results whose outcomes never came, and count what was there already. Raises
        sqlite3.Error."""
        if self.run is None:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._tasks.forget_pieces(self.run)
            self._tasks.recount(self.run)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def crash(self, at: float) -> None:
        """Say that the run was cut off. Raises sqlite3.Error."""
        self._db.execute(
            "UPDATE runs SET status = 'crashed', ended = max(started, ?) "
            "WHERE id = ? AND status = 'running' AND resumed = ?",
            (at, self.run, self._resumed),
        )


def _older(run: RunBegan, started: float, resumed: int) -> bool:
    """Whether it is an earlier beginning of a run that began at `started`, and was resumed so often."""
    return run.resumed < resumed and (run.started > started if run.resumed else run.started == started)
