"""``shoal chaos``: a storm over a run of its own, and the account of every task."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from engine.chaos.run import Report


class Seeds(click.ParamType[Any]):
    """A number, or several as ``1..20``."""

    name = "N|A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """As click asks for it."""
        if isinstance(value, range):
            return value
        first, dots, last = value.partition("..")
        try:
            found = range(int(first), int(last if dots else first) + 1)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor two as in 1..20", param, ctx)
        if not found:
            self.fail(f"{value!r} has no seed: the last is below the first", param, ctx)
        return found


@click.command()
@click.option("--seed", "seeds", type=Seeds(), help="What the storm is made from; 1..20 for one after the other.")
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), default=10.0, show_default=True, help="How long a storm lasts."
)
@click.option("--agents", type=click.IntRange(1, 1000), metavar="N", help="Agents (8).")
@click.option("--keep", is_flag=True, help="Keep the folder with plan, results, events and database, and say where.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each seed.")
@click.pass_context
def chaos(
    ctx: click.Context, seeds: range | None, seconds: float, agents: int | None, keep: bool, as_json: bool
) -> None:
    """Try this machine's Shoal in a storm: everything it starts is killed, stopped and starved; no result may be lost.

    A recorded run of tasks with known right answers, many of them nasty, is started in a temporary folder. Meanwhile
    agents, hosts, the nursery, the recorder and the engine are killed, crashed, stopped, and left without descriptors
    or disk; a run whose engine was killed is resumed. Then every task is accounted for. Only processes that it started
    itself are touched, and nothing is left.

    Exit codes: 0 all accounted for, 1 something was not, 2 bad usage, 130 interrupted.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # as ctrl-c: then all is ended and removed
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    from engine.chaos.run import Chaos, as_dict

    if seeds is None:
        seed = int.from_bytes(os.urandom(3), "little")
        seeds = range(seed, seed + 1)
    wrong = []
    try:
        for seed in seeds:
            report = Chaos(seed, seconds, agents or 8, keep=keep).run()
            if as_json:
                click.echo(json.dumps(as_dict(report)))
            else:
                _tell(report)
            if not report.ok:
                wrong.append(seed)
    except KeyboardInterrupt:
        ctx.exit(130)
    if not as_json and len(seeds) > 1:
        verdict = "all is accounted for" if not wrong else f"not with the seeds {', '.join(map(str, wrong))}"
        click.echo(f"{len(seeds)} storms: {verdict}")
    ctx.exit(1 if wrong else 0)


def _tell(report: Report) -> None:
    from engine.cli.words import printable

    click.echo(f"storm {report.seed}: {report.seconds:g} s over {report.agents} agents, {report.took:.1f} s in all")
    for role, deeds in report.struck.items():
        click.echo(f"  {role:<10} {', '.join(f'{deed} {count}' for deed, count in sorted(deeds.items()))}")
    events = report.events
    click.echo(
        f"  deaths     {events['agent.died']} agents, {events['host.died']} hosts, {events['nursery.died']} nurseries, "
        f"{events['recorder.died']} recorders; {report.resumed} times resumed; {report.redelivered} tasks redelivered"
    )
    fates = ", ".join(f"{count:,} {fate}" for fate, count in report.account.fates.most_common())
    click.echo(f"  tasks      {report.account.tasks:,}: {printable(fates)}")
    for problem in report.faults:
        click.echo(f"  wrong      {printable(problem)}")
    if report.folder:
        click.echo(f"  kept in    {report.folder}")
    if report.ok:
        click.echo("  verdict    every task is accounted for once, and nothing is left")
    else:
        again = f"shoal chaos --seed {report.seed} --seconds {report.seconds:g} --agents {report.agents} --keep"
        click.echo(f"  verdict    NOT all is accounted for; to see it again: {again}")
