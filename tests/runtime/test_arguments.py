"""What an `Engine` and its calls are given: what can't be is one line at once, and harms nobody else."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest

from shoal import Engine


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
    for retry_on in (ValueError, "ValueError", [ValueError, "OSError"], (name for name in ["OSError"])):
        view = engine.using(priority=-3, timeout=np.float32(20), retries=np.int64(1), retry_on=retry_on, key=7)
        assert view.submit(abs, -1).result(30) == 1
    assert engine.using(retry_on=ValueError)._how.options.retry_on == ("builtins.ValueError",)
    assert engine.using(retry_on="ValueError")._how.options.retry_on == ("ValueError",)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("mapped", [False, True])
def test_what_the_engine_had_in_hand_when_it_failed_is_told(monkeypatch: pytest.MonkeyPatch, mapped: bool) -> None:
    engine = Engine(1, attachable=False)
    raised = threading.Event()

    def fails(job: object) -> int:
        raised.set()
        raise LookupError("a bug of ours")

    monkeypatch.setattr(engine._worker.run, "submit", fails)
    with engine:
        ask = engine.map(abs, range(10), timeout=30).__next__ if mapped else engine.submit(abs, 1).result
        with pytest.raises(BrokenProcessPool, match="LookupError: a bug of ours"):
            ask()
    assert raised.is_set()
