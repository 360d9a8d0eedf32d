"""``shoal bench``: how fast the engine is on this machine, beside other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from engine.cli.bench import guard
from engine.cli.bench.compare import compare
from engine.cli.bench.coordination import coordination
from engine.cli.bench.guard import names, problems
from engine.cli.bench.peers import peers
from engine.cli.bench.prune import prune
from engine.cli.bench.report import report
from engine.cli.bench.scaling import scaling
from engine.cli.bench.session import SUITES, enough, keep, opened
from engine.cli.bench.telling import Telling, telling, told_by

_ROUNDS: Final = 7
_QUICK_ROUNDS: Final = 3
COMMANDS: dict[str, click.Command] = {
    "coordination": coordination,
    "peers": peers,
    "scaling": scaling,
    **guard.COMMANDS,
    "compare": compare,
    "report": report,
    "prune": prune,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of the command, by their names."""

    rounds: int | None
    only: list[str]
    quick: bool
    output: str | None
    profile: bool
    script: Path | None
    no_store: bool


class _Bench(click.Command):
    """A command whose first argument is a suite, or the name of a command about what suites have measured."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in COMMANDS:
            return COMMANDS[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in COMMANDS.items()])


@click.command(cls=_Bench)
@click.argument(
    "benchmark",
    type=click.Choice([*SUITES, "alerts"]),
    default="speed",
    metavar="[SUITE|COMMAND]",
    is_eager=True,
)
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="Paired rounds; 7, or 3 with --quick.")
@click.option("--only", callback=names, multiple=True, metavar="NAME,...", help="Only these rows.")
@click.option("--quick", is_flag=True, help="Small sizes: whether it works, not how fast it is.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
    help="All samples and findings as JSON; - for standard output, in the place of the table.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Where the time goes in rows that fall short, in text files beside FILE.")
@click.option(
    "--peers", "script", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="A Python script that measures other tools and prints JSON, to be shown as well.",
)  # fmt: skip
@click.option("--no-store", is_flag=True, help="Do not keep the session in the history.")
@told_by
def bench(benchmark: str, form: str, until_eof: bool, **options: Any) -> None:
    """Measure the engine beside other tools, in one run, and say what is reached of what is wanted.

    SUITE is speed, recorder, watch, tui, spawn, pool, queues, throughput, latency, memory or alerts; speed by default.

    speed is how fast it is, beside other tools; recorder what its record costs, beside itself without one; watch what
    one reader of its stream costs it; tui what the screens cost, and how quickly they answer.

    spawn, pool, queues, throughput, latency and memory are the mechanisms, each by itself: parallel starts beside one
    after the other; whether an idle agent was there, and how soon a task was with it; shards beside one; batches beside
    single messages; how long a batch holds an answer back; and what idle agents take.

    alerts is how soon a death, or a queue beyond a bound, is an alert on the stream, and whether each of a thousand
    deaths is counted once; exit code 1 if something it must is not so.

    Each measurement is a process of its own. A first round is dropped; in the others the sides of a row take turns in
    random order, and the ratio is the median of the rounds' ratios. Let nothing else run meanwhile.

    Sessions are kept, samples and all. gate compares one with those before it; report writes the newest as tables.
    """
    asked = _Asked(**options)
    with telling(form, until_eof) as told:
        if benchmark != "alerts":
            _suite(benchmark, asked, told)
        elif asked.rounds or asked.only or asked.profile or asked.script:
            raise click.UsageError("alerts takes --quick and --json")
        else:
            _alerts(asked, told)


def _suite(benchmark: str, asked: _Asked, told: Telling) -> None:
    """The benchmarks of rows."""
    import json
    import time

    from engine.bench import machine, report, suite
    from engine.bench.guard.measuring import kept
    from engine.bench.guard.sessions import Recorder

    file = opened(asked.output)
    usual = _QUICK_ROUNDS if asked.quick else _ROUNDS
    whole = not asked.only and enough(asked.rounds)
    seed = time.time_ns() % 2**32
    with problems():
        recorder = None if asked.no_store else Recorder(benchmark, asked.quick, seed)
    outcome = suite.run(benchmark, asked.only, asked.rounds or usual, asked.quick, asked.profile, told.progress, seed)
    if recorder is not None:
        keep(kept(recorder, outcome, whole), told)
    others = None
    if asked.script is not None:
        told.say(f"peers: {asked.script}")
        try:
            others = outcome.data["peers"] = suite.peers(asked.script)
        except suite.PeersFailed as error:
            outcome.failures["peers"] = str(error)
    text = json.dumps(outcome.data, indent=1)
    if file is not None:
        file.write_text(text + "\n")
    told.say(machine.line(outcome.data["machine"]))
    if asked.output == "-":
        click.echo(text)
    else:
        click.echo(report.table(outcome.findings, outcome.failures))
        if benchmark == "queues" and outcome.findings:
            click.echo(report.best_shards(outcome.findings))
        if others is not None:
            click.echo(f"\n{report.peers(others)}")
    for name, found in outcome.profiles.items():
        place = Path(f"{file or 'shoal-bench.json'}").with_suffix(f".{name}.txt")
        place.write_text(found)
        told.say(f"profile of {name}: {place}")
    if outcome.failures:
        raise SystemExit(1)


def _alerts(asked: _Asked, told: Telling) -> None:
    """The benchmark of alerts."""
    import json
    import time

    from engine.bench import machine
    from engine.bench.alerts import suite
    from engine.bench.alerts.lines import lines
    from engine.bench.guard.sessions import Recorder

    file = opened(asked.output)
    seed = time.time_ns() % 2**32
    with problems():
        recorder = None if asked.no_store else Recorder("alerts", asked.quick, seed)
    outcome = suite.run(asked.quick, told.progress, seed)
    if recorder is not None:
        keep(
            recorder.ended(suite.cells(outcome), outcome.failures, lines=lines(outcome), whole=True), told
        )  # fmt: skip
    text = json.dumps(outcome.data, indent=1)
    if file is not None:
        file.write_text(text + "\n")
    told.say(machine.line(outcome.data["machine"]))
    click.echo(text if asked.output == "-" else suite.tables(outcome))
    if not outcome.well(asked.quick):
        raise SystemExit(1)
