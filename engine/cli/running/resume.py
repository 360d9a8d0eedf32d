"""``shoal resume``: how a run that was cut off goes on."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.running import again, leftovers, rewrite
from engine.cli.running.leftovers import Way
from engine.cli.running.starting import code_of

if TYPE_CHECKING:
    from engine.plan.kept import Kept
    from engine.store.queries import Run

_WAY: Final = Way("resumed", "goes on")


@click.command()
@click.argument("run")
@click.option("--db", metavar="FILE", help="Database of runs; by default in the XDG data folder.")
@click.option(
    "--out", metavar="FILE.jsonl", help="Results, all of them; by default where they were to go. - for stdout."
)
@click.option("--force", is_flag=True, help="Go on although items or code have changed; see above.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="N", help="Serve metrics there; 0: any free one."
)
@click.option("--headless", is_flag=True, help="No screen, even on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout, the last one a summary.")
@click.option("--serve", type=int, hidden=True)
@click.pass_context
def resume(ctx: click.Context, /, run: str, **options: Any) -> None:
    """Go on with a run that was interrupted, crashed or killed: what is recorded as done is not run again.

    RUN: its id, the beginning of it, or `last`. Plan, items, settings and folder are those it was begun with. Results
    are written anew, from the first on: those that are known come from the database. What failed stays failed
    (`shoal rerun --failed` runs that again).

    Of a run that is over nothing runs: with --out, or where its own results could not be written, the file is written
    anew from the record, and the exit code is the run's.

    Where items or code have changed since, nothing is run. With --force it goes on: what is done stays as it is, by
    its place among the items, and the rest is done with the items and the code as they are now.
    """

    ctx.exit(code_of(lambda: again.on_screen_or(options, lambda: go_on(run, options))))


def unfinished(wanted: Kept, options: dict[str, Any]) -> str | None:
    """The newest run that was to do just this and has not done it; None, which is said, if there is none.

    Raises `SpecError` if it is still running, or nothing can be asked.
    """
    from engine.cli.running.reporter import say
    from engine.plan import kept as plan
    from engine.plan.steps import SpecError
    from engine.store import queries
    from engine.store.schema import NoDatabaseError

    apart = ""
    database = again.database_of(options)
    with again.asking(database):
        leftovers.take_in_all(database)
    with (
        again.asking(database),
        contextlib.suppress(NoDatabaseError),
        contextlib.closing(again.opened(database)) as db,
    ):
        for run in queries.runs(db, limit=0):
            if run.status == "done" or run.rerun is not None:
                continue
            kept, text = None, queries.spec(db, run.id)
            with contextlib.suppress(SpecError):
                kept = None if text is None else plan.decode(text)
            if kept is None or kept.why_not or (kept.digest != wanted.digest and not plan.is_of(kept, wanted)):
                continue
            if kept.digest != wanted.digest:
                apart = apart or _apart(run, kept, wanted)
                continue
            if run.status == "running":
                raise SpecError(f"run {run.id} does just this, and is still running (shoal attach {run.id})")
            if _is_over(run, kept):
                continue
            say(f"resuming run {run.id}")
            if names := plan.unheeded(kept, wanted):
                say(f"it goes on as it was begun, and does not heed {_list(names)} as given now")
            return run.id
    say(apart or "no unfinished run of this: starting one")
    return None


def _write_anew(found: again.Found, out: str | None, options: dict[str, Any]) -> int:
    """Raises `SpecError` where there is nothing to be written."""
    from engine.plan.steps import SpecError

    if out is None:
        raise SpecError(rewrite.nothing_left(found.run))
    return rewrite.write_anew(found, out, options["as_json"])


def _is_over(run: Run, kept: Kept) -> bool:
    """Whether nothing is left to be done but what has failed."""
    if run.summary.get("unwritten"):
        return False
    return kept.total is not None and run.status == "failed" and run.done + run.failed >= kept.total


def _apart(run: Run, kept: Kept, wanted: Kept) -> str:
    """Why an unfinished run of the same words is not gone on with; "" where there is nothing to be said."""
    from engine.plan import kept as plan

    files, options = plan.files_apart(kept, wanted), plan.options_apart(kept, wanted)
    if run.status == "running" or _is_over(run, kept) or not files + options:
        return ""
    changed = [f"{_list(files)} {'have' if len(files) > 1 else 'has'} changed since"] if files else []
    other = [f"{_list(options)} {'are others' if len(options) > 1 else 'is another one'} now"] if options else []
    force = "--force " if files else ""
    return (
        f"run {run.id} of this is unfinished, but {' and '.join(changed + other)}: starting one anew "
        f"(shoal resume {force}{run.id} goes on with it)"
    )


def _list(names: list[str]) -> str:
    return ", ".join(names)


def go_on(name: str, options: dict[str, Any]) -> int:
    """Resume a run; the exit code. Raises `SpecError`, and what `run_headless` raises."""
    from engine.cli.running.headless import Origin, Resumed, run_headless

    found = again.find(name, options, _WAY)
    run, force = found.run, options.get("force", False)
    out = rewrite.out_of(found, options["out"])
    if run.status == "done" or (out is not None and not force and rewrite.is_over(found)):
        return _write_anew(found, out, options)
    if out not in (None, "-"):
        out = os.path.abspath(out)  # the folder is another one soon
    ready = again.prepare(found, {"out": options["out"], "metrics_port": options["metrics_port"]}, force)
    known = again.counted(found, ready)
    over = known.done + known.failed
    if run.status == "failed" and over >= ready.total:
        return _write_anew(found, out, options)
    if not options["as_json"] and options["serve"] is None:
        click.echo(f"{run.name} {run.id}: {over:,} of {ready.total:,} tasks were over", err=True)
        again.tell_gone(known)
        again.tell_plan(found)
    ready.spec.name = run.name
    now = {
        "serve": options["serve"], "out": ready.kept.out, "as_json": options["as_json"], "items": None,
        "db": found.given, "no_record": False,
    }  # fmt: skip
    resumed = Resumed(run.id, run.resumed + 1)
    origin = Origin(run.origin, run.rerun or "", found.before) if run.origin else None
    taken = [one.id for one in found.taken]
    return run_headless(ready.spec, now, ready.inputs, found.kept, resumed, origin, taken)
