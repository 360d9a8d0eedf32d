"""``shoal alerts``: those of a run that is going on; what rules there are; whether a file of one's own is right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from engine.cli.live.live import RUN_HELP, connected, run_argument
from engine.cli.recorded.recorded import say
from engine.cli.words import duration, printable, several, table

if TYPE_CHECKING:
    from engine.alerts.rules import RulesError
    from engine.alerts.types import Rule
    from engine.stream.types import AlertView, SilenceView

_LIVE: Final = ("NO", "ID", "SEVERITY", "STATE", "SINCE", "COUNT", "TEXT")
_PATIENCE: Final = 10.0
"""Seconds that an engine may take to tell of its alerts."""
_HEADS: Final = ("RULE", "SEVERITY", "MODE", "CLASS", "FROM", "TEXT")


class _OrList(click.Group):
    """What is no name of a command is a run, whose alerts are listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_OrList)
def alerts() -> None:
    """List the alerts of a run, check alert rules, and list those in force.

    \b
    shoal alerts [RUN]                          the alerts of a run that is going on
    shoal alerts check FILE                     whether a file of rules is right
    """


@alerts.command(
    name="list",
    help="List the alerts of a run that is going on, the most urgent first.\n\n"
    f"{RUN_HELP} Those of a run that is over are in `shoal show`.",
)
@run_argument
@click.option("--json", "as_json", is_flag=True, help="JSON, one alert a line; times in seconds since 1970.")
def list_(run: str | None, as_json: bool) -> None:
    """See `help` above."""
    found, silences = _now(run)
    if as_json:
        import msgspec

        for alert in found:
            ack = None if alert.ack is None else msgspec.structs.asdict(alert.ack)
            click.echo(msgspec.json.encode(msgspec.structs.asdict(alert) | {"ack": ack}))
        return
    if found:
        table(_LIVE, [_cells(alert) for alert in found], right=len(_LIVE))
    else:
        say("no alerts")
    for silence in silences:
        what = " ".join(f"{name}={value}" for name, value in silence.matchers.items())
        left = duration(max(0.0, silence.until - time.time()))
        say(printable(f"silence {silence.id}: {what}, for {left} more ({silence.reason}; {silence.by})"))


def _now(run: str | None) -> tuple[list[AlertView], list[SilenceView]]:
    """What the engine of a run has of alerts and silences."""
    from engine.stream.client import StreamError
    from engine.stream.types import AlertsNow

    found: list[AlertView] = []
    deadline = time.monotonic() + _PATIENCE
    with connected(run) as client:
        client.subscribe(("alerts",))
        while (left := deadline - time.monotonic()) > 0:
            message = client.receive(left)
            if isinstance(message, AlertsNow):
                if message.unknown:
                    raise StreamError(f"nobody knows which alerts there are: {message.unknown}")
                found += message.alerts
                if message.part + 1 == message.parts:
                    return found, message.silences
        raise StreamError(f"the engine told of no alerts within {_PATIENCE:g} s")


def _cells(alert: AlertView) -> tuple[str, ...]:
    state = alert.state
    if alert.ack is not None:
        state = "acknowledged"
    elif alert.silence is not None:
        state = "silenced"
    elif alert.inhibited_by is not None:
        state = "inhibited"
    since = alert.fired or alert.happened
    number = str(alert.number) if alert.number else "-"
    text = alert.text if alert.title.lower() in alert.text.lower() else f"{alert.title}: {alert.text}"
    age = "-" if since is None else duration(max(0.0, time.time() - since))
    return number, alert.fingerprint[:8], alert.severity, state, age, f"{alert.count:,}", printable(text)


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

    from engine.alerts.wording import condition
    from engine.alerts.wording import duration as spoken

    if as_json:
        for rule in found:
            click.echo(msgspec.json.encode(rule))
        return
    rows = []
    for rule in found:
        severity = ", ".join(threshold.severity for threshold in rule.thresholds) if rule.enabled else "off"
        text = condition(rule) + (f", for {spoken(rule.lasting)}" if rule.lasting else "")
        rows.append((rule.id, severity, rule.mode, rule.area, printable(rule.source), text))
    if rows:
        table(_HEADS, rows, right=len(_HEADS))
