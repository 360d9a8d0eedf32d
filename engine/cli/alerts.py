"""``shoal alerts``: what rules there are, and whether a file of one's own is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from engine.cli.recorded import say
from engine.cli.words import printable, several, table

if TYPE_CHECKING:
    from engine.alerts.rules import RulesError
    from engine.alerts.types import Rule

_HEADS: Final = ("RULE", "SEVERITY", "MODE", "CLASS", "FROM", "TEXT")


@click.group()
def alerts() -> None:
    """Check alert rules, and list those in force."""


@alerts.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="JSON: one rule, or one problem, a line.")
def check(file: Path, as_json: bool) -> None:
    """Look whether a file of rules is right.

    If it is, its rules are listed, also those that change built-in ones. If not, there is a line for each thing that is
    wrong, with its rule and key, and the exit code is 2.
    """
    from engine.alerts import sources
    from engine.alerts.rules import RulesError, parse

    try:
        text = sources.read(file)
        rules = parse([sources.built_in(), text])
    except RulesError as error:
        _refuse(error, as_json)
    _list([rule for rule in rules if text.name in rule.source.split(" + ")], as_json)
    changed = sum(text.name in rule.source.split(" + ") and rule.source != text.name for rule in rules)
    own = sum(rule.source == text.name for rule in rules)
    say(f"{printable(str(file))} is right: {several(own, 'rule')} of its own, {changed:,} built-in changed")


@alerts.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one rule a line; times in seconds.")
def rules(as_json: bool) -> None:
    """List the rules in force: the built-in ones, as a file of your own changes them and adds to them.

    That file is the setting alert_rules; by default alerts.toml beside the config file, if it is there.
    """
    from engine.alerts import sources
    from engine.alerts.places import users_file
    from engine.alerts.rules import RulesError
    from engine.cli.config import ConfigProblem
    from engine.settings.resolve import resolve
    from engine.settings.types import SettingsError

    try:
        path = users_file(resolve().settings.alert_rules)
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    try:
        found = sources.load(path)
    except RulesError as error:
        _refuse(error, False)
    _list(found, as_json)


@alerts.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one a line.")
def signals(as_json: bool) -> None:
    """List what rules can be about: signals with their units and labels, and kinds of events."""
    import msgspec

    from engine.alerts.signals import EVENTS, SIGNALS

    rows: list[dict[str, Any]] = [
        {
            "name": name, "kind": "count" if found.counts else "level", "unit": found.unit, "labels": found.labels,
            "meaning": found.meaning,
        }
        for name, found in SIGNALS.items()
    ]  # fmt: skip
    rows += [
        {"name": name, "kind": "event", "unit": "", "labels": labels, "meaning": ""} for name, labels in EVENTS.items()
    ]
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
        return
    cells = [(row["name"], row["kind"], row["unit"], ", ".join(row["labels"]), row["meaning"]) for row in rows]
    table(("NAME", "KIND", "UNIT", "LABELS", "TEXT"), cells, right=5)


def _refuse(error: RulesError, as_json: bool) -> NoReturn:
    """Say what is wrong, and end."""
    import msgspec

    for problem in error.problems:
        if as_json:
            click.echo(msgspec.json.encode(problem._asdict()))
        else:
            click.echo(f"shoal: {printable(str(problem))}", err=True)
    raise SystemExit(2)


def _list(found: Sequence[Rule], as_json: bool) -> None:
    import msgspec

    from engine.alerts.wording import condition, duration

    if as_json:
        for rule in found:
            click.echo(msgspec.json.encode(rule))
        return
    rows = []
    for rule in found:
        severity = ", ".join(threshold.severity for threshold in rule.thresholds) if rule.enabled else "off"
        text = condition(rule) + (f", for {duration(rule.lasting)}" if rule.lasting else "")
        rows.append((rule.id, severity, rule.mode, rule.area, printable(rule.source), text))
    if rows:
        table(_HEADS, rows, right=len(_HEADS))
