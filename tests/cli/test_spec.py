"""From the command line to a spec: each form of ``shoal run``, and a sentence for whatever is none."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import get_args

import click
import pytest

from engine.cli.numeric import Count, Seconds
from engine.cli.running.run import DURABILITIES, STRATEGIES
from engine.cli.running.run import run as command
from engine.cli.running.spec import make_spec
from engine.plan.steps import RunSpec, SpecError
from engine.settings.types import Durability, PoolSettings, Settings, SettingsError, Strategy

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

PLAN = """\
[pools.one]
agents = 3
[pools.two]
agents = 4
shards = 2
[[tasks]]
name = "a"
call = "m:f"
timeout = 5
retries = 1
[[tasks]]
name = "b"
call = "m:g"
"""


@pytest.fixture
def items(tmp_path: Path) -> str:
    path = tmp_path / "items.txt"
    path.write_text("1\n2\n3\n")
    return str(path)


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "sweep.toml"
    path.write_text(PLAN)
    return str(path)


def spec_of(*argv: str) -> RunSpec:
    options = command.make_context("run", list(argv)).params
    return make_spec(options.pop("what"), options, "--" in argv)


def refused(*argv: str) -> str:
    with pytest.raises((SpecError, SettingsError)) as caught:
        spec_of(*argv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_callable_over_items(items: str) -> None:
    spec = spec_of("package.module:Class.method", "--items", items)
    (step,), (pool,) = spec.steps, spec.pools
    assert (spec.name, spec.settings, spec.path) == ("package.module:Class.method", Settings(), [])
    assert (step.call, step.command, step.total, step.keywords) == ("package.module:Class.method", None, 3, False)
    assert (step.timeout, step.retries, step.report) == (None, 0, False)
    assert list(step.arguments) == ["1", "2", "3"]
    assert (pool, step.pool) == (PoolSettings(), "main")


def test_every_option_of_it(items: str) -> None:
    spec = spec_of(
        "--agents", "7", "m:f", "--items", items, "--shards", "2", "--batch-max", "9", "--timeout", "1.5",
        "--retries", "3", "--name", "mine",
    )  # fmt: skip
    assert (spec.name, spec.settings.batch_max_size) == ("mine", 9)
    assert (spec.pools[0].size, spec.pools[0].shards) == (7, 2)
    assert (spec.steps[0].timeout, spec.steps[0].retries) == (1.5, 3)


def test_a_command_over_items(items: str) -> None:
    spec = spec_of("--items", items, "--", "/usr/bin/head", "{}", "--name", "{n}.png", "--")
    assert spec.name == "head"
    assert spec.steps[0].command == ["/usr/bin/head", "{}", "--name", "{n}.png", "--"]
    assert spec.steps[0].call is None
    assert spec.steps[0].total == 3


@pytest.mark.parametrize("word", ["plan.toml", "m:f", "--items"])
def test_after_dashes_everything_is_a_command(
    items: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / word).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert spec_of("--items", items, "--", word).steps[0].command == [word]


def test_standard_input_has_no_end_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n"))
    assert spec_of("m:f", "--items", "-").steps[0].total is None


def test_a_plan_as_it_is(plan: str, tmp_path: Path) -> None:
    spec = spec_of(plan)
    assert (spec.name, spec.settings, spec.path) == ("sweep", Settings(), [str(tmp_path)])
    assert [(pool.name, pool.size, pool.shards) for pool in spec.pools] == [("one", 3, None), ("two", 4, 2)]
    assert [(step.timeout, step.retries) for step in spec.steps] == [(5.0, 1), (None, 0)]


def test_options_win_over_a_plan_agents_those_of_its_first_pool(plan: str) -> None:
    spec = spec_of(
        plan, "--agents", "9", "--shards", "3", "--batch-max", "1", "--timeout", "2", "--retries", "0", "--name", "mine"
    )
    assert (spec.name, spec.settings.batch_max_size) == ("mine", 1)
    assert [(pool.size, pool.shards) for pool in spec.pools] == [(9, 3), (4, 2)]
    assert [(step.timeout, step.retries) for step in spec.steps] == [(2.0, 0), (2.0, 0)]


def test_parameters_of_a_plan_are_set_beside_settings(plan: str) -> None:
    with Path(plan).open("a") as file:
        file.write('arguments = { n = "${n}" }\n[parameters]\nn = 1\n')
    spec = spec_of(
        plan, "--set", "n=7", "--set", "frame_rate=5", "--set", "workers.two=9", "--set", "tasks.b.retries=4"
    )
    assert (spec.settings.frame_rate, spec.pools[1].size, spec.steps[1].retries) == (5, 9, 4)
    assert list(spec.steps[1].arguments) == [{"n": 7}]
    assert refused(plan, "--set", "m=7") == f"--set m: neither a parameter of {plan} nor a setting; parameters: n"
    assert refused(plan, "--set", "m") == "--set m: write NAME=VALUE, such as batch_size=10"
    assert refused(plan, "--set", "n=x") == "--set n: parameter n is a whole number, not 'x'"


def test_what_a_run_would_not_heed_is_not_begun(plan: str) -> None:
    with Path(plan).open("a") as file:
        file.write('[[tasks]]\nname = "review"\nestimate = "1h"\n')
    told = f"{plan}: tasks 3 ('review'): neither a call nor a command: it is work of people: --people wait waits until "
    assert refused(plan) == told + "`shoal ctl done` says it is done, --people skip goes on as if it were"
    assert spec_of(plan, "--people", "wait").settings.plan_people == "wait"


def test_owners_in_conflict_do_not_begin(plan: str) -> None:
    with Path(plan).open("a") as file:
        file.write('[owners.x]\npaths = ["src/**"]\n[owners.y]\npaths = ["src/a", "src/b"]\n')
    told = f"{plan}: owner x and owner y both own what src/** and src/a have in common (and 1 more: shoal plan check)"
    assert refused(plan) == told


def test_what_cannot_be_run(plan: str, items: str, tmp_path: Path) -> None:
    nothing = "nothing to run: give a plan, module:function, or -- and a command (shoal run --help)"
    assert refused() == refused("--items", items) == refused("--") == nothing
    assert refused(plan, "other.toml") == "one plan at a time: what is 'other.toml'?"
    assert refused(plan, "--items", items) == "a plan has its items inside: leave --items out"
    assert refused(str(tmp_path / "no.toml")) == f"{tmp_path / 'no.toml'}: no such plan"
    assert refused("m:f") == refused("--", "echo") == "no items: give --items FILE, or --items - for standard input"
    assert refused("m:f", "--items", str(tmp_path / "no.txt")) == f"{tmp_path / 'no.txt'}: no such items file"
    assert refused("m:f", "--items", str(tmp_path)) == f"{tmp_path}: a folder, not an items file"
    told = "'echo' is neither a plan (.toml) nor module:function; put -- before a command: shoal run --items FILE -- "
    assert refused("echo", "--items", items) == refused("echo", "x:y", "--items", items) == told + "echo"
    for call in ("m:", ":f", "m:f()", "C:\\x", "m.py:f:g", "1:2"):
        assert refused(call, "--items", items).startswith(f"{call!r} is not module:function, such as engine.workloads.")


def test_a_terminal_is_no_list_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert refused("m:f", "--items", "-").startswith("--items - reads standard input, which is your terminal")


@pytest.mark.parametrize(
    "argv",
    [
        ["--agents", "0"], ["--batch-max", "0"], ["--retries", "-1"], ["--timeout", "0"], ["--nonsense"],
        ["--strategy", "best"], ["--soft-timeout", "inf"], ["--memory-limit", "lots"], ["--max-tasks", "0"],
    ],
)  # fmt: skip
def test_options_that_cannot_be(argv: list[str]) -> None:
    with pytest.raises(click.UsageError):
        spec_of("m:f", *argv)


@pytest.mark.parametrize(("text", "value"), [("auto", 0), ("1", 1), ("500", 500)])
def test_counts(text: str, value: int | None) -> None:
    assert Count().convert(text, None, None) == value


@pytest.mark.parametrize("text", ["0", "-3", "x", "", "1.5", "1e3"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(click.UsageError, match=r"at least 1|neither a number nor 'auto'"):
        Count().convert(text, None, None)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", ""])
def test_what_is_no_number_of_seconds(text: str) -> None:
    with pytest.raises(click.UsageError, match="is not a number of seconds"):
        Seconds().convert(text, None, None)
    assert Seconds().convert("0.5", None, None) == 0.5


def test_every_option_that_is_a_setting(items: str, plan: str) -> None:
    told = ["--strategy", "hash", "--batch-max", "9", "--set", "spawn_timeout=2.5", "--set", "enable_sharding=off"]
    told += ["--set", "pool_size=3", "--set", "pool_size=4", "--soft-timeout", "3", "--memory-limit", "1.5G"]
    told += ["--durability", "full"]
    settings = Settings(
        shard_strategy="hash", batch_max_size=9, spawn_timeout=2.5, enable_sharding=False, pool_size=4,
        record_durability="full",
    )  # fmt: skip
    over_items = spec_of("m:f", "--items", items, *told, "--max-tasks", "50")
    assert over_items.settings == settings
    assert over_items.pools == [PoolSettings(max_tasks=50, memory_limit=3 << 29)]
    assert over_items.steps[0].soft_timeout == 3.0
    planned = spec_of(plan, *told)
    assert planned.settings == settings
    assert [(pool.size, pool.memory_limit) for pool in planned.pools] == [(3, 3 << 29), (4, None)]
    assert [step.soft_timeout for step in planned.steps] == [3.0, 3.0]


def test_auto_wins_over_the_environment(items: str, plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_POOL_SIZE", "9")
    monkeypatch.setenv("SHOAL_SHARD_COUNT", "8")
    assert spec_of("m:f", "--items", items).settings == Settings(pool_size=9, shard_count=8)
    assert spec_of("m:f", "--items", items, "--agents", "auto", "--shards", "auto").settings == Settings()
    spec = spec_of(plan, "--agents", "auto")
    assert (spec.settings, spec.pools[0].size) == (Settings(shard_count=8), None)


def test_the_environment_wins_over_a_plan(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(plan).write_text("batch_max = 3\n" + PLAN + "[settings]\nbatch_size = 3\n")
    monkeypatch.setenv("SHOAL_BATCH_MAX_SIZE", "4")
    assert spec_of(plan).settings == Settings(batch_size=3, batch_max_size=4)
    assert spec_of(plan, "--batch-max", "5").settings == Settings(batch_size=3, batch_max_size=5)


def test_settings_that_cannot_be(items: str, plan: str) -> None:
    def told(*argv: str) -> str:
        return refused("m:f", "--items", items, *argv)

    assert told("--set", "batch_size") == "--set batch_size: write NAME=VALUE, such as batch_size=10"
    assert told("--set", "batchsize=3") == "--set batchsize: no setting 'batchsize': did you mean 'batch_size'?"
    assert told("--set", "batch_size=x") == "--set batch_size is a whole number of at least 1 or auto, not 'x'"
    same = "--batch-max and --set batch_max_size are the same: leave one out"
    assert told("--set", "batch_max_size=3", "--batch-max", "3") == same
    above = "batch_size is 9 (--set batch_size), above batch_max_size, which is 2 (--batch-max)"
    assert refused(plan, "--set", "batch_size=9", "--batch-max", "2") == above


def test_the_help_knows_every_choice() -> None:
    assert get_args(Strategy) == STRATEGIES
    assert get_args(Durability) == DURABILITIES
