"""``shoal run``: from the command line to a spec, then headless or on the screen."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from engine.plan.steps import PoolSpec, RunSpec, SpecError, Step


class Count(click.ParamType[Any]):
    """A number of at least 1, or ``auto``, which is 0."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """As click asks for it."""
        if value == "auto" or isinstance(value, int):
            return 0 if value == "auto" else value  # 0 is told from None, which is "not given"
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'auto'", param, ctx)
        if number < 1:
            self.fail(f"{number} is not at least 1", param, ctx)
        return number


class Seconds(click.ParamType[Any]):
    """A number of seconds above 0."""

    name = "S"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click asks for it."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not 0 < number < math.inf:
            self.fail(f"{value} is not a number of seconds above 0", param, ctx)
        return number


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("what", nargs=-1, metavar="[PLAN.toml | module:function | -- COMMAND ...]")
@click.option("--items", metavar="FILE", help="Items: .jsonl, .csv or .txt (one a line), - for standard input.")
@click.option(
    "--agents", type=Count(), metavar="N|auto", help="Agents; auto is one for each core. For a plan: of its first pool."
)
@click.option("--batch-max", type=click.IntRange(1), metavar="N", help="Tasks in one batch at the most (500).")
@click.option(
    "--shards", type=Count(), metavar="N|auto", help="Hosts that feed and fork the agents; auto goes by their number."
)
@click.option("--timeout", type=Seconds(), help="Seconds one task may take; then it is killed and has failed.")
@click.option("--retries", type=click.IntRange(0), metavar="N", help="How often a failed task is tried again (0).")
@click.option(
    "--out", metavar="FILE.jsonl", help="Results, one JSON line a task, in the order of the items; - for stdout."
)
@click.option("--db", metavar="FILE", help="Database of runs; by default in the XDG data folder.")
@click.option("--no-record", is_flag=True, help="Record nothing.")
@click.option("--name", help="Name of the run.")
@click.option("--headless", is_flag=True, help="No screen, even on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout, the last one a summary.")
@click.option("--serve", type=int, hidden=True)
@click.pass_context
def run(ctx: click.Context, /, what: tuple[str, ...], **options: Any) -> None:
    """Run a plan, a Python callable over items, or a command over items.

    \b
    shoal run fixtures/plans/heartbeat.toml
    shoal run mymodule:evaluate --items points.jsonl --out results.jsonl
    seq 1 100 | shoal run --items - -- convert in{}.png out{n}.jpg

    In a command, {} stands for the item and {n} for its number from 1; without either the item comes last. No shell is
    involved.

    Exit codes: 0 all done, 1 some task failed, 2 bad input or usage, 130 interrupted (the first ctrl-c lets what runs
    finish, the second stops at once).
    """
    try:
        from engine.runtime.launch import StartError
        from engine.runtime.limits import TooMany
        from engine.stream.places import UnsafeFolder

        spec = make_spec(what, options, "--" in sys.argv)
        on_screen = (
            not options["headless"] and not options["as_json"] and options["serve"] is None
            and sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
        )  # fmt: skip
        if on_screen:
            from engine.cli.screen import run_on_screen

            code = run_on_screen(sys.argv[1:])
        else:
            from engine.cli.headless import run_headless

            code = run_headless(spec, options, _inputs(what, options))
    except (SpecError, TooMany, StartError, UnsafeFolder) as error:
        click.echo(f"shoal: {error}", err=True)
        code = 2
    ctx.exit(code)


def _inputs(what: tuple[str, ...], options: dict[str, Any]) -> list[str | int]:
    """Files that a run reads, as paths or descriptors: results must not be written over them."""
    if options["items"] == "-":
        return [0]
    if options["items"]:
        return [options["items"]]
    return [what[0]]  # a plan


def make_spec(what: tuple[str, ...], options: dict[str, Any], dashes: bool) -> RunSpec:
    """What the command line asks for. Raises `SpecError`."""
    from engine.plan.load import load

    first = what[0] if what else ""
    plan = first.endswith(".toml") and not dashes
    if not what:
        raise SpecError("nothing to run: give a plan, module:function, or -- and a command (shoal run --help)")
    if plan:
        if len(what) > 1:
            raise SpecError(f"one plan at a time: what is {what[1]!r}?")
        if options["items"]:
            raise SpecError("a plan has its items inside: leave --items out")
        spec = load(Path(first))
        pool = spec.pools[0]
        pool.agents = pool.agents if options["agents"] is None else options["agents"] or None
        pool.shards = pool.shards if options["shards"] is None else options["shards"] or None
        spec.batch_max = options["batch_max"] or spec.batch_max
        for step in spec.steps:
            step.timeout = options["timeout"] or step.timeout
            step.retries = options["retries"] if options["retries"] is not None else step.retries
    else:
        spec = _spec_of_items(what, options, dashes)
    spec.name = options["name"] or spec.name
    return spec


def _spec_of_items(what: tuple[str, ...], options: dict[str, Any], dashes: bool) -> RunSpec:
    from engine.cli.items import FileItems

    step = Step("tasks", timeout=options["timeout"], retries=options["retries"] or 0)
    if dashes:
        step.command = list(what)
        name = Path(what[0]).name
        if "{" not in what[0] and shutil.which(what[0]) is None:
            raise SpecError(f"no program {what[0]!r} on the PATH")
    elif len(what) == 1 and ":" in what[0]:
        step.call = name = what[0]
        module, _, function = what[0].partition(":")
        if not all(part.isidentifier() for part in [*module.split("."), *function.split(".")]):
            raise SpecError(f"{what[0]!r} is not module:function, such as engine.workloads.coordination:echo")
    else:
        raise SpecError(
            f"{what[0]!r} is neither a plan (.toml) nor module:function; "
            f"put -- before a command: shoal run --items FILE -- {what[0]}"
        )
    source = options["items"]
    if source is None:
        raise SpecError("no items: give --items FILE, or --items - for standard input")
    if source != "-":
        items = FileItems(Path(source))
        step.arguments, step.total = items, items.count
    elif options["serve"] is not None or sys.stdin.isatty():
        raise SpecError("--items - reads standard input, which is your terminal: pipe something into it")
    pool = PoolSpec(agents=options["agents"] or None, shards=options["shards"] or None)
    return RunSpec(name, [pool], [step], options["batch_max"] or 500)
