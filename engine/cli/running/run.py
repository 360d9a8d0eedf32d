"""``shoal run``: from the command line to a spec, then headless or on the screen."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.words import on_terminal

if TYPE_CHECKING:
    from engine.plan.kept import Kept
    from engine.plan.steps import RunSpec
    from engine.settings.sources import Source
    from engine.settings.types import PoolSettings

STRATEGIES: Final = ("least-loaded", "hash", "round-robin", "random")
"""As `engine.settings.types.Strategy` has them: written again here, for help must not load it."""

PEOPLE: Final = ("refuse", "wait", "skip")
GATES: Final = ("wait", "fail")
DURABILITIES: Final = ("off", "normal", "full")


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


class Size(click.ParamType[Any]):
    """Bytes, as ``500M`` or ``2G``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """As click asks for it."""
        from engine.settings.sizes import parse_size

        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("what", nargs=-1, metavar="[PLAN.toml | module:function | -- COMMAND ...]")
@click.option("--items", metavar="FILE", help="Items: .jsonl, .csv or .txt (one a line), - for standard input.")
@click.option(
    "--agents", type=Count(), metavar="N|auto", help="Agents; auto is one for each core. For a plan: of its first pool."
)
@click.option("--batch-max", type=click.IntRange(1), metavar="N", help="Tasks in one batch at the most (500).")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="How tasks are placed on shards (least-loaded).")
@click.option(
    "--shards", type=Count(), metavar="N|auto", help="Hosts that feed and fork the agents; auto goes by their number."
)
@click.option("--timeout", type=Seconds(), help="Seconds one task may take; then it is killed and has failed.")
@click.option(
    "--soft-timeout", type=Seconds(), help="Seconds after which a task is interrupted by an exception, and may tidy up."
)
@click.option("--retries", type=click.IntRange(0), metavar="N", help="How often a failed task is tried again (0).")
@click.option(
    "--max-tasks", type=click.IntRange(1), metavar="N", help="Replace an agent after N tasks. For a plan: first pool."
)
@click.option(
    "--memory-limit", type=Size(), help="Kill an agent that holds more memory, such as 500M. For a plan: first pool."
)
@click.option(
    "--set",
    "assigned",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any setting (shoal config show), or a parameter of the plan; again and again.",
)
@click.option(
    "--out", metavar="FILE.jsonl", help="Results, one JSON line a task, in the order of the items; - for stdout."
)
@click.option(
    "--lane",
    multiple=True,
    metavar="NAME[=N]",
    help="A lane in which the tasks run, N at a time (by default as in the settings). For a plan: another limit.",
)
@click.option("--people", type=click.Choice(PEOPLE), help="Work of people in a plan (refuse).")
@click.option("--gates", type=click.Choice(GATES), help="A gate that is held (wait, where somebody sees that).")
@click.option("--db", metavar="FILE", help="Database of runs; by default in the XDG data folder.")
@click.option("--durability", type=click.Choice(DURABILITIES), help="What a recorded result has outlived (normal).")
@click.option("--no-record", is_flag=True, help="Record nothing.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="N", help="Serve metrics for Prometheus; 0: any free port."
)
@click.option("--name", help="Name of the run.")
@click.option("--resume-or-start", is_flag=True, help="Resume the newest unfinished run of just this, if there is one.")
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

    def start() -> int:
        if options["serve"] is None:  # else the process with the screen has said it
            warn_misspelt()
        if wants_screen(options):
            from engine.cli.running.screen import run_on_screen

            return run_on_screen(sys.argv[1:])
        dashes = "--" in sys.argv
        spec = make_spec(what, options, dashes)
        _check_recorded(options)
        if options["serve"] is not None:
            from engine.cli.running.serving import accept

            accept(options["serve"])
        from engine.cli.running import again, resume
        from engine.cli.running.headless import run_headless

        kept = None if options["no_record"] else again.keep(what, options, dashes, spec)
        if options["resume_or_start"] and kept is not None:
            found = resume.unfinished(kept, options)
            if found is not None:
                return resume.go_on(found, options)
        return run_headless(spec, options, _inputs(what, options), kept)

    ctx.exit(code_of(start))


def code_of(work: Callable[[], int]) -> int:
    """The exit code of work; 2, and one line, where it can't be begun."""
    try:
        return work()
    except Exception as error:
        told = _refused(error)
        if told is None:
            raise
        for line in told:
            click.echo(f"shoal: {line}", err=True)
        return 2


def _refused(error: Exception) -> list[str] | None:
    """What a person is told of why something can't be begun; None if this is no such reason. What knows them is loaded
    only now: a screen need not wait for it.
    """
    from engine.plan.steps import SpecError
    from engine.settings.types import SettingsError

    if isinstance(error, (SpecError, SettingsError)):
        return str(error).splitlines()  # alert rules have one for each thing that is wrong
    from engine.runtime.fleet.launch import StartError
    from engine.runtime.fleet.limits import TooMany
    from engine.stream.places import UnsafeFolder

    return [str(error)] if isinstance(error, (StartError, TooMany, UnsafeFolder)) else None


def wants_screen(options: dict[str, Any]) -> bool:
    """Whether a run is to be shown on a screen: a person sits there, and has not said no."""
    return not options["headless"] and not options["as_json"] and options["serve"] is None and on_terminal()


def _check_recorded(options: dict[str, Any]) -> None:
    from engine.plan.steps import SpecError

    if options["no_record"] and options["db"] is not None:
        raise SpecError(f"--no-record records nothing, and --db {options['db']} says where: leave one of them out")
    if options["resume_or_start"] and options["no_record"]:
        raise SpecError("--resume-or-start goes by what is recorded: leave --no-record out")
    if options["resume_or_start"] and options["items"] == "-":
        raise SpecError("--resume-or-start needs items that can be read again: put them into a file")


def warn_misspelt() -> None:
    """Say which environment variables are nearly, but not, the name of a setting."""
    from engine.settings.sources import misspelt

    for line in misspelt(os.environ):
        click.echo(f"shoal: warning: {line}", err=True)


def _inputs(what: tuple[str, ...], options: dict[str, Any]) -> list[str | int]:
    """Files that a run reads, as paths or descriptors: results must not be written over them."""
    if options["items"] == "-":
        return [0]
    if options["items"]:
        return [options["items"]]
    return [what[0]]  # a plan


def make_spec(what: tuple[str, ...], options: dict[str, Any], dashes: bool, kept: Kept | None = None) -> RunSpec:
    """What the command line asks for. Raises `SpecError`, and `SettingsError` for a setting from any of its sources.

    `kept`: what was kept of it when it was first asked for: the settings are those of then, and so is the plan.
    """
    from engine.plan.load import load, parse
    from engine.plan.runnable import check_runnable
    from engine.plan.steps import SpecError
    from engine.settings.resolve import resolve

    first = what[0] if what else ""
    plan = first.endswith(".toml") and not dashes
    if not what:
        raise SpecError("nothing to run: give a plan, module:function, or -- and a command (shoal run --help)")
    command_line = _command_line(options)
    if plan:
        if len(what) > 1:
            raise SpecError(f"one plan at a time: what is {what[1]!r}?")
        if options["items"]:
            raise SpecError("a plan has its items inside: leave --items out")
        if kept is None:
            spec = load(Path(first), command_line, set=_assigned(options))
        else:
            spec = parse(
                Path(first), kept.plan or "", settings=kept.settings, set=kept.assigned, included=kept.included
            )
        unknown = [lane for lane in options["lane"] or () if lane.partition("=")[0] not in spec.outline.lanes]
        if unknown:
            known = ", ".join(spec.outline.lanes) or "none"
            raise SpecError(f"--lane {unknown[0]}: no lane of that name in {first}; known: {known}")
        check_runnable(first, spec)
        for step in spec.steps:
            step.timeout = options["timeout"] or step.timeout
            step.soft_timeout = options["soft_timeout"] or step.soft_timeout
            step.retries = options["retries"] if options["retries"] is not None else step.retries
    else:
        spec = _spec_of_items(what, options, dashes)
        spec.settings = resolve(command_line).settings if kept is None else kept.settings
        spec.steps[0].lane = _lane(options, spec.settings.lanes)
    spec.pools[0] = _first_pool(spec.pools[0], options)
    spec.name = options["name"] or spec.name
    return spec


def _command_line(options: dict[str, Any]) -> Source:
    """The settings among the options. Raises `SettingsError`."""
    from engine.settings.sources import Source
    from engine.settings.types import SettingsError

    values: dict[str, object] = dict(_assigned(options))
    names = {name: f"--set {name}" for name in values}
    own = {
        "batch_max": "batch_max_size", "strategy": "shard_strategy", "agents": "pool_size", "shards": "shard_count",
        "durability": "record_durability", "metrics_port": "metrics_port", "people": "plan_people",
        "gates": "plan_gates",
    }  # fmt: skip
    for option, name in own.items():
        value = options[option]
        if value is None or (value and option in ("agents", "shards")):
            continue  # a number of these is the first pool's; auto must also win over what else sets the number
        written = f"--{option.replace('_', '-')}"
        if name in values:
            raise SettingsError(f"{written} and --set {name} are the same: leave one out")
        # 0 is auto, but for the port.
        values[name], names[name] = value if option == "metrics_port" else value or None, written
    limits = " ".join(lane for lane in options["lane"] or () if "=" in lane)
    if limits:
        if "lanes" in values:
            raise SettingsError("--lane and --set lanes are the same: leave one out")
        values["lanes"], names["lanes"] = limits, "--lane"
    return Source(values, names)


def _lane(options: dict[str, Any], limits: dict[str, int]) -> str | None:
    """The lane in which tasks of a callable or a command run. Raises `SpecError`."""
    from engine.plan.steps import SpecError

    given: tuple[str, ...] = tuple(options["lane"] or ())
    if len(given) > 1:
        raise SpecError(f"--lane {given[1]}: these tasks run in one lane, and that is {given[0].partition('=')[0]!r}")
    name = given[0].partition("=")[0] if given else None
    if name is not None and name not in limits:
        raise SpecError(f"--lane {name}: nobody says how many tasks of it run at a time: --lane {name}=N")
    return name


def _assigned(options: dict[str, Any]) -> dict[str, str]:
    """What ``--set`` says, by name. Raises `SettingsError`."""
    from engine.settings.types import SettingsError

    found: dict[str, str] = {}
    for text in options["assigned"]:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set {text}: write NAME=VALUE, such as batch_size=10")
        found[name.strip()] = value
    return found


def _first_pool(pool: PoolSettings, options: dict[str, Any]) -> PoolSettings:
    """The pool that options of pools are meant for, with those that were given; 0 stands for auto."""
    from msgspec.structs import replace

    own = {"agents": "size", "shards": "shards", "max_tasks": "max_tasks", "memory_limit": "memory_limit"}
    given = {name: options[option] or None for option, name in own.items() if options[option] is not None}
    return replace(pool, **given)


def _spec_of_items(what: tuple[str, ...], options: dict[str, Any], dashes: bool) -> RunSpec:
    from engine.cli.running.items import FileItems
    from engine.plan.steps import RunSpec, SpecError, Step
    from engine.settings.fields import is_reference
    from engine.settings.types import PoolSettings

    step = Step(
        "tasks", timeout=options["timeout"], soft_timeout=options["soft_timeout"], retries=options["retries"] or 0
    )
    if dashes:
        step.command = list(what)
        name = Path(what[0]).name
        if "{" not in what[0] and shutil.which(what[0]) is None:
            raise SpecError(f"no program {what[0]!r} on the PATH")
    elif len(what) == 1 and ":" in what[0]:
        step.call = name = what[0]
        if not is_reference(what[0]):
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
    elif options.get("kept_items") is not None:
        step.arguments, step.total = options["kept_items"]
    elif options["serve"] is not None or sys.stdin.isatty():
        raise SpecError("--items - reads standard input, which is your terminal: pipe something into it")
    else:
        step.stream = True
    return RunSpec(name, [PoolSettings()], [step])
