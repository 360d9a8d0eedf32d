"""What plans say beside the work itself: owners, groups, lanes, milestones, gates, claims, estimates."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from plans import TASK, plan_of, refused, task

from engine.plan.effort import HOUR, Estimate, exactly
from engine.plan.model import Claim, Condition, Gate, Group, Lane, Owner, Risk, Suite, Team
from engine.plan.runnable import check_memory, check_runnable
from engine.plan.steps import SpecError

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

WHOLE = """
name = "all words"
title = "Everything that can be said"
shared = ["Cargo.toml"]
uncertainty = { low = 0.5, high = 2 }

[calendar]
day = 6
week = 30

[owners.core]
title = "Core"
workers = 2
capacity = "30h"
effort = "3w"
paths = ["src/core/**"]
reads = ["src/gpu/api.rs"]
[owners.gpu]
workers = 1

[teams.one]
owners = ["core", "gpu"]

[pools.main]
[pools.cloud]

[lanes.bulk]
limit = 10
labels = ["large"]
pool = "cloud"
[lanes.local]
limit = 1
labels = ["secret"]

[groups.first]
title = "The first block"
weeks = [1, 2]
owner = "core"
team = "one"
labels = ["large"]
priority = 3
milestone = "half"
claims = [{ shared = "src//lib" }]
[groups.second]
after = ["first"]

[milestones.half]
target = "2w"
[milestones.all]
tasks = ["second", "gate"]

[requests.KERNEL]
answered_by = "gpu"
within = { low = "1d", high = "2d" }

[[risks]]
text = "it may be late"
likelihood = "low"
impact = "high"
tasks = ["first"]

[tests.unit]
planned = 12
coverage = 0.95
tasks = ["d"]

[[tasks]]
name = "a"
group = "first"
estimate = "1d"
claims = ["src/core/a.rs", { shared = "Cargo.toml" }]
[[tasks]]
name = "b"
group = "first"
after = ["a"]
call = "m:f"
priority = 5
estimate = { low = 1, high = "3h" }
memory = "2G"
over = { shard = [1, 2] }
claims = ["db-{shard}"]
[[tasks]]
name = "kernel"
request = "KERNEL"
[[tasks]]
name = "c"
group = "second"
after = ["kernel"]
call = "m:f"
labels = ["secret"]
[[tasks]]
name = "d"
group = "second"
after = ["c"]
call = "m:f"
lane = "local"
labels = ["large"]
arguments = { x = 1 }
results = { y = "b" }
[[tasks]]
name = "gate"
after = ["half"]
owner = "core"
[tasks.gate]
of = "b"
result = "speed.ratio"
at_least = 2
pivot = [{ result = "speed.ratio", below = 1.5 }]
stop = [{ metric = "lost", above = 0 }]
"""


def test_everything_is_there(tmp_path: Path) -> None:
    spec = plan_of(WHOLE, tmp_path)
    a, b, kernel, c, d, gate = spec.steps
    outline = spec.outline
    assert (outline.calendar.day, outline.calendar.week) == (6 * HOUR, 30 * HOUR)
    assert outline.owners["core"] == Owner(
        "core", "Core", 2, 30 * HOUR, 90 * HOUR, ("src/core/**",), ("src/gpu/api.rs",)
    )
    assert outline.teams == {"one": Team("one", "", ("core", "gpu"))}
    assert outline.lanes["bulk"] == Lane("bulk", 10, ("large",), "cloud")
    assert outline.groups == {"first": Group("first", "The first block", (1, 2)), "second": Group("second")}
    assert outline.risks == (Risk("it may be late", "low", "high", ("first",)),)
    assert outline.tests == {"unit": Suite("unit", 12, 0.95, ("d",))}
    assert {name: one.tasks for name, one in outline.milestones.items()} == {
        "half": ("a", "b"),
        "all": ("c", "d", "gate"),
    }
    assert outline.milestones["half"].target == 60 * HOUR
    assert (a.owner, a.team, a.labels, a.priority, a.milestone) == ("core", "one", ("large",), 3, "half")
    assert a.estimate == Estimate(3 * HOUR, 6 * HOUR, 12 * HOUR), "uncertain as the plan has it"
    assert a.claims == (Claim("src/lib", shared=True), Claim("src/core/a.rs"), Claim("Cargo.toml", shared=True))
    assert (a.lane, a.pool, b.priority, b.memory) == ("bulk", "cloud", 5, 2 << 30)
    assert b.estimate == Estimate(HOUR, 2 * HOUR, 3 * HOUR), "uncertain as the task has it"
    assert (kernel.owner, kernel.wait) == ("gpu", Estimate(6 * HOUR, 9 * HOUR, 12 * HOUR))
    assert (c.lane, c.pool, d.lane, d.pool) == ("local", "main", "local", "main")
    assert d.results == {"y": "b"}
    assert list(d.arguments) == [{"x": 1}]
    assert gate.gate == Gate(
        (Condition(result="speed.ratio", at_least=2),),
        (Condition(result="speed.ratio", below=1.5),),
        (Condition(metric="lost", above=0),),
        "b",
    )
    after = {step.name: step.after for step in spec.steps}
    assert after == {"a": [], "b": ["a"], "kernel": [], "c": ["kernel", "b"], "d": ["c", "b"], "gate": ["b"]}


REFUSED = {
    "a group that is none": (TASK + 'group = "x"\n[groups.y]', "tasks 1 ('a'): no group 'x'; known: y"),
    "an owner that is none": (
        TASK + 'owner = "gpi"\n[owners.gpu]',
        "tasks 1 ('a'): no owner 'gpi': did you mean 'gpu'?",
    ),
    "an owner of a group": (TASK + '[groups.g]\nowner = "x"', "group 'g': no owner 'x'; known: none"),
    "a team of nobody": (TASK + '[teams.t]\nowners = ["x"]', "team 't': no owner 'x'; known: none"),
    "one name for two": (TASK + "[groups.a]", "'a' is the name of tasks and of a group"),
    "one name for a group and a milestone": (
        TASK + "[groups.g]\n[milestones.g]",
        "'g' is the name of group and of a milestone",
    ),
    "after its own group": (
        TASK + 'group = "g"\nafter = ["g"]\n[groups.g]',
        "tasks 1 ('a'): comes after 'g', which it is part of",
    ),
    "groups in a circle": (
        TASK + 'group = "g"\n' + task("b", 'group = "h"') + '[groups.g]\nafter = ["h"]\n[groups.h]\nafter = ["g"]',
        "tasks go in a circle: a -> b -> a",
    ),
    "two lanes for one": (
        TASK + 'labels = ["x", "y"]\n[lanes.l]\nlimit = 1\nlabels = ["x"]\n[lanes.m]\nlimit = 1\nlabels = ["y"]',
        "tasks 1 ('a'): its labels lead to the lanes 'l' and 'm': name one of them",
    ),
    "one label of two lanes": (
        TASK + '[lanes.l]\nlimit = 1\nlabels = ["x"]\n[lanes.m]\nlimit = 1\nlabels = ["x"]',
        "lane 'm': label 'x' leads to lane 'l', too: leave one out",
    ),
    "a lane without room": (
        TASK + "[lanes.l]\nlimit = 0",
        "lane 'l': limit is a whole number of at least 1 and at most 1,000,000,000, not 0",
    ),
    "a lane of no pool": (TASK + '[lanes.l]\nlimit = 1\npool = "x"', "lane 'l': no pool 'x'; known: main"),
    "no estimate": (
        TASK + 'estimate = "3 weeks"',
        "tasks 1 ('a'): estimate is a time such as 90s, 20min, 60h, 2d or 3w, not '3 weeks'",
    ),
    "an estimate the wrong way round": (
        TASK + 'estimate = { low = "3h", high = "2h" }',
        "tasks 1 ('a'): estimate has low, likely and high in this order, from the least to the most",
    ),
    "half an estimate": (
        TASK + 'estimate = { low = "3h" }',
        "Object missing required field `high` in tasks[0].estimate",
    ),
    "another key of an estimate": (
        TASK + 'estimate = { low = "3h", hihg = "4h" }',
        "unknown key 'hihg' in tasks[0].estimate: did you mean 'high'?",
    ),
    "no memory": (TASK + "memory = -1", "tasks 1 ('a'): memory is a size such as 500M or 2G, not -1"),
    "a request of no kind": (TASK + 'request = "KERNAL"', "tasks 1 ('a'): no request 'KERNAL': did you mean 'KERNEL'?"),
    "a request of another": (
        TASK + 'request = "KERNEL"\nowner = "b"\n[owners.b]\n[owners.c]\n[requests.KERNEL]\nanswered_by = "c"',
        "tasks 1 ('a'): KERNEL is answered by 'c', and its owner is 'b'",
    ),
    "a claim of no argument": (
        TASK + 'over = { shard = [1] }\nclaims = ["db-{shrad}"]',
        "tasks 1 ('a'): claim 'db-{shrad}': no argument {shrad}: did you mean '{shard}'?",
    ),
    "a claim of two kinds": (
        TASK + 'claims = [{ shared = "x", exclusive = "y" }]',
        "tasks 1 ('a'): a claim has either exclusive or shared",
    ),
    "a claim twice": (TASK + 'claims = ["x", { shared = "x" }]', "tasks 1 ('a'): claim 'x' is there twice"),
    "a claim elsewhere": (
        TASK + 'claims = ["src/../x"]',
        "tasks 1 ('a'): 'src/../x' can't be claimed: it has a segment '..'",
    ),
    "a gate of nothing": (
        '[[tasks]]\nname = "a"\ngate = {}',
        "tasks 1 ('a'): gate has a condition or a command, or its task a call or a command",
    ),
    "a gate of two things": (
        TASK + 'gate = { metric = "m", result = "r", at_least = 1 }',
        "tasks 1 ('a'): gate: a condition is about either a metric or a result",
    ),
    "a gate without a threshold": (
        TASK + 'gate = { go = [{ metric = "m" }] }',
        "tasks 1 ('a'): go of gate: a condition has one of at_least, at_most, above, below, equals",
    ),
    "a gate that never goes": (
        TASK + 'gate = { stop = [{ metric = "m", above = 1 }] }',
        "tasks 1 ('a'): gate says when to pivot or to stop, and not when to go",
    ),
    "a metric of tasks": (
        TASK + 'gate = { go = [{ metric = "m", of = "a", at_least = 1 }] }',
        "tasks 1 ('a'): go of gate: a metric is of the run, and not of any tasks",
    ),
    "a gate of tasks that are none": (
        TASK + task("g", 'gate = { go = [{ result = "m", of = "b", at_least = 1 }] }'),
        "tasks 2 ('g'): no tasks 'b'; known: a, g",
    ),
    "a gate of which result": (
        TASK + task("b") + '[[tasks]]\nname = "g"\nafter = ["a", "b"]\ngate = { result = "x", at_least = 1 }',
        "tasks 3 ('g'): gate does not say of which tasks the result is: add of",
    ),
    "a gate of itself": (
        TASK + 'gate = { of = "a", result = "x", at_least = 1 }',
        "tasks 1 ('a'): gate: of names another task; without it, its own result is looked at",
    ),
    "a gate with a call": (
        TASK + 'gate = { command = ["true"] }',
        "tasks 1 ('a'): gate has a command, so there can be no other, and no call",
    ),
    "results of a group": (
        TASK + task("b", 'results = { x = "g" }') + "[groups.g]",
        "tasks 2 ('b'): no tasks 'g'; known: a, b",
    ),
    "results for people": (
        TASK + '[[tasks]]\nname = "b"\nestimate = 1\nresults = { x = "a" }',
        "tasks 2 ('b'): results are for a call, and there is none",
    ),
    "results that are there": (
        TASK + task("b", 'results = { x = "a" }\narguments = { x = 1 }'),
        "tasks 2 ('b'): 'x' is given twice",
    ),
    "a milestone of nobody": (TASK + '[milestones.m]\ntasks = ["b"]', "milestone 'm': no tasks 'b'; known: a"),
    "weeks the wrong way round": (
        TASK + "[groups.g]\nweeks = [3, 1]",
        "group 'g': weeks is the first and the last one, such as [1, 3]",
    ),
    "an owner without anybody": (
        TASK + "[owners.o]\nworkers = 0",
        "owner 'o': workers is a whole number of at least 1 and at most 1,000,000,000, not 0",
    ),
    "capacity of how many": (
        TASK + '[owners.o]\ncapacity = "20h"',
        "owner 'o': capacity is what its workers get done: say how many there are",
    ),
    "a merge of nobody": (TASK + '[merge]\norder = ["x"]', "order of [merge]: no owner 'x'; known: none"),
    "a merge into nothing": (TASK + '[merge]\nthen = "b"', "then of [merge]: no tasks 'b'; known: a"),
    "a risk for nobody": (
        TASK + '[[risks]]\ntext = "t"\nlikelihood = "low"\nimpact = "low"\ntasks = ["b"]',
        "risks 1: no tasks 'b'; known: a",
    ),
    "a risk of no level": (
        TASK + '[[risks]]\ntext = "t"\nlikelihood = "some"\nimpact = "low"',
        "Invalid enum value 'some' in risks[0].likelihood",
    ),
    "an odd calendar": (
        TASK + "[calendar]\nday = 50",
        "[calendar] has hours: a day above 0, a week of at least a day, at most 168",
    ),
    "no uncertainty": (
        TASK.replace("[[tasks]]", "uncertainty = { low = 2, high = 3 }\n[[tasks]]"),
        "uncertainty has a low of at most 1 (and above 0), and a high of at least 1",
    ),
    "no order": (TASK.replace("[[tasks]]", 'order = "short"\n[[tasks]]'), "Invalid enum value 'short' in order"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_told(case: str, tmp_path: Path) -> None:
    text, told = REFUSED[case]
    assert refused(text, tmp_path) == told


def test_what_comes_after_a_group_comes_after_its_last_tasks(tmp_path: Path) -> None:
    text = task("a", 'group = "g"') + task("b", 'group = "g"\nafter = ["a"]') + task("c", 'group = "g"\nafter = ["a"]')
    spec = plan_of(
        text
        + task("d", 'after = ["g"]')
        + task("e", 'after = ["m"]')
        + "[groups.g]\n"
        + '[milestones.m]\ntasks = ["g", "d"]',
        tmp_path,
    )
    after = {step.name: step.after for step in spec.steps}
    assert after["d"] == ["b", "c"]
    assert after["e"] == ["b", "c", "d"], "the group does not know that d comes after it"


def test_a_group_that_comes_after_something_begins_with_its_first_tasks(tmp_path: Path) -> None:
    text = task("b", 'group = "g"') + task("c", 'group = "g"\nafter = ["b"]') + task("a")
    spec = plan_of(text + '[groups.g]\nafter = ["a"]', tmp_path)
    assert {step.name: step.after for step in spec.steps} == {"b": ["a"], "c": ["b"], "a": []}


def test_what_is_merged_comes_before_the_integration(tmp_path: Path) -> None:
    people = '[[tasks]]\nname = "{}"\nestimate = 1\n{}\n'
    text = (
        people.format("a", 'owner = "x"')
        + people.format("b", 'owner = "x"\nafter = ["a"]')
        + people.format("c", 'owner = "y"')
        + people.format("d", 'owner = "z"')
        + people.format("tests", 'owner = "x"')
        + people.format("release", 'owner = "x"\nafter = ["tests"]')
        + '[owners.x]\n[owners.y]\n[owners.z]\n[merge]\norder = ["y", "x"]\nthen = "tests"'
    )
    spec = plan_of(text, tmp_path)
    assert {step.name: step.after for step in spec.steps}["tests"] == ["b", "c"]


def test_longest_first_gives_priorities_within_those_of_the_plan(tmp_path: Path) -> None:
    text = 'order = "longest-first"\n' + (
        task("short", "estimate = 1")
        + task("long", "estimate = 2")
        + task("before", "estimate = 3")
        + task("after", 'estimate = 4\nafter = ["before"]')
        + task("urgent", "estimate = 1\npriority = 1")
    )
    found = {step.name: step.priority for step in plan_of(text, tmp_path).steps}
    assert sorted(found, key=lambda name: found[name]) == ["short", "long", "after", "before", "urgent"]


UNHEEDED = {
    "no metric 'fail'": 'gate = { metric = "fail", at_most = 0 }',
}


@pytest.mark.parametrize("what", UNHEEDED)
def test_what_a_run_would_not_heed_is_refused(what: str, tmp_path: Path) -> None:
    spec = plan_of(task("first") + task("a", UNHEEDED[what]), tmp_path)
    with pytest.raises(SpecError, match=what) as caught:
        check_runnable("p.toml", spec)
    told = str(caught.value)
    assert told.startswith("p.toml: tasks 2 ('a'): ")
    assert "\n" not in told


def test_work_of_people_is_refused_and_a_gate_is_none(tmp_path: Path) -> None:
    gate = '[[tasks]]\nname = "g"\nafter = ["a"]\ngate = { result = "", at_least = 1 }\n'
    spec = plan_of(TASK + gate, tmp_path)
    check_runnable("p.toml", spec)
    spec = plan_of(TASK + '[[tasks]]\nname = "people"\nestimate = "1h"\n', tmp_path)
    with pytest.raises(SpecError, match="work of people"):
        check_runnable("p.toml", spec)
    for found in ("wait", "skip"):
        spec.settings = msgspec.structs.replace(spec.settings, plan_people=found)
        check_runnable("p.toml", spec)


def test_who_takes_more_memory_than_there_is_is_refused(tmp_path: Path) -> None:
    spec = plan_of(task("first") + task("a", 'memory = "2GB"'), tmp_path)
    check_runnable("p.toml", spec)
    for limit in (None, 2 << 30):
        check_memory("p.toml", spec.steps, limit)
    with pytest.raises(SpecError, match=r"p\.toml: tasks 2 \('a'\): takes 2\.0 GiB of memory, and all tasks together"):
        check_memory("p.toml", spec.steps, (2 << 30) - 1)


def test_lanes_of_the_settings_are_lanes_of_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = task("a", 'lane = "own"') + task("b", 'lane = "mine"') + "[lanes.own]\nlimit = 2\n"
    assert refused(text, tmp_path).startswith("tasks 2 ('b'): no lane 'mine'")
    monkeypatch.setenv("SHOAL_LANES", "mine=3 unused=1")
    lanes = plan_of(text, tmp_path).outline.lanes
    assert {lane.name: lane.limit for lane in lanes.values()} == {"own": 2, "mine": 3}
    monkeypatch.setenv("SHOAL_LANES", "mine=3 own=7")
    assert plan_of(text, tmp_path).outline.lanes["own"].limit == 7
    assert refused(text + "[settings]\nlanes = { own = 1 }\n", tmp_path).endswith(
        "are written [lanes.NAME], with a limit"
    )


def test_what_is_heeded_or_only_describes_tasks_is_no_hindrance(tmp_path: Path) -> None:
    text = task("a", 'owner = "o"\nteam = "t"\ngroup = "g"\nlabels = ["x"]\nmilestone = "m"\nestimate = "1s"')
    text += 'claims = ["x"]\nlane = "l"\ngate = {}\nwait = "1s"\n[lanes.l]\nlimit = 1\n'
    spec = plan_of(text + "[owners.o]\n[teams.t]\n[groups.g]\n[milestones.m]", tmp_path)
    check_runnable("p.toml", spec)
    assert spec.steps[0].estimate == exactly(1.0)
