"""From the command line to a spec: what is to be run, with which settings, in which pools."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.plan.kept import Kept
    from engine.plan.steps import RunSpec
    from engine.settings.sources import Source
    from engine.settings.types import PoolSettings


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
