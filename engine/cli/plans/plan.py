"""``shoal plan``: look at a plan without running it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from engine.cli.recorded.recorded import db_option

if TYPE_CHECKING:
    from engine.plan.steps import RunSpec

F = TypeVar("F", bound=Callable[..., Any])

_WIDTH: Final = 120
"""Columns of a chart that goes to a file."""
_DECISIONS: Final = ("go", "pivot", "stop", "hold")


class PlanProblem(click.ClickException):
    """A plan that can't be."""

    exit_code = 2


def _assigning(command: F) -> F:
    option = click.option(
        "--set", "assigned", multiple=True, metavar="NAME=VALUE",
        help="A parameter, or a value by its dotted name (workers.NAME=2, tasks.NAME.estimate=3h); again and again.",
    )  # fmt: skip
    return option(command)


@click.group()
def plan() -> None:
    """Check, simulate and report a plan; nothing of it is run.

    \b
    shoal plan check FILE                       whether it is right: order, owners, claims, merging
    shoal plan simulate FILE                    when all is over, and what that hangs on
    shoal plan report FILE|RUN                  what is done, what is next, as Markdown
    """


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@_assigning
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(file: Path, assigned: tuple[str, ...], as_json: bool) -> None:
    """Look whether a plan is right.

    It is read with all that it includes, its tasks are put in order, and who may touch what is compared pair by pair: a
    circle, or a conflict of owners, is named with all who are in it. A plan that is wrong: a line for each thing on
    standard error, and exit code 2.
    """
    import msgspec

    from engine.cli.plans.text import check_lines
    from engine.cli.words import clean, printable
    from engine.plan.review import review

    spec = load(file, assigned)
    _check_pools(file, spec)
    found = review(spec)
    if as_json:
        data = msgspec.to_builtins(found)
        data["proof"]["conflicts"] = [msgspec.to_builtins(one) | {"text": one.text} for one in found.proof.conflicts]
        click.echo(msgspec.json.encode({"plan": spec.name, "file": str(file), "ok": not found.proof.conflicts} | data))
    else:
        for line in check_lines(spec, found):
            click.echo(clean(line))
    for conflict in found.proof.conflicts:
        click.echo(f"shoal: {printable(f'{file}: {conflict.text}')}", err=True)
    if found.proof.conflicts:
        raise SystemExit(2)


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@_assigning
@click.option(
    "--gate", "gates", multiple=True, metavar="NAME=DECISION", help="What a gate comes to: go, pivot, stop, hold."
)
@click.option(
    "--rounds", type=click.IntRange(0), metavar="N", help="Rounds with uncertain estimates; by default up to 200."
)
@click.option("--seed", type=int, default=1, metavar="N", help="Of the chance in them (1).")
@click.option(
    "--distribution", type=click.Choice(("pert", "triangular")), default="pert", help="Of uncertain estimates (pert)."
)
@click.option("--width", type=click.IntRange(40, 1000), metavar="N", help="Of the chart; by default the terminal's.")
@click.option("--ascii", "in_ascii", is_flag=True, help="Draw the chart with ASCII characters.")
@click.option("--no-chart", is_flag=True, help="Draw no chart.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; times in seconds.")
def simulate(
    file: Path,
    assigned: tuple[str, ...],
    gates: tuple[str, ...],
    rounds: int | None,
    seed: int,
    distribution: Any,
    width: int | None,
    in_ascii: bool,
    no_chart: bool,
    as_json: bool,
) -> None:
    """Let a plan pass under a virtual clock, as the engine would schedule it with the workers and agents that it has.

    Told are: when all is over (with an interval, where estimates are uncertain), the chain of tasks that this hangs on,
    how busy everybody is week by week, which milestones are reached when, what waits longest, and a Gantt chart.
    """
    import shutil

    from engine.cli.plans.data import simulation_data
    from engine.cli.plans.text import simulation_lines
    from engine.plan.simulation.gantt import ASCII, UNICODE, draw, legend
    from engine.plan.simulation.simulate import simulate as simulated
    from engine.plan.steps import SpecError
    from engine.runtime.fleet.limits import cores
    from engine.settings.types import SettingsError

    spec = load(file, assigned)
    decisions = _decisions(gates)
    try:
        found = simulated(spec, cores(), decisions=decisions, rounds=rounds, seed=seed, shape=distribution)
    except (SpecError, SettingsError) as error:
        raise PlanProblem(f"{file}: {error}") from None
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(simulation_data(spec, found)))
        return
    from engine.cli.words import clean

    for line in simulation_lines(spec, found):
        click.echo(clean(line))
    if not no_chart:
        glyphs = ASCII if in_ascii else UNICODE
        columns = width or (shutil.get_terminal_size((_WIDTH, 24)).columns if os.isatty(1) else _WIDTH)
        click.echo()
        for line in draw(spec, found, columns, glyphs):
            click.echo(line)
        click.echo(legend(glyphs))


@plan.command()
@click.argument("what", metavar="FILE|RUN")
@_assigning
@db_option
@click.option("--out", metavar="FILE", help="Write to FILE instead of standard output.")
def report(what: str, assigned: tuple[str, ...], db: Path | None, out: str | None) -> None:
    """Tell in Markdown how far a plan is: done, in progress, blocked by what, next, risks, milestones, tests.

    Of a FILE (.toml) nothing is done yet. Of a recorded RUN (its id, the beginning of it, or `last`), what the database
    knows of it.
    """
    import time

    from engine.cli.plans.report import document, of_file, of_run
    from engine.cli.recorded.outfile import written
    from engine.cli.recorded.recorded import database, say

    if what.endswith(".toml"):
        found = of_file(load(Path(what), assigned), what)
    elif assigned:
        raise click.UsageError("--set is for a FILE: a run has what it was begun with")
    else:
        found = of_run(what, db, time.time())
    with written(out, database(db)) as stream:
        stream.write(document(found).encode())
    if out not in (None, "-"):
        say(f"{what} in {out}")


@plan.command()
def schema() -> None:
    """Print the JSON schema of plan files, for editors that check TOML by one."""
    import msgspec

    from engine.plan.tables import schema as described

    click.echo(msgspec.json.format(msgspec.json.encode(described()), indent=2))


def load(file: Path, assigned: tuple[str, ...]) -> RunSpec:
    """The plan in a file. Raises `PlanProblem`."""
    from engine.plan import load as plans
    from engine.plan.steps import SpecError
    from engine.settings.types import SettingsError

    given: dict[str, str] = {}
    for text in assigned:
        name, equals, value = text.partition("=")
        if not equals:
            raise PlanProblem(f"--set {text}: write NAME=VALUE, such as workers.main=2")
        given[name.strip()] = value
    try:
        return plans.load(file, set=given)
    except (SpecError, SettingsError) as error:
        raise PlanProblem(str(error)) from None


def _check_pools(file: Path, spec: RunSpec) -> None:
    """Raises `PlanProblem` for sizes that contradict each other."""
    from engine.runtime.fleet.limits import cores
    from engine.settings.pools import complete
    from engine.settings.types import SettingsError

    for pool in spec.pools:
        try:
            complete(pool, spec.settings, cores())
        except SettingsError as error:
            raise PlanProblem(f"{file}: {error}") from None


def _decisions(gates: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for text in gates:
        name, _, decided = text.partition("=")
        if decided not in _DECISIONS:
            raise PlanProblem(f"--gate {text}: write NAME=DECISION, one of {', '.join(_DECISIONS)}")
        found[name] = decided
    return found
