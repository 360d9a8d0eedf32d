"""``shoal watch`` and ``shoal status``: how a run is, once a second or once, as plain text or JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.live import RUN_HELP, LiveProblem, connected, run_argument
from engine.cli.live.objects import plain
from engine.cli.live.topics import Newest, options
from engine.cli.numeric import Number
from engine.cli.words import countdown, duration, number, printable, several, size

if TYPE_CHECKING:
    from engine.stream.client import Client
    from engine.stream.types import Frame, Hello, PoolView

_CODES: Final = {"done": 0, "failed": 1, "interrupted": 130}
"""Exit codes by how a run has ended, as `shoal run` has them: for runs of programs that have their own."""
_WAITS: Final = 5
"""Tasks that wait for subtasks and are told of by name."""
_PATIENCE: Final = 10.0
"""Seconds for an engine to say how it is."""


@click.command(
    help=f"Tell how a run is, one line a second, until it ends.\n\n{RUN_HELP}\n\nThe exit code is the run's."
)
@run_argument
@options
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a second.")
@click.option("--every", type=Number(0.05, 3600), default=1.0, show_default=True, help="Seconds between two lines.")
def watch(run: str | None, more: Newest, as_json: bool, every: float) -> None:
    """See `help` above."""
    from engine.stream.client import StreamEnded
    from engine.stream.types import Event, Frame

    with connected(run) as client:
        more.subscribe(client, ["frames", "events"], max(0.01, min(20.0, 1 / every)))
        began = time.monotonic()
        told_at, status, code, newest = -every, "", None, None
        while True:
            try:
                message = client.receive()
            except StreamEnded:
                break
            more.take(message)
            if isinstance(message, Event) and message.kind == "run.ended":
                status, code = str(message.data.get("status", "done")), message.data.get("exit_code")
            if isinstance(message, Frame):
                newest = message
                now = time.monotonic()
                known = not more.missing or now - began > _PATIENCE
                if message.state == "ended" or (known and now - told_at >= every - 0.05):
                    told_at = now
                    click.echo(_json(client, message, more) if as_json else "\n".join((line(message), *more.lines())))
    if not status:
        raise LiveProblem("the engine is gone")
    if not as_json:
        click.echo(f"run {status}" if newest is None else f"run {status} in {countdown(newest.elapsed)}", err=True)
    raise SystemExit(code if isinstance(code, int) else _CODES.get(status, 1))


@click.command(help=f"Tell how a run is, once.\n\n{RUN_HELP}")
@run_argument
@options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(run: str | None, more: Newest, as_json: bool) -> None:
    """See `help` above."""
    from engine.stream.types import RATE_MAX

    with connected(run) as client:
        if more.missing:
            more.subscribe(client, ["frames"], RATE_MAX)
        frame = fresh(client, more)
        asked = client.command("open")
        waiting = asked.data["open"] if asked.ok else []  # an engine of an older version knows no such command
        if as_json:
            reply = client.command("waits")
            more_told = {"waits": reply.data["waits"], "asked": reply.data["asked"]} if reply.ok else {}
            click.echo(_json(client, frame, more, {"open": waiting, **more_told}))
            return
        hello, waits = client.hello, _waiting(client)
    click.echo(f"{printable(hello.run)}  {printable(hello.name)}  {frame.state}  (pid {hello.pid})")
    click.echo(f"  {line(frame)}")
    for pool in frame.pools:
        bounds = number(pool.maximum) if pool.minimum >= pool.maximum else f"{pool.minimum}..{pool.maximum}"
        states = ", ".join(f"{number(n)} {name}" for name, n in _states(pool) if n)
        counts = f"{number(pool.queued)} queued, {number(pool.done)} done, {number(pool.failed)} failed"
        click.echo(
            f"  pool {printable(pool.name)}: {bounds} agents: {states or 'none'}; {counts}, "
            f"{several(pool.restarts, 'restart')}"
        )
    click.echo(
        f"  tasks: {number(frame.tasks)} submitted, {frame.delivered:.2%} delivered, "
        f"{number(frame.redelivered)} sent again"
    )
    machine = frame.machine
    used = f"{size(machine.memory_used)} of {size(machine.memory_total)}"
    click.echo(
        f"  machine: {machine.cpu:.0%} of {machine.cores} cores, {used}, load {machine.load:.1f}; "
        f"{several(machine.fds, 'descriptor')} open in the engine"
    )
    if frame.watching is not None and frame.elapsed > 0:
        click.echo(
            f"  watching: {duration(frame.watching)} of processor time so far, "
            f"{frame.watching / frame.elapsed:.1%} of a core"
        )
    for told in (*more.lines(), *waits):
        click.echo(f"  {told}")
    for one in waiting:
        click.echo(f"  waits for somebody: {printable(one['text'])}")


def _waiting(client: Client) -> list[str]:
    """Which tasks wait for subtasks of theirs, the first of them; nothing of an engine that knows no such thing."""
    reply = client.command("waits")
    if not reply.ok or not reply.data["count"]:
        return []
    asked = ", ".join(f"{number(count)} {printable(kind)}" for kind, count in sorted(reply.data["asked"].items()))
    head = f"waiting for subtasks: {several(reply.data['count'], 'task')}" + (
        f"; asked so far: {asked}" if asked else ""
    )
    return [head, *(f"  {printable(one)}" for one in reply.data["lines"][:_WAITS])]


def fresh(client: Client, more: Newest) -> Frame:
    """A frame of now, not one that was made for somebody else who has left; and `more`, if anything of it is missing.

    Raises `LiveProblem`.
    """
    from engine.stream.types import Frame

    asked = time.time()
    last = None
    deadline = time.monotonic() + _PATIENCE
    while (left := deadline - time.monotonic()) > 0:
        message = client.receive(left)
        more.take(message)
        if isinstance(message, Frame):
            last = message
            if (message.at >= asked or message.state == "ended") and not more.missing:
                return message
    if more.missing:
        raise LiveProblem(f"the engine told of no {' and '.join(more.missing)} within {_PATIENCE:g} s")
    if last is None:
        raise LiveProblem(f"the engine did not say how it is within {_PATIENCE:g} s")
    return last


def line(frame: Frame) -> str:
    """A frame in one line."""
    over = frame.done + frame.failed
    total = f"/{number(frame.total)} {over / frame.total:.0%}" if frame.total else ""
    state = "" if frame.state == "running" else f"{frame.state.upper()}  "
    parts = [
        f"{countdown(frame.elapsed)}  {state}{number(over)}{total}", f"{number(frame.rate)} tasks/s",
        f"ETA {countdown(frame.eta)}",
        *(f"{printable(pool.name)} {number(pool.busy)}/{number(pool.maximum)} busy {number(pool.queued)} queued"
          for pool in frame.pools),
        f"{number(frame.failed)} failed",
    ]  # fmt: skip
    if frame.alerts is None:
        parts.append("alerts unknown")
    else:
        parts.append(several(sum(frame.alerts), "alert") if any(frame.alerts) else "no alerts")
    if frame.restarts:
        parts.append(several(frame.restarts, "restart"))
    return "  ".join(parts)


def _states(pool: PoolView) -> list[tuple[str, int]]:
    return [(name, getattr(pool, name)) for name in ("busy", "idle", "starting", "draining", "dead")]


def _json(client: Client, frame: Frame, more: Newest, beside: dict[str, Any] | None = None) -> bytes:
    import msgspec

    return msgspec.json.encode(as_object(client.hello, frame) | more.as_objects() | (beside or {}))


def as_object(hello: Hello, frame: Frame) -> dict[str, Any]:
    """All that a frame says, by name."""
    return {
        "run": hello.run, "name": hello.name, "pid": hello.pid, "started": hello.started, **plain(frame),
        "alerts": frame.alerts and {"warning": frame.alerts[0], "error": frame.alerts[1]},
    }  # fmt: skip
