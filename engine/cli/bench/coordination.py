"""``shoal bench coordination``: what each mechanism brings when a fleet starts, has one task each, and answers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from engine.cli.bench.options import Names, Numbers, asked, common
from engine.cli.bench.session import enough


def _mechanisms() -> Sequence[str]:
    from engine.bench.coordination.mechanisms import FLAGS

    return FLAGS


@click.command(short_help="What each mechanism brings when a fleet starts, has one task each, and answers.")
@click.option(
    "--agents", type=Numbers(1), metavar="N,...",
    help="How many: each number is measured. 100,200,300,500; with --quick 4,8.",
)  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="After the warm-up; 5, or 2 with --quick.")
@click.option(
    "--only", type=Names(_mechanisms), metavar="NAME,...",
    help="Only these mechanisms (pooling, batching, parallel_spawn, sharding); the others stay on.",
)  # fmt: skip
@common
def coordination(
    agents: tuple[int, ...] | None,
    rounds: int | None,
    only: tuple[str, ...] | None,
    quick: bool,
    output: str | None,
    no_store: bool,
    form: str,
    until_eof: bool,
) -> None:
    """Start a fleet, give each agent one task, collect every answer; with all mechanisms, none, each, and all but each.

    The mechanisms are pooling, batching, parallel starts and sharding; without them every task has a fresh interpreter,
    started one after the other. Each measurement is a process of its own. A first round is dropped, but for memory and
    descriptors, which are looked at in it; in the others all combinations take turns in random order.

    FASTER BY is the geometric mean of the rounds' ratios, with Student's interval on their logarithms: what a mechanism
    brings where all others are off, and where all others are on. An interval that holds 1 is no measurable effect.
    TIME goes from the engine's constructor to the last answer (geometric mean), START to the last agent that has its
    task, TASKS from there on (medians), and ANSWER is the time of single answers. A message is a task or an answer.

    Exit code 2: something could not be measured.
    """
    with asked("coordination", quick, output, no_store, form, until_eof) as session:
        from engine.bench.coordination import suite
        from engine.bench.coordination.lines import lines
        from engine.bench.coordination.mechanisms import FLAGS
        from engine.bench.coordination.tables import tables

        outcome = suite.run(
            agents or (suite.QUICK_AGENTS if quick else suite.AGENTS),
            only or FLAGS,
            rounds or (suite.QUICK_ROUNDS if quick else suite.ROUNDS),
            quick, session.progress, session.seed,
        )  # fmt: skip
        session.told(
            outcome.data, lambda: tables(outcome), outcome.cells, outcome.failures,
            [line for found in outcome.findings for line in lines(found)],
            whole=not only
            and (agents is None or set(agents) >= set(suite.AGENTS))
            and enough(rounds),
        )  # fmt: skip
