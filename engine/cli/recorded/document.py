"""A recorded run as a Markdown document, for a ticket or a mail. Pure: everything is in what it is given."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

import msgspec

from engine.cli.recorded.markdown import block, code, plain, sparkline, table
from engine.cli.recorded.throughput import of_run
from engine.cli.running.progress import alert_news, worse
from engine.cli.running.summary import share_name
from engine.cli.words import duration, number, rest, several, size
from engine.store.queries import (
    Durations,
    EventGroup,
    FailureGroup,
    Pool,
    Run,
    Sample,
    Shard,
    StoredEvent,
    Task,
)  # fmt: skip
from engine.stream.types import Event

_WORDS: Final = 12
"""Lines of a failure's last words."""
_TOLD: Final = 5
"""Failures whose last words are told."""
_SHARDS: Final = 32
_ALERTS: Final = 20
_ITEM: Final = 300


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a run."""

    run: Run
    now: float
    """When it was asked, seconds since the Unix epoch."""
    database: str | None
    """To be named in commands; None for the default one."""
    folder: str | None
    """Where it was begun; None: not known."""
    resumable: bool
    pools: list[Pool]
    shards: list[Shard]
    durations: dict[int, Durations]
    """By number of the pool, -1 for all."""
    samples: list[Sample]
    """Of the whole run."""
    slowest: list[Task]
    failures: list[FailureGroup]
    failure_groups: int
    """How many groups of failures there are in all."""
    events: list[EventGroup]
    alerts: list[StoredEvent]
    """Events ``alert.*``, in order."""
    deaths: int
    redelivered: int
    memory: int | None


class _Alert(msgspec.Struct):
    severity: str
    text: str
    first: float
    last: float
    count: int = 1
    live: bool = True


def document(found: Gathered) -> str:
    """The whole report, ending with a line end."""
    parts = [
        _title(found), _about(found), _totals(found), _run_times(found), _throughput(found), _pools(found),
        _shards(found), _slowest(found), _failures(found), _alerts(found), _events(found), _settings(found),
        _again(found),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def moment(seconds: float) -> str:
    """A time since the Unix epoch with its zone: who reads it may live elsewhere."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))


def _after(found: Gathered, at: float) -> str:
    """How long after the run's beginning."""
    return f"+{duration(max(0.0, at - found.run.started))}"


def _title(found: Gathered) -> list[str]:
    run = found.run
    of = "" if run.left is None else f"of {several(run.tasks, 'task')} "
    counts = f"{number(run.done)} {of}done"
    if run.failed:
        counts += f", {number(run.failed)} failed"
    counts += rest(run.left, run.status)
    lines = [
        f"# Shoal run {run.id}: {plain(run.name)}",
        "",
        f"**{run.status}**: {counts}, in {duration(run.seconds)} ({number(run.rate)} tasks/s).",
    ]
    if run.status == "running":
        lines += ["", f"**It is still going on**: these are its figures at {moment(found.now)}."]
    elif run.status == "crashed":
        lines += ["", "Its engine is gone without a last word: killed, or the machine went down."]
    return lines


def _about(found: Gathered) -> list[str]:
    run, machine = found.run, found.run.machine
    rows = [("command", code(_command(run.command), _ITEM))]
    if found.folder:
        rows.append(("folder", code(found.folder, _ITEM)))
    rows.append(("started", moment(run.started)))
    if run.ended is not None:
        rows.append(("last seen" if run.status == "crashed" else "ended", moment(run.ended)))
    if run.resumed:
        rows.append(("resumed", several(run.resumed, "time")))
    facts = []
    if "host" in machine:
        facts.append(code(str(machine["host"])))
    if "cores" in machine:
        facts.append(several(int(machine["cores"]), "core"))
    if "memory" in machine:
        facts.append(f"{size(float(machine['memory']))} of memory")
    if "kernel" in machine:
        facts.append(f"Linux {plain(str(machine['kernel']))}")
    if facts:
        rows.append(("machine", ", ".join(facts)))
    python = f", Python {plain(str(machine['python']))}" if "python" in machine else ""
    rows.append(("version", f"Shoal {plain(run.version)}{python}"))
    return table(("run", f"`{run.id}`"), rows)


def _command(words: Sequence[str]) -> str:
    """As one would type it: the program by its name."""
    first, *arguments = words or ["shoal"]
    if PurePath(first).name == "__main__.py":
        first = "shoal"
    return shlex.join([PurePath(first).name or first, *arguments])


def _busy(samples: Sequence[Sample]) -> float | None:
    up = sum(sample.samples * (sample.busy + sample.idle + sample.draining) for sample in samples)
    return sum(sample.samples * sample.busy for sample in samples) / up if up else None


def _totals(found: Gathered) -> list[str]:
    run = found.run
    rows = [
        ("tasks", number(run.tasks)), ("done", number(run.done)), ("failed", number(run.failed)),
        *((("not run", number(run.left)),) if run.left and run.status != "running" else ()),
        ("tasks a second", number(run.rate)), ("wall time", duration(run.seconds)),
    ]  # fmt: skip
    if -1 in found.durations:
        rows.append(("run time of all tasks", duration(found.durations[-1].total)))
    busy = _busy(found.samples)
    if busy is not None:
        rows.append(("agents busy", f"{busy:.0%} of the time"))
    rows += [
        ("agents died", number(found.deaths)),
        ("restarts", number(run.summary.get("restarts", found.deaths))),
        ("redelivered", number(run.summary.get("redelivered", found.redelivered))),
    ]
    if found.memory:
        rows.append(("memory of the agents, at most", size(found.memory)))
    return ["## Totals", "", *table(("what", "how much"), rows, right=(1,))]


def _run_times(found: Gathered) -> list[str]:
    if -1 not in found.durations:
        return []
    kept = [(plain(pool.name), found.durations[at]) for at, pool in enumerate(found.pools) if at in found.durations]
    if len(kept) != 1:
        kept.append(("all", found.durations[-1]))
    rows = [
        (
            name, number(of.count), duration(of.mean),
            *("n too small" if seconds is None else duration(seconds) for seconds in of.quantiles.values()),
            duration(of.most),
        )
        for name, of in kept
    ]  # fmt: skip
    heads = ("pool", "tasks", "mean", *map(share_name, found.durations[-1].quantiles), "max")
    return ["## Run times of tasks", "", *table(heads, rows, right=range(1, len(heads)))]


def _throughput(found: Gathered) -> list[str]:
    rates = of_run(found.run, found.samples, found.now)
    if rates is None:
        return []
    most = max(rates.rates)
    line = f"|{sparkline(rates.rates)}|"
    text = f"a bar is {duration(rates.seconds)}; the highest is {number(round(most, 2))} tasks/s"
    return ["## Throughput", "", "```text", line, text, "```"]


def _pools(found: Gathered) -> list[str]:
    if not found.pools:
        return []
    rows = [
        (
            plain(pool.name), number(pool.size), number(pool.shards), number(pool.done), number(pool.failed),
            duration(pool.seconds),
        )
        for pool in found.pools
    ]  # fmt: skip
    heads = ("pool", "agents", "shards", "done", "failed", "run time")
    return ["## Pools", "", *table(heads, rows, right=range(1, 6))]


def _shards(found: Gathered) -> list[str]:
    if not any(pool.shards > 1 for pool in found.pools):  # or else a pool's row would be there once more
        return []
    rows = [
        (
            plain(shard.pool), str(shard.shard), f"{number(shard.worked)} of {number(shard.agents)}",
            number(shard.done), number(shard.failed), number(shard.deaths), duration(shard.seconds),
        )
        for shard in found.shards[:_SHARDS]
    ]  # fmt: skip
    heads = ("pool", "shard", "agents that worked", "done", "failed", "deaths", "run time")
    return ["## Shards", "", *table(heads, rows, right=range(1, 7)), *_more(len(found.shards) - _SHARDS, "shard")]


def _more(count: int, noun: str) -> list[str]:
    return ["", f"And {several(count, f'more {noun}')}."] if count > 0 else []


def _task(task: Task) -> str:
    return code(f"{task.job}[{task.task}]")


def _slowest(found: Gathered) -> list[str]:
    if not found.slowest:
        return []
    rows = [
        (_task(task), task.state, code(task.agent or ""), number(task.attempts), duration(task.seconds))
        for task in found.slowest
    ]
    return ["## Slowest tasks", "", *table(("task", "state", "agent", "attempts", "run time"), rows, right=(3, 4))]


def _failures(found: Gathered) -> list[str]:
    if not found.failures:
        return []
    rows = [(number(group.count), code(group.kind), code(group.line), _task(group.example)) for group in found.failures]
    lines = ["## Failures", "", *table(("tasks", "kind", "message of the first", "the first"), rows, right=(0,))]
    lines += _more(found.failure_groups - len(found.failures), "kind")
    for group in found.failures[:_TOLD]:
        lines += _last_words(group)
    return lines


def _last_words(group: FailureGroup) -> list[str]:
    task = group.example
    said = [line for line in (task.error_traceback or "").splitlines() if line.strip()]
    if not said:
        said = (task.error_message or "").splitlines()
        if len(said) < 2:  # the table has it
            return []
    where = f" on {code(task.agent)}" if task.agent else ""
    tries = f", after {several(task.attempts, 'attempt')}" if task.attempts > 1 else ""
    left = len(said) - _WORDS
    cut_off = [f"... {several(left, 'line')} before this"] if left > 0 else []
    return ["", f"{_task(task)}{where}{tries}:", "", *block([*cut_off, *said[-_WORDS:]])]


def _alerts(found: Gathered) -> list[str]:
    known: dict[str, _Alert] = {}
    for event in found.alerts:
        news = alert_news(Event(event.number, event.at, "warning", event.kind, event.text, event.data))
        alert = None if news is None else known.get(news.id)
        if news is not None and news.live:
            if alert is None:
                known[news.id] = _Alert(news.severity, news.text, event.at, event.at)
            else:
                alert.count += not alert.live
                alert.severity, alert.live = worse(alert.severity, news.severity), True
                alert.text = news.text_after(alert.text)
        elif news is not None and news.state and alert is not None and alert.live:
            alert.last, alert.live = event.at, False
    if not known:
        return []
    rows = [
        (
            plain(alert.severity), code(alert.text, _ITEM), number(alert.count), _after(found, alert.first),
            "not resolved" if alert.live else _after(found, alert.last),
        )
        for alert in list(known.values())[:_ALERTS]
    ]  # fmt: skip
    heads = ("severity", "alert", "times", "fired", "resolved")
    return ["## Alerts", "", *table(heads, rows, right=(2,)), *_more(len(known) - _ALERTS, "alert")]


def _events(found: Gathered) -> list[str]:
    if not found.events:
        return []
    rows = [
        (
            number(group.count), code(group.kind), group.level, _after(found, group.first), _after(found, group.last),
            code(group.text, _ITEM),
        )
        for group in found.events
    ]  # fmt: skip
    heads = ("events", "kind", "level", "first", "last", "what the last one says")
    return ["## Events of note", "", *table(heads, rows, right=(0,))]


def _settings(found: Gathered) -> list[str]:
    config: dict[str, Any] = found.run.config
    settings = config.get("settings")
    given = {} if not isinstance(settings, dict) else settings
    rows = [(code(str(name)), code(_value(value), _ITEM)) for name, value in given.items()]
    agents = config.get("agents")
    if isinstance(agents, dict):
        rows += [(f"agents of {code(str(name))}", _value(count)) for name, count in agents.items() if count is not None]
    for step in config.get("steps") or []:
        for name in ("timeout", "retries"):
            if step.get(name):
                rows.append((f"{name} of {code(str(step.get('name')))}", code(_value(step[name]))))
    if not rows:
        return ["## Settings", "", "All as they are by default."]
    return ["## Settings that differ from the defaults", "", *table(("setting", "value"), rows)]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else "auto" if value is None else msgspec.json.encode(value).decode()


def _again(found: Gathered) -> list[str]:
    run = found.run
    where = f" --db {shlex.quote(found.database)}" if found.database else ""
    lines = []
    if run.status == "running":
        lines += ["# to watch it", f"shoal attach {run.id}"]
    elif found.resumable:
        lines += ["# to go on where it ended", f"shoal resume {run.id}{where}"]
    lines += ["# all that is known of it", f"shoal show {run.id}{where}"]
    if run.failed:
        lines += [f"shoal export {run.id}{where} | grep '\"ok\":false'"]
    folder = f"cd {shlex.quote(found.folder)} && " if found.folder else ""
    lines += ["# to run it again", f"{folder}{_command(run.command)}"]
    return ["## To go on from here", "", *block(lines, "sh", 2000)]
