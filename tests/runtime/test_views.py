"""An engine with other options: `Engine.using`."""

from __future__ import annotations

import pytest

from shoal import Engine, PoolSettings, address


def where() -> str:
    return address().partition("/")[0]


def test_what_a_view_does_not_say_is_as_in_the_one_that_it_is_of() -> None:
    with Engine(1, pools=[PoolSettings(name="io", size=1)], attachable=False) as engine:
        view = engine.using(pool="io", retries=2, timeout=60).using(retries=3, priority=1)
        options = view._how.options
        assert (options.retries, options.timeout, options.priority) == (3, 60, 1)
        assert view.submit(where).result(30) == "io"
        assert list(view.map(lambda _: where(), [1, 2])) == ["io", "io"]
        assert view.using(pool="main").submit(where).result(30) == "main"
        assert engine.submit(where).result(30) == "main"


@pytest.mark.needs("pooling")
def test_a_view_knows_what_its_engine_knows() -> None:
    with Engine(2, attachable=False) as engine:
        view = engine.using(priority=1)
        with view:
            assert view.wait_ready(60) == 2
        assert view.stats()["pools"]["main"]["up"] == 2
        assert view.submit(abs, -1).result(30) == 1, "leaving a view ended its engine"
    with pytest.raises(RuntimeError, match="after shutdown"):
        view.submit(abs, -1)


def test_a_pool_that_there_is_not() -> None:
    with Engine(1, attachable=False) as engine:
        with pytest.raises(ValueError, match="no pool 'nope'; there are main"):
            engine.using(pool="nope")
        with pytest.raises(TypeError, match="pool must be a text, not int"):
            engine.using(pool=3)  # type: ignore[arg-type]


@pytest.mark.needs("pooling")
def test_a_time_to_wait_that_is_none() -> None:
    with Engine(1, attachable=False) as engine:
        with pytest.raises(TypeError, match="timeout must be a number of seconds, not str"):
            engine.wait_ready("x")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="timeout"):
            engine.wait_ready(float("inf"))
        assert engine.wait_ready(60) == 1
