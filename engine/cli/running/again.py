"""What resuming and rerunning a recorded run have in common: what is kept of it, and whether that still holds."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from engine.cli.running.leftovers import Way, await_recorder, take_in, take_in_all
from engine.cli.running.spec import make_spec
from engine.cli.running.starting import wants_screen, warn_misspelt

if TYPE_CHECKING:
    from engine.plan.kept import Kept
    from engine.plan.steps import RunSpec
    from engine.settings.types import Settings
    from engine.store.queries import Inputs, Run

OPTIONS: Final = ("timeout", "soft_timeout", "retries", "name", "agents", "shards", "max_tasks", "memory_limit", "lane")
"""Those of `run` that are no settings, and say what is done and how."""
_CHUNK: Final = 2_000
"""Tasks that are read at once."""
_SETTINGS: Final = ("batch_max", "strategy", "durability", "metrics_port", "people", "gates")


def on_screen_or(options: dict[str, Any], begin: Callable[[], int]) -> int:
    """Have the command of this process run with a screen if there is to be one, else `begin`; the exit code."""
    if options["serve"] is None:
        warn_misspelt()
    if wants_screen(options):
        from engine.cli.running.screen import run_on_screen

        return run_on_screen(sys.argv[1:])
    return begin()


class Found(NamedTuple):
    """A recorded run that is not running."""

    way: Way
    database: Path
    run: Run
    kept: Kept
    taken: list[Run]
    """The runs whose done tasks count as done in it, the newest first: it ran what had failed in these."""
    known: Inputs
    """Its items, where they came on standard input."""
    given: str | None
    """The database, where it is not the usual one."""

    @property
    def before(self) -> int:
        """Tasks that were done in the runs before it."""
        return sum(run.done for run in self.taken)

    @property
    def over(self) -> int:
        """Tasks that have an outcome."""
        return self.before + self.run.done + self.run.failed

    @property
    def stream(self) -> str:
        """The run whose record has the items that came on standard input."""
        return self.kept.stream_of or self.run.id

    def cannot(self, why: str) -> Exception:
        """The error that says why it is impossible."""
        from engine.plan.steps import SpecError

        return SpecError(f"run {self.run.id} can't be {self.way.done}: {why}")

    def refuse(self, why: str, force: bool) -> None:
        """Raise `SpecError`, unless it is to go on all the same: then it is said."""
        from engine.plan.steps import SpecError

        if not force:
            raise SpecError(f"run {self.run.id} is not {self.way.done}: {why} (--force goes on all the same)")
        click.echo(f"shoal: warning: {why}", err=True)


class Counted(NamedTuple):
    """Tasks of a run with its items as they are now."""

    done: int
    failed: int
    gone: int
    """Those that are recorded and have no item any more."""


class Ready(NamedTuple):
    """A run as it can be begun again."""

    spec: RunSpec
    kept: Kept
    """What is to be kept of it if it is a run of its own: its files as they are now."""
    total: int
    inputs: list[str | int]
    """Files that it reads, as paths or descriptors."""


def keep(what: tuple[str, ...], options: dict[str, Any], dashes: bool, spec: RunSpec) -> Kept:
    """What a resumption will need. Raises `SpecError`."""
    from msgspec.structs import replace

    from engine.cli.running.headless import module_path
    from engine.plan import kept

    path = module_path(spec.path)
    stream = options["items"] == "-"
    totals = [step.total for step in spec.steps]
    items = None
    if options["items"] and not stream:
        items = kept.items_of(Path(options["items"]), totals[0] or 0)
    out = options["out"]
    return kept.Kept(
        kept.VERSION, list(what), dashes,
        {name: options[name] for name in OPTIONS} | {"lane": list(options["lane"]) or None},
        replace(spec.settings, metrics_port=None), os.getcwd(), path,
        out if out in (None, "-") else os.path.abspath(out), spec.text, items, stream,
        None if None in totals else sum(total or 0 for total in totals), kept.fingerprints(spec, path, spec.files),
        included=spec.included, assigned=spec.assigned,
    )  # fmt: skip


@contextlib.contextmanager
def asking(database: Path) -> Iterator[None]:
    """What the database complains of is bad input."""
    from engine.plan.steps import SpecError
    from engine.store.schema import FAULTS, StoreError, explain

    try:
        yield
    except StoreError as error:
        raise SpecError(str(error)) from error
    except FAULTS as error:
        raise SpecError(str(explain(database, error))) from error


def database_of(options: Mapping[str, Any]) -> Path:
    """Where the run is recorded."""
    from engine.cli.running import headless

    found = headless.database_of({"no_record": False, "db": options["db"]})
    assert found is not None
    return found.absolute()


def opened(database: Path) -> sqlite3.Connection:
    """The database, to be asked."""
    from engine.store import queries

    return queries.open_readonly(database)


def find(name: str, options: Mapping[str, Any], way: Way) -> Found:
    """The run of this id, or the beginning of one, or ``last``. Raises `SpecError` if it is running, or nothing was
    kept of it.
    """
    from engine.plan.steps import SpecError
    from engine.runtime.record.earlier import check_owner
    from engine.store import queries

    database = database_of(options)
    with asking(database):
        take_in_all(database)
    with asking(database), contextlib.closing(opened(database)) as db:
        check_owner(database)
        run = queries.find(db, name)
        if run.status == "crashed":
            await_recorder(run, way)
        if take_in(database, run, run.id, way) or run.status == "crashed":
            run = queries.find(db, run.id)
        if run.status == "running":
            raise SpecError(f"run {run.id} is still running (shoal attach {run.id})")
        kept = _kept(db, run, way)
        taken = _taken(db, run, way)
        came = [one for one in taken if take_in(database, run, one.id, way)]
        if came:
            taken = _taken(db, run, way)
        if kept.stream_of:
            take_in(database, run, kept.stream_of, way)
        known = queries.inputs(db, kept.stream_of or run.id)
        given = None if options["db"] is None else str(database)
        return Found(way, database, run, kept, taken, known, given)


def _kept(db: sqlite3.Connection, run: Run, way: Way) -> Kept:
    """Raises `SpecError`."""
    from engine.plan.kept import decode
    from engine.plan.steps import SpecError
    from engine.store import queries

    text = queries.spec(db, run.id)
    cannot = f"run {run.id} can't be {way.done}"
    if text is None:
        raise SpecError(f"{cannot}: only runs that `shoal run` has begun and recorded can")
    try:
        kept = decode(text)
    except SpecError as error:
        raise SpecError(f"{cannot}: {error}") from None
    if kept.why_not:
        raise SpecError(f"{cannot}: {kept.why_not}")
    return kept


def _taken(db: sqlite3.Connection, run: Run, way: Way) -> list[Run]:
    """The runs whose done tasks count as done in a run. Raises `SpecError` if one of them is no more."""
    from engine.plan.steps import SpecError
    from engine.store import queries

    found: list[Run] = []
    last = run
    while last.rerun == "failed" and last.origin:
        origin = queries.of_id(db, last.origin)
        if origin is None:
            why = f"what was done before it was recorded with run {last.origin}, which is no more"
            raise SpecError(f"run {run.id} can't be {way.done}: {why}")
        found.append(origin)
        last = origin
    return found


def prepare(found: Found, options: Mapping[str, Any], force: bool) -> Ready:
    """The run as it was begun, but for those of `options` that are not None. Changes to its folder. Raises `SpecError`
    if its items or its code have changed since, unless it is to go on all the same.
    """
    from msgspec.structs import replace

    from engine.cli.running.items import KeptItems
    from engine.plan import kept as plan
    from engine.plan.steps import SpecError

    kept, run, out = found.kept, found.run, options["out"]
    if out not in (None, "-"):
        out = os.path.abspath(out)
    try:
        os.chdir(kept.cwd)
    except OSError as error:
        raise SpecError(f"run {run.id} can't be {found.way.done} in {kept.cwd}: {error.strerror}") from None
    said = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    kept = replace(kept, options={**kept.options, **said})
    given: dict[str, Any] = dict.fromkeys((*OPTIONS, *_SETTINGS, "items", "serve")) | {"assigned": ()} | kept.options
    if kept.items is not None:
        given["items"] = kept.items.path
    elif kept.stream:
        given["items"] = "-"
        given["kept_items"] = KeptItems(found.database, found.stream, found.known.count), found.known.count
        _check_stream(found, force)
    changed = plan.changed(kept.prints)
    spec = make_spec(tuple(kept.what), given, kept.dashes, kept)
    items = kept.items
    if items is not None:
        items = plan.items_of(Path(items.path), spec.steps[0].total or 0)
        if kept.items is not None and items.digest != kept.items.digest:
            why = f"{items.path} has changed: {kept.items.count:,} items then, {items.count:,} now"
            found.refuse(why, force)
    for file in changed:
        found.refuse(f"{file} has changed" if os.path.exists(file) else f"{file} is gone", force)
    total = sum(step.total or 0 for step in spec.steps)
    spec.name = options.get("name") or run.name
    spec.settings = _served(spec.settings, options.get("metrics_port"))
    inputs: list[str | int] = [items.path] if items is not None else [] if kept.stream else [kept.what[0]]
    now = replace(
        kept, items=items, out=out or kept.out, total=total, prints=plan.fingerprints(spec, kept.path, spec.files),
        stream_of=found.stream if kept.stream else None,
    )  # fmt: skip
    return Ready(spec, now, total, inputs)


def counted(found: Found, ready: Ready) -> Counted:
    """What is recorded of the tasks that there are now. Raises `SpecError` and `StartError`."""
    from engine.runtime.record.earlier import Earlier

    done, failed = found.before + found.run.done, found.run.failed
    if ready.total == found.kept.total or found.kept.total is None:
        return Counted(done, failed, 0)
    states = {"done": 0, "failed": 0}
    earlier = Earlier(found.database, found.run.id, [one.id for one in found.taken])
    with contextlib.closing(earlier):
        for job, step in enumerate(ready.spec.steps, 1):
            total = step.total or 0
            for first in range(0, total, _CHUNK):
                for known in earlier.outcomes(job, first, min(first + _CHUNK, total)):
                    states[known.outcome.state] += 1
    return Counted(**states, gone=done + failed - sum(states.values()))


def tell_gone(known: Counted) -> None:
    """Say that recorded tasks have no item any more, if some have none."""
    if known.gone:
        tasks = "1 recorded task has" if known.gone == 1 else f"{known.gone:,} recorded tasks have"
        click.echo(f"{tasks} no item any more: kept in the record, and not in the results", err=True)


def _served(settings: Settings, port: int | None) -> Settings:
    """The settings, with where metrics are served as it is said now. Raises `SettingsError`."""
    from msgspec.structs import replace

    from engine.settings.resolve import resolve
    from engine.settings.sources import Source

    given = Source({} if port is None else {"metrics_port": port}, {"metrics_port": "--metrics-port"})
    now = resolve(given).settings
    return replace(settings, metrics_port=now.metrics_port, metrics_host=now.metrics_host)


def tell_plan(found: Found) -> None:
    """Where the plan has changed since, say which one counts."""
    kept = found.kept
    if kept.plan is None:
        return
    try:
        same = Path(kept.what[0]).read_text(encoding="utf-8") == kept.plan
    except (OSError, UnicodeDecodeError):
        same = False
    if not same:
        text = f"{kept.what[0]} has changed since: the run {found.way.goes} with the plan as it was"
        click.echo(text, err=True)


def _check_stream(found: Found, force: bool) -> None:
    known = found.known
    if known.cut:
        raise found.cannot("it was given more on standard input than the database keeps")
    if found.kept.stream_of and not known.count:
        raise found.cannot(f"its items were recorded with run {found.kept.stream_of}, which is no more")
    if not known.ended:
        found.refuse(f"standard input had not ended: {known.count:,} items came before the run was cut off", force)
    if not known.count:
        raise found.cannot("no item had come on standard input")
