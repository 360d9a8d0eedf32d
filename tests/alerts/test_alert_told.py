"""How alerts are told: a line, JSON, an event, a row."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from alerting import CRASH, LEVEL, Watched, notified

from engine.alerts.sources import load
from engine.alerts.told import as_event, as_row, described, line
from engine.alerts.types import NOTHING
from engine.runtime.alerting.views import view
from engine.store.schema import open_database

EPOCH = 1_700_000_000.0


def crashed() -> Watched:
    watched = Watched(CRASH.replace("[rules.crash]", '[rules.crash]\ntitle = "agent crashed"'))
    watched.now = 5.0
    watched.event(pool="main", agent="main/3", text="main/3 was killed by SIGKILL")
    return watched


def test_a_line() -> None:
    watched = crashed()
    assert line(watched.told[0]) == "warning: agent crashed: main/3 was killed by SIGKILL"
    watched.event(pool="main", text="main/4 exited with code 1", after=2.0)
    watched.idle(12)
    assert line(notified(watched.told)[-1]) == "over after 12 s: agent crashed: main/4 exited with code 1"
    level = Watched(LEVEL + 'repeat = "60s"\n')
    level.level(200, 70)
    assert [line(found) for found in notified(level.told)] == [
        "warning: depth: main: 200 wait, beyond 100",
        "warning: depth: main: 200 wait, beyond 100 (for 60 s now)",
    ]


def test_a_severity_is_said_once() -> None:
    watched = Watched(LEVEL)
    for value, seconds in ((200, 3), (2000, 3), (300, 6)):
        watched.level(value, seconds)
    assert [line(found) for found in watched.told if found.change == "severity"] == [
        "critical: more severe: depth: main: 2,000 wait, beyond 1,000",
        "warning: less severe: depth: main: 300 wait, beyond 100",
    ]


def test_values_have_the_unit_that_people_give_them_in() -> None:
    busy = Watched(rules_=[found for found in load(None) if found.id == "cpu"])
    busy.signals({"cpu_ratio": {NOTHING: 4.5}}, 70, 1.0)
    assert busy.only.text == "4.5 processes for each core want to run"
    growing = Watched(
        '[rules.growing]\nmode = "rate"\nsignal = "queue_depth"\nrelative = true\nwindow = "10s"\n'
        'warning = { raise = "10%/min", clear = "0%/min" }\nsummary = "{value} more waiting, beyond {threshold}"\n'
    )
    for step in range(240):
        growing.level(1000 + step)  # 20 a second, of what grows from 1000 to 1240
    assert re.fullmatch(r"1\d\d%/min more waiting, beyond 10%/min", growing.only.text)
    assert growing.only.threshold == pytest.approx(0.1 / 60), "of a second, and it says so"
    assert growing.only.mode == "rate"
    assert view(growing.only, 0.0).mode == "rate"


def test_what_others_wrote_stays_one_line() -> None:
    watched = Watched(CRASH)
    watched.event(pool="main", text="a\nb\x1b[31m" + "x" * 5000)
    told = line(watched.told[0])
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 350


def test_json_is_plain_and_in_wall_time() -> None:
    watched = crashed()
    watched.core.acknowledge(watched.only.fingerprint, 6.0, "ada", "mine", until=9.0)
    watched.take()
    found = json.loads(msgspec.json.encode(described(watched.told[-1], EPOCH, "7f3a")))
    assert (found["run"], found["change"], found["after"], found["at"]) == ("7f3a", "acknowledged", "firing", EPOCH + 6)
    alert = found["alert"]
    assert alert["class"] == "saturation"
    assert alert["labels"] == {"pool": "main"}
    assert alert["timeline"]["fired"] == EPOCH + 5
    assert alert["timeline"]["shown"] is None
    assert alert["samples"][0]["at"] == EPOCH + 4.996
    assert alert["ack"] == {"by": "ada", "at": EPOCH + 6, "note": "mine", "until": EPOCH + 9}


def test_events_of_the_stream() -> None:
    watched = crashed()
    watched.core.acknowledge(watched.only.fingerprint, 6.0, "ada")
    watched.idle(12)
    assert [as_event(found, EPOCH)[:2] for found in watched.told] == [
        ("warning", "alert.firing"), ("info", "alert.acknowledged"), ("info", "alert.resolved"),
        ("info", "alert.unacknowledged"),
    ]  # fmt: skip
    level, _, text, data = as_event(watched.told[0], EPOCH)
    assert (level, f"warning: {text}") == ("warning", line(watched.told[0]))
    assert data["timeline"] == {
        "happened": EPOCH + 4.996, "detected": EPOCH + 5, "fired": EPOCH + 5, "shown": None, "last": EPOCH + 5,
        "resolved": None,
    }  # fmt: skip
    assert [as_event(found, EPOCH)[2].partition(":")[0] for found in watched.told[1:]] == [
        "acknowledged by ada", "over after 10 s", "not acknowledged (resolved)",
    ]  # fmt: skip
    assert (data["rule"], data["alert"], data["labels"], data["notify"]) == ("crash", 1, {"pool": "main"}, True)
    msgspec.msgpack.encode(data)


def test_a_row_fits_the_table(tmp_path: Path) -> None:
    watched = crashed()
    watched.idle(12)
    row = as_row(watched.told[-1].alert, EPOCH, {"main": 2})
    connection = open_database(tmp_path / "runs.db")
    marks = ", ".join(f":{name}" for name in row)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(f"INSERT INTO alerts (run, {', '.join(row)}) VALUES ('7f3a', {marks})", row)
    (kept,) = connection.execute("SELECT rule, level, pool, began, fired, resolved FROM alerts").fetchall()
    connection.close()
    assert kept[:5] == ("crash", "warning", 2, EPOCH + 4.996, EPOCH + 5)
    assert kept[5] >= EPOCH + 15
    evidence = json.loads(row["evidence"])
    alert = watched.told[-1].alert
    assert evidence["count"] == 1
    assert {name: evidence[name] for name in ("title", "unit", "hint", "action", "mode")} == {
        "title": alert.title, "unit": alert.unit, "hint": alert.hint, "action": alert.action, "mode": "event",
    }  # fmt: skip
