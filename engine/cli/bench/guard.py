"""``shoal bench gate``, ``history`` and ``baseline``: whether the engine has become slower."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from engine.cli.bench.session import SUITES, opened
from engine.cli.bench.telling import telling, told_by


class GuardProblem(click.ClickException):
    """The history, a baseline or another code is not there or can't be used."""

    exit_code = 2


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """What is wrong with the history, the settings or the rules becomes a `GuardProblem`."""
    from engine.bench.code import NoCodeError
    from engine.bench.guard.alerting import AlertingError
    from engine.bench.guard.history import HistoryError
    from engine.settings.types import SettingsError

    try:
        yield
    except (HistoryError, NoCodeError, AlertingError, SettingsError) as error:
        raise GuardProblem(str(error)) from None


def names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[str]:
    """The rows named by ``--only`` of the suite that the command was given. Raises `click.BadParameter`."""
    from engine.bench.rows import SUITES

    suite = ctx.params["benchmark"]  # eager, so it is known before the options are
    known = [row.name for row in SUITES.get(suite, ())]
    found = [name for some in value for name in some.split(",") if name]
    for name in found:
        if name not in known:
            raise click.BadParameter(f"no row {name!r} in {suite}; known: {', '.join(known)}", ctx, param)
    return found


@click.command()
@click.argument(
    "benchmark", type=click.Choice(SUITES), default="speed", metavar="[SUITE]", is_eager=True,
)  # fmt: skip
@click.option("--baseline", default="last-good", show_default=True, metavar="NAME", help="What to compare with.")
@click.option(
    "--against", type=click.Path(exists=True, path_type=Path), metavar="PATH",
    help="Compare with another copy of Shoal, measured in turns with this one: a checkout, an environment or its "
    "interpreter.",
)  # fmt: skip
@click.option("--only", callback=names, multiple=True, metavar="NAME,...", help="Only these rows.")
@click.option(
    "--rounds", type=click.IntRange(min=3), default=10, show_default=True, metavar="N",
    help="Of a first run; a re-run has twice as many.",
)  # fmt: skip
@click.option("--accept", is_flag=True, help="Whatever is found is good from now on; exit code 0.")
@click.option("--unlike", is_flag=True, help="Compare with a baseline of an unlike machine, too.")
@click.option("--quick", is_flag=True, help="Small sizes, compared with others of such: whether it works.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
    help="The session as it is kept, samples and verdicts, as JSON; - for standard output, in the place of the table.",
)  # fmt: skip
@told_by
def gate(
    benchmark: str,
    baseline: str,
    against: Path | None,
    only: list[str],
    rounds: int,
    accept: bool,
    unlike: bool,
    quick: bool,
    output: str | None,
    form: str,
    until_eof: bool,
) -> None:
    """Measure, and say whether anything has become slower. For CI.

    A regression is more than 10 % worse over all rounds, surely more than 3 %, significant among all cells, more than
    the clock or the allocator make by themselves, and confirmed by a re-run of that cell. It raises an alert.

    Exit code 0: none. 1: a regression. 2: something could not be measured, or it is not sure enough, or there was
    nothing to compare with: then the session is the first baseline, and --accept says that this is meant.

    last-good is, cell by cell, the newest session on a machine like this one in which it was good. It never moves over
    a regression that nobody has accepted. Cells that have something measured beside them are compared by the ratio to
    it; others only while the machine is as fast as it was, by a calibration.
    """
    import json

    if against is not None and (accept or baseline != "last-good"):
        raise click.UsageError("--against takes the place of a baseline: leave out --baseline and --accept")
    import msgspec

    from engine.bench import code
    from engine.bench.guard import gate as guard
    from engine.bench.guard import history, pruning, report

    file = opened(output)
    with telling(form, until_eof) as told, problems():
        other = None if against is None else code.found(against)
        asked = guard.Asked(
            suite=benchmark, only=only, rounds=rounds, quick=quick, baseline=baseline, unlike=unlike, accept=accept,
            against=other,
        )  # fmt: skip
        result = guard.run(asked, history.default_folder(), told.progress)
        pruning.bound(history.default_folder(), benchmark)
        told.session, told.failures = result.session.id, result.session.failures
        told.verdict = report.summary(result)
        text = json.dumps(msgspec.to_builtins(result.session) | {"exit_code": result.code}, indent=1)
        if file is not None:
            file.write_text(text + "\n")
        for banner in result.banners:
            told.say(f"note: {banner}")
        click.echo(text if output == "-" else report.verdicts(result.session))
        for trend in result.trends:
            told.say(f"trend: {trend}")
        for one in result.raised:
            told.say(f"alert: {one.line}")
        told.say(told.verdict)
        told.say(f"kept in {result.place}")
        raise SystemExit(result.code)


@click.command(name="history")
@click.argument("session", required=False)
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one session a line, with all its samples.")
def history_(session: str | None, limit: int, as_json: bool) -> None:
    """List the sessions that are kept, the newest last, or show one: the beginning of its id, or last."""
    import msgspec

    from engine.bench.guard import history, report

    with problems():
        past = history.History(history.default_folder())
        found = past.sessions[-limit:] if session is None else [past.find(session)]
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one))
    elif session is not None:
        click.echo(report.one(past, found[0]))
    elif found:
        click.echo(report.sessions(past, found))
    else:
        click.echo(f"no sessions in {past.folder} yet", err=True)


@click.command()
@click.argument("name")
@click.argument("session", default="last")
def baseline(name: str, session: str) -> None:
    """Give a session a name, to be compared with it by --baseline NAME. SESSION is the beginning of an id; or last,
    which it is by default.

    The name last-good accepts what was found of the session: its cells are what the next one is compared with.
    """
    from engine.bench.guard import history

    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise click.UsageError(f"{name!r} is no name: letters, digits, '-', '_' and '.'")
    with problems():
        past = history.History(history.default_folder())
        found = past.find(session)
        if found.against:
            raise history.HistoryError(f"session {found.id} was measured beside other code: it can be no baseline")
        history.pin(past.folder, name, found.id)
    what = "accepted" if name == history.LAST_GOOD else f"baseline {name}"
    click.echo(f"session {found.id} is {what}", err=True)


COMMANDS = {"gate": gate, "history": history_, "baseline": baseline}
