"""What an `Engine` and its calls are given: what can't be is one line at once, and harms nobody else."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest

from engine.settings.types import Settings
from shoal import Engine, PoolSettings


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(1, attachable=False) as engine:
        yield engine


def one_line(caught: pytest.ExceptionInfo[Exception], kind: type[Exception], name: str) -> None:
    assert isinstance(caught.value, kind)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


OPTIONS: list[tuple[str, Any, type[Exception]]] = [
    ("priority", "high", TypeError), ("priority", 1.5, TypeError), ("priority", True, TypeError),
    ("priority", 1 << 70, ValueError), ("priority", -(1 << 70), ValueError), ("retries", "3", TypeError),
    ("retries", 1.5, TypeError), ("retries", -1, ValueError), ("crash_limit", "x", TypeError),
    ("crash_limit", 0, ValueError), ("timeout", "5", TypeError), ("timeout", True, TypeError),
    ("timeout", 0, ValueError), ("timeout", math.nan, ValueError), ("timeout", math.inf, ValueError),
    ("timeout", 10**400, ValueError), ("soft_timeout", -1, ValueError), ("soft_timeout", [1], TypeError),
    ("retry_on", [5], TypeError), ("retry_on", 5, TypeError), ("retry_on", int, TypeError), ("key", 1.5, TypeError),
]  # fmt: skip


def test_an_option_of_calls_that_cannot_be(engine: Engine) -> None:
    for name, value, kind in OPTIONS:
        with pytest.raises((TypeError, ValueError)) as caught:
            engine.using(**{name: value})
        one_line(caught, kind, name)
    assert engine.submit(abs, -1).result(30) == 1


def test_options_in_every_form_that_is_meant(engine: Engine) -> None:
    forms: list[Any] = [ValueError, "ValueError", [ValueError, "OSError"], (name for name in ["OSError"])]
    numbers: dict[str, Any] = {"timeout": np.float32(20), "retries": np.int64(1), "priority": np.int8(-3)}
    for retry_on in forms:
        view = engine.using(**numbers, retry_on=retry_on, key=7)
        assert view.submit(abs, -1).result(30) == 1
    assert engine.using(retry_on=ValueError)._how.options.retry_on == ("builtins.ValueError",)
    assert engine.using(retry_on="ValueError")._how.options.retry_on == ("ValueError",)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("mapped", [False, True])
def test_what_the_engine_had_in_hand_when_it_failed_is_told(monkeypatch: pytest.MonkeyPatch, mapped: bool) -> None:
    engine = Engine(1, attachable=False)
    raised = threading.Event()

    def fails(job: object, *place: object) -> int:
        raised.set()
        raise LookupError("a bug of ours")

    monkeypatch.setattr(engine._worker.run, "submit", fails)
    with engine:
        ask = engine.map(abs, range(10), timeout=30).__next__ if mapped else engine.submit(abs, 1).result
        with pytest.raises(BrokenProcessPool, match="LookupError: a bug of ours"):
            ask()
    assert raised.is_set()


ARGUMENTS: list[tuple[str, Any, type[Exception]]] = [
    ("max_workers", "3", TypeError), ("max_workers", 2.5, TypeError), ("max_workers", True, TypeError),
    ("max_workers", 0, ValueError), ("max_workers", 1 << 70, ValueError), ("min_workers", 0, ValueError),
    ("min_workers", "2", TypeError), ("min_workers", 9, ValueError), ("max_tasks_per_child", True, TypeError),
    ("max_tasks_per_child", 0, ValueError), ("shards", -1, ValueError), ("shards", 1.5, TypeError),
    ("batch_max", 0, ValueError), ("batch_max", "9", TypeError), ("strategy", "x", ValueError),
    ("strategy", 5, ValueError), ("timeout", True, TypeError), ("retries", "3", TypeError), ("retries", 1.5, TypeError),
    ("retry_on", [5], TypeError), ("preload", 5, TypeError), ("preload", [5], TypeError), ("preload", "", ValueError),
    ("warmup", len, TypeError), ("warmup", "nocolon", ValueError), ("max_idle", 0, ValueError),
    ("max_idle", "1", TypeError), ("memory_limit", "x", ValueError), ("memory_limit", 1 << 80, ValueError),
    ("memory_limit", 0.5, TypeError), ("name", 5, TypeError), ("on_event", 5, TypeError), ("record", 5, TypeError),
    ("settings", 5, TypeError), ("settings", {5: 1}, TypeError), ("setting nope", {"nope": 1}, ValueError),
    ("setting pool_size", {"pool_size": "x"}, ValueError), ("setting pool_size", Settings(pool_size=0), ValueError),
    ("setting batch_max_size", Settings(batch_max_size=10**12), ValueError),
    ("batch_size", Settings(batch_size=9, batch_max_size=5), ValueError), ("pools", 5, TypeError),
    ("pools", [{"name": "io"}], TypeError), ("pools", {"name": "io"}, TypeError),
    ("pools", PoolSettings(name="io"), TypeError), ("pool ''", [PoolSettings(name="")], ValueError),
    ("pool 'a/b'", [PoolSettings(name="a/b")], ValueError), ("'main'", [PoolSettings(name="main")], ValueError),
    ("pool 'io': preload", [PoolSettings(name="io", preload="json")], ValueError),  # type: ignore[arg-type]
    ("pool 'io': init", [PoolSettings(name="io", init=print)], ValueError),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "kind"), ARGUMENTS)
def test_an_argument_of_an_engine_that_cannot_be(name: str, value: Any, kind: type[Exception]) -> None:
    pools = isinstance(value, list) and name not in ("retry_on", "preload")
    argument = "settings" if isinstance(value, Settings) or "setting " in name else "pools" if pools else name
    with pytest.raises((TypeError, ValueError)) as caught:
        Engine(**{"max_workers": 2, "attachable": False, argument: value}).shutdown()
    one_line(caught, kind, name)


def test_arguments_for_an_initializer_that_cannot_be() -> None:
    with pytest.raises(TypeError, match="initargs must be a tuple, not int"):
        Engine(1, None, print, 5)  # type: ignore[arg-type]


def test_sizes_as_people_write_them() -> None:
    io = PoolSettings(name="io", size=1, max_bytes="600M", memory_limit="1.5G")  # type: ignore[arg-type]
    with Engine(1, memory_limit="500M", pools=[io], preload="json", attachable=False) as engine:
        assert engine.submit(abs, -1).result(30) == 1
        assert engine.using(pool="io").submit(abs, -1).result(30) == 1
        main, other = (spec.settings for spec in engine._worker.run.fleet.specs)
        assert (main.memory_limit, main.preload) == (500 << 20, ("json",))
        assert (other.max_bytes, other.memory_limit) == (600 << 20, 3 << 29)


def test_times_of_thirty_years() -> None:
    known = {"spawn_timeout": 1e9, "pool_max_idle": 1e9, "pool_warmup_time": 1e9}
    with Engine(2, min_workers=1, timeout=1e9, soft_timeout=1e8, settings=known, attachable=False) as engine:
        assert engine.submit(abs, -1).result(30) == 1
        assert engine.map(abs, [-2], timeout=1e9).__next__() == 2


@pytest.mark.needs("pooling")
def test_an_elastic_pool_grows_to_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_POOL_SIZE", "6")
    with Engine(min_workers=2, attachable=False) as engine:
        found = engine.stats()["pools"]["main"]
        assert (found["min"], found["max"]) == (2, 6)


def test_a_misspelt_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_POOLSIZE", "6")
    with pytest.warns(RuntimeWarning, match="SHOAL_POOLSIZE is not a setting: did you mean SHOAL_POOL_SIZE") as told:
        Engine(1, attachable=False).shutdown()
    assert told[0].filename == __file__


def test_a_soft_timeout_that_could_never_come_is_refused() -> None:
    with pytest.raises(ValueError, match=r"soft_timeout \(5 s\) must be less than timeout \(1 s\)"):
        Engine(2, soft_timeout=5, timeout=1, attachable=False)
    with (
        Engine(2, timeout=1, attachable=False) as engine,
        pytest.raises(ValueError, match=r"soft_timeout \(2 s\) must be less"),
    ):
        engine.using(soft_timeout=2)
