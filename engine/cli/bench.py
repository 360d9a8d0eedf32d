"""``shoal bench``: how fast the engine is on this machine, beside other tools."""

from __future__ import annotations

from pathlib import Path
from types import FrameType

import click


def _names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[str]:
    from engine.bench.rows import SUITES

    suite = ctx.params["benchmark"]  # eager, so it is known before the options are
    known = [row.name for row in SUITES.get(suite, ())]
    names = [name for some in value for name in some.split(",") if name]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"no row {name!r} in {suite}; known: {', '.join(known)}", ctx, param)
    return names


@click.command()
@click.argument(
    "benchmark",
    type=click.Choice(["speed", "recorder", "alerts"]),
    default="speed",
    metavar="[speed|recorder|alerts]",
    is_eager=True,
)
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="Paired rounds; 7, or 3 with --quick.")
@click.option("--only", callback=_names, multiple=True, metavar="NAME,...", help="Only these rows.")
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
def bench(
    benchmark: str,
    rounds: int | None,
    only: list[str],
    quick: bool,
    output: str | None,
    profile: bool,
    script: Path | None,
) -> None:
    """Measure the engine beside other tools, in one run, and say what is reached of what is wanted.

    speed is how fast it is, beside other tools; recorder what its record costs, beside itself without one.

    alerts is how soon a death, or a queue beyond a bound, is an alert on the stream, and whether each of a thousand
    deaths is counted once; exit code 1 if something it must is not so.

    Each measurement is a process of its own. A first round is dropped; in the others the sides of a row take turns in
    random order, and the ratio is the median of the rounds' ratios. Let nothing else run meanwhile.
    """
    import json
    import signal

    signal.signal(signal.SIGTERM, _asked_to_end)
    if benchmark == "alerts":
        if rounds or only or profile or script:
            raise click.UsageError("alerts takes --quick and --json")
        _alerts(quick, output)
        return
    from engine.bench import machine, report, suite

    file = _opened(output)
    rounds = rounds or (3 if quick else 7)
    outcome = suite.run(benchmark, only, rounds, quick, profile, lambda text: click.echo(text, err=True))
    others = None
    if script is not None:
        click.echo(f"peers: {script}", err=True)
        try:
            others = outcome.data["peers"] = suite.peers(script)
        except suite.PeersFailed as error:
            outcome.failures["peers"] = str(error)
    text = json.dumps(outcome.data, indent=1)
    if file is not None:
        file.write_text(text + "\n")
    click.echo(machine.line(outcome.data["machine"]), err=True)
    if output == "-":
        click.echo(text)
    else:
        click.echo(report.table(outcome.findings, outcome.failures))
        if others is not None:
            click.echo(f"\n{report.peers(others)}")
    for name, told in outcome.profiles.items():
        place = Path(f"{file or 'shoal-bench.json'}").with_suffix(f".{name}.txt")
        place.write_text(told)
        click.echo(f"profile of {name}: {place}", err=True)
    if outcome.failures:
        raise SystemExit(1)


def _alerts(quick: bool, output: str | None) -> None:
    """The benchmark of alerts."""
    import json

    from engine.bench import machine
    from engine.bench.alerts import suite

    file = _opened(output)
    outcome = suite.run(quick, lambda text: click.echo(text, err=True))
    text = json.dumps(outcome.data, indent=1)
    if file is not None:
        file.write_text(text + "\n")
    click.echo(machine.line(outcome.data["machine"]), err=True)
    click.echo(text if output == "-" else suite.tables(outcome))
    if not outcome.well(quick):
        raise SystemExit(1)


def _asked_to_end(number: int, frame: FrameType | None) -> None:
    """End by way of what is to be removed: measurements, and their databases."""
    raise SystemExit(128 + number)


def _opened(output: str | None) -> Path | None:
    """The file for JSON, found to be writable before minutes go by."""
    if output is None or output == "-":
        return None
    try:
        with open(output, "a"):
            pass
    except OSError as error:
        raise click.UsageError(f"can't write {output}: {error.strerror}") from error
    return Path(output)
