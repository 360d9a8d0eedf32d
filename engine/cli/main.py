"""``shoal``: the group of commands."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from importlib import import_module

import click

_COMMANDS = {
    "run": ("engine.cli.running.run", "Run a plan, a callable or a command over many items."),
    "resume": ("engine.cli.running.resume", "Go on with a run that was cut off."),
    "rerun": ("engine.cli.running.rerun", "Run again what has failed of a run, or all of it."),
    "plan": ("engine.cli.plans.plan", "Check, simulate and report a plan, without running it."),
    "ps": ("engine.cli.live.ps", "List the runs that are going on."),
    "attach": ("engine.cli.live.attach", "Open the screen of a run."),
    "watch": ("engine.cli.live.watch", "Tell how a run is, one line a second."),
    "status": ("engine.cli.live.watch", "Tell how a run is, once."),
    "agents": ("engine.cli.live.agents", "List the agents of a run."),
    "explain": ("engine.cli.live.explain", "Say why a task does not run: dependency, claim, lane, pool."),
    "events": ("engine.cli.live.events", "Tell what has happened to a run, and what happens."),
    "alerts": ("engine.cli.live.alerts", "List the alerts of a run, and check rules."),
    "ctl": ("engine.cli.live.ctl", "Have a run pause, resume, end, scale a pool, replace an agent ..."),
    "runs": ("engine.cli.recorded.runs", "List recorded runs."),
    "show": ("engine.cli.recorded.show", "Show one recorded run."),
    "compare": ("engine.cli.recorded.compare", "Show two recorded runs side by side."),
    "replay": ("engine.cli.recorded.replay", "Tell once more how a recorded run was, second by second."),
    "report": ("engine.cli.recorded.report", "Tell of a recorded run in Markdown, for a ticket."),
    "search": ("engine.cli.recorded.search", "Find words in failures, output and events."),
    "export": ("engine.cli.recorded.export", "Write a run's results, its samples or a recording of it."),
    "prune": ("engine.cli.recorded.prune", "Delete old runs, and give their space back."),
    "backup": ("engine.cli.recorded.backup", "Copy the database, also while runs are recorded."),
    "db": ("engine.cli.recorded.db", "Check the database."),
    "bench": ("engine.cli.bench.bench", "Measure how fast the engine is here, beside other tools."),
    "chaos": ("engine.cli.chaos", "Try it in a storm that kills, stops and starves everything it starts."),
    "config": ("engine.cli.config", "Show the settings, and where each value comes from."),
}
_SECTIONS = {
    "run": "Run",
    "ps": "Look on, and steer",
    "runs": "Look back",
    "prune": "Keep the record",
    "bench": "This machine",
}
"""The headings in the help of the group, each by the command that it comes before."""


class _Lazy(click.Group):
    """Imports a command's module when that command is asked for; the help of the group needs none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in _COMMANDS:
            import difflib

            close = difflib.get_close_matches(name, _COMMANDS, 1)
            hint = f": did you mean {close[0]!r}?" if close else f"; known: {', '.join(_COMMANDS)}"
            ctx.fail(f"no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        title = ""
        for name, (_, text) in _COMMANDS.items():
            title = _SECTIONS.get(name, title)
            sections.setdefault(title, []).append((name.ljust(max(map(len, _COMMANDS))), text))
        for title, lines in sections.items():
            with formatter.section(title):
                formatter.write_dl(lines)


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from engine.runtime.options import version

        click.echo(f"shoal {version()}")
        ctx.exit()


@click.group(
    cls=_Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def shoal(ctx: click.Context) -> None:
    """Fleets of Python agents on one machine, and a view of where the time goes.

    \b
    shoal run PLAN.toml                                  pools and tasks from a plan
    shoal run module:function --items FILE.jsonl         a Python callable over items
    shoal run --items FILE.txt -- command {} ...         a command over items

    Items come from .jsonl, .csv or .txt files (one a line), or from standard input with `--items -`.

    Without a command, on a terminal, it opens the history of runs.
    """
    if ctx.invoked_subcommand is not None:
        return
    from engine.cli.words import can_show_screens

    if not can_show_screens():
        raise click.exceptions.NoArgsIsHelpError(ctx)
    from engine.cli.recorded.history import history

    history()


def main() -> None:
    """Run the command line. Exit codes: 0 well, 1 some task failed, 2 bad input or usage, 70 the screens
    have failed, 130 interrupted, 141 the reader of the output has left.
    """
    _tidy_streams()
    _tidy_signals()
    raise SystemExit(_flushed(_run()))


def _run() -> int:
    stdout = sys.stdout
    try:
        code: int = shoal(prog_name="shoal", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        # One line: what is wrong, and where to read on.
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f" ({command} --help)" if command else ""
        click.echo(f"shoal: {error.format_message()}{hint}", err=True)
        code = error.exit_code
    except click.Abort:
        code = 130
    except BrokenPipeError:  # the reader of our output has left
        code = 141
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EBADF, errno.EIO):
            raise
        click.echo(f"shoal: {error.strerror}", err=True)
        code = 2
    except SystemExit:
        # click's answer to a reader that has left is 1, which says here that a task has failed.
        if sys.stdout is not stdout:  # it has put something around it
            return 141
        raise
    return code


def _tidy_streams() -> None:
    """Give standard streams that were closed when we were started to /dev/null: nothing else may get their numbers.

    What can't be encoded is escaped: better than a traceback in the place of a name.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)  # the lowest free number, which is this one
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _tidy_signals() -> None:
    """Signals as we need them, whatever was inherited: children are waited for, and ctrl-c arrives."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD})


def _flushed(code: int) -> int:
    """The exit code, after what is still to be written. The interpreter's own attempt at exit must not fail again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
            if stream is sys.stderr:
                continue
            if error.errno == errno.EPIPE:
                code = 141
            elif code == 0:
                click.echo(f"shoal: can't write to standard output: {error.strerror}", err=True)
                code = 2
    return code
