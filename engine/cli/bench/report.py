"""``shoal bench report``: the tables of BENCHMARKS.md, from the sessions that are kept."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.bench.guard import GuardProblem, problems


@click.command(short_help="Write the newest whole session of each suite as tables in Markdown.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to, such as BENCHMARKS.md; "
    "standard output by default.",
)  # fmt: skip
def report(out: Path | None) -> None:
    """Write the newest whole session of each suite as tables in Markdown: figures, intervals, verdicts, machine,
    versions, date, and the command that measures it again.

    Whole is one at full size in which nothing was left out: without --quick, --only and the like, with as many rounds
    as usual, and not one of the gate. The same sessions make the same text.
    """
    from engine.bench.catalogue import ALL
    from engine.bench.guard import history
    from engine.cli.bench.document import document, newest

    with problems():
        past = history.History(history.default_folder())
    found = newest(past.sessions)
    if not found:
        raise GuardProblem(f"no whole session in {past.folder} yet: shoal bench, or shoal bench SUITE")
    text = document(found)
    if out is None:
        click.echo(text, nl=False)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise GuardProblem(f"can't write {out}: {error.strerror}") from None
        click.echo(f"written: {out}, {len(found)} of {len(ALL)} suites", err=True)
    missing = [suite.name for suite in ALL if suite.name not in found]
    if missing:
        click.echo(f"no whole session yet of: {', '.join(missing)}", err=True)
