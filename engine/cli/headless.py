"""A run without a screen: progress on stderr, results and events where they were asked for, a summary."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import shlex
import signal
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import msgspec

from engine.cli import summary as last_words
from engine.cli.items import StdinItems
from engine.cli.reporter import Reporter, duration, say
from engine.plan.kept import Kept, encode, settled
from engine.plan.steps import RunSpec, SpecError
from engine.runtime import specs
from engine.runtime.driver import Driver, report_text
from engine.runtime.earlier import Earlier
from engine.runtime.nest import Image
from engine.runtime.results import OrderedWriter
from engine.runtime.run import Run, RunOptions
from engine.settings.types import Settings
from engine.wire import values

_DEFAULTS: Final = Settings()
_SCREEN_SECONDS: Final = 5.0
_READER_LEFT: Final = 141
"""As a shell tells of a program that SIGPIPE ended."""
_PATIENCE: Final = 2.0
"""Seconds that the database may take in the end before it is said what is waited for."""


class Resumed(NamedTuple):
    """A run that is taken up again."""

    run: str
    number: int
    """Which resumption this is, from 1 on."""


class Origin(NamedTuple):
    """The run of which a new one runs tasks again."""

    run: str
    rerun: str
    """Which of them: ``failed`` or ``all``."""


class _Interrupts:
    """Counts ctrl-c and SIGTERM, and wakes the loop."""

    def __init__(self) -> None:
        self.count = 0
        self.run: Run | None = None

    def __call__(self, signum: int, _: FrameType | None) -> None:
        self.count += 1
        if self.run is not None:
            self.run.fleet.loop.wake()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Catch them while this lasts."""
        kept = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                # Who pressed ctrl-c twice may press it thrice, while we tidy up. None: it was no handler of Python's.
                signal.signal(number, signal.SIG_IGN if self.count else handler or signal.SIG_DFL)


class _GiveUp:
    """Whether to wait for the database no longer; asked again and again, it says once what is waited for.

    Who has stopped the run at once, by the second ctrl-c, has not given up its record with that: it gets a moment.
    """

    def __init__(self, interrupts: _Interrupts) -> None:
        self._interrupts = interrupts
        self._before = interrupts.count
        self.given_up = False
        self._since = time.monotonic()
        self._said = False

    def __call__(self) -> bool:
        late = time.monotonic() - self._since > _PATIENCE
        if late and not self._said:
            self._said = True
            say("waiting for the database")
        count = self._interrupts.count
        self.given_up = count >= 2 and (late or count > self._before)
        return self.given_up


def run_headless(
    spec: RunSpec,
    options: dict[str, Any],
    inputs: list[str | int],
    kept: Kept | None = None,
    resumed: Resumed | None = None,
    origin: Origin | None = None,
    taken: Sequence[str] = (),
) -> int:
    """Run a spec to its end; the exit code. Raises what `Run` and `Driver` raise before anything has run.

    `inputs` are files it reads, as paths or descriptors: results are never written over them. `kept` is what a
    resumption will need, or needs: this is one if `resumed` is given. `taken` are runs whose done tasks are done.
    """
    _more_descriptors()
    _data_on_stdout()
    path = module_path(spec.path) if kept is None else kept.path
    pools = _pools(spec, path)
    # A result may be of the user's own class, whose module this process must then find; never before our own modules.
    sys.path.extend(entry for entry in path if entry not in sys.path)
    serve: int | None = options["serve"]
    database = database_of(options)
    again = resumed is not None or bool(taken)
    writer = _writer(options["out"], [*inputs, *([] if database is None else [str(database)])], again)
    reporter = Reporter(options["as_json"], serve is not None, options["out"] == "-")
    run_options = RunOptions(spec.name, database, True, list(sys.argv), _config(spec), spec.settings)
    if options["out"] not in (None, "-"):
        run_options.results = Path(options["out"])
    if resumed is not None:
        run_options.run, run_options.resumed = resumed.run, resumed.number
    elif kept is not None and database is not None:
        kept = settled(kept)
        if kept.why_not:
            say(f"shoal: warning: this run can't be resumed: {kept.why_not}")
        run_options.spec = encode(kept)
    if origin is not None:
        run_options.origin, run_options.rerun = origin
    interrupts = _Interrupts()
    with contextlib.closing(reporter), interrupts.installed(), contextlib.ExitStack() as stack:
        run = Run(pools, run_options)
        interrupts.run = run
        _load(database is not None)
        if run.metrics_url and serve is None:
            say(f"metrics are served at {run.metrics_url}")
        try:
            earlier = None
            if again and database is not None:
                # Asked now: from here on nobody else writes to the run.
                known = Earlier(database, None if resumed is None else run.id, taken)
                earlier = stack.enter_context(contextlib.closing(known))
            return _drive(run, spec, options, writer, reporter, interrupts, earlier)
        finally:
            reporter.close()
            run.close()
            if writer is not None:
                writer.close()


def _load(recorded: bool) -> None:
    """Import what is needed only in the midst of a run, or at its end: there may be no descriptor left then.

    The nursery has begun to start by now, so nobody waits for it.
    """
    values.prepare()
    if recorded:
        import engine.store.queries
        import engine.store.schema  # noqa: F401


def _drive(
    run: Run,
    spec: RunSpec,
    options: dict[str, Any],
    writer: OrderedWriter | None,
    reporter: Reporter,
    interrupts: _Interrupts,
    earlier: Earlier | None,
) -> int:
    run.fleet.listeners.append(reporter.event)
    if options["serve"] is None:  # else standard error is behind a screen
        run.alerting.written = reporter.writes
    run.on_frame = reporter.frame
    if options["items"] == "-":
        spec.steps[0].arguments = StdinItems(run.fleet.loop.wake)
    driver = Driver(run, spec, writer, earlier)
    watch = last_words.Watch(run, spec.steps) if run.recording is None else None
    reporter_started = reporter if options["as_json"] else None
    if reporter_started is not None:
        reporter.line(
            {
                "event": "run.started", "at": run.started, "run": run.id, "name": run.name, "tasks": run.total,
                "agents": run.fleet.agents, "shards": len(run.fleet.core.shards),
                "resumed": run.resumed, **_origin(run),
            }
        )  # fmt: skip
    run.fleet.start()
    interrupted = told = announced = False
    while True:
        _check(run)  # before anything is fed: it would fail task by task, and be written over the results of last time
        if run.fleet.phase == "running":
            driver.feed()
        run.fleet.settle()
        stop = interrupts.count >= 2 or run.stop_asked == "stop"
        _check(run)
        if not announced and run.fleet.phase == "running":  # before that a bad callable is still a line, and no screen
            announced = True
            _announce(options["serve"], run)
        if writer is not None and run.fleet.phase == "running" and (run.fleet.core.submitted or sum(run.before)):
            writer.begin()  # not before: what fails earlier than this leaves the results of last time alone
        if stop:
            interrupted = True
            break
        if (interrupts.count or run.stop_asked) and not interrupted:
            interrupted = True
            run.fleet.drain()
        if run.unrecorded is not None and driver.problem is None:
            text = f"stopped, for nothing more can be recorded: {run.unrecorded}"
            driver.problem = SpecError(text)
        if driver.problem is not None and not told:
            told = True
            run.fleet.drain()
        if writer is not None and writer.failed is not None:
            break
        if reporter.failed is not None:
            break
        if driver.settled or (run.fleet.core.draining and run.fleet.core.idle):
            break
        if interrupted and not told and options["serve"] is None and not options["as_json"]:
            told = True
            reporter.say("interrupted: finishing what runs; ctrl-c again stops at once")
        run.step(0.0 if driver.more else 1.0)
    reporter.close()
    if options["serve"] is not None and announced:
        _await_reader(run)
    return _end(run, driver, options, reporter, interrupts, interrupted, watch)


def _origin(run: Run) -> dict[str, str]:
    return {"origin": run.origin} if run.origin else {}


def _check(run: Run) -> None:
    if run.fleet.error is not None:
        raise SpecError(run.fleet.error)


def _await_reader(run: Run) -> None:
    """A run that is over before its screen is up waits a little for it: a person is there, and wants to see. The screen
    is up once it has asked for the states of agents."""
    deadline = time.monotonic() + _SCREEN_SECONDS
    while run.control is not None and not run.control.wants("cells") and time.monotonic() < deadline:
        run.step(0.1)


def _broken(driver: Driver, options: dict[str, Any], reporter: Reporter) -> tuple[str | None, bool]:
    """What ended the run, if something did, and whether the reader of stdout has left: that is no failure."""
    if driver.problem is not None:
        return str(driver.problem), False
    to_file = options["out"] not in (None, "-")
    failed = driver.writer.failed if driver.writer is not None else None
    if failed is not None and to_file:
        return f"can't write {options['out']}: {failed.strerror or failed}", False
    failed = failed or reporter.failed
    if failed is None:
        return None, False
    if isinstance(failed, BrokenPipeError):
        return None, True
    return f"can't write to standard output: {failed.strerror or failed}", False


def _end(
    run: Run,
    driver: Driver,
    options: dict[str, Any],
    reporter: Reporter,
    interrupts: _Interrupts,
    interrupted: bool,
    watch: last_words.Watch | None,
) -> int:
    core = run.fleet.core
    give_up = _GiveUp(interrupts)
    run.settle(give_up)
    failed, before = core.failed + run.before[1], sum(run.before)
    if driver.writer is not None:
        _finish(driver, driver.writer)
    broken, left = _broken(driver, options, reporter)
    interrupted = interrupted or (left and not driver.over)
    status = "interrupted" if interrupted else "failed" if broken or failed or core.cancelled else "done"
    run.sampler.end()
    seconds = run.sampler.elapsed
    over = core.over
    # Of a rerun only those count that it has come to: which of the others were done is not known.
    known = 0 if run.origin else run.total or 0
    summary = {
        "run": run.id, "name": run.name, "status": status, "tasks": max(core.submitted + before, known),
        "done": core.done + run.before[0], "failed": failed,
        "delivered": round(run.sampler.delivered(), 6), "seconds": round(seconds, 3),
        "tasks_per_second": round(over / seconds, 1) if seconds else 0.0, "agents": run.fleet.agents,
        "restarts": core.restarts, "redelivered": core.redelivered,
    }  # fmt: skip
    if run.resumed:
        summary |= {"resumed": run.resumed, "before": before}
    if run.origin:
        summary |= _origin(run)
    if run.taken:
        summary |= {"before": before, "taken": run.taken}
    run.finish(status, summary, give_up)
    database = None if give_up.given_up else database_of(options)
    times = watch.times if watch is not None else None if database is None else last_words.ask(database, run.id)
    if not options["as_json"] and (core.submitted or broken is None):
        lines = last_words.lines(summary, reporter.progress, times)
        _tell(summary, options, run.resumable, lines)
        if driver.again:
            say(f"{driver.again:,} tasks ran again: their results are too large for the database, and were needed")
        for value in driver.reports:
            reporter.text(report_text(value))
    if broken is not None:
        say(f"shoal: {broken}")
    if options["as_json"]:
        report = {"report": driver.reports[0]} if driver.reports else {}
        reporter.line({"event": "summary", **summary, **last_words.data(reporter.progress, times), **report})
    if broken is None:  # the very last words may fail, too
        broken, left = _broken(driver, options, reporter)
        if broken is not None:
            say(f"shoal: {broken}")
    if left:
        return _READER_LEFT
    if broken is not None:
        return 2
    if give_up.given_up:
        say("shoal: interrupted: the database has not got all of this run")
    if interrupted or give_up.given_up:
        if run.resumable and not options["as_json"]:
            say(f"to go on: shoal resume {_named(run.id, options)}")
        return 130
    return 1 if failed or core.cancelled else 0


def _finish(driver: Driver, writer: OrderedWriter) -> None:
    """Close the results: a full disk may show here, and not before. Of a run that was cut off again they have all that
    is known.
    """
    if driver.over or not driver.resumes:
        writer.finish()
        return
    from engine.store.schema import FAULTS, StoreError

    try:
        writer.finish(driver.rest())
    except (SpecError, StoreError, *FAULTS) as error:
        driver.problem = driver.problem or SpecError(f"the results of before stay as they are: {error}")
        writer.close()


def _named(run: str, options: dict[str, Any]) -> str:
    """A run as commands about it take it."""
    return f"{run} --db {shlex.quote(options['db'])}" if options["db"] else run


def _tell(summary: dict[str, Any], options: dict[str, Any], resumable: bool, lines: list[str]) -> None:
    failed = f", {summary['failed']:,} failed" if summary["failed"] else ""
    again = ""
    if summary["restarts"] or summary["redelivered"]:
        again = f"; {summary['restarts']:,} agents restarted, {summary['redelivered']:,} tasks redelivered"
    before = f" ({summary['before']:,} before)" if "before" in summary else ""
    left = summary["tasks"] - summary["done"] - summary["failed"]
    rest = f", {left:,} not run" if left else ""
    say(
        f"{summary['name']} {summary['run']}: {summary['done']:,} of {summary['tasks']:,} done"
        f"{before}{failed}{rest} in {duration(summary['seconds'])} "
        f"({summary['tasks_per_second']:,.0f} tasks/s on {summary['agents']:,} agents{again})"
    )
    for line in lines:
        say(line)
    if summary["failed"] and not options["no_record"]:
        named = _named(summary["run"], options)
        say(f"what failed, and why: shoal show {named}")
        if resumable and summary["status"] == "failed":
            say(f"to run it again: shoal rerun --failed {named}")


def _announce(serve: int | None, run: Run) -> None:
    """Tell the process that started this one for its screen where to attach."""
    if serve is not None and run.control is not None:
        with contextlib.suppress(OSError):
            os.write(serve, str(run.control.path).encode())
            os.close(serve)


def _more_descriptors() -> None:
    """Allow this process as many descriptors as it may have: large arguments and results take one each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _data_on_stdout() -> None:
    """Data is UTF-8, wherever it is written."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _writer(out: str | None, kept: list[str | int], again: bool = False) -> OrderedWriter | None:
    """Who writes results to `out`, which must be none of the files `kept`. Nothing is written, or made, by this.

    `again`: results that are there stay until the new ones are whole.
    """
    if out is None:
        return None
    if out == "-":
        return OrderedWriter(None, sys.stdout)
    for other in kept:
        if _same_file(out, other):
            name = "standard input" if isinstance(other, int) else other
            raise SpecError(f"--out {out} would overwrite {name}, which this run uses")
    try:
        _check_writable(Path(out))
    except OSError as error:
        raise SpecError(f"can't write {out}: {error.strerror or error}") from None
    return OrderedWriter(Path(out), replaces=again)


def _same_file(out: str, other: str | int) -> bool:
    """Whether they are one file, or would be once they are made."""
    if isinstance(other, str) and os.path.realpath(out) == os.path.realpath(other):
        return True
    try:
        found = os.stat(out)
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.stat(other))
    except OSError:  # at least one is not there
        return False


def _check_writable(path: Path) -> None:
    """Raise OSError if a file can't be written to, or made. It stays as it is, and absent if it is."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent  # of a link that leads nowhere yet, too
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        path.open("ab").close()
    elif not os.access(path, os.W_OK):  # a pipe is not opened for a try: its reader would see it end
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def database_of(options: dict[str, Any]) -> Path | None:
    """Where a run is recorded; None: nowhere."""
    if options["no_record"]:
        return None
    if options["db"] is not None:
        return Path(options["db"])
    from engine.store.places import default_database

    return default_database()


def _pools(spec: RunSpec, path: list[str]) -> list[specs.PoolSpec]:
    """The pools as the fleet takes them, with modules found at `path`. Those that preload the same share one image."""
    images: dict[tuple[tuple[str, ...], str | None], Image] = {}
    found = []
    for pool in spec.pools:
        image = images.setdefault((pool.preload, pool.warmup), specs.image_for(pool, path))
        calls = [step.call for step in spec.steps if step.call and step.pool == pool.name]
        image.check += [name for name in dict.fromkeys(calls) if name not in image.check]
        found.append(specs.spec(pool, image=image))
    return found


def _config(spec: RunSpec) -> dict[str, Any]:
    return {
        "batch_max": spec.settings.batch_max_size,
        "settings": {
            name: value for name, value in msgspec.structs.asdict(spec.settings).items()
            if value != getattr(_DEFAULTS, name)
        },
        "steps": [
            {
                "name": step.name, "call": step.call, "command": step.command, "timeout": step.timeout,
                "retries": step.retries,
            }
            for step in spec.steps
        ],
    }  # fmt: skip


def module_path(extra: list[str]) -> list[str]:
    """Where agents find modules: the working folder, a plan's folder, then as in this process. Raises `SpecError`."""
    rest = [entry for entry in sys.path if entry]
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise SpecError("the working folder has been deleted: change to another one") from None
    return list(dict.fromkeys([here, *extra, *rest]))
