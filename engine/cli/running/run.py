"""``shoal run``: a plan, a callable or a command, headless or on the screen."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from engine.cli.numeric import Count, Seconds, Size
from engine.cli.running.spec import make_spec
from engine.cli.running.starting import code_of, wants_screen, warn_misspelt

STRATEGIES: Final = ("least-loaded", "hash", "round-robin", "random")
"""As `engine.settings.types.Strategy` has them: written again here, for help must not load it."""

PEOPLE: Final = ("refuse", "wait", "skip")
GATES: Final = ("wait", "fail")
DURABILITIES: Final = ("off", "normal", "full")


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("what", nargs=-1, metavar="[PLAN.toml | module:function | -- COMMAND ...]")
@click.option("--items", metavar="FILE", help="Items: .jsonl, .csv or .txt (one a line), - for standard input.")
@click.option(
    "--agents", type=Count(), metavar="N|auto", help="Agents; auto is one for each core. For a plan: of its first pool."
)
@click.option("--batch-max", type=click.IntRange(1), metavar="N", help="Tasks in one batch at the most (500).")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="How tasks are placed on shards (least-loaded).")
@click.option(
    "--shards", type=Count(), metavar="N|auto", help="Hosts that feed and fork the agents; auto goes by their number."
)
@click.option("--timeout", type=Seconds(), help="Seconds one task may take; then it is killed and has failed.")
@click.option(
    "--soft-timeout", type=Seconds(), help="Seconds after which a task is interrupted by an exception, and may tidy up."
)
@click.option("--retries", type=click.IntRange(0), metavar="N", help="How often a failed task is tried again (0).")
@click.option(
    "--max-tasks", type=click.IntRange(1), metavar="N", help="Replace an agent after N tasks. For a plan: first pool."
)
@click.option(
    "--memory-limit", type=Size(), help="Kill an agent that holds more memory, such as 500M. For a plan: first pool."
)
@click.option(
    "--set",
    "assigned",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any setting (shoal config show), or a parameter of the plan; again and again.",
)
@click.option(
    "--out", metavar="FILE.jsonl", help="Results, one JSON line a task, in the order of the items; - for stdout."
)
@click.option(
    "--lane",
    multiple=True,
    metavar="NAME[=N]",
    help="A lane in which the tasks run, N at a time (by default as in the settings). For a plan: another limit.",
)
@click.option("--people", type=click.Choice(PEOPLE), help="Work of people in a plan (refuse).")
@click.option("--gates", type=click.Choice(GATES), help="A gate that is held (wait, where somebody sees that).")
@click.option("--db", metavar="FILE", help="Database of runs; by default in the XDG data folder.")
@click.option("--durability", type=click.Choice(DURABILITIES), help="What a recorded result has outlived (normal).")
@click.option("--no-record", is_flag=True, help="Record nothing.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="N", help="Serve metrics for Prometheus; 0: any free port."
)
@click.option("--name", help="Name of the run.")
@click.option("--resume-or-start", is_flag=True, help="Resume the newest unfinished run of just this, if there is one.")
@click.option("--headless", is_flag=True, help="No screen, even on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout, the last one a summary.")
@click.option("--serve", type=int, hidden=True)
@click.pass_context
def run(ctx: click.Context, /, what: tuple[str, ...], **options: Any) -> None:
    """Run a plan, a Python callable over items, or a command over items.

    \b
    shoal run fixtures/plans/heartbeat.toml
    shoal run mymodule:evaluate --items points.jsonl --out results.jsonl
    seq 1 100 | shoal run --items - -- convert in{}.png out{n}.jpg

    In a command, {} stands for the item and {n} for its number from 1; without either the item comes last. No shell is
    involved.

    Exit codes: 0 all done, 1 some task failed, 2 bad input or usage, 70 the screen has failed (the run goes on), 130
    interrupted (the first ctrl-c lets what runs finish, the second stops at once).
    """

    def start() -> int:
        if options["serve"] is None:  # else the process with the screen has said it
            warn_misspelt()
        if wants_screen(options):
            from engine.cli.running.screen import run_on_screen

            return run_on_screen(sys.argv[1:])
        dashes = "--" in sys.argv
        spec = make_spec(what, options, dashes)
        _check_recorded(options)
        if options["serve"] is not None:
            from engine.cli.running.serving import accept

            accept(options["serve"])
        from engine.cli.running import again, resume
        from engine.cli.running.headless import run_headless

        kept = None if options["no_record"] else again.keep(what, options, dashes, spec)
        if options["resume_or_start"] and kept is not None:
            found = resume.unfinished(kept, options)
            if found is not None:
                return resume.go_on(found, options)
        return run_headless(spec, options, _inputs(what, options), kept)

    ctx.exit(code_of(start))


def _check_recorded(options: dict[str, Any]) -> None:
    from engine.plan.steps import SpecError

    if options["no_record"] and options["db"] is not None:
        raise SpecError(f"--no-record records nothing, and --db {options['db']} says where: leave one of them out")
    if options["resume_or_start"] and options["no_record"]:
        raise SpecError("--resume-or-start goes by what is recorded: leave --no-record out")
    if options["resume_or_start"] and options["items"] == "-":
        raise SpecError("--resume-or-start needs items that can be read again: put them into a file")


def _inputs(what: tuple[str, ...], options: dict[str, Any]) -> list[str | int]:
    """Files that a run reads, as paths or descriptors: results must not be written over them."""
    if options["items"] == "-":
        return [0]
    if options["items"]:
        return [options["items"]]
    return [what[0]]  # a plan
