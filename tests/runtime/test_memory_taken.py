"""Calls of an engine that say what memory they take."""

from __future__ import annotations

from pathlib import Path

import claimed_functions as claimed
import pytest
from claimed_functions import pid_at
from inside import core_of
from processes import wait_for

from shoal import Engine


@pytest.mark.needs("pooling")
def test_calls_take_no_more_together_than_there_is(tmp_path: Path) -> None:
    with Engine(4, settings={"memory_tasks": "5G"}, attachable=False) as engine:
        heavy, light = engine.using(memory="3G"), engine.using(memory=2 << 30)
        holder = heavy.submit(claimed.wait_holding, str(tmp_path), [("a", False)], 1)
        wait_for(lambda: pid_at(tmp_path, 1))
        waits = heavy.submit(abs, -1)
        assert light.submit(abs, -2).result(60) == 2, "what fits beside it runs"
        assert list(engine.map(abs, [-3])) == [3], "and what says nothing"
        told = engine.explain(waits)
        assert told[1].startswith("waits for memory: 3.0 GiB of 5.0 GiB, 2.0 GiB free; held by wait_holding[0] for")
        assert heavy.using(memory=0).submit(abs, -4).result(60) == 4
        (tmp_path / "go-1").touch()
        assert holder.result(60)
        assert waits.result(60) == 1
        wait_for(lambda: not core_of(engine).desk.claims.memory.used)


def test_more_than_there_is_is_refused_where_it_is_said() -> None:
    with Engine(1, settings={"memory_tasks": "5G"}, attachable=False) as engine:
        with pytest.raises(ValueError, match=r"memory: 6\.0 GiB are more than the 5\.0 GiB that there are for tasks"):
            engine.using(memory="6G")
        with pytest.raises(ValueError, match="memory must be a size"):
            engine.using(memory="much")
        with pytest.raises(ValueError, match="memory must be greater than 0"):
            engine.using(memory=-1)
