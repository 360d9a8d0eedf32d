"""``shoal ctl``: have something done by the engine of a run that is going on."""

from __future__ import annotations

import click

from engine.cli.live.live import LiveProblem, connected
from engine.cli.recorded.recorded import say, span
from engine.cli.words import printable


class _Order(click.Command):
    """Says where the run is named, to whoever names it where commands about runs usually have it."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in ("--run", "--json"):
                raise
            name = "--run RUN" if error.option_name == "--run" else error.option_name
            ctx.fail(f"{error.option_name} comes before the command: shoal ctl {name} {self.name} ...")
        if ctx.args and not ctx.resilient_parsing:
            more = " ".join(ctx.args)
            ctx.fail(f"unexpected {more!r}; a run is named before the command: shoal ctl --run RUN {self.name} ...")
        return rest


class _AsWritten(click.Group):
    """Lists its commands in the order in which they stand here."""

    command_class = _Order

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_AsWritten,
    short_help="Have a run do something: pause, resume, drain, stop, scale, kill, done, gate, set ...",
)
@click.option("--run", metavar="RUN", help="Its id, the beginning of it, its name, or `last`.")
@click.option("--json", "as_json", is_flag=True, help="What was done as one JSON object on stdout.")
@click.pass_context
def ctl(ctx: click.Context, run: str | None, as_json: bool) -> None:
    """Have a run that is going on do something. Without --run: the only one there is.

    What is done is told in an event of the run, with who asked for it. Exit code 2: it was refused.
    """
    ctx.obj = run, as_json


def _ask(name: str, *args: str) -> None:
    run, as_json = click.get_current_context().obj
    with connected(run) as client:
        reply = client.command(name, *args)
    if not reply.ok:
        raise LiveProblem(reply.text)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({"done": name, "text": reply.text, **reply.data}))
    else:
        say(reply.text)


@ctl.command()
def pause() -> None:
    """Begin no more tasks, until `resume`. What runs finishes, agents stay."""
    _ask("pause")


@ctl.command()
def resume() -> None:
    """Go on after `pause`."""
    _ask("resume")


@ctl.command()
def drain() -> None:
    """Begin no more tasks, and end once what runs is over. `shoal resume` goes on with it later."""
    _ask("drain")


@ctl.command()
def stop() -> None:
    """End at once. What runs is lost, and runs again when the run is resumed."""
    _ask("stop")


@ctl.command()
@click.argument("pool")
@click.argument("agents", metavar="N|MIN..MAX")
def scale(pool: str, agents: str) -> None:
    """Give a pool another size.

    N agents; or MIN..MAX, as many as there is work for. Agents that are too many finish their task first.
    """
    _ask("scale", pool, agents)


@ctl.command()
@click.argument("agent")
def recycle(agent: str) -> None:
    """Replace an agent by a fresh one after its task. AGENT is POOL/NUMBER."""
    _ask("recycle", agent)


@ctl.command()
@click.argument("agent")
def kill(agent: str) -> None:
    """End an agent at once. Its task runs again on another, without blame. AGENT is POOL/NUMBER."""
    _ask("kill", agent)


@ctl.command()
@click.argument("lane")
@click.argument("limit")
def lane(lane: str, limit: str) -> None:
    """Give a lane another limit on how many of its tasks run at a time; 0 closes it."""
    _ask("lane", lane, limit)


_TASK = click.argument("task")


@ctl.command(name="open")
def open_() -> None:
    """List what waits for somebody: work of people, and gates that are held."""
    run, as_json = click.get_current_context().obj
    with connected(run) as client:
        reply = client.command("open")
    if not reply.ok:
        raise LiveProblem(reply.text)
    found = reply.data["open"]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found))
        return
    for one in found:
        click.echo(printable(one["text"]))
    if not found:
        say("nothing waits for anybody")


@ctl.command()
@_TASK
@click.option("--note", default="", metavar="TEXT", help="What came of it, for others.")
@click.option("--result", default="", metavar="JSON", help="What was found, an object: gates and other tasks see it.")
def done(task: str, note: str, result: str) -> None:
    """Say that work of people is done. TASK is its name, or NAME[NUMBER] where it has several tasks."""
    _ask("done", task, note, *([result] if result else []))


@ctl.command()
@_TASK
@click.option("--why", required=True, metavar="TEXT", help="Why, for others.")
def failed(task: str, why: str) -> None:
    """Say that work of people has failed: what comes after it fails, too. TASK as for `done`."""
    _ask("failed", task, why)


@ctl.command()
@click.argument("gate")
@click.argument("decision", type=click.Choice(("go", "pivot", "stop")))
@click.option("--why", default="", metavar="TEXT", help="Why, for others.")
def gate(gate: str, decision: str, why: str) -> None:
    """Decide on a gate that is held. Only `go` lets what comes after it go on; else all of that fails."""
    _ask("gate", gate, decision, why)


@ctl.command(name="set")
@click.argument("setting")
@click.argument("value")
def set_(setting: str, value: str) -> None:
    """Change a setting, until the run ends. `shoal config show` lists them all.

    \b
    These can be changed: frame_rate, batch_size, batch_max_size, batch_timeout, enable_batching,
    pool_max_idle, pool_warmup_time, spawn_timeout, spawn_parallelism, spawn_max_retry,
    enable_parallel_spawn, shard_strategy, memory_reserve, memory_tasks.
    """
    _ask("set", setting, value)


_ALERT = click.argument("alert")


@ctl.command()
@_ALERT
@click.option("--note", default="", metavar="TEXT", help="What you are doing about it.")
@click.option("--until", "time", metavar="TIME", help="For so long at the most: 90s, 15m, 2h.")
def ack(alert: str, note: str, time: str | None) -> None:
    """Take an alert on: nobody is told of it any more, until it is resolved or gets more severe.

    ALERT is its number, or the beginning of its fingerprint; `shoal alerts` lists them.
    """
    _ask("acknowledge", alert, note, *([] if time is None else [_seconds(time)]))


@ctl.command()
@_ALERT
def unack(alert: str) -> None:
    """Take an acknowledgement back."""
    _ask("unacknowledge", alert)


@ctl.command()
@click.argument("what", nargs=-1, required=True, metavar="RULE|LABEL=VALUE...")
@click.option("--for", "time", required=True, metavar="TIME", help="For how long: 90s, 15m, 2h.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for others.")
def silence(what: tuple[str, ...], time: str, reason: str) -> None:
    """Tell nobody of some alerts for a while. They are counted and recorded all the same.

    All that is given must fit: the name of a rule, and class=, severity= or the name of a label, such as pool=main. In
    values, * and ? leave something open.
    """
    _ask("silence", _seconds(time), reason, *what)


@ctl.command()
@click.argument("number", metavar="SILENCE")
def unsilence(number: str) -> None:
    """End a silence before its time. SILENCE is its number."""
    _ask("unsilence", number)


def _seconds(time: str) -> str:
    try:
        return repr(span(time))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
