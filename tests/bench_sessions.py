"""Sessions of benchmarks that nobody has measured: every suite, over weeks, with regressions and baselines; always the
same. What is made of samples is made by the suites themselves.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.bench.ablation.cells import cells as combinations
from engine.bench.alerts import suite as alerts
from engine.bench.alerts.lines import lines as alert_lines
from engine.bench.alerts.probe import Deaths
from engine.bench.coordination import lines as coordination_lines
from engine.bench.coordination import suite as coordination
from engine.bench.coordination.findings import findings
from engine.bench.coordination.mechanisms import FLAGS
from engine.bench.guard import fingerprint, history
from engine.bench.guard.cells import Cell, of_row
from engine.bench.guard.sessions import Seen, Session
from engine.bench.lines import Line, of_finding
from engine.bench.others import suite as others
from engine.bench.others.lines import lines as other_lines
from engine.bench.rows import SUITES, Row
from engine.bench.scaling import suite as scaling
from engine.bench.scaling.lines import lines as scaling_lines
from engine.bench.verdicts import judge

NOON: Final = 1_763_726_400.0
"""Friday, 21 November 2025, 12:00:00 UTC."""
DAY: Final = 86_400.0
MACHINE: Final = {
    "cpu": "Deep Blue 9000", "cores": "2", "memory": "24 GiB", "kernel": "6.12.1", "python": "CPython 3.11.9",
    "libc": "glibc 2.41", "governor": "performance", "disk": "ext4",
}  # fmt: skip
FINGERPRINT: Final = fingerprint.short(MACHINE)
PACKAGES: Final = {"shoal": "0.1.0", "click": "8.2.1", "msgspec": "0.19.0", "numpy": "2.2.6"}

_OURS: Final = {
    "start": 0.431, "start-each": 0.448, "start-many": 4.61, "start-many-each": 5.37, "submit": 98_100.0,
    "map": 1_310_000.0, "round-trip": 182e-6, "overhead-10ms": 3.041, "overhead-1ms": 3.102, "idle": 9.8e6,
    "stream": 0.4e6, "array": 1.92, "help": 0.094, "record-10ms": 1.004, "record-1ms": 1.021,
    "recorder-rows": 118_000.0, "recorder-single": 224_000.0, "recorder-blocks": 1_420_000.0, "watch-idle": 0.011,
    "watch-idle-all": 0.017, "watch-work": 0.991, "watch-work-all": 0.984, "tui-processor": 0.121, "tui-keys": 0.031,
    "tui-start": 1.52, "tui-work": 0.986, "spawn-parallel": 0.61, "spawn-forks": 0.6, "spawn-500": 0.44,
    "spawn-direct": 0.061,
    "pool-hits": 0.981, "pool-assigned": 742e-6, "pool-exhausted": 1.04, "pool-growth": 0.212,
    "queues-2": 0.071, "queues-4": 0.064, "queues-8": 0.069, "queues-16": 0.078, "queues-32": 0.094,
    "balance-4": 0.004, "balance-32": 0.015, "balance-computing": 0.034, "balance-waited": 0.002,
    "balance-hash": 0.017, "balance-round-robin": 0.009, "balance-random": 0.014,
    "throughput-1000": 61_000.0, "throughput-10000": 104_000.0, "throughput-100000": 121_000.0,
    "latency-off": 0.0021, "latency-1ms": 0.0034, "latency-10ms": 0.0118, "latency-100ms": 0.0331,
    "latency-500ms": 0.0334, "memory-20": 9.8e6, "memory-100": 46.2e6, "memory-500": 231e6,
}  # fmt: skip
_PEERS: Final = {
    "start": 2.38, "start-each": 2.41, "submit": 3_600.0, "map": 1_380_000.0, "round-trip": 402e-6,
    "overhead-10ms": 3.012, "overhead-1ms": 3.021, "array": 4.71, "help": 0.081, "recorder-rows": 402_000.0,
    "recorder-blocks": 1_810_000.0, "spawn-parallel": 5.2, "spawn-forks": 1.02, "spawn-direct": 1.31,
    "queues-2": 0.084, "queues-4": 0.084, "queues-8": 0.084, "queues-16": 0.084, "queues-32": 0.084,
    "throughput-1000": 8_400.0, "throughput-10000": 9_100.0, "throughput-100000": 9_300.0,
}  # fmt: skip
_BESIDES: Final[Mapping[str, Mapping[str, float]]] = {
    "array": {"peak": 1.98, "seconds": 1.92}, "recorder-blocks": {"in_blocks": 0.998, "engine_cpu": 1.1},
    "tui-processor": {"elsewhere": 0.061, "memory": 88e6}, "spawn-parallel": {"failed": 0.0},
    "spawn-forks": {"failed": 0.0},
    "idle": {"resident": 412e6, "nursery": 21e6, "hosts": 34e6},
    **{f"queues-{n}": {"balance": 0.01 * math.log2(n), "stolen": 40.0 * n, "rate": 91_000.0}
       for n in (2, 4, 8, 16, 32)},
    **{f"latency-{name}": {"worst": 0.041, "p50": 0.0004, "rate": 6_100.0}
       for name in ("off", "1ms", "10ms", "100ms", "500ms")},
}  # fmt: skip


def _noisy(chance: random.Random, value: float, spread: float = 0.03) -> float:
    return value * math.exp(chance.gauss(0, spread))


def _row_samples(row: Row, chance: random.Random, factor: float, rounds: int) -> dict[str, list[dict[str, Any]]]:
    count = (min(rounds, row.rounds) if row.rounds else rounds) * row.repeat
    slower = factor if row.better == "low" else 1 / factor
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in row.sides}
    for _ in range(count):
        weather = math.exp(chance.gauss(0, 0.05))  # the same for both sides of a pair
        weather = weather if row.better == "low" else 1 / weather
        ours = _noisy(chance, _OURS[row.name] * slower * weather)
        found["ours"].append({"value": ours, **_BESIDES.get(row.name, {})})
        if row.peer:
            found["peer"].append({"value": _noisy(chance, _PEERS[row.name] * weather)})
    return found


def _of_rows(
    rows: Sequence[Row], chance: random.Random, slower: Mapping[str, float], rounds: int
) -> tuple[list[Cell], list[Line]]:
    cells, lines = [], []
    for row in rows:
        samples = _row_samples(row, chance, slower.get(row.name, 1.0), rounds)
        title = row.titled(False)
        found = judge(row, title, samples["ours"], samples.get("peer", []), {})
        cells.append(of_row(row, title, samples, row.sized(False), row.repeat))
        lines.append(of_finding(found, cells[-1].samples["ours"]))
    return cells, lines


def _of_coordination(chance: random.Random) -> tuple[list[Cell], list[Line]]:
    brings = {"pooling": 9.1, "batching": 1.01, "parallel_spawn": 2.4, "sharding": 1.12}
    cells, lines = [], []
    for agents in coordination.AGENTS:
        taken = {}
        for cell in combinations(FLAGS):
            base = agents * 0.042 / math.prod(brings[flag] for flag in cell.on)
            taken[cell] = [_coordinated(_noisy(chance, base), agents) for _ in range(5)]
        looked = {cell: {"memory": 412_000_000, "own": 190_000_000, "descriptors": 1_842} for cell in taken}
        found = findings(agents, FLAGS, taken, looked)
        cells += coordination._kept(found)
        lines += coordination_lines.lines(found)
    return cells, lines


def _coordinated(value: float, agents: int) -> dict[str, Any]:
    return {
        "value": value, "start": value * 0.7, "tasks": value * 0.3, "asked": agents, "delivered": agents,
        "answered": [value * (0.7 + 0.3 * n / 10) for n in range(1, 11)], "messages": 2 * agents / value,
        "processor": value * 1.6, "errors": {},
    }  # fmt: skip


def _of_peers(chance: random.Random) -> tuple[list[Cell], list[Line]]:
    ours = {"coordinate": 0.061, "coordinate-many": 0.21, "submit": 91_000.0, "map": 1_150_000.0}
    theirs = {
        "coordinate": {"executor": 0.071, "pool": 0.12, "loky": 1.9, "joblib": 2.2, "mpire": 0.31, "dask": 6.1,
                       "ray": 14.0},
        "coordinate-many": {"executor": 0.92, "pool": 1.1, "mpire": 2.1},
        "submit": {"executor": 3_600.0, "pool": 13_000.0, "loky": 2_500.0, "joblib": 1_900.0, "mpire": 4_800.0,
                   "dask": 320.0, "ray": 980.0},
        "map": {"executor": 725_000.0, "pool": 1_380_000.0, "loky": 575_000.0, "joblib": 310_000.0, "mpire": 59_000.0,
                "dask": 21_000.0, "ray": 34_000.0},
    }  # fmt: skip
    lines, cells = {}, []
    for task in others.TASKS:
        values = {others.OURS: [_noisy(chance, ours[task.name]) for _ in range(5)]}
        values |= {key: [_noisy(chance, value) for _ in range(5)] for key, value in theirs[task.name].items()}
        lines[task] = others._lines(task, values)
        cells += others._kept(task, task.number, values)
    versions = {"executor": "3.11.9", "pool": "3.11.9", "loky": "3.5.5", "joblib": "1.5.1", "mpire": "2.10.2",
                "dask": "2025.7.0", "ray": "2.48.0"}  # fmt: skip
    numbers = {task: task.number for task in others.TASKS}
    outcome = others.Outcome(lines, numbers, versions, ["GNU parallel"], {}, {}, cells)
    return cells, other_lines(outcome)


def _cost(sweep: str, size: int) -> float:
    match sweep:
        case "agents":
            return 0.05 + size * 0.0011
        case "tasks":
            return 1.3e6 * size / (size + 40_000)
        case "payload":
            return 180e-6 + size * 0.9e-9
    return 940.0 * float(size**0.97)


def _of_scaling(chance: random.Random) -> tuple[list[Cell], list[Line]]:
    curves, cells = [], []
    for sweep in scaling.sweeps():
        sizes = (1, 2) if sweep.name == "cores" else sweep.sizes
        taken = {size: [_noisy(chance, _cost(sweep.name, size), 0.02) for _ in range(3)] for size in sizes}
        curves.append(scaling._curve(sweep, taken))
        cells += scaling._kept(sweep, taken, False)
        if sweep.name == "cores":
            model, elsewhere = scaling._modelled(taken, 1.2e6)
    outcome = scaling.Outcome(curves, model, 1.2e6, elsewhere, {}, {}, cells)
    return cells, scaling_lines(outcome)


def _of_alerts(chance: random.Random) -> tuple[list[Cell], list[Line]]:
    soon = [_noisy(chance, 0.0021, 0.35) for _ in range(1000)]
    late = [_noisy(chance, 0.0034, 0.5) for _ in range(1000)]
    lines = [
        alerts.Latencies("kill to alert, as many compute as there are cores", soon, alerts.KILL),
        alerts.Latencies("  of that, until the host knows", [0.4 * one for one in soon], ()),
        alerts.Latencies("beyond a threshold to alert, as many compute as there are cores", late[:100], alerts.CROSS),
        alerts.Latencies("kernel's notice to alert, 4 compute for each core", late, alerts.KILL),
    ]  # fmt: skip
    names = ("as many compute as there are cores", "4 compute for each core")
    deaths = {name: Deaths(kills=1000, folded=1000) for name in names}
    outcome = alerts.Outcome(lines, deaths, {}, {})
    return alerts.cells(outcome), alert_lines(outcome)


def session_of(
    suite: str,
    number: int,
    *,
    slower: Mapping[str, float] | None = None,
    quick: bool = False,
    rounds: int = 7,
    seen: Mapping[str, Seen] | None = None,
    without: Mapping[str, str] | None = None,
    **more: Any,
) -> Session:
    """The session of a suite that was measured `number` days before noon.

    `slower`: rows by a factor; `seen`: verdicts of the gate, which then has no lines of its own; `without`: rows that
    were not measured, and why.
    """
    chance = random.Random(f"{suite} {number}")
    if suite in SUITES:
        rows = [row for row in SUITES[suite] if row.name not in (without or {})]
        cells, lines = _of_rows(rows, chance, slower or {}, rounds)
    else:
        cells, lines = {
            "coordination": _of_coordination, "peers": _of_peers, "scaling": _of_scaling, "alerts": _of_alerts,
        }[suite](chance)  # fmt: skip
    if seen is not None:
        lines = []
    usual: dict[str, Any] = {
        "id": f"{random.Random(f'{suite}{number}').getrandbits(32):08x}", "suite": suite,
        "began": NOON - number * DAY - 3_600, "seconds": 411.0 if not quick else 31.0, "quick": quick, "seed": 7,
        "command": ["shoal", "bench", suite, *(["--quick"] if quick else [])], "version": "0.1.0",
        "commit": f"{random.Random(number).getrandbits(160):040x}", "dirty": False, "fingerprint": FINGERPRINT,
        "machine": MACHINE, "packages": PACKAGES, "settings": {"batch_timeout": 0.1}, "settings_hash": "9c1a7e",
        "before": {"load": 0.11}, "after": {"load": 1.92}, "calibration": (0.0151, 0.0152), "cells": cells,
        "lines": lines, "whole": True, "seen": dict(seen or {}), "failures": dict(without or {}),
    }  # fmt: skip
    return Session(**usual | more)


def gated(number: int, bad: Mapping[str, float], **more: Any) -> Session:
    """A session of the gate over the suite speed; rows that are worse by so much are regressions."""
    plain = session_of("speed", number, slower=bad, rounds=10)
    seen = {}
    for cell in plain.cells:
        ratio = bad.get(cell.name, 1.0 + 0.004 * (number % 3))
        worse = ratio > 1.1
        seen[cell.name] = Seen(
            state="regression" if worse else "fine", baseline="0ba5e11e", ratio=ratio, low=ratio * 0.97,
            high=ratio * 1.03, p=1e-5 if worse else 0.4, rounds=30 if worse else 10, confirmed=True if worse else None,
        )  # fmt: skip
    told = [
        {"level": "warning", "text": f"speed {name}: {factor - 1:.0%} worse than baseline 0ba5e11e, confirmed"}
        for name, factor in bad.items()
    ]
    return msgspec.structs.replace(
        plain, lines=[], whole=False, seen=seen, baseline="last-good", alerts=told,
        command=["shoal", "bench", "gate", "speed"], **more,
    )  # fmt: skip


def all_sessions(bad: Mapping[str, float] | None = None) -> list[Session]:
    """Weeks of the suite speed, the newest by the gate if something is `bad`; one of each other suite."""
    found = [session_of("speed", number, slower={"submit": 1.0 + 0.002 * (20 - number)}) for number in range(20, 0, -2)]
    suites = (*SUITES, "coordination", "peers", "scaling", "alerts")
    found += [session_of(suite, 3) for suite in suites if suite != "speed"]
    found.append(session_of("speed", 1, quick=True))
    if bad:
        found.append(gated(0, bad))
    return found


def keep(folder: Path, sessions: Sequence[Session], **names: Session) -> Path:
    """Have them in a folder, some of them with names."""
    for session in sessions:
        history.keep(folder, session)
    for name, session in names.items():
        history.pin(folder, name, session.id)
    return folder


def as_json(session: Session) -> dict[str, Any]:
    """A session as it is written."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(session))
    return found
