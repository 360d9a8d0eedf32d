"""A run without a screen: progress on stderr, results and events where they were asked for."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from engine.cli.recorded.recorded import data_on_stdout
from engine.cli.running import summary as last_words
from engine.cli.running.ending import end, origin_of
from engine.cli.running.interrupts import Interrupts
from engine.cli.running.items import StdinItems
from engine.cli.running.reporter import Reporter, say
from engine.cli.running.resultsfile import writer_of
from engine.cli.running.serving import accept, listen
from engine.cli.words import on_terminal
from engine.plan.kept import Kept, encode, settled
from engine.plan.requests import answering
from engine.plan.runnable import check_memory
from engine.plan.steps import RunSpec, SpecError
from engine.runtime.fleet import specs
from engine.runtime.fleet.launch import StartError
from engine.runtime.fleet.memory import cgroups, for_tasks
from engine.runtime.fleet.nest import Image
from engine.runtime.options import RunOptions
from engine.runtime.plans.driver import Driver
from engine.runtime.plans.planned import Planned
from engine.runtime.plans.questions import Questions
from engine.runtime.record.earlier import Earlier
from engine.runtime.record.line import RecordError
from engine.runtime.results import OrderedWriter
from engine.runtime.run import Run
from engine.settings.types import Settings
from engine.store.typed import typed
from engine.wire import values

_DEFAULTS: Final = Settings()
_SCREEN_SECONDS: Final = 5.0


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
    elsewhere: int
    """How many tasks were done in the runs whose done tasks are done."""


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
    data_on_stdout()
    path = module_path(spec.path) if kept is None else kept.path
    pools = _pools(spec, path)
    # A result may be of the user's own class, whose module this process must then find; never before our own modules.
    sys.path.extend(entry for entry in path if entry not in sys.path)
    serve: int | None = options["serve"]
    database = database_of(options)
    again = resumed is not None or bool(taken)
    writer = writer_of(options["out"], [*inputs, *([] if database is None else [str(database)])], again)
    reporter = Reporter(options["as_json"], serve is not None, options["out"] == "-")
    run_options = RunOptions(spec.name, database, True, typed(sys.argv), _config(spec), spec.settings)
    run_options.waits = say
    run_options.lanes = _lanes(spec)
    run_options.requests = answering(spec)
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
        run_options.origin, run_options.rerun, run_options.elsewhere = origin
    check_memory(spec.name, spec.steps, for_tasks(spec.settings, cgroups()))
    interrupts = Interrupts()
    with contextlib.closing(reporter), interrupts.installed(), contextlib.ExitStack() as stack:
        try:
            run = Run(pools, run_options)
        except RecordError as error:
            if again or origin is not None:  # it can't be but in this database
                raise
            raise StartError(f"{error} (--db FILE takes another database, --no-record none)") from error
        interrupts.run = run
        accept(serve)
        _load(database is not None)
        if run.metrics_url and serve is None:
            say(f"metrics are served at {run.metrics_url}")
        try:
            earlier = None
            if again and database is not None:
                # Asked now: from here on nobody else writes to the run.
                known = Earlier(database, None if resumed is None else run.id, taken)
                earlier = stack.enter_context(contextlib.closing(known))
            return _drive(run, spec, options, writer, reporter, interrupts, earlier, stack)
        except (SpecError, StartError) as error:
            run.fail(str(error))
            raise
        finally:
            reporter.close()
            stack.close()  # what was done before is read no more: who closes the database last folds its log in
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
    interrupts: Interrupts,
    earlier: Earlier | None,
    stack: contextlib.ExitStack,
) -> int:
    run.fleet.listeners.append(reporter.event)
    if options["serve"] is None:  # else standard error is behind a screen
        run.alerting.written = reporter.writes
    run.on_frame = reporter.frame
    if options["items"] == "-":
        spec.steps[0].arguments = StdinItems(run.fleet.loop.wake)
    driver = Driver(run, spec, writer, earlier, _asks(spec.settings, options))
    stack.callback(driver.close)
    run.work = Questions(run.fleet, spec, driver)
    run.plan = Planned(run.fleet, spec, driver.steps, driver.gates, driver.turns)
    watch = last_words.Watch(run, spec.steps) if run.recording is None else None
    reporter_started = reporter if options["as_json"] else None
    if reporter_started is not None:
        reporter.line(
            {
                "event": "run.started", "at": run.started, "run": run.id, "name": run.name, "tasks": run.total,
                "agents": run.fleet.agents, "shards": len(run.fleet.core.shards),
                "resumed": run.resumed, **origin_of(run),
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
        if (
            not announced and run.fleet.phase == "running"
        ):  # before that a bad callable is one line, and nobody can attach
            announced = True
            if options["serve"] is not None and run.control is not None:
                listen(options["serve"], run.control.path)
        if writer is not None and run.fleet.phase == "running" and (run.fleet.core.submitted or sum(run.outside)):
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
        run.step(driver.pause)
    reporter.close()
    if options["serve"] is not None and announced and not interrupted:
        _await_reader(run)
    return end(run, driver, options, reporter, interrupts, interrupted, watch, database_of(options))


def _asks(settings: Settings, options: dict[str, Any]) -> bool:
    """Whether a gate that is held waits for somebody: as it was said, else where a person would see that it does."""
    if settings.plan_gates is not None:
        return settings.plan_gates == "wait"
    return options["serve"] is not None or (not options["as_json"] and on_terminal())


def _check(run: Run) -> None:
    if run.fleet.error is not None:
        raise SpecError(run.fleet.error)


def _await_reader(run: Run) -> None:
    """A run that is over before its screen is up waits a little for it: a person is there, and wants to see. The screen
    is up once it has asked for the states of agents."""
    deadline = time.monotonic() + _SCREEN_SECONDS
    while run.control is not None and not run.control.wants("cells") and time.monotonic() < deadline:
        run.step(0.1)


def _more_descriptors() -> None:
    """Allow this process as many descriptors as it may have: large arguments and results take one each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
                "retries": step.retries, "lane": step.lane,
            }
            for step in spec.steps
        ],
        "lanes": _lanes(spec),
    }  # fmt: skip


def _lanes(spec: RunSpec) -> dict[str, int]:
    """Limits of the lanes that tasks may be in: of a plan, as it has them; else as the settings have them."""
    own = {lane.name: lane.limit for lane in spec.outline.lanes.values()}
    return own if spec.text is not None else dict(spec.settings.lanes)


def module_path(extra: list[str]) -> list[str]:
    """Where agents find modules: the working folder, a plan's folder, then as in this process. Raises `SpecError`."""
    rest = [entry for entry in sys.path if entry]
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise SpecError("the working folder has been deleted: change to another one") from None
    return list(dict.fromkeys([here, *extra, *rest]))
