"""How a run without a screen ends: what broke it, its last words, and its exit code."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from engine.cli.running import summary as last_words
from engine.cli.running.interrupts import GiveUp, Interrupts
from engine.cli.running.reporter import Reporter, duration, say
from engine.cli.words import printable
from engine.plan.steps import SpecError
from engine.runtime.plans.driver import Driver
from engine.runtime.results import OrderedWriter, report_text
from engine.runtime.run import Run

_LONGEST: Final = 300
"""Characters of why a task failed."""
_READER_LEFT: Final = 141
"""As a shell tells of a program that SIGPIPE ended."""


def origin_of(run: Run) -> dict[str, str]:
    """The run whose tasks this one runs again, for programs; nothing if there is none."""
    return {"origin": run.origin} if run.origin else {}


def end(
    run: Run,
    driver: Driver,
    options: dict[str, Any],
    reporter: Reporter,
    interrupts: Interrupts,
    interrupted: bool,
    watch: last_words.Watch | None,
    database: Path | None,
) -> int:
    """Wait for what is under way, record the end, tell of it; the exit code. `database`: where the run is recorded."""
    core = run.fleet.core
    give_up = GiveUp(interrupts)
    run.settle(give_up)
    driver.conclude()
    gates = driver.gates
    failed, before, outside = core.failed + run.outside[1], sum(run.before), run.outside
    if driver.writer is not None:
        _finish(driver, driver.writer)
    broken, left = _broken(driver, options, reporter)
    interrupted = interrupted or (left and not driver.over)
    tasks, theirs, called_off = core.nested  # of subtasks their parents judge
    bad = bool(failed > theirs or core.cancelled > called_off or gates.closed)
    status = "interrupted" if interrupted else "failed" if broken or bad else "done"
    run.sampler.end()
    seconds = run.sampler.elapsed
    over = core.over
    # Of a rerun only those count that it has come to: which of the others were done is not known.
    known = 0 if run.origin else run.total or 0
    summary = {
        "run": run.id, "name": run.name, "status": status, "tasks": max(core.submitted + sum(outside), known),
        "done": core.done + outside[0], "failed": failed,
        "delivered": round(run.sampler.delivered(), 6), "seconds": round(seconds, 3),
        "tasks_per_second": round(over / seconds, 1) if seconds else 0.0, "agents": run.fleet.agents,
        "restarts": core.restarts, "redelivered": core.redelivered,
    }  # fmt: skip
    if tasks:
        summary["subtasks"] = {"tasks": tasks, "failed": theirs, "cancelled": called_off}
    if run.resumed:
        summary |= {"resumed": run.resumed, "before": before}
    if run.origin:
        summary |= origin_of(run)
    if sum(run.said):
        summary["said"] = sum(run.said)
    if run.taken:
        summary |= {"before": before, "taken": run.taken}
    if _unwritten(driver, options):
        summary["unwritten"] = {"file": options["out"], "otherwise": "failed" if bad else "done"}
    if gates.decided:
        summary["gates"] = gates.summary()
    run.finish(status, summary, give_up, _exit_code(broken, left, interrupted, bad))
    if give_up.given_up:
        database = None
    times = watch.times if watch is not None else None if database is None else last_words.ask(database, run.id)
    if not options["as_json"] and (core.submitted or broken is None):
        lines = last_words.lines(summary, reporter.progress, times)
        _tell(summary, options, run.books.resumable, lines)
        first = next((step.first_failed for step in driver.steps.values() if step.first_failed), "")
        if first and options["no_record"]:  # else it is told where all of them are to be found
            say(f"the first that failed: {_short(first)}")
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
    if _unwritten(driver, options) and run.books.resumable and not give_up.given_up:
        say(
            f"what was done is recorded; once there is room for it: shoal resume {_named(run.id, options)} (--out FILE)"
        )
    interrupted = interrupted or give_up.given_up
    if not left and broken is None:
        if give_up.given_up:
            say("shoal: interrupted: the database has not got all of this run")
        if interrupted and run.books.resumable and not options["as_json"]:
            say(f"to go on: shoal resume {_named(run.id, options)}")
    return _exit_code(broken, left, interrupted, bad)


def _unwritten(driver: Driver, options: dict[str, Any]) -> bool:
    """Whether there is a results file that is not whole."""
    return options["out"] not in (None, "-") and driver.writer is not None and driver.writer.failed is not None


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


def _exit_code(broken: str | None, left: bool, interrupted: bool, failed: bool) -> int:
    if left:
        return _READER_LEFT
    return 2 if broken is not None else 130 if interrupted else 1 if failed else 0


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


def _short(text: str) -> str:
    told = printable(text)
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"


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
