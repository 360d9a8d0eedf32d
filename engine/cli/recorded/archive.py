"""The past for the screens: `tui.archive.Archive` over the database of runs and the engines that go on."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.live import again
from engine.cli.recorded import recorded
from engine.cli.words import clean, number, printable
from engine.stream import live
from engine.stream.client import StreamError
from engine.stream.places import UnsafeFolder
from tui.archive import (
    AlertSample,
    ArchiveError,
    Comparison,
    PastAlert,
    PastEvent,
    PastPool,
    PastShard,
    PastTask,
    RunRow,
    RunSummary,
    TaskTimes,
)
from tui.feed import Feed, SocketFeed

if TYPE_CHECKING:
    import sqlite3

    from engine.cli.bench.benches import KeptBenches
    from engine.cli.recorded.comparing import Side
    from engine.store.queries import Durations, Run, StoredAlert, Task
    from engine.stream.live import Live

_SLOWEST: Final = 10
_FAILURES: Final = 10
_EVENTS: Final = 50
_ALERTS: Final = 100
_WORDS: Final = 4
"""Lines of a traceback that are told."""


class StoreArchive:
    """As `tui.archive.Archive`. Every question opens the database for itself, so any thread may ask."""

    def __init__(self, database: Path | None = None) -> None:
        """`database`: None for the one that runs are recorded in by default. It need not be there yet."""
        self._database = recorded.database(database)
        self._elsewhere: dict[str, Path] = {}
        """Databases of runs that go on and are recorded in another one, by id."""
        self._benches: KeptBenches | None = None

    @property
    def benches(self) -> KeptBenches:
        """As `tui.archive.Archive`."""
        if self._benches is None:
            from engine.cli.bench.benches import KeptBenches

            self._benches = KeptBenches()
        return self._benches

    def prepare(self) -> None:
        """As `tui.archive.Archive`."""
        import engine.bench.guard.derived
        import engine.cli.bench.benches
        import engine.cli.recorded.comparing
        import engine.cli.recorded.intervals
        import engine.cli.recorded.throughput
        import engine.store.queries
        import engine.store.schema  # noqa: F401

    def look_in(self, database: Path) -> None:
        """Take another database for the history."""
        self._database = database

    @contextlib.contextmanager
    def _asked(self, run: str = "") -> Iterator[sqlite3.Connection]:
        """The database that has a run, at one moment. Raises `ArchiveError`."""
        try:
            with recorded.asked(self._elsewhere.get(run, self._database), quiet=True) as connection:
                yield connection
        except click.ClickException as error:
            raise ArchiveError(error.message) from error

    # -- the history --------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunRow]:
        """As `tui.archive.Archive`."""
        from engine.store import queries
        from engine.store.schema import NoDatabaseError

        going = self._live()
        try:
            with recorded.asked(self._database, quiet=True) as db:
                found = queries.runs(db, limit=0)
        except recorded.StoreProblem as error:
            if not isinstance(error.__cause__, NoDatabaseError):
                raise ArchiveError(error.message) from error
            found = []  # nothing was recorded yet: nothing is wrong
        known = {run.id for run in found}
        if going.keys() - known:
            going = self._live(frames=True)
        rows = [_live_row(one) for name, one in going.items() if name not in known]
        rows += [_row(run, live=run.id in going and run.status == "running") for run in found]
        return sorted(rows, key=lambda row: (not row.live, -row.started))

    def _live(self, frames: bool = False) -> dict[str, Live]:
        """The runs that go on and whose engines said who they are, by id. Raises `ArchiveError`."""
        try:
            found = {one.run: one for one in live.runs(frames) if one.hello is not None}
        except UnsafeFolder as error:
            raise ArchiveError(str(error)) from error
        for run, one in found.items():
            if one.hello is not None and one.hello.database and Path(one.hello.database) != self._database.absolute():
                self._elsewhere[run] = Path(one.hello.database)
        return found

    def summary(self, run: str) -> RunSummary:
        """As `tui.archive.Archive`."""
        from engine.cli.recorded import throughput
        from engine.store import queries

        with self._asked(run) as db:
            found = queries.find(db, run)
            samples = queries.samples(db, found.id, -1)
            rates = throughput.of_run(found, samples, time.time())
            times = _times(db, found.id)
            alerts = queries.alerts(db, found.id, _ALERTS)
            events = queries.events(db, found.id, notable=True, limit=_EVENTS)
            told = found.summary
            return RunSummary(
                run=_row(found),
                facts=tuple(_facts(db, found)),
                times=times.get(-1),
                pools=tuple(
                    PastPool(pool.name, pool.size, pool.shards, pool.done, pool.failed, pool.seconds, times.get(place))
                    for place, pool in enumerate(queries.pools(db, found.id))
                ),
                shards=tuple(
                    PastShard(
                        one.pool, one.shard, one.agents, one.worked, one.done, one.failed, one.deaths, one.seconds
                    )
                    for one in queries.shards(db, found.id)
                ),
                slowest=tuple(map(_task, queries.slowest(db, found.id, _SLOWEST))),
                failure_kinds=tuple(queries.failure_kinds(db, found.id).items()),
                failures=tuple(map(_task, queries.failures(db, found.id, _FAILURES))),
                alerts=tuple(_alert(found.id, found.name, one) for one in alerts),
                events=tuple(
                    PastEvent(one.at, one.level, printable(one.text))
                    for one in events
                    if not one.kind.startswith("alert.")
                ),
                restarts=int(told.get("restarts", queries.deaths(db, found.id))),
                redelivered=int(told.get("redelivered", queries.redelivered(db, found.id))),
                memory=queries.peak_memory(db, found.id),
                rates=() if rates is None else tuple(rates.rates),
                step=0.0 if rates is None else float(rates.seconds),
            )

    def compare(self, left: str, right: str) -> Comparison:
        """As `tui.archive.Archive`."""
        from engine.cli.recorded import comparing, intervals

        with self._asked(left) as db:
            first = _side(db, left)
        with self._asked(right) as db:
            second = _side(db, right)
        return Comparison(
            _row(first.run), _row(second.run), comparing.figures(first, second), comparing.differences(first, second),
            intervals.CONFIDENCE,
        )  # fmt: skip

    def alerts(self, run: str | None = None, limit: int = 500) -> list[PastAlert]:
        """As `tui.archive.Archive`."""
        from engine.store import queries

        if run is None:
            with self._asked() as db:
                return [_alert(*found) for found in queries.alerts_of_all(db, limit)]
        with self._asked(run) as db:
            found = queries.find(db, run)
            return [_alert(found.id, found.name, one) for one in reversed(queries.alerts(db, found.id, limit))]

    def tasks_of(self, run: str, agent: str, limit: int = 20) -> list[PastTask]:
        """As `tui.archive.Archive`."""
        from engine.store import queries

        with self._asked(run) as db:
            return [_task(task) for task in queries.tasks_of(db, queries.find(db, run).id, agent, limit)]

    def report(self, run: str) -> str:
        """As `tui.archive.Archive`."""
        from engine.cli.recorded.document import document
        from engine.cli.recorded.report import gather

        path = self._elsewhere.get(run, self._database)
        with self._asked(run) as db:
            # The usual one need not be named in commands.
            return document(gather(db, run, None if path == recorded.database(None) else path, time.time()))

    def moment(self, text: str, last: bool = False) -> float:
        """As `tui.archive.Archive`."""
        try:
            return recorded.moment(text, last=last)
        except click.BadParameter as error:
            raise ArchiveError(error.message) from error

    # -- feeds --------------------------------------------------------------------------------------------------------

    def open(self, run: str) -> Feed:
        """As `tui.archive.Archive`."""
        with contextlib.suppress(ArchiveError):  # it does not go on
            return self.attach(run)
        from engine.store.recording import StoredRecording
        from engine.store.schema import StoreError
        from engine.stream.recordings import RecordingError
        from tui.replay import ReplayFeed

        try:
            recording = StoredRecording(self._elsewhere.get(run, self._database), run)
            return ReplayFeed(recording, at=None, speed=1.0)
        except (StoreError, RecordingError) as error:
            raise ArchiveError(str(error)) from error

    def attach(self, run: str) -> Feed:
        """As `tui.archive.Archive`."""
        try:
            path = next((one.path for one in live.runs() if one.run == run), None)
            if path is None:
                raise ArchiveError(f"run {run} does not go on")
            return SocketFeed(path, again)
        except (StreamError, UnsafeFolder) as error:
            raise ArchiveError(str(error)) from error


# -- what is recorded, as the screens have it --------------------------------------------------------------------------


def _row(run: Run, live: bool = False) -> RunRow:
    return RunRow(
        run.id, printable(run.name), run.status, run.started, run.ended, run.seconds, run.tasks, run.done,  # type: ignore[arg-type]
        run.failed, run.resumed, live, True, run.origin or "", printable(shlex.join(run.command)), run.version,
        run.left is not None,
    )  # fmt: skip


def _live_row(one: Live) -> RunRow:
    """A run of which the database knows nothing."""
    assert one.hello is not None
    frame, started = one.frame, one.hello.started
    seconds = max(0.0, time.time() - started) if frame is None else frame.elapsed
    done, failed = (frame.done, frame.failed) if frame is not None else (0, 0)
    total = None if frame is None else frame.total
    tasks = total if total is not None else 0 if frame is None else frame.tasks
    return RunRow(
        one.hello.run, printable(one.hello.name), "running", started, None, seconds, tasks, done, failed, live=True,
        recorded=bool(one.hello.database), known=total is not None,
    )  # fmt: skip


def _facts(db: sqlite3.Connection, run: Run) -> Iterator[tuple[str, str]]:
    from engine.cli.recorded.comparing import facts
    from engine.store import queries

    if run.origin:
        yield "rerun of", f"{'what failed in ' if run.rerun == 'failed' else ''}{printable(run.origin)}"
    if later := queries.reruns(db, run.id):
        yield "again in", ", ".join(map(printable, later))
    if taken := run.summary.get("taken"):
        yield "before", f"{number(taken)} tasks were done before it"
    yield from facts(run.config).items()
    yield from ((f"machine {name}", value) for name, value in facts(run.machine).items())
    yield "pid", str(run.pid)


def _times(db: sqlite3.Connection, run: str) -> dict[int, TaskTimes]:
    from engine.store import queries

    return {pool: _told(found) for pool, found in queries.durations(db, run).items() if found.count}


def _told(found: Durations) -> TaskTimes:
    p50, p90, p99 = found.quantiles.values()
    return TaskTimes(found.count, found.mean, p50, p90, p99, found.most)


def _task(task: Task) -> PastTask:
    error = ""
    if task.state == "failed":
        kind = task.error_type or task.error_kind or "failed"
        error = printable(f"{kind}: {task.error_message or ''}").rstrip(": ")
    lines = [clean(line) for line in (task.error_traceback or "").splitlines() if line.strip()]
    return PastTask(
        f"{printable(task.job)}[{task.task}]", task.state, task.attempts, task.started, task.seconds, error,
        task.agent or "", tuple(lines[-_WORDS:]),
    )  # fmt: skip


def _alert(run: str, name: str, alert: StoredAlert) -> PastAlert:
    known: dict[str, Any] = alert.evidence
    ack: dict[str, Any] = known.get("ack") or {}
    labels = {str(key): str(value) for key, value in (known.get("labels") or {}).items()}
    if alert.agent:
        labels.setdefault("agent", alert.agent)
    return PastAlert(
        run=run, run_name=printable(name), number=alert.number, rule=alert.rule,
        title=printable(str(known.get("title", ""))), severity=alert.level, text=printable(alert.text),
        count=int(known.get("count", 1)), happened=alert.began, fired=alert.fired, resolved=alert.resolved,
        fingerprint=str(known.get("fingerprint", "")), labels=labels, unit=str(known.get("unit", "")),
        mode=str(known.get("mode", "")),
        value=alert.value, threshold=alert.threshold, peak=known.get("peak"), reopened=int(known.get("reopened", 0)),
        detected=known.get("detected"), shown=known.get("shown"), acknowledged=alert.acknowledged,
        by=printable(str(ack.get("by", ""))), note=printable(str(ack.get("note", ""))),
        hint=printable(str(known.get("hint", ""))), action=printable(str(known.get("action", ""))),
        samples=tuple(map(_sample, known.get("samples") or ())),
    )  # fmt: skip


def _sample(known: dict[str, Any]) -> AlertSample:
    agent = str((known.get("labels") or {}).get("agent", ""))
    return AlertSample(float(known.get("at", 0.0)), printable(str(known.get("text", ""))), known.get("value"), agent)


def _side(db: sqlite3.Connection, name: str) -> Side:
    from engine.cli.recorded import throughput
    from engine.cli.recorded.comparing import Side
    from engine.store import queries

    run = queries.find(db, name)
    return Side(
        run=run,
        times=queries.spreads(db, run.id)[-1],
        rates=throughput.of_run(run, queries.samples(db, run.id, -1), time.time()),
        memory=queries.peak_memory(db, run.id),
        deaths=queries.deaths(db, run.id),
        redelivered=queries.redelivered(db, run.id),
        agents=sum(pool.size for pool in queries.pools(db, run.id)),
    )
