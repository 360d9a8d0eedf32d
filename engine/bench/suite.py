"""A suite of the benchmark: its rows, measured and judged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.bench import machine
from engine.bench.profile import text
from engine.bench.progress import Progress
from engine.bench.rows import SUITES, Row
from engine.bench.run import MeasurementFailed, Round, measure
from engine.bench.verdicts import Finding, judge

PEERS_TIMEOUT = 1800.0


class PeersFailed(Exception):
    """The script of other tools gave nothing to show. The text is one line."""


class Outcome:
    """What the benchmark found.

    Attributes:
        findings: of the rows that were measured, in the order of the table.
        failures: why others were not, by row.
        data: all of it, raw samples included, as JSON may hold it.
        profiles: texts by row, where they were asked for.
    """

    def __init__(self, findings: list[Finding], failures: dict[str, str], data: dict[str, Any]) -> None:
        self.findings = findings
        self.failures = failures
        self.data = data
        self.profiles: dict[str, str] = {}


def run(
    suite: str,
    only: Sequence[str],
    rounds: int,
    quick: bool,
    profile: bool,
    progress: Progress,
    seed: int | None = None,
) -> Outcome:
    """Measure the rows named of a suite, all for none named.

    With `profile`, those that fall short of what they must or should reach are run once more, watched. Raises KeyError
    for a suite that there is not.
    """
    rows = [row for row in SUITES[suite] if not only or row.name in only]
    facts = machine.facts()
    seed = time.time_ns() % 2**32 if seed is None else seed
    begun = time.time()
    measured = Round(rows, rounds, quick, seed, progress, suite=suite)
    measured.run()
    findings = []
    for row in rows:
        samples = measured.samples[row.name]
        if row.name not in measured.failures:
            watched = measured.watched[row.name].get("ours", {})
            findings.append(judge(row, row.titled(quick), samples["ours"], samples.get("peer", []), watched))
    data = {
        "benchmark": suite,
        "began": begun,
        "seconds": time.time() - begun,
        "quick": quick,
        "rounds": rounds,
        "seed": seed,
        "machine": facts,
        "rows": [
            found.as_data()
            | {"size": measured.size(found.row), "samples": measured.samples[found.row.name]}
            | {"watched": measured.watched[found.row.name]}
            for found in findings
        ],
        "failures": measured.failures,
    }
    outcome = Outcome(findings, measured.failures, data)
    if profile:
        for found in findings:
            if any(verdict is not None and not verdict.reached for verdict in (found.must, found.aim)):
                progress(f"profile: {found.row.name}")
                outcome.profiles[found.row.name] = _profiled(found.row, measured.size(found.row))
    return outcome


def _profiled(row: Row, size: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        try:
            measure(row.measured_by, "ours", size, row.timeout * 3, Path(folder))
        except MeasurementFailed as error:
            return f"not profiled: {error}\n"
        return text(Path(folder))


def peers(script: Path, timeout: float = PEERS_TIMEOUT) -> dict[str, Any]:
    """What a script of other tools prints: figures by tool, one JSON object. Raises `PeersFailed`."""
    try:
        done = subprocess.run(
            [sys.executable, str(script)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PeersFailed(f"{script}: no answer within {timeout:g} s") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise PeersFailed(f"{script}: {last[0][:300]}")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PeersFailed(f"{script}: it printed no JSON object")
    return found
