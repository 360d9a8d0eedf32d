"""``shoal ps``: the runs that are going on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.live import told
from engine.cli.recorded.recorded import say
from engine.cli.words import clock, duration, number, printable, table

if TYPE_CHECKING:
    from engine.stream.live import Live
    from engine.stream.types import Frame

_HEADS: Final = ("RUN", "NAME", "STATE", "STARTED", "PID", "AGENTS", "TIME", "DONE", "FAILED", "RATE")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one run a line.")
def ps(as_json: bool) -> None:
    """List the runs that are going on, the newest first: those of `shoal run`, and of any program with an `Engine`."""
    from engine.stream import live

    with told():
        found = live.runs(frames=True)
    if as_json:
        import msgspec

        for one in found:
            click.echo(msgspec.json.encode(_object(one)))
    elif found:
        table(_HEADS, [_cells(one) for one in found], right=4, styled=2)
    else:
        say("no run is going on")


def _cells(one: Live) -> tuple[str, ...]:
    from engine.stream.types import STREAM_VERSION

    hello, frame = one.hello, one.frame
    if hello is None:
        return (one.run, "", "silent", *[""] * 7)
    head = printable(hello.run), printable(hello.name)
    if frame is None:
        return (
            *head,
            "silent" if hello.version == STREAM_VERSION else f"stream version {hello.version}",
            clock(hello.started),
            str(hello.pid),
            *[""] * 5,
        )
    total = f"/{number(frame.total)}" if frame.total is not None else ""
    return (
        *head, frame.state, clock(hello.started), str(hello.pid), number(_agents(frame)), duration(frame.elapsed),
        f"{number(frame.done)}{total}", number(frame.failed), f"{number(frame.rate)}/s",
    )  # fmt: skip


def _agents(frame: Frame) -> int:
    """Those that live, or are being started: there may have been more, and more may come."""
    return sum(pool.starting + pool.idle + pool.busy + pool.draining for pool in frame.pools)


def _object(one: Live) -> dict[str, Any]:
    hello, frame = one.hello, one.frame
    found: dict[str, Any] = {"run": one.run, "name": one.name, "socket": str(one.path)}
    if hello is not None:
        found |= {"pid": hello.pid, "started": hello.started, "database": hello.database or None}
    if frame is not None:
        found |= {
            "state": frame.state, "seconds": round(frame.elapsed, 3), "agents": _agents(frame),
            "tasks": frame.total, "done": frame.done, "failed": frame.failed, "tasks_per_second": round(frame.rate, 1),
        }  # fmt: skip
    return found
