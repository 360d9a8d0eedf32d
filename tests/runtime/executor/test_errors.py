"""What a task raises, as its caller sees it."""

from __future__ import annotations

import traceback

import pytest
import remote_functions as remote

from shoal import Engine, RemoteError, RemoteTraceback


def test_the_agents_traceback_is_the_cause(engine: Engine) -> None:
    error = engine.submit(remote.raise_in_depth, 3).exception(20)
    assert isinstance(error, LookupError)
    assert isinstance(error.__cause__, RemoteTraceback)
    told = "".join(traceback.format_exception(error))
    assert told.count("in raise_in_depth") == 4
    assert 'raise LookupError("at the bottom")' in told
    assert "The above exception was the direct cause" in told


def test_the_text_of_a_chain_shows_both(engine: Engine) -> None:
    error = engine.submit(remote.raise_chained).exception(20)
    assert isinstance(error, ValueError)
    told = str(error.__cause__)
    assert "KeyError: 'the first'" in told
    assert "ValueError: the second" in told


def test_notes_come_along(engine: Engine) -> None:
    error = engine.submit(remote.raise_noted).exception(20)
    assert error is not None
    assert error.__notes__ == ["a note from the agent"]
    assert "a note from the agent" in str(error.__cause__)


def test_groups_come_whole(engine: Engine) -> None:
    with pytest.raises(ExceptionGroup, match="several") as caught:
        engine.submit(remote.raise_group).result(20)
    assert caught.group_contains(TypeError, match="two", depth=2)
    assert caught.group_contains(ValueError, match="one", depth=1)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("now"), GeneratorExit()], ids=repr)
def test_what_is_no_exception_is_carried_too(engine: Engine, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        engine.submit(remote.raise_this, error).result(20)
    assert caught.value.args == error.args
    assert engine.submit(abs, -1).result(20) == 1
    assert engine._worker.run.fleet.core.restarts == 0


def test_an_exception_that_can_not_be_pickled_is_named(engine: Engine) -> None:
    with pytest.raises(RemoteError, match="HoldsALock: holds a lock") as caught:
        engine.submit(remote.raise_unpicklable).result(20)
    assert "in raise_unpicklable" in str(caught.value.__cause__)


def test_an_exception_that_can_not_be_read_is_named(engine: Engine) -> None:
    with pytest.raises(RemoteError, match="Unreadable: no"):
        engine.submit(remote.raise_unreadable).result(20)


def test_a_class_of_exceptions_of_a_functions_body(engine: Engine) -> None:
    class Mine(Exception):
        def __init__(self, code: int) -> None:
            super().__init__(code)
            self.code = code

    def fail() -> None:
        raise Mine(7)

    with pytest.raises(Mine) as caught:
        engine.submit(fail).result(20)
    assert caught.value.code == 7


def test_each_failure_is_an_exception_of_its_own(engine: Engine) -> None:
    failed = [engine.submit(remote.reciprocal, 0) for _ in range(50)]
    assert len({id(future.exception(20)) for future in failed}) == 50


def test_a_result_can_be_asked_for_again(engine: Engine) -> None:
    future = engine.submit(remote.reciprocal, 0)
    assert future.exception(20) is future.exception(20)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            future.result(20)
