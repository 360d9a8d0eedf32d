"""A real Prometheus scrapes the page, and answers what the dashboard asks."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grafana import FIXTURES, expressions
from metric_samples import full_snapshot
from processes import wait_for

from engine.metrics.families import FAMILIES
from engine.metrics.server import MetricsServer
from engine.metrics.snapshot import Snapshot

CONFIG = FIXTURES / "prometheus" / "prometheus.yml"
LONG = 60.0
"""Seconds until a scrape has come and gone, on a machine that is busy with something else."""

pytestmark = [
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus (Debian package) is not installed"),
    pytest.mark.timeout(300),
]


@dataclass
class Prometheus:
    address: str

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        url = f"http://{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        assert told["status"] == "success"
        return [(found["metric"], float(found["value"][1])) for found in told["data"]["result"]]

    def numbers(self, query: str) -> list[float]:
        return [value for _, value in self.ask(query) if not math.isnan(value)]

    def value(self, query: str) -> float | None:
        found = self.ask(query)
        assert len(found) <= 1
        return found[0][1] if found else None


@dataclass
class Shown:
    """The snapshot that is served at the moment."""

    snapshot: Snapshot
    grows: Iterator[int] | None = None

    def newest(self) -> Snapshot:
        if self.grows is not None:
            self.snapshot = full_snapshot(growth=next(self.grows))
        return self.snapshot


@pytest.fixture
def shown() -> Shown:
    return Shown(full_snapshot())


@pytest.fixture
def prometheus(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prometheus]:
    """One of the test's own, with the project's configuration, but for the port and more often."""
    monkeypatch.setenv("no_proxy", "*")
    with MetricsServer(shown.newest, 0) as serving:
        config = CONFIG.read_text().replace("127.0.0.1:9464", f"127.0.0.1:{serving.port}")
        config = config.replace("scrape_interval: 5s", "scrape_interval: 1s").replace("_timeout: 2s", "_timeout: 1s")
        (tmp_path / "prometheus.yml").write_text(config)
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}",
                    f"--storage.tsdb.path={tmp_path / 'data'}", "--web.listen-address=127.0.0.1:0",
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "GOMAXPROCS": "1"},
            )  # fmt: skip
        try:
            listening = re.compile(r'msg="Listening on".*address=(127\.0\.0\.1:\d+)')

            def found() -> re.Match[str] | None:
                assert process.poll() is None, log.read_text()
                return listening.search(log.read_text())

            wait_for(found, LONG)
            address = found()
            assert address is not None
            asked = Prometheus(address[1])
            wait_for(lambda: "ready to receive web requests" in log.read_text(), LONG)
            wait_for(lambda: asked.value('up{job="shoal"}') == 1, LONG)
            yield asked
        finally:
            process.terminate()
            try:
                process.wait(LONG)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_it_scrapes_what_is_shown_and_sees_it_change(shown: Shown, prometheus: Prometheus) -> None:
    def expected(name: str, *labels: str) -> float:
        return shown.snapshot.values[name][labels]

    wait_for(lambda: prometheus.value("shoal_machine_cores") == expected("shoal_machine_cores"), LONG)
    done = 'shoal_tasks_finished_total{pool="main", result="done"}'
    assert prometheus.value(done) == expected("shoal_tasks_finished_total", "main", "done")
    before = shown.snapshot.histograms["shoal_task_run_seconds"]["main", "call"]
    below = 'shoal_task_run_seconds_bucket{pool="main", kind="call", le="0.000524287"}'
    assert prometheus.value(below) == before.below([19])[0]

    shown.snapshot = full_snapshot(growth=3)
    wait_for(lambda: prometheus.value(done) == expected("shoal_tasks_finished_total", "main", "done"), LONG)
    assert prometheus.value(below) == 3 * before.below([19])[0]
    names = {labels["__name__"] for labels, _ in prometheus.ask('{__name__=~"shoal_.+"}')}
    assert names == {sample for family in FAMILIES.values() for sample in family.samples}

    shown.snapshot = full_snapshot(growth=3, pools=("main",))
    wait_for(lambda: not prometheus.ask('shoal_pool_agents{pool="io"}'), LONG, "the series of a pool that is gone")
    assert prometheus.ask('shoal_pool_agents{pool="main"}')


def test_it_answers_every_question_of_the_dashboard(shown: Shown, prometheus: Prometheus) -> None:
    shown.grows = itertools.count(2)
    for expression in expressions():
        query = expression.replace("$__rate_interval", "30s").replace("$instance", ".*").replace("$pool", ".*")
        wait_for(lambda query=query: prometheus.numbers(query), LONG, query)  # type: ignore[misc]


def test_promtool_finds_the_configuration_sound() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (package prometheus) is not installed")
    checked = subprocess.run(
        ["promtool", "check", "config", str(CONFIG)], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
