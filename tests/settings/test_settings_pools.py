"""What a pool does not say, the run does, and then the machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.settings.pools import complete
from engine.settings.types import PoolSettings, Settings, SettingsError


def sizes(pool: dict[str, Any], cores: int = 8, **settings: Any) -> tuple[int | None, int | None, int | None]:
    found = complete(PoolSettings(**pool), Settings(**settings), cores)
    return found.min_size, found.size, found.max_size


def test_a_pool_wins_over_the_run_and_that_over_the_machine() -> None:
    assert sizes({}) == (8, 8, 8)
    assert sizes({}, pool_size=3) == (3, 3, 3)
    assert sizes({"size": 2}, pool_size=3) == (2, 2, 2)
    assert sizes({"size": 2, "min_size": 1, "max_size": 9}, pool_size=3, pool_min_size=2) == (1, 2, 9)
    assert sizes({}, pool_size=5, pool_min_size=2) == (2, 5, 5)


def test_what_a_pool_does_not_say_bends_to_what_it_does() -> None:
    assert sizes({"min_size": 2, "max_size": 4}) == (2, 4, 4)
    assert sizes({"min_size": 12, "max_size": 20}) == (12, 12, 20)
    assert sizes({"size": 2}, pool_min_size=4) == (2, 2, 2)
    assert sizes({}, cores=2, pool_min_size=4) == (4, 4, 4)
    assert sizes({"max_size": 3}, pool_min_size=4) == (3, 3, 3)


def test_the_rest_is_filled_in() -> None:
    found = complete(PoolSettings(), Settings(pool_max_idle=5.0, pool_warmup_time=6.0, shard_count=2), 1)
    assert (found.max_idle, found.warmup_timeout, found.shards) == (5.0, 6.0, 2)
    assert (found.max_tasks, found.max_bytes, found.memory_limit) == (None, None, None)
    own = complete(PoolSettings(max_idle=1.0, warmup_timeout=2.0, shards=3), Settings(shard_count=2), 1)
    assert (own.max_idle, own.warmup_timeout, own.shards) == (1.0, 2.0, 3)
    assert complete(PoolSettings(shards=3), Settings(enable_sharding=False), 1).shards == 1
    assert complete(PoolSettings(), Settings(), 1).shards is None
    written = complete(PoolSettings(memory_limit="500M", max_bytes="1K", max_idle=3), Settings(), 1)  # type: ignore[arg-type]
    assert (written.memory_limit, written.max_bytes, written.max_idle) == (500 << 20, 1024, 3.0)


@pytest.mark.parametrize(
    ("pool", "told"),
    [
        ({"size": 2, "min_size": 4}, "pool 'main': its minimum of 4 agents is above its size of 2"),
        ({"size": 9, "max_size": 4}, "pool 'main': its size of 9 agents is above its maximum of 4"),
        ({"min_size": 9, "max_size": 4}, "pool 'main': its minimum of 9 agents is above its size of 4"),
        ({"size": 0}, "pool 'main': size is a whole number of at least 1 or auto, not 0"),
        ({"name": ""}, "pool '': a name is of one line, not empty, and without a slash"),
        ({"name": "a/b"}, "pool 'a/b': a name is of one line, not empty, and without a slash"),
        ({"memory_limit": -1}, "pool 'main': memory_limit is a size such as 500M or 2G or auto, not -1"),
    ],
)
def test_a_pool_that_cannot_be(pool: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        complete(PoolSettings(**pool), Settings(), 8)
    assert str(caught.value) == told


_MAYBE = st.none() | st.integers(1, 9)


@given(_MAYBE, _MAYBE, _MAYBE, _MAYBE, _MAYBE, st.integers(1, 9))
def test_whatever_is_said_ends_in_order_or_is_refused(
    size: int | None, least: int | None, most: int | None, run_size: int | None, run_least: int | None, cores: int
) -> None:
    own = [number for number in (least, size, most) if number is not None]
    pool = {"size": size, "min_size": least, "max_size": most}
    settings = {"pool_size": run_size, "pool_min_size": run_least}
    if own != sorted(own):
        with pytest.raises(SettingsError):
            sizes(pool, cores, **settings)
        return
    found = sizes(pool, cores, **settings)
    assert all(number is not None for number in found)
    assert list(found) == sorted(number for number in found if number is not None)
    assert all(was is None or was == now for was, now in zip((least, size, most), found, strict=True))
