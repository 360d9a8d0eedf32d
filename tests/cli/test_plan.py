"""``shoal plan``: what is told of plans that are right, and of those that are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import data, line, run
from msgspec.structs import replace
from plans import task
from recorded_runs import START, began, group, made, write

from engine.cli.main import shoal
from engine.cli.plans.plan import plan as group_of_commands
from engine.cli.plans.report import document, of_file
from engine.plan.kept import VERSION, Kept, encode
from engine.plan.load import load
from engine.settings.types import Settings
from engine.store.messages import Failed as FailedTask
from engine.store.messages import RunEnded, SpecPart

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

PLANS = Path(__file__).resolve().parent.parent.parent / "fixtures" / "plans"
FOUR = str(PLANS / "four-workers.toml")

SMALL = (
    '[owners.one]\nworkers = 1\npaths = ["src/one/**"]\n[owners.two]\nworkers = 1\npaths = ["src/two/**"]\n'
    '[milestones.m]\ntarget = "2h"\n'
    '[[tasks]]\nname = "a"\nowner = "one"\nestimate = "2h"\nclaims = ["src/one/a"]\n'
    '[[tasks]]\nname = "b"\nowner = "two"\nestimate = "1h"\nafter = ["a"]\nmilestone = "m"\n'
    '[[tasks]]\nname = "c"\nowner = "two"\nestimate = "1h"\nafter = ["a"]\n'
)


UNHEEDED = (
    "neither a call nor a command: it is work of people, as are 2 more sets: --people wait waits until `shoal ctl "
    "done` says it is done, --people skip goes on as if it were"
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def one(*arguments: str) -> Any:
    (found,) = data(run(*arguments))
    return found


# -- check -------------------------------------------------------------------------------------------------------------


def test_what_is_right_is_told(small: Path) -> None:
    done = run("plan", "check", str(small))
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "small: 3 task sets, 3 tasks, 4 h of work, 2 owners, 1 milestone",
        "order       no circle; 3 h at the least, by a -> b",
        "to gain     at the most, if it took no time: a 2 h",
        "owner       one: 1 task, 2 h",
        "owner       two: 2 tasks, 2 h",
        "ownership   2 owners, 2 patterns; 1 pair of patterns and 1 claim compared: no conflict",
        "merge       one, two",
        f"run         tasks 1 ('a'): {UNHEEDED}",
    ]
    found = one("plan", "check", str(small), "--json")
    assert (found["ok"], found["sets"], found["length"], found["merge"]["order"]) == (True, 3, 10_800, ["one", "two"])


def test_conflicts_are_told_and_are_no_success(small: Path) -> None:
    small.write_text(SMALL.replace('"src/two/**"', '"src/two/**", "src/*/a"'))
    told = [
        f"shoal: {small}: owner one and owner two both own what src/one/** and src/*/a have in common",
        f"shoal: {small}: tasks a of owner one claim src/one/a, which overlaps src/*/a of owner two",
    ]
    done = run("plan", "check", str(small))
    assert (done.exit_code, done.stderr.splitlines()) == (2, told)
    assert "2 conflicts" in done.stdout
    done = run("plan", "check", str(small), "--json")
    assert (done.exit_code, done.stderr.splitlines()) == (2, told)
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert [f"shoal: {small}: {conflict['text']}" for conflict in found["proof"]["conflicts"]] == told


def test_sizes_of_pools_that_contradict_each_other(small: Path) -> None:
    small.write_text(SMALL + "[pools.p]\nagents = 3\nmax = 2\n")
    told = f"{small}: pool 'p': its size of 3 agents is above its maximum of 2"
    assert line(run("plan", "check", str(small))) == told
    small.write_text(SMALL.replace('owner = "one"\n', 'call = "m:f"\n') + "[pools.p]\nagents = 3\nmax = 2\n")
    assert line(run("plan", "simulate", str(small))) == told


def test_what_is_wrong_is_one_line(small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace('name = "a"\n', 'name = "a"\nafter = ["b"]\n'))
    circle = f"{small}: tasks go in a circle: a -> b -> a"
    for command in ("check", "simulate", "report"):
        assert line(run("plan", command, str(small))) == circle
        assert line(run("plan", command, str(tmp_path / "no.toml"))) == f"{tmp_path / 'no.toml'}: no such plan"
        assert line(run("plan", command, FOUR, "--set", "x")) == "--set x: write NAME=VALUE, such as workers.main=2"
        told = line(run("plan", command, FOUR, "--set", "workers.gpus=2"))
        assert told == "--set workers.gpus: no pool or owner 'gpus'; known: ai-core, gpu-infra, apps-1, apps-2"


def test_names_obey_nobody(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[[tasks]]\nname = "a\\u001b[31m"\nestimate = 1\n')
    assert line(run("plan", "check", str(path))).endswith("a name is of one line, and not empty")


# -- simulate ----------------------------------------------------------------------------------------------------------


def test_a_simulation_is_told(small: Path) -> None:
    done = run("plan", "simulate", str(small), "--width", "60", "--ascii")
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        """\
small: 4 h

CRITICAL CHAIN  FROM  TAKES  WHO  BEGINS     1 s LESS: END MOVES
a                0 h    2 h  one  first                      1 s
b                2 h    1 h  two  after                      1 s
c                3 h    1 h  two  when free                  1 s

WHO  WORKERS  WORK  BUSY
one        1   2 h   50%
two        1   2 h   50%

MILESTONE  SETS  REACHED  TARGET     SLACK
m             1      3 h     2 h  1 h late

READY, BUT WAITED  WAITED  WORKED  WHO
c                     1 h     1 h  two

     0            1 h           2 h          3 h
one
  a |###########################                           |
two
  b |                           ##############             |
  c |                           -------------##############|
m   |                           o            *             |
# on the critical chain   = others   - could have begun   . time that passes   * milestone   o its target
"""
    )
    assert done.stderr == ""


def test_what_if(small: Path) -> None:
    def seconds(*arguments: str) -> float:
        found: float = one("plan", "simulate", str(small), "--json", *arguments)["seconds"]
        return found / 3600

    assert seconds() == 4
    assert seconds("--set", "workers.two=2") == 3
    assert seconds("--set", "tasks.a.estimate=30min", "--set", "workers.two=2") == 1.5


def test_groups_that_are_later_than_they_are_meant_are_told(small: Path) -> None:
    text = SMALL.replace('name = "c"', 'name = "c"\ngroup = "g"').replace('estimate = "2h"', 'estimate = "1w"')
    small.write_text(text + "[groups.g]\nweeks = [1, 1]\n")
    lines = run("plan", "simulate", str(small), "--no-chart").stdout.splitlines()
    at = lines.index("LATER THAN MEANT  WEEKS  SIMULATED")
    assert lines[at + 1] == "g                   1-1        2-2"


def test_a_simulation_as_data() -> None:
    found = one("plan", "simulate", FOUR, "--json", "--rounds", "30", "--seed", "7")
    assert found["seconds"] == 472 * 3600
    assert (found["spread"]["rounds"], found["spread"]["seed"]) == (30, 7)
    assert found["conflicts"] == []
    assert [load["name"] for load in found["loads"]] == ["ai-core", "gpu-infra", "apps-1", "apps-2"]
    steps = {step["name"]: step for step in found["steps"]}
    assert steps["ksg"]["critical"]
    assert (steps["ksg"]["start"], steps["ksg"]["moves"], steps["domain-adaptation"]["moves"]) == (57 * 3600, 1, 0)
    assert found["chain"][0] == {
        "step": "kernel-embedding", "task": -1, "start": 0.0, "end": 12 * 3600.0, "why": "beginning",
    }  # fmt: skip


def test_gates_can_be_decided() -> None:
    found = one("plan", "simulate", str(PLANS / "coordination-phase-3.toml"), "--json", "--gate", "gate-pooling=stop")
    assert [step["name"] for step in found["steps"] if step["runs"]] == [
        "pooling-built", "bench-spawn", "bench-pool", "bench-memory", "gate-pooling",
    ]  # fmt: skip
    told = line(run("plan", "simulate", FOUR, "--gate", "stable=maybe"))
    assert told == "--gate stable=maybe: write NAME=DECISION, one of go, pivot, stop, hold"
    assert "no gate 'ksg'" in line(run("plan", "simulate", FOUR, "--gate", "ksg=stop"))


# -- report ------------------------------------------------------------------------------------------------------------


def test_of_a_plan_alone_everything_is_to_come() -> None:
    done = run("plan", "report", str(PLANS / "single-node-phase-2.toml"))
    assert done.exit_code == 0, done.output
    text = done.stdout
    heads = [one.removeprefix("## ") for one in text.splitlines() if one.startswith("## ")]
    assert heads == ["Next", "Blocked", "Risks", "Categories", "Owners", "Milestones", "Gates", "Tests"]
    assert "**0%** done: 0 of 38 task sets, 0 of 169 tasks; 0 h of 519.8 h of work." in text
    assert "| `A001` | Resource detection" in text
    assert "milestone `M4` is 25.5 h late in the simulation" in text
    assert "| Something that worked gets worse " in text
    assert "| together      |     114 |" in text


def recorded(folder: Path, status: str = "interrupted") -> Path:
    """A run of a plan that was cut off: all of `a` is done, one of `b` has failed, nothing of `c` was begun."""
    database = folder / "runs.db"
    path = folder / "p.toml"
    path.write_text(
        task("a", "over = { x = [1, 2] }") + task("b", 'after = ["a"]\nover = { x = [1, 2, 3] }')
        + task("c", 'after = ["b"]\narguments = { n = "${n}" }') + "[parameters]\nn = 1\n[groups.g]\n"
    )  # fmt: skip
    kept = Kept(
        VERSION, ["p.toml"], False, {}, Settings(), str(folder), [str(folder)], None, path.read_text(),
        assigned={"n": "5"},
    )  # fmt: skip
    failed = FailedTask(1, "exception", "ValueError", "no", "")
    write(
        database, began("r1", "p"), SpecPart(0, 1, encode(kept)), *made("", "a", "b"), group(0, [1, 2], job=1),
        group(0, [1, None], failed, job=2), RunEnded(began("r1", "p").started + 60, status, {}),
    )  # fmt: skip
    return database


def test_of_a_run_what_the_database_knows(tmp_path: Path) -> None:
    database = recorded(tmp_path)
    done = run("plan", "report", "last", "--db", str(database))
    assert done.exit_code == 0, done.output
    text = done.stdout
    assert "# Plan p\n" in text
    assert "**50%** done: 1 of 3 task sets, 3 of 6 tasks, 1 failed." in text
    assert "run `r1`, interrupted, as of " in text
    parts = dict(part.split("\n", 1) for part in text.split("## ")[1:])
    assert list(parts) == ["Done", "Begun", "Blocked", "Risks"]
    assert "| `a`   | 2 of 2 |" in parts["Done"]
    assert "1 of 3, 1 failed" in parts["Begun"]
    assert "| `c`   | 0 of 1 | `b`       |" in parts["Blocked"]
    out = tmp_path / "report.md"
    done = run("plan", "report", "r1", "--db", str(database), "--out", str(out))
    assert (done.exit_code, done.stdout, out.read_text()) == (0, "", text)


def test_what_was_done_before_a_rerun_counts(tmp_path: Path) -> None:
    """A run of what had failed has only that in its own record."""
    database = recorded(tmp_path, "failed")
    path = tmp_path / "p.toml"
    kept = Kept(VERSION, ["p.toml"], False, {}, Settings(), str(tmp_path), [], None, path.read_text())
    again = replace(began("r3", "p", START + 100), origin="r1", rerun="failed")
    write(
        database, again, SpecPart(0, 1, encode(kept)), *made("", "a", "b", "c"), group(1, [2], job=2),
        group(2, [3], job=2), RunEnded(START + 160, "interrupted", {}),
    )  # fmt: skip
    text = run("plan", "report", "r3", "--db", str(database)).stdout
    assert "2 of 3 task sets, 5 of 6 tasks." in text


def test_who_waits_for_whose_answer_is_told() -> None:
    text = run("plan", "report", FOUR).stdout
    assert "| KERNEL  | `kernel-digamma`     | ai-core   | gpu-infra | blocked |" in text


def test_of_a_run_without_a_plan(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    write(database, began("r2", "n"), *made("x"))
    assert line(run("plan", "report", "r2", "--db", str(database))) == (
        "run r2 was of no plan that is known (shoal report r2)"
    )
    assert line(run("plan", "report", "nope", "--db", str(database))).startswith("no run 'nope'")


def test_a_report_of_a_large_plan_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("".join(task(f"t{n}") for n in range(100)))
    text = document(of_file(load(path), "p.toml"))
    assert text.count("| `t") == 40
    assert "And 60 more sets." in text


# -- schema ------------------------------------------------------------------------------------------------------------


def test_the_schema_knows_every_word_of_the_shipped_plans() -> None:
    import tomllib

    found = json.loads(run("plan", "schema").stdout)
    defs = found["$defs"]
    tasks = defs["TaskTable"]["properties"]
    top = defs["PlanFile"]["properties"]
    for path in PLANS.glob("*.toml"):
        raw = tomllib.loads(path.read_text())
        assert raw.keys() <= top.keys()
        assert all(one.keys() <= tasks.keys() for one in raw["tasks"])
    assert defs["TaskTable"]["required"] == ["name"]
    assert defs["TaskTable"]["additionalProperties"] is False


def test_each_command_says_what_it_does() -> None:
    text = run("plan", "--help").stdout
    assert shoal.get_command(None, "plan") is group_of_commands  # type: ignore[arg-type]
    for name in ("check", "simulate", "report", "schema"):
        assert any(words[:1] == [name] and len(words) > 3 for words in map(str.split, text.splitlines())), name
