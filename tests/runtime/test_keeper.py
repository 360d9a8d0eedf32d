"""A nursery that can't be started for a while is waited for, and not for ever."""

from __future__ import annotations

import time

import pytest

from engine.runtime.fleet import keeper as keepers
from engine.runtime.fleet.keeper import Keeper
from engine.runtime.fleet.launch import StartError
from engine.runtime.fleet.loop import Loop
from engine.runtime.fleet.nest import Image
from engine.wire.memory import Parcel


class Owner:
    """Whom it tells."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.failed: list[str] = []

    def image_ready(self, keeper: Keeper, seconds: float) -> None: ...
    def host_said(self, keeper: Keeper, frame: object) -> None: ...
    def nursery_died(self, keeper: Keeper) -> None: ...

    def image_failed(self, keeper: Keeper, why: str) -> None:
        self.failed.append(why)

    def note(self, level: str, kind: str, text: str) -> None:
        self.said.append(f"{level} {kind} {text}")


class FakeNest:
    """One that starts unless nobody may."""

    possible = True
    prepared = 0

    def __init__(self, *arguments: object) -> None:
        if not self.possible:
            raise StartError("can't make a channel to another process: Too many open files")

    def prepare(self, *arguments: object) -> None:
        type(self).prepared += 1

    def log(self) -> str:
        return ""

    def close(self) -> None: ...


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def keeper(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """One whose nursery has just died, and can't be replaced."""
    monkeypatch.setattr(keepers, "Nest", FakeNest)
    monkeypatch.setattr(FakeNest, "prepared", 0)
    monkeypatch.setattr(FakeNest, "possible", True)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    loop = Loop()
    found = Keeper(loop, Image(), "", Parcel(-1), 0, owner)
    loop.close()
    found.start()
    FakeNest.possible = False
    found._gone()
    return found


WAITS = "warning nursery.waits can't make a channel to another process: Too many open files; it is tried again"


def test_it_is_tried_again_once_a_second_and_said_once(keeper: Keeper, owner: Owner) -> None:
    assert (keeper.due, keeper.nest) == (101.0, None)
    for now in (100.5, 101.0, 101.0):
        keeper.tick(now)
    assert owner.said == ["error nursery.died the nursery died: starting another", WAITS]
    assert owner.failed == []
    FakeNest.possible = True
    keeper.tick(101.0)
    assert keeper.due is None
    assert FakeNest.prepared == 2


def test_after_ten_times_its_pools_have_none(keeper: Keeper, owner: Owner) -> None:
    for _ in range(20):
        keeper.tick(200.0)
    assert owner.failed == ["can't make a channel to another process: Too many open files"]
    assert keeper.due is None


def test_one_that_was_closed_starts_nothing(keeper: Keeper, owner: Owner) -> None:
    keeper.close()
    FakeNest.possible = True
    keeper.tick(200.0)
    assert FakeNest.prepared == 1
