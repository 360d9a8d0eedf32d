"""``shoal resume``: what is kept of a run when it begins, and how it goes on from there."""

from __future__ import annotations

import contextlib
import os
import select
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.run import code_of, make_spec, wants_screen, warn_misspelt

if TYPE_CHECKING:
    from engine.plan.kept import Kept
    from engine.plan.steps import RunSpec
    from engine.store.queries import Run

_OPTIONS: Final = ("timeout", "soft_timeout", "retries", "name", "agents", "shards", "max_tasks", "memory_limit")
"""Those that are no settings, and say what is done and how."""
_SETTINGS: Final = ("batch_max", "strategy", "durability")
_RECORDER: Final = b"engine.store.recorder"
"""In the command of a recorder; then come the database, a descriptor and the engine's pid."""
_RECORDER_SECONDS: Final = 90.0
"""For the recorder of an engine that is gone to write what it was told: it tries for a minute."""


@click.command()
@click.argument("run")
@click.option("--db", metavar="FILE", help="Database of runs; by default in the XDG data folder.")
@click.option(
    "--out", metavar="FILE.jsonl", help="Results, all of them; by default where they were to go. - for stdout."
)
@click.option("--force", is_flag=True, help="Go on although items or code have changed; see above.")
@click.option("--headless", is_flag=True, help="No screen, even on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout, the last one a summary.")
@click.option("--serve", type=int, hidden=True)
@click.pass_context
def resume(ctx: click.Context, /, run: str, **options: Any) -> None:
    """Go on with a run that was interrupted, crashed or killed: what is recorded as done is not run again.

    RUN: its id, the beginning of it, or `last`. Plan, items, settings and folder are those it was begun with. Results
    are written anew, from the first on: those that are known come from the database. What failed stays failed.

    Where items or code have changed since, nothing is run. With --force it goes on: what is done stays as it is, by
    its place among the items, and the rest is done with the items and the code as they are now.
    """

    def go() -> int:
        if options["serve"] is None:
            warn_misspelt()
        if wants_screen(options):
            from engine.cli.screen import run_on_screen

            return run_on_screen(sys.argv[1:])
        return go_on(run, options)

    ctx.exit(code_of(go))


def keep(what: tuple[str, ...], options: dict[str, Any], dashes: bool, spec: RunSpec) -> Kept:
    """What a resumption will need. Raises `SpecError`."""
    from engine.cli.headless import module_path
    from engine.plan import kept

    path = module_path(spec.path)
    stream = options["items"] == "-"
    totals = [step.total for step in spec.steps]
    items = None
    if options["items"] and not stream:
        items = kept.items_of(Path(options["items"]), totals[0] or 0)
    out = options["out"]
    return kept.Kept(
        kept.VERSION, list(what), dashes, {name: options[name] for name in _OPTIONS}, spec.settings, os.getcwd(), path,
        out if out in (None, "-") else os.path.abspath(out), spec.text, items, stream,
        None if None in totals else sum(total or 0 for total in totals), kept.fingerprints(spec, path, spec.files),
    )  # fmt: skip


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """What the database complains of is bad input."""
    from engine.plan.steps import SpecError
    from engine.store.schema import StoreError

    try:
        yield
    except StoreError as error:
        raise SpecError(str(error)) from error


def unfinished(wanted: Kept, options: dict[str, Any]) -> str | None:
    """The newest run that was to do just this and has not done it; None, which is said, if there is none.

    Raises `SpecError` if it is still running, or nothing can be asked.
    """
    from engine.cli.reporter import say
    from engine.plan.kept import decode
    from engine.plan.steps import SpecError
    from engine.store import queries
    from engine.store.schema import NoDatabaseError

    with _asking(), contextlib.suppress(NoDatabaseError), contextlib.closing(_open(_database(options))) as db:
        for run in queries.runs(db, limit=0):
            if run.status == "done":
                continue
            kept, text = None, queries.spec(db, run.id)
            with contextlib.suppress(SpecError):
                kept = None if text is None else decode(text)
            if kept is None or kept.why_not or kept.digest != wanted.digest:
                continue
            if run.status == "running":
                raise SpecError(f"run {run.id} does just this, and is still running (shoal attach {run.id})")
            if kept.total is not None and run.status == "failed" and run.done + run.failed >= kept.total:
                continue
            say(f"resuming run {run.id}")
            return run.id
    say("no unfinished run of this: starting one")
    return None


def go_on(name: str, options: dict[str, Any]) -> int:
    """Resume a run; the exit code. Raises `SpecError`, and what `run_headless` raises."""
    from engine.cli.headless import Resumed, run_headless
    from engine.cli.items import KeptItems
    from engine.plan import kept as plan
    from engine.plan.steps import SpecError
    from engine.runtime.earlier import check_owner
    from engine.store import queries

    database = _database(options).absolute()
    out = options["out"] if options["out"] in (None, "-") else os.path.abspath(options["out"])
    with _asking(), contextlib.closing(_open(database)) as db:
        check_owner(database)
        run = queries.find(db, name)
        if run.status == "crashed":
            _await_recorder(run)
            run = queries.find(db, run.id)
        kept = _kept(db, run)
        known = queries.inputs(db, run.id)
    force = options.get("force", False)
    try:
        os.chdir(kept.cwd)
    except OSError as error:
        raise SpecError(f"run {run.id} can't be resumed in {kept.cwd}: {error.strerror}") from None
    given: dict[str, Any] = dict.fromkeys((*_OPTIONS, *_SETTINGS, "items", "serve")) | {"assigned": ()} | kept.options
    if kept.items is not None:
        given["items"] = kept.items.path
    elif kept.stream:
        given["items"] = "-"
        given["kept_items"] = KeptItems(database, run.id), known.count
        _check_stream(run, known, force)
    changed = plan.changed(kept.prints)
    spec = make_spec(tuple(kept.what), given, kept.dashes, kept)
    if kept.items is not None:
        now = plan.items_of(Path(kept.items.path), spec.steps[0].total or 0)
        if now.digest != kept.items.digest:
            _refuse(run, f"{now.path} has changed: {kept.items.count:,} items then, {now.count:,} now", force)
    for file in changed:
        _refuse(run, f"{file} has changed" if os.path.exists(file) else f"{file} is gone", force)
    total = sum(step.total or 0 for step in spec.steps)
    if run.status == "failed" and run.done + run.failed >= total:
        raise SpecError(f"run {run.id} is over, and {run.failed:,} of its tasks have failed: nothing is left to resume")
    if not options["as_json"] and options["serve"] is None:
        click.echo(f"{run.name} {run.id}: {run.done + run.failed:,} of {total:,} tasks were over", err=True)
        _tell_plan(kept)
    spec.name = run.name
    inputs: list[str | int] = [given["items"]] if kept.items is not None else [] if kept.stream else [kept.what[0]]
    now_options = {
        "serve": options["serve"], "out": out or kept.out, "as_json": options["as_json"], "items": None,
        "db": str(database), "no_record": False,
    }  # fmt: skip
    return run_headless(spec, now_options, inputs, kept, Resumed(run.id, run.resumed + 1))


def _database(options: dict[str, Any]) -> Path:
    from engine.cli.headless import database_of

    found = database_of({"no_record": False, **options})
    assert found is not None
    return found


def _open(database: Path) -> sqlite3.Connection:
    from engine.store import queries

    return queries.open_readonly(database)


def _kept(db: sqlite3.Connection, run: Run) -> Kept:
    """What was kept of a run that may be resumed. Raises `SpecError` if it may not, or nothing was kept."""
    from engine.plan.kept import decode
    from engine.plan.steps import SpecError
    from engine.store import queries

    if run.status == "running":
        raise SpecError(f"run {run.id} is still running (shoal attach {run.id})")
    if run.status == "done":
        raise SpecError(f"run {run.id} is done: nothing is left to resume")
    text = queries.spec(db, run.id)
    if text is None:
        raise SpecError(f"run {run.id} can't be resumed: only runs that `shoal run` has begun and recorded can")
    try:
        kept = decode(text)
    except SpecError as error:
        raise SpecError(f"run {run.id} can't be resumed: {error}") from None
    if kept.why_not:
        raise SpecError(f"run {run.id} can't be resumed: {kept.why_not}")
    return kept


def _check_stream(run: Run, known: Any, force: bool) -> None:
    from engine.plan.steps import SpecError

    if known.cut:
        raise SpecError(f"run {run.id} can't be resumed: it was given more on standard input than the database keeps")
    if not known.ended:
        _refuse(run, f"standard input had not ended: {known.count:,} items came before the run was cut off", force)
    if not known.count:
        raise SpecError(f"run {run.id} can't be resumed: no item had come on standard input")


def _refuse(run: Run, why: str, force: bool) -> None:
    """Raise `SpecError`, unless it is to go on all the same: then it is said."""
    from engine.plan.steps import SpecError

    if not force:
        raise SpecError(f"run {run.id} is not resumed: {why} (--force goes on all the same)")
    click.echo(f"shoal: warning: {why}", err=True)


def _tell_plan(kept: Kept) -> None:
    """Where the plan has changed since, say which one counts."""
    if kept.plan is None:
        return
    try:
        same = Path(kept.what[0]).read_text(encoding="utf-8") == kept.plan
    except (OSError, UnicodeDecodeError):
        same = False
    if not same:
        click.echo(f"{kept.what[0]} has changed since: the run goes on with the plan as it was", err=True)


def _await_recorder(run: Run) -> None:
    """Wait until the recorder of an engine that is gone has written what it was told. Raises `SpecError` if it takes
    too long.
    """
    from engine.plan.steps import SpecError

    for pid in _recorders(run.pid):
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poller = select.poll()
            poller.register(process, select.POLLIN)
            if not poller.poll(_RECORDER_SECONDS * 1000):
                raise SpecError(f"run {run.id} is not resumed: its recorder (process {pid}) is still writing")
        finally:
            os.close(process)


def _recorders(engine: int) -> list[int]:
    """Processes that record for the engine with this pid, which is gone."""
    from engine.store.places import identity

    if identity(engine):  # another process has its number by now, and may have a recorder of its own
        return []
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            at = words.index(_RECORDER) if _RECORDER in words else len(words)
            if words[at + 3 : at + 4] == [str(engine).encode()]:
                found.append(int(entry))
    return found
