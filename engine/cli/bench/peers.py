"""``shoal bench peers``: the same tasks on other tools."""

from __future__ import annotations

from collections.abc import Sequence

import click

from engine.cli.bench.guard import GuardProblem
from engine.cli.bench.options import Names, asked, common
from engine.cli.bench.session import enough


def _tools() -> Sequence[str]:
    from engine.bench.others.tools import TOOLS

    return [tool.key for tool in TOOLS]


def _tasks() -> Sequence[str]:
    from engine.bench.others.suite import TASKS

    return [task.name for task in TASKS]


@click.command(short_help="The same tasks on whatever is installed of eight other tools.")
@click.option(
    "--only", type=Names(_tools), metavar="NAME,...",
    help="Only these tools: executor, pool, loky, joblib, mpire, dask, ray, parallel.",
)  # fmt: skip
@click.option(
    "--python", type=click.Path(exists=True, dir_okay=False), metavar="FILE", envvar="SHOAL_BENCH_PYTHON",
    show_envvar=True, help="The interpreter that the tools are installed for, if it is not Shoal's own.",
)  # fmt: skip
@click.option("--tasks", type=Names(_tasks), metavar="NAME,...", help="Only coordinate, coordinate-many, submit, map.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="After the warm-up; 5, or 2 with --quick.")
@common
def peers(
    only: tuple[str, ...] | None,
    python: str | None,
    tasks: tuple[str, ...] | None,
    rounds: int | None,
    quick: bool,
    output: str | None,
    no_store: bool,
    form: str,
    until_eof: bool,
) -> None:
    """Measure the same tasks on Shoal and on whatever is installed of ProcessPoolExecutor, multiprocessing.Pool, loky,
    joblib, mpire, Dask, Ray and GNU parallel.

    The tasks: start some workers, have one task done by each and collect every answer; trivial tasks one by one;
    trivial tasks in chunks. Each measurement is a process of its own; a first round is dropped, in the others all take
    turns in random order. SHOAL IS FASTER BY is the geometric mean of the rounds' ratios, with Student's interval on
    their logarithms: below 1 the other tool is.

    To have them all: python -m venv others; others/bin/pip install loky joblib mpire 'dask[distributed]' ray; then
    shoal bench peers --python others/bin/python. GNU parallel is a program on the path.

    Exit code 2: something that is installed could not be measured.
    """
    import os
    import sys

    # Not resolved: where the interpreter of an environment is, says which one it is.
    interpreter = os.path.abspath(python) if python else sys.executable
    with asked("peers", quick, output, no_store, form, until_eof) as session:
        from engine.bench.others import suite
        from engine.bench.others.lines import lines
        from engine.bench.others.tables import tables
        from engine.bench.others.tools import NoInterpreter

        try:
            outcome = suite.run(
                interpreter, only or (), tasks or (), rounds or (suite.QUICK_ROUNDS if quick else suite.ROUNDS), quick,
                session.progress, session.seed,
            )  # fmt: skip
        except NoInterpreter as error:
            raise GuardProblem(str(error)) from None
        session.told(
            outcome.data, lambda: tables(outcome), outcome.cells, outcome.failures, lines(outcome),
            whole=not only and not tasks and enough(rounds),
        )  # fmt: skip
