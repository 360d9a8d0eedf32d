"""``--metrics-port``: the page of a run, from its beginning to its end; and what is kept of it in the database."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from killing import SHOAL, started
from processes import wait_for

from engine.metrics.packed import unpack
from shoal import Engine, StartError

LONG = 60.0
_CODE = """
import pathlib, time
def work(item):
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return item
"""


def page(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def folder_of_work(tmp_path: Path, items: int) -> Path:
    (tmp_path / "served_work.py").write_text(_CODE)
    (tmp_path / "items.txt").write_text("".join(f"{number}\n" for number in range(items)))
    return tmp_path


def test_the_page_of_a_run(tmp_path: Path) -> None:
    folder = folder_of_work(tmp_path, 40)
    process = started(
        folder, "run", "served_work:work", "--items", "items.txt", "--metrics-port", "0", "--agents", "2",
        "--db", "runs.db",
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"metrics are served at (http://127\.0\.0\.1:\d+/metrics)\n", line)
        assert found is not None, line
        url = found[1]
        wait_for(lambda: 'shoal_tasks_submitted_total{pool="main"} 40.0' in page(url), LONG)
        wait_for(lambda: 'shoal_pool_agents{pool="main",state="busy"} 2.0' in page(url), LONG)
        shown = page(url)
        assert "shoal_build_info{" in shown
        if shutil.which("promtool"):
            checked = subprocess.run(["promtool", "check", "metrics"], input=shown, capture_output=True, text=True)
            assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
        (folder / "go").touch()
        process.communicate(timeout=100)
        assert process.returncode == 0
        with pytest.raises(urllib.error.URLError):
            page(url)
    finally:
        (folder / "go").touch()
        process.kill()
        process.communicate()
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as db:
        rows = db.execute(
            "SELECT name, unit, count, total, least, most, buckets FROM histograms ORDER BY name"
        ).fetchall()
        assert [row[0] for row in rows] == ["queue_wait", "run"]
        for _, unit, count, total, least, most, buckets in rows:
            (part,) = json.loads(buckets)
            histogram = unpack(base64.b64decode(part["packed"]))
            assert (unit, count, part["resumed"]) == ("ns", 40, 0)
            assert (histogram.count, histogram.sum, histogram.min, histogram.max) == (count, total, least, most)


@pytest.mark.parametrize("where", ["option", "variable", "set"])
def test_a_port_that_is_taken(tmp_path: Path, where: str) -> None:
    folder = folder_of_work(tmp_path, 1)
    before = sorted(os.listdir(folder))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        more = {"option": ["--metrics-port", str(port)], "set": ["--set", f"metrics_port={port}"]}.get(where, [])
        env = {**os.environ, **({"SHOAL_METRICS_PORT": str(port)} if where == "variable" else {})}
        done = subprocess.run(
            [*SHOAL, "run", "served_work:work", "--items", "items.txt", "--db", "runs.db", "--out", "r.jsonl", *more],
            cwd=folder, capture_output=True, text=True, env=env, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"shoal: port {port} of 127.0.0.1 is taken: choose another for metrics, or 0 for any that is free\n"
    )
    assert set(os.listdir(folder)) - set(before) <= {"__pycache__"}


def test_a_port_that_is_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SHOAL, "run", "served_work:work", "--items", "items.txt", "--set", "metrics_port=70000"],
        cwd=folder_of_work(tmp_path, 1), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "shoal: --set metrics_port is at most 65,535, not '70000'\n"


def test_without_the_package(tmp_path: Path) -> None:
    folder = folder_of_work(tmp_path, 1)
    missing = folder / "missing"
    missing.mkdir()
    (missing / "prometheus_client.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'prometheus_client'\", name='prometheus_client')\n"
    )
    done = subprocess.run(
        [*SHOAL, "run", "served_work:work", "--items", "items.txt", "--metrics-port", "0", "--db", "runs.db"],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(missing)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "shoal: metrics are served by prometheus-client, which is not installed: pip install 'shoal[metrics]'\n"
    )
    assert not (folder / "runs.db").exists()


def test_an_engine_serves_where_it_is_told_to() -> None:
    with Engine(1, settings={"metrics_port": 0, "metrics_host": "127.0.0.2"}) as engine:
        url = engine.metrics_url
        assert url is not None
        assert url.startswith("http://127.0.0.2:")
        assert engine.submit(abs, -1).result(LONG) == 1
        wait_for(lambda: 'shoal_tasks_finished_total{pool="main",result="done"} 1.0' in page(url), LONG)
        port = int(url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(StartError, match=rf"port {port} of 127\.0\.0\.2 is taken"):
            Engine(1, settings={"metrics_port": port, "metrics_host": "127.0.0.2"})
    with Engine(1) as plain:
        assert plain.metrics_url is None


def test_a_resumed_run_adds_to_what_is_known(tmp_path: Path) -> None:
    folder = folder_of_work(tmp_path, 60)
    arguments = ["run", "served_work:work", "--items", "items.txt", "--agents", "2", "--db", "runs.db"]
    (folder / "served_work.py").write_text(
        _CODE.replace("    return item", "    assert int(item) < 30\n    return item")
    )
    process = started(folder, *arguments, "--metrics-port", "0")
    assert process.stderr is not None
    url = process.stderr.readline().split()[-1]
    wait_for(lambda: 'shoal_tasks_submitted_total{pool="main"} 60.0' in page(url), LONG)
    process.terminate()
    (folder / "go").touch()
    process.communicate(timeout=100)
    assert process.returncode == 130
    resumed = subprocess.run(
        [*SHOAL, "resume", "last", "--db", "runs.db", "--metrics-port", "0"],
        cwd=folder, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert resumed.returncode == 1, resumed.stderr
    assert re.search(r"^metrics are served at http://127\.0\.0\.1:\d+/metrics$", resumed.stderr, re.M)
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as db:
        count, buckets = db.execute("SELECT count, buckets FROM histograms WHERE name = 'run'").fetchone()
        parts = json.loads(buckets)
        over = [done + failed for done, failed in db.execute("SELECT done, failed FROM runs")]
    assert over == [60]
    assert [part["resumed"] for part in parts] == [0, 1]
    assert count == sum(part["count"] for part in parts) == 60
