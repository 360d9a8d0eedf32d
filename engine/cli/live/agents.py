"""``shoal agents``: the agents of a run that is going on, filtered, sorted and cut by its engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.live import RUN_HELP, connected, run_argument
from engine.cli.recorded.recorded import say
from engine.cli.words import duration, number, printable, size, table

if TYPE_CHECKING:
    from engine.stream.types import AgentRow, Condition

_HEADS: Final = ("AGENT", "SHARD", "STATE", "TASK", "PID", "RUNNING", "DONE", "FAILED", "MEMORY", "BUSY", "RESTARTS")


def _conditions(text: str) -> list[Condition]:
    from engine.stream import filters

    try:
        return filters.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _field(text: str) -> str:
    from engine.stream import filters

    try:
        filters.check_field(text.removeprefix("-"))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


@click.command(
    help="List the agents of a run that is going on.\n\n"
    f"{RUN_HELP}\n\n"
    "Fields: agent, pool, shard, pid, state, task, batch, offset, running, done, failed, memory, busy, restarts. "
    "Conditions are apart by commas and all hold: state=busy,pool=io|net,failed>0,memory>=500M,task~fit."
)
@run_argument
@click.option("--filter", "conditions", type=_conditions, metavar="CONDITIONS", help="Only agents that fulfil these.")
@click.option("--sort", type=_field, metavar="FIELD", default="agent", help="In this order; -FIELD: the largest first.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many; 0: all.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out the first so many.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one agent a line.")
def agents(
    run: str | None, conditions: list[Condition] | None, sort: str, limit: int, offset: int, as_json: bool
) -> None:
    """See `help` above."""
    from engine.stream.types import PAGE_MAX

    rows: list[AgentRow] = []
    wanted = limit or sys.maxsize
    with connected(run) as client:
        total = 0
        while len(rows) < wanted:
            found, total = client.agents(
                conditions or [], sort.removeprefix("-"), descending=sort.startswith("-"), offset=offset + len(rows),
                limit=min(PAGE_MAX, wanted - len(rows)),
            )  # fmt: skip
            if not found:
                break
            rows += found
    if as_json:
        import msgspec

        for row in rows:
            click.echo(msgspec.json.encode(msgspec.structs.asdict(row)))
        return
    if rows:
        table(_HEADS, [_cells(row) for row in rows], right=4)
    left = total - offset - len(rows)
    if left > 0:
        say(f"... and {number(left)} more (--limit 0 lists them all)")
    elif not rows:
        say("no such agents" if conditions else "no agents")


def _cells(row: AgentRow) -> tuple[str, ...]:
    def shown(value: Any, text: str) -> str:
        return text if value else "-"

    return (
        printable(row.agent), str(row.shard), row.state, printable(row.task) or "-", shown(row.pid, str(row.pid)),
        shown(row.running, duration(row.running)), number(row.done), number(row.failed),
        shown(row.memory, size(row.memory)), f"{row.busy:.0%}", number(row.restarts),
    )  # fmt: skip
