"""``shoal show``: what one recorded run did, how fast, and what went wrong."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.recorded.recorded import asked, db_option, quiet_colors
from engine.cli.words import clock, duration, number, printable, rest, size, table

if TYPE_CHECKING:
    from engine.store.queries import LargeResults, Run, StoredAlert, StoredDecision, StoredEvent, Task

_SLOWEST: Final = 10
_FAILURES: Final = 10
_EVENTS: Final = 20
_ALERTS: Final = 100
_TRACEBACK_LINES: Final = 4


def _facts(found: dict[str, Any]) -> str:
    """``agents 8, retries 2``: names and values in one line."""
    import msgspec

    def value(given: Any) -> str:
        return given if isinstance(given, str) else msgspec.json.encode(given).decode()

    return printable(", ".join(f"{name} {value(given)}" for name, given in found.items() if given is not None))


def _section(title: str) -> None:
    click.echo()
    click.secho(title, bold=True)


def _reruns(run: Run, later: list[str]) -> str:
    of = "" if run.origin is None else f"{'what failed in' if run.rerun == 'failed' else 'of'} {printable(run.origin)}"
    return "; ".join(filter(None, (of, f"again in {', '.join(map(printable, later))}" if later else "")))


def _large(found: LargeResults) -> str:
    kept = f"{number(found.kept)} kept ({size(found.bytes)})" if found.kept else ""
    return ", ".join(filter(None, (kept, f"{number(found.left_out)} too large to be kept" if found.left_out else "")))


def _summary(run: Run, answers: dict[str, Any]) -> None:
    line = f"{run.id}  {printable(run.name)}  {run.status}"
    click.secho(line, bold=True)
    until = "" if run.ended is None else f" to {clock(run.ended)}"
    summary = run.summary
    taken = f"; {number(summary['taken'])} were done before it" if summary.get("taken") else ""
    counts = f"{number(run.done)} done, {number(run.failed)} failed{rest(run.left, run.status)}"
    rows = {
        "command": printable(shlex.join(run.command)),
        "time": f"{clock(run.started)}{until} ({duration(run.seconds)})",
        "rerun": _reruns(run, answers["reruns"]),
        "resumed": f"{number(run.resumed)} {'time' if run.resumed == 1 else 'times'}" if run.resumed else "",
        "tasks": f"{number(run.tasks)}: {counts}{taken}",
        "rate": f"{number(run.rate)}/s",
        "restarts": number(summary.get("restarts", answers["deaths"])),
        "redelivered": number(summary.get("redelivered", answers["redelivered"])),
        "large": _large(answers["large"]),
        "memory": f"{size(peak)} held by the agents, at the most" if (peak := answers["peak_memory"]) else "",
        "config": _facts(run.config),
        "machine": _facts(run.machine),
        "shoal": f"{run.version} (pid {run.pid})",
        "summary": _facts({name: given for name, given in summary.items() if name not in _TOLD}),
    }
    for name, text in rows.items():
        if text:
            click.echo(f"  {name:<11}  {text}")


_TOLD: Final = frozenset({"tasks", "done", "failed", "restarts", "redelivered", "origin", "before", "taken"})
"""What of the engine's own summary has a line already."""


def _task(task: Task) -> str:
    return f"{printable(task.job)}[{task.task}]"


def _failure(task: Task) -> None:
    kind = task.error_type or task.error_kind or "failed"
    where = f" on {task.agent}" if task.agent else ""
    tries = f" after {task.attempts} attempts" if task.attempts > 1 else ""
    click.echo(f"  {_task(task)}{where}{tries}: {printable(kind)}: {printable(task.error_message or '')}".rstrip(": "))
    lines = [line for line in (task.error_traceback or "").splitlines() if line.strip()]
    for line in lines[-_TRACEBACK_LINES:]:
        indent = len(line) - len(line.lstrip())
        click.echo(f"      {' ' * min(indent, 12)}{printable(line)}")


def decided(gate: StoredDecision) -> tuple[str, str, str]:
    """What a gate came to, who decided, and why: as that one said, and what the plan's conditions found."""
    return gate.decided, gate.by or "the plan", "; ".join(filter(None, (gate.why, *gate.reasons)))


def _event(event: StoredEvent) -> None:
    color = "red" if event.level == "error" else "yellow"
    click.echo(f"  {clock(event.at)}  {click.style(event.level, fg=color)}  {printable(event.text)}")


def _alert(alert: StoredAlert) -> tuple[str, ...]:
    evidence = alert.evidence
    title, text = str(evidence.get("title", "")), alert.text
    if title.lower() not in text.lower():
        text = f"{title}: {text}"
    at = alert.began if alert.fired is None else alert.fired
    lasted = "to the end" if alert.resolved is None else duration(max(0.0, alert.resolved - at))
    return (
        f"  {alert.number}", alert.level, clock(at), lasted, number(evidence.get("count", 1)), printable(text),
    )  # fmt: skip


@click.command()
@click.argument("run")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(run: str, db: Path | None, as_json: bool) -> None:
    """Show one recorded run. RUN is its id, the beginning of it, or `last`."""
    from engine.store import queries

    with asked(db) as connection:
        found = queries.find(connection, run)
        answers: dict[str, Any] = {
            "pools": queries.pools(connection, found.id),
            "shards": queries.shards(connection, found.id),
            "slowest": queries.slowest(connection, found.id, _SLOWEST),
            "failure_kinds": queries.failure_kinds(connection, found.id),
            "failures": queries.failures(connection, found.id, _FAILURES),
            "alerts": queries.alerts(connection, found.id, _ALERTS),
            "events": queries.events(connection, found.id, notable=True, limit=_EVENTS),
            "redelivered": queries.redelivered(connection, found.id),
            "deaths": queries.deaths(connection, found.id),
            "large": queries.large_results(connection, found.id),
            "peak_memory": queries.peak_memory(connection, found.id),
            "reruns": queries.reruns(connection, found.id),
            "gates": queries.decisions(connection, found.id),
        }
    if as_json:
        import msgspec

        click.echo(
            msgspec.json.encode(msgspec.structs.asdict(found) | {"rate": found.rate, "left": found.left} | answers)
        )
        return
    quiet_colors()
    _summary(found, answers)
    _sections(found, answers)


def _sections(run: Run, answers: dict[str, Any]) -> None:
    rows: list[tuple[str, ...]]
    if pools := answers["pools"]:
        _section("pools")
        rows = []
        for pool in pools:
            mean = duration(pool.seconds / (pool.done + pool.failed)) if pool.done + pool.failed else "-"
            counts = number(pool.size), number(pool.shards), number(pool.done), number(pool.failed)
            rows.append((f"  {printable(pool.name)}", *counts, duration(pool.seconds), mean))
        table(("  POOL", "AGENTS", "SHARDS", "DONE", "FAILED", "RUN TIME", "A TASK"), rows, right=1)
    if any(pool.shards > 1 for pool in answers["pools"]):  # or else its row would say it once more
        _section("shards")
        rows = []
        for shard in answers["shards"]:
            agents = f"{number(shard.worked)} of {number(shard.agents)}"
            counts = agents, number(shard.done), number(shard.failed), number(shard.deaths)
            rows.append((f"  {printable(shard.pool)}", str(shard.shard), *counts, duration(shard.seconds)))
        table(("  POOL", "SHARD", "WORKED", "DONE", "FAILED", "DIED", "RUN TIME"), rows, right=1)
    if slowest := answers["slowest"]:
        _section("slowest tasks")
        timed = [
            (f"  {_task(task)}", task.state, task.agent or "-", number(task.attempts), duration(task.seconds))
            for task in slowest
        ]
        table(("  TASK", "STATE", "AGENT", "ATTEMPTS", "TIME"), timed, right=3)
    if failures := answers["failures"]:
        kinds = ", ".join(f"{printable(kind)} {number(n)}" for kind, n in answers["failure_kinds"].items())
        _section(f"failures: {kinds}")
        for task in failures:
            _failure(task)
        if run.failed > len(failures):
            click.echo(f"  ... and {number(run.failed - len(failures))} more")
    if gates := answers["gates"]:
        _section("gates")
        rows = [(f"  {printable(gate.gate)}", *map(printable, decided(gate))) for gate in gates]
        table(("  GATE", "DECIDED", "BY", "WHY"), rows, right=4)
    if alerts := answers["alerts"]:
        _section("alerts")
        rows = [_alert(alert) for alert in alerts]
        table(("  NO", "SEVERITY", "FIRED", "LASTED", "COUNT", "TEXT"), rows, right=6)
    if events := [event for event in answers["events"] if not event.kind.startswith("alert.")]:
        _section("events")
        for event in events:
            _event(event)
