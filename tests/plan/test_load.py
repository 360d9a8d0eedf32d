"""Plan files: what they say, and what is said about those that say something wrong."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import TASK, plan_of, refused, task

from engine.plan.load import load
from engine.plan.steps import SpecError
from engine.settings.types import PoolSettings, Settings

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

HEARTBEAT = Path(__file__).resolve().parent.parent.parent / "fixtures" / "plans" / "heartbeat.toml"


def arguments(text: str, folder: Path) -> list[Any]:
    (step,) = plan_of(TASK + text, folder).steps
    found = list(step.arguments)
    assert step.total == len(found)
    return found


ERRORS = {
    "not toml": ("name = ", "not TOML: Invalid value (at end of document)"),
    "empty": ("", "Object missing required field `tasks` in the top level"),
    "no tasks": ("tasks = []", "no tasks"),
    "unknown key at the top": ('nam = "x"\n' + TASK, "unknown key 'nam' in the top level: did you mean 'name'?"),
    "unknown key of tasks": (TASK + "retrie = 1", "unknown key 'retrie' in tasks[0]: did you mean 'retries'?"),
    "unknown key of the second tasks": (
        TASK + '[[tasks]]\nname = "b"\ncal = "m:f"', "unknown key 'cal' in tasks[1]: did you mean 'call'?"
    ),
    "unknown key like none": (
        TASK + "[pools.p]\nzzz = 1",
        (
            "unknown key 'zzz' in pools[...]: known: agents, init, max, max_bytes, max_idle, max_tasks, memory_limit, "
            "min, preload, shards, warmup, warmup_timeout"
        ),
    ),
    "unknown key of a pool": (
        TASK + "[pools.p]\nagent = 1", "unknown key 'agent' in pools[...]: did you mean 'agents'?"
    ),
    "unknown key of a range": (
        TASK + "over = { x = { from = 1, too = 2 } }", "unknown key 'too' in tasks[0].over[...]: did you mean 'to'?"
    ),
    "a range without end": (
        TASK + "over = { x = { from = 1 } }", "Object missing required field `to` in tasks[0].over[...]"
    ),
    "no name": ('[[tasks]]\ncall = "m:f"', "Object missing required field `name` in tasks[0]"),
    "wrong type": (TASK + 'retries = "2"', "Expected `int`, got `str` in tasks[0].retries"),
    "wrong type of timeout": (TASK + 'timeout = "2"', "Expected `float | null`, got `str` in tasks[0].timeout"),
    "wrong type of a column": (TASK + "over = { x = 3 }", "Expected `object | array`, got `int` in tasks[0].over[...]"),
    "tasks is no list": ('[tasks]\nname = "a"', "Expected `array`, got `object` in tasks"),
    "batch_max": ("batch_max = 0\n" + TASK, "batch_max is a whole number of at least 1 or auto, not 0"),
    "batch_max twice": (
        "batch_max = 1\n" + TASK + "[settings]\nbatch_max_size = 1",
        "batch_max and batch_max_size in [settings] are the same: leave one out",
    ),
    "unknown setting": (
        TASK + "[settings]\nbatch_sise = 1",
        "batch_sise in [settings]: no setting 'batch_sise': did you mean 'batch_size'?",
    ),
    "a setting that can't be": (
        TASK + "[settings]\nbatch_timeout = inf",
        "batch_timeout in [settings] is a number of seconds above 0, not inf",
    ),
    "agents of none": (
        TASK + "[pools.p]\nagents = 0", "agents of pool 'p' is a whole number of at least 1 or auto, not 0"
    ),
    "agents in words": (
        TASK + '[pools.p]\nagents = "many"',
        "agents of pool 'p' is a whole number of at least 1 or auto, not 'many'"
    ),
    "far too many agents": (
        TASK + "[pools.p]\nagents = 1000000000000", "agents of pool 'p' is at most 1,000,000,000, not 1000000000000"
    ),
    "shards of none": (
        TASK + "[pools.p]\nshards = -1", "shards of pool 'p' is a whole number of at least 1 or auto, not -1"
    ),
    "min of none": (TASK + "[pools.p]\nmin = 0", "min of pool 'p' is a whole number of at least 1 or auto, not 0"),
    "no size": (
        TASK + '[pools.p]\nmemory_limit = "5 apples"',
        "memory_limit of pool 'p' is a size such as 500M or 2G or auto, not '5 apples'",
    ),
    "no function": (TASK + '[pools.p]\ninit = "m"', "init of pool 'p' is written module:function or auto, not 'm'"),
    "no list of modules": (TASK + '[pools.p]\npreload = "m"', "preload of pool 'p' is a list of texts, not 'm'"),
    "crash_limit of none": (TASK + "crash_limit = 0", "tasks 1 ('a'): crash_limit is at least 1, not 0"),
    "soft timeout of none": (
        TASK + "soft_timeout = -1", "tasks 1 ('a'): soft_timeout is a number of seconds above 0, not -1.0"
    ),
    "no name of an exception": (
        TASK + 'retry_on = ["OS Error"]',
        "tasks 1 ('a'): retry_on is a list of names of exceptions, and 'OS Error' is none",
    ),
    "two of one name": (TASK + TASK, "tasks 2 ('a'): there is another task set of that name"),
    "neither call nor command": (
        '[[tasks]]\nname = "a"', "tasks 1 ('a'): give call or command, or an estimate where people do it"
    ),
    "both call and command": (TASK + 'command = ["x"]', "tasks 1 ('a'): give either call or command"),
    "no pool of that name": (
        TASK + 'pool = "kernal"\n[pools.kernel]\n[pools.io]', "tasks 1 ('a'): no pool 'kernal': did you mean 'kernel'?"
    ),
    "no pool like that": (TASK + 'pool = "x"\n[pools.one]\n[pools.two]', "tasks 1 ('a'): no pool 'x'; known: one, two"),
    "after nobody": (TASK + 'after = ["b"]', "tasks 1 ('a'): no tasks 'b'; known: a"),
    "after itself": (TASK + 'after = ["a"]', "tasks go in a circle: a -> a"),
    "after each other": (
        TASK + 'after = ["c"]\n' + task("b", 'after = ["a"]') + task("c", 'after = ["b"]'),
        "tasks go in a circle: a -> b -> c -> a",
    ),
    "after each other, two of many": (
        TASK + task("b", 'gather = "c"') + task("c", 'after = ["a", "b"]'), "tasks go in a circle: b -> c -> b"
    ),
    "gathers nobody": (
        '[[tasks]]\nname = "estimate"\ncall = "m:f"\n[[tasks]]\nname = "b"\ncall = "m:f"\ngather = "estimates"',
        "tasks 2 ('b'): no tasks 'estimates': did you mean 'estimate'?",
    ),
    "gather with arguments": (
        TASK + '[[tasks]]\nname = "b"\ncall = "m:f"\ngather = "a"\narguments = { x = 1 }',
        "tasks 2 ('b'): gather gives the arguments, so there can be no others",
    ),
    "timeout of none": (TASK + "timeout = 0", "tasks 1 ('a'): timeout is a number of seconds above 0, not 0.0"),
    "timeout of for ever": (TASK + "timeout = inf", "tasks 1 ('a'): timeout is a number of seconds above 0, not inf"),
    "timeout of nan": (TASK + "timeout = nan", "tasks 1 ('a'): timeout is a number of seconds above 0, not nan"),
    "retries below none": (TASK + "retries = -1", "tasks 1 ('a'): retries is at least 0, not -1"),
    "items and arguments": (
        TASK + "items = [1]\narguments = { x = 1 }", "tasks 1 ('a'): give either items or keyword arguments"
    ),
    "no items": (TASK + "items = []", "tasks 1 ('a'): items is empty"),
    "a command over keywords": (
        '[[tasks]]\nname = "a"\ncommand = ["x"]\nover = { x = [1] }', "tasks 1 ('a'): a command runs over items"
    ),
    "given twice": (TASK + "arguments = { x = 1 }\nover = { x = [1] }", "tasks 1 ('a'): 'x' is given twice"),
    "a step of 0": (TASK + "over = { x = { from = 1, to = 2, step = 0 } }", "tasks 1 ('a'): the step of 'x' is 0"),
    "an empty range": (TASK + "over = { x = { from = 2, to = 1 } }", "tasks 1 ('a'): 'x' has no values"),
    "a range without end in sight": (
        TASK + "over = { x = { from = 0, to = 100000000000000000000 } }", "tasks 1 ('a'): 'x' has too many values"
    ),
    "an empty column": (TASK + "over = { x = [] }", "tasks 1 ('a'): 'x' has no values"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_wrong_is_told_in_one_line(case: str, tmp_path: Path) -> None:
    text, told = ERRORS[case]
    assert refused(text, tmp_path) == told


@pytest.mark.parametrize("call", ["m", "m.f", ":f", "m:", "m:f()", "m: f", "1m:f", "m:f:g", "", "m..n:f"])
def test_a_call_is_a_module_and_a_function(call: str, tmp_path: Path) -> None:
    text = f'[[tasks]]\nname = "a"\ncall = "{call}"\n'
    assert refused(text, tmp_path) == f"tasks 1 ('a'): call is written module:function, not {call!r}"


def test_files_that_are_no_plans(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"missing\.toml: no such plan"):
        load(tmp_path / "missing.toml")
    with pytest.raises(SpecError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(SpecError, match=r"binary\.toml: not a text file \(byte 8 is no UTF-8\)"):
        load(tmp_path / "binary.toml")


def test_a_plan_of_one_line_has_a_pool_and_a_name_of_its_own(tmp_path: Path) -> None:
    spec = plan_of(TASK, tmp_path)
    assert (spec.name, spec.settings, spec.path) == ("plan", Settings(), [str(tmp_path)])
    (pool,) = spec.pools
    assert pool == PoolSettings()
    (step,) = spec.steps
    assert (step.pool, step.call, step.command, step.total) == ("main", "m:f", None, 1)
    assert list(step.arguments) == [{}]
    assert step.keywords


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    spec = plan_of(
        """\
name = "all of it"
batch_max = 7
[pools.first]
agents = 3
min = 2
max = 9
shards = 2
preload = ["numpy"]
warmup = "m:w"
init = "m:i"
warmup_timeout = 30
max_idle = 1.5
max_tasks = 1000
max_bytes = 1048576
memory_limit = "1.5G"
[pools.second]
agents = "auto"
[settings]
batch_timeout = 2
pool_size = "auto"
shard_strategy = "hash"
[[tasks]]
name = "a"
call = "package.module:Class.method"
timeout = 1.5
soft_timeout = 1
retries = 2
retry_on = ["OSError", "package.Problem"]
crash_limit = 3
priority = -2
report = true
items = [1, "two", [3], { four = 4 }]
[[tasks]]
name = "b"
command = ["convert", "{}"]
pool = "second"
items = ["x", "y"]
after = ["a"]
""",
        tmp_path,
    )
    assert spec.name == "all of it"
    assert spec.settings == Settings(batch_max_size=7, batch_timeout=2.0, shard_strategy="hash")
    first = PoolSettings(
        name="first", size=3, min_size=2, max_size=9, shards=2, preload=("numpy",), warmup="m:w", init="m:i",
        warmup_timeout=30.0, max_idle=1.5, max_tasks=1000, max_bytes=1 << 20, memory_limit=3 << 29,
    )  # fmt: skip
    assert spec.pools == [first, PoolSettings(name="second")]
    a, b = spec.steps
    assert (a.pool, a.timeout, a.retries, a.report, a.keywords, a.total) == ("first", 1.5, 2, True, False, 4)
    assert (a.soft_timeout, a.retry_on, a.crash_limit, a.priority) == (1.0, ["OSError", "package.Problem"], 3, -2)
    assert (b.soft_timeout, b.retry_on, b.crash_limit, b.priority) == (None, [], 5, 0)
    assert list(a.arguments) == [1, "two", [3], {"four": 4}]
    assert (b.pool, b.command, b.after, b.keywords, b.total) == ("second", ["convert", "{}"], ["a"], False, 2)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7).filter(bool))
def test_ranges_include_both_ends(tmp_path_factory: pytest.TempPathFactory, start: int, end: int, step: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    expected = [n for n in range(-60, 61) if (n - start) % step == 0 and min(start, end) <= n <= max(start, end)]
    text = f"over = {{ x = {{ from = {start}, to = {end}, step = {step} }} }}"
    if (end - start) * step < 0:
        with pytest.raises(SpecError, match="'x' has no values"):
            arguments(text, folder)
    else:
        assert [found["x"] for found in arguments(text, folder)] == sorted(expected, reverse=step < 0)


def test_combinations_vary_the_last_fastest_and_share_the_rest(tmp_path: Path) -> None:
    found = arguments(
        'arguments = { s = "same" }\n[tasks.over]\nb = ["x", "y"]\na = { from = 0, to = 4, step = 2 }\nc = [true]',
        tmp_path,
    )
    assert found == [{"s": "same", "b": b, "a": a, "c": True} for b, a in itertools.product("xy", (0, 2, 4))]


def test_combinations_are_made_as_they_are_asked_for_and_again(tmp_path: Path) -> None:
    (step,) = plan_of(TASK + "over = { x = { from = 1, to = 1000000000000 }, y = [1, 2] }", tmp_path).steps
    assert step.total == 2 * 10**12
    for _ in range(2):
        assert list(itertools.islice(step.arguments, 3)) == [{"x": 1, "y": 1}, {"x": 1, "y": 2}, {"x": 2, "y": 1}]


def test_tasks_share_no_dictionary(tmp_path: Path) -> None:
    first, second = arguments("arguments = { s = 1 }\nover = { x = [1, 2] }", tmp_path)
    first["s"] = "changed"
    assert second["s"] == 1


def test_tasks_may_come_after_later_ones(tmp_path: Path) -> None:
    spec = plan_of(task("b", 'after = ["a"]\ngather = "c"') + task("a") + task("c", 'after = ["a"]'), tmp_path)
    assert {step.name: step.after for step in spec.steps} == {"b": ["a", "c"], "a": [], "c": ["a"]}


def test_a_long_circle_is_told_in_a_line(tmp_path: Path) -> None:
    chain = "".join(task(f"t{n}", f'after = ["t{(n - 1) % 10_000}"]') for n in range(10_000))
    names = " -> ".join(f"t{n}" for n in range(12))
    assert refused(chain, tmp_path) == f"tasks go in a circle: {names} -> (9,988 more) -> t0"


def test_gather_is_one_task_after_what_it_gathers(tmp_path: Path) -> None:
    spec = plan_of(TASK + '[[tasks]]\nname = "b"\ncall = "m:g"\ngather = "a"\nafter = ["a"]', tmp_path)
    last = spec.steps[1]
    assert (last.gather, last.after, last.total) == ("a", ["a"], 1)


def test_files_lie_beside_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "plans").mkdir()
    (tmp_path / "data.txt").write_text("x")
    monkeypatch.chdir(elsewhere)
    text = 'files = { data = "../data.txt" }'
    assert arguments(text, tmp_path / "plans") == [{"data": str(tmp_path / "data.txt")}]
    (tmp_path / "data.txt").unlink()
    told = refused(TASK + text, tmp_path / "plans")
    assert told == f"tasks 1 ('a'): no such file: {tmp_path / 'data.txt'}"


def test_a_relative_plan_still_names_whole_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Agents run where the user's shell was, but by then that is no business of theirs.
    (tmp_path / "p.toml").write_text(TASK + 'files = { data = "p.toml" }')
    monkeypatch.chdir(tmp_path)
    spec = load(Path("p.toml"))
    assert spec.path == [str(tmp_path)]
    assert list(spec.steps[0].arguments) == [{"data": str(tmp_path / "p.toml")}]


def test_the_shipped_plan_is_3217_tasks() -> None:
    spec = load(HEARTBEAT)
    assert sum(step.total or 0 for step in spec.steps) == 3217
    estimates = list(spec.steps[0].arguments)
    assert len(estimates) == 3216
    assert all(Path(found["data"]).is_file() for found in estimates)
    assert spec.steps[1].gather == "estimate"
