"""``shoal rerun``: a recorded run once more, all of it or what has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.numeric import Count, Seconds, Size
from engine.cli.running import again
from engine.cli.running.leftovers import Way
from engine.cli.running.starting import code_of

if TYPE_CHECKING:
    from engine.cli.running.again import Counted, Found, Ready

_WAY: Final = Way("rerun", "begins again")


@click.command()
@click.argument("run")
@click.option("--failed", is_flag=True, help="Only what has failed; what was done is taken over.")
@click.option("--db", metavar="FILE", help="Database of runs; by default in the XDG data folder.")
@click.option(
    "--out", metavar="FILE.jsonl", help="Results, whole; by default where those of RUN were to go. - for stdout."
)
@click.option("--name", help="Name of the new run; by default that of RUN.")
@click.option("--agents", type=Count(), metavar="N|auto", help="Another number of agents; of a plan, its first pool.")
@click.option("--timeout", type=Seconds(), help="Another number of seconds that one task may take.")
@click.option("--soft-timeout", type=Seconds(), help="Another number of seconds until a task is interrupted.")
@click.option("--retries", type=click.IntRange(0), metavar="N", help="How often a failed task is tried again, now.")
@click.option("--memory-limit", type=Size(), help="Another limit of an agent's memory. For a plan: first pool.")
@click.option("--force", is_flag=True, help="Begin although items or code have changed; see above.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="N", help="Serve metrics there; 0: any free one."
)
@click.option("--headless", is_flag=True, help="No screen, even on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout, the last one a summary.")
@click.option("--serve", type=int, hidden=True)
@click.pass_context
def rerun(ctx: click.Context, /, run: str, **options: Any) -> None:
    """Run again what has failed of a recorded run that is over, or, without --failed, all of it.

    RUN: its id, the beginning of it, or `last`. It is a new run, with the plan, items, options, settings and folder of
    the old one; options below change a few of these. With --failed it runs the tasks that failed in whatever way, and
    those that did not run because what they come after had failed; what was done comes from the database, also where
    a later step of a plan gathers it. Tasks keep their numbers, and so do `{n}` and `index`.

    The results file is whole, in order: a line for each task of RUN, the new one where it ran again, the old one where
    it was done. By default it takes the place of the old file.

    Where items or code have changed since, nothing is run. With --force it begins: what was done stays as it is, by
    its place among the items, and the rest is done with the items and the code as they are now. The same goes for a
    run that was cut off: with --force, what it had not begun runs, too.
    """

    ctx.exit(code_of(lambda: again.on_screen_or(options, lambda: begin(run, options))))


def begin(name: str, options: dict[str, Any]) -> int:
    """Rerun a run; the exit code. Raises `SpecError`, and what `run_headless` raises."""
    from engine.cli.running.headless import Origin, run_headless

    found = again.find(name, options, _WAY)
    run, failed = found.run, options["failed"]
    if failed and not run.failed:
        cut = f", but was cut off (shoal resume {run.id})" if run.status in ("interrupted", "crashed") else ""
        if run.summary.get("unwritten"):
            cut = f", but its results were not all written (shoal resume {run.id})"
        click.echo(f"run {run.id} has no failed tasks{cut}: nothing is run again", err=True)
        return 0
    ready = again.prepare(found, options, options["force"])
    known = again.counted(found, ready)
    left = ready.total - known.done - known.failed
    if failed and run.status != "done" and left > 0:
        tasks = "1 of its tasks has" if left == 1 else f"{left:,} of its tasks have"
        found.refuse(f"it was cut off, and {tasks} not run: shoal resume {run.id} goes on with it", options["force"])
    if not options["as_json"] and options["serve"] is None:
        _say(found, ready, known if failed else None)
        again.tell_plan(found)
    now = {
        "serve": options["serve"], "out": ready.kept.out, "as_json": options["as_json"], "items": None,
        "db": found.given, "no_record": False,
    }  # fmt: skip
    taken = [run.id, *(one.id for one in found.taken)] if failed else []
    origin = Origin(run.id, "failed" if failed else "all", found.before + run.done if failed else 0)
    return run_headless(ready.spec, now, ready.inputs, ready.kept, origin=origin, taken=taken)


def _say(found: Found, ready: Ready, known: Counted | None) -> None:
    """What is about to happen, in one line, and what can't. `known`: what is taken over of the old run."""
    run = found.run
    if known is not None:
        text = f"{ready.total - known.done:,} of {ready.total:,} tasks run again, {known.done:,} were done"
    else:
        text = f"all {ready.total:,} tasks run again"
    click.echo(f"{run.name} {run.id}: {text}", err=True)
    if known is not None:
        again.tell_gone(known)
