"""The commands about the alerts of runs, against real engines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerting import quiet
from commands import data, line, run
from killing import SHOAL
from processes import wait_for

from engine.stream.types import Event
from shoal import Engine

pytestmark = pytest.mark.needs("pooling")


HEARD: list[Event] = []


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    HEARD.clear()
    with Engine(3, name="live", record=tmp_path / "runs.db", settings=quiet(tmp_path), on_event=HEARD.append) as engine:
        engine.wait_ready(60)
        yield engine


def kill_one() -> None:
    victim = data(run("agents", "--filter", "state=idle", "--json"))[0]
    os.kill(victim["pid"], signal.SIGKILL)
    wait_for(lambda: any(event.kind == "alert.firing" for event in HEARD), what="an alert")


def test_no_run_is_one_line() -> None:
    for arguments in (["alerts"], ["alerts", "list"], ["ctl", "ack", "1"], ["ctl", "unsilence", "1"]):
        assert line(run(*arguments)) == "no run is going on"
    assert line(run("alerts", "zzz")).startswith("no run 'zzz' is going on")


def test_alerts_of_a_run_are_listed(engine: Engine) -> None:
    assert (run("alerts").stdout, run("alerts").stderr) == ("", "no alerts\n")
    kill_one()
    for arguments in ([], ["list"], ["live"], ["list", engine.run_id[:6]]):
        (alert,) = data(run("alerts", *arguments, "--json"))
        assert (alert["number"], alert["rule"], alert["state"], alert["count"]) == (1, "agent-crash", "firing", 1)
        assert alert["happened"] <= alert["detected"] <= alert["fired"]
    heads, row = run("alerts").stdout.splitlines()
    assert heads.split() == ["NO", "ID", "SEVERITY", "STATE", "SINCE", "COUNT", "TEXT"]
    assert re.fullmatch(
        rf"1 +{alert['fingerprint'][:8]} +warning +firing +\S.* 1 +agent crashed: agent main/\d was .*", row
    )


def test_an_alert_is_taken_on(engine: Engine) -> None:
    kill_one()
    assert line(run("ctl", "ack", "9")) == "no alert '9' fires; those that do: 1"
    wrong = run("ctl", "ack", "1", "--until", "soon")
    assert wrong.exit_code == 2
    assert "'soon' is no time such as 90s" in wrong.stderr
    done = run("ctl", "ack", "1", "--note", "mine", "--until", "10m")
    assert done.stderr.startswith("acknowledged: agent main/")
    (alert,) = data(run("alerts", "--json"))
    assert alert["ack"]["note"] == "mine"
    assert 590 < alert["ack"]["until"] - alert["ack"]["at"] <= 601
    assert " acknowledged " in run("alerts").stdout
    assert run("ctl", "unack", alert["fingerprint"][:5]).exit_code == 0
    assert data(run("alerts", "--json"))[0]["ack"] is None


def test_silences_begin_and_end(engine: Engine) -> None:
    assert run("ctl", "silence", "agent-crash").exit_code == 2
    assert line(run("ctl", "silence", "agent-crush", "--for", "10m", "--reason", "known")).startswith(
        "no rule 'agent-crush': did you mean 'agent-crash'?"
    )
    (done,) = data(run("ctl", "--json", "silence", "agent-crash", "pool=m*", "--for", "30d", "--reason", "we know"))
    assert (done["silence"], done["seconds"]) == (1, 30 * 86_400)
    assert done["text"] == "silence 1: agent-crash pool=m* for 30 d (we know)"
    kill_one()
    listed = run("alerts")
    assert " silenced " in listed.stdout
    assert re.fullmatch(r"silence 1: rule=agent-crash pool=m\*, for \S+ more \(we know; .*pid \d+.*\)\n", listed.stderr)
    assert run("ctl", "unsilence", "1").stderr == "silence 1 has ended\n"
    assert line(run("ctl", "unsilence", "1")) == "no silence 1"
    assert " firing " in run("alerts").stdout


def test_a_recorded_run_has_its_alerts(engine: Engine, tmp_path: Path) -> None:
    kill_one()
    engine.shutdown()
    (shown,) = data(run("show", "last", "--json", "--db", str(tmp_path / "runs.db")))
    (alert,) = shown["alerts"]
    assert (alert["number"], alert["rule"], alert["level"], alert["pool"]) == (1, "agent-crash", "warning", "main")
    assert alert["resolved"] is None
    text = run("show", "last", "--db", str(tmp_path / "runs.db")).stdout
    assert re.search(r"\nalerts\n.*\n  1 +warning +\S+ \S+ +to the end +1 +agent crashed: agent main/\d", text)


# -- shoal run --------------------------------------------------------------------------------------------------------

DIES = "import os, signal\ndef step(n):\n    if n == 3: os.kill(os.getpid(), signal.SIGKILL)\n"


def started(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "work.py").write_text(DIES)
    (tmp_path / "items.jsonl").write_text("".join(f"{n}\n" for n in range(8)))
    return subprocess.run(
        [*SHOAL, "run", "work:step", "--items", "items.jsonl", "--agents", "2", "--headless", "--no-record", *more],
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def test_what_was_written_is_not_written_again_as_an_alert(tmp_path: Path) -> None:
    done = started(tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert sum(line.startswith("warning: tasks[3] is given up: its agent died 5 times") for line in lines) == 1
    assert sum(line.startswith("warning: agent main/") for line in lines) == 5, "each once"
    assert not any(line.startswith("alert: ") and ("crashed" in line or "given up" in line) for line in lines)


def test_programs_are_told_of_alerts_with_their_times(tmp_path: Path) -> None:
    done = started(tmp_path, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    fired = {one["rule"]: one for one in told if one["event"] == "alert.firing"}
    assert {"agent-crash", "poison-task"} <= set(fired)
    times = fired["agent-crash"]["timeline"]
    assert times["happened"] <= times["detected"] <= times["fired"]
    counts = [one["count"] for one in told if one.get("rule") == "agent-crash"]
    assert counts[-1] == 5
    assert counts == sorted(counts)


def test_wrong_rules_are_said_line_by_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules.mem]\nmode = "level"\nsignal = "memory"\n[rule.x]\n')
    done = started(tmp_path, "--set", f"alert_rules={rules}")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"shoal: {rules}: ") for line in lines)
    assert "Traceback" not in done.stderr
