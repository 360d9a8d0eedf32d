"""``shoal bench scaling``: how the cost grows."""

from __future__ import annotations

from collections.abc import Sequence

import click

from engine.cli.bench.options import Names, asked, common
from engine.cli.bench.session import enough


def _sweeps() -> Sequence[str]:
    from engine.bench.scaling.suite import sweeps

    return [sweep.name for sweep in sweeps()]


@click.command(short_help="How the cost grows with agents, tasks, payload and cores; and a model of more of them.")
@click.option("--only", type=Names(_sweeps), metavar="NAME,...", help="Only agents, tasks, payload, cores.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="After the warm-up; 3, or 2 with --quick.")
@common
def scaling(
    only: tuple[str, ...] | None,
    rounds: int | None,
    quick: bool,
    output: str | None,
    no_store: bool,
    form: str,
    until_eof: bool,
) -> None:
    """Measure from 2 agents to 4,000, a thousand tasks to ten million, no payload to 64 MiB, one core to all.

    A power law is fitted to each by least squares on logarithms, with Student's interval for the exponent: 1 is in
    proportion. The sizes take turns in random order, a first round is dropped.

    Then a model says what the rate would be on more cores and machines. It is no measurement: what it takes for granted
    stands above it.

    Exit code 2: something could not be measured.
    """
    with asked("scaling", quick, output, no_store, form, until_eof) as session:
        from engine.bench.scaling import suite
        from engine.bench.scaling.lines import lines
        from engine.bench.scaling.tables import tables

        chosen = rounds or (suite.QUICK_ROUNDS if quick else suite.ROUNDS)
        outcome = suite.run(only or (), chosen, quick, session.progress, session.seed)
        session.told(
            outcome.data, lambda: tables(outcome), outcome.cells, outcome.failures, lines(outcome),
            whole=not only and enough(rounds),
        )  # fmt: skip
