"""What an engine is made with: initializers, contexts, numbers; and that its agents may have engines themselves."""

from __future__ import annotations

import inspect
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest
import remote_functions as remote

from shoal import Engine


def test_the_signature_is_that_of_a_process_pool() -> None:
    ours = inspect.signature(Engine).parameters
    for name, theirs in inspect.signature(ProcessPoolExecutor).parameters.items():
        assert (ours[name].kind, ours[name].default) == (theirs.kind, theirs.default), name
    assert list(ours)[:4] == list(inspect.signature(ProcessPoolExecutor).parameters)[:4]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_any_context_will_do(method: str) -> None:
    with Engine(1, multiprocessing.get_context(method), attachable=False) as engine:
        assert engine.submit(abs, -1).result(20) == 1


@pytest.mark.parametrize("context", ["spawn", 3, object()], ids=repr)
def test_what_is_no_context(context: Any) -> None:
    with pytest.raises(TypeError, match="mp_context"):
        Engine(1, context)


def test_numbers_of_tasks_for_an_agent() -> None:
    with Engine(1, max_tasks_per_child=5, attachable=False):
        pass
    for number in (0, -1):
        with pytest.raises(ValueError, match="max_tasks_per_child"):
            Engine(1, max_tasks_per_child=number)
    with pytest.raises(TypeError, match="max_tasks_per_child"):
        Engine(1, max_tasks_per_child=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, -1])
def test_numbers_of_agents(number: int) -> None:
    with pytest.raises(ValueError, match="max_workers"):
        Engine(number)


def test_an_initializer_runs_once_in_each_agent() -> None:
    with Engine(2, None, remote.initialise_with, (1, "two", [3]), attachable=False) as engine:
        assert engine.submit(remote.initialised, 0).result(20) == "((1, 'two', [3]), {})"
        assert {count for _, count in engine.map(remote.count_initialised, range(50))} == {1}


def test_an_initializer_may_be_a_closure() -> None:
    text = "from the caller"
    with Engine(1, None, lambda: remote.initialise(text), attachable=False) as engine:
        assert engine.submit(remote.initialised, 0).result(20) == text


def test_an_initializer_that_exits_breaks_the_pool_and_says_so() -> None:
    with Engine(1, initializer=remote.exit_in_initializer, attachable=False) as engine:
        pending = [engine.submit(abs, n) for n in range(5)]
        results = engine.map(abs, range(5))
        for future in pending:
            with pytest.raises(BrokenProcessPool, match="no such day"):
                future.result(20)
        with pytest.raises(BrokenProcessPool, match="no such day"):
            next(results)
        with pytest.raises(BrokenProcessPool, match="no such day"):
            engine.submit(abs, 1)


def test_an_initializer_that_can_not_be_pickled() -> None:
    lock = threading.Lock()
    with pytest.raises(TypeError, match="pickle"):
        Engine(1, initializer=lambda: lock.locked(), attachable=False)


def test_an_engine_within_a_task(engine: Engine) -> None:
    assert list(engine.map(remote.nested, [2, 3])) == [[2, 1], [3, 2, 1]]


def test_threads_within_a_task(engine: Engine) -> None:
    assert engine.submit(remote.nested_standard, 3).result(20) == [3, 2, 1]


def test_keyword_arguments_that_have_names_of_ours(engine: Engine) -> None:
    assert engine.submit(remote.keywords, fn=1, self=2, timeout=3).result(20) == {"fn": 1, "self": 2, "timeout": 3}


def test_what_is_not_callable(engine: Engine) -> None:
    with pytest.raises(TypeError, match="not callable"):
        engine.submit(3)  # type: ignore[arg-type]
