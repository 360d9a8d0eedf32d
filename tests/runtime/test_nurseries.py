"""Nurseries that die before they are of any use."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from inside import fleet_of, kill
from processes import wait_for

from shoal import Engine, PoolSettings

SLOW = """
import os, time
open(os.environ["SHOAL_TEST_BEGUN"] + str(os.getpid()), "w").close()
while not os.path.exists(os.environ["SHOAL_TEST_GATE"]):
    time.sleep(0.01)
"""


class Slow:
    """An image that comes once its gate is there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.gate = folder / "begun", folder / "gate"
        self.folder.mkdir()
        (folder / "slow_image.py").write_text(SLOW)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("SHOAL_TEST_BEGUN", f"{self.folder}/")
        monkeypatch.setenv("SHOAL_TEST_GATE", str(self.gate))

    def die(self, times: int) -> None:
        """Kill so many nurseries in the midst of it."""
        killed: set[str] = set()
        for _ in range(times):
            wait_for(lambda: set(os.listdir(self.folder)) - killed, what="a nursery that prepares")
            (pid,) = set(os.listdir(self.folder)) - killed
            killed.add(pid)
            kill(int(pid))


def nursery_of(engine: Engine) -> int:
    nest = fleet_of(engine).hosts._keepers[0].nest
    assert nest is not None
    return nest._process.pid


@pytest.mark.parametrize("noticed", [True, False])
def test_one_that_dies_before_the_first_task_is_not_missed(noticed: bool) -> None:
    with Engine(1, attachable=False) as engine:
        pid = nursery_of(engine)
        kill(pid)
        wait_for(lambda: not noticed or not Path(f"/proc/{pid}").exists(), what="it to be buried")
        assert engine.submit(abs, -1).result(20) == 1


def test_one_that_dies_while_it_prepares_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(tmp_path, monkeypatch)
    with Engine(1, preload=["slow_image"], pools=[PoolSettings(name="io", size=1)], attachable=False) as engine:
        future = engine.submit(abs, -1)
        slow.die(2)
        assert engine.using(pool="io").submit(abs, -2).result(20) == 2
        slow.gate.touch()
        assert future.result(20) == 1


def test_an_image_that_kills_every_nursery_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(tmp_path, monkeypatch)
    with Engine(1, preload=["slow_image"], attachable=False) as engine:
        future = engine.submit(abs, -1)
        slow.die(3)
        with pytest.raises(BrokenProcessPool, match="the nursery died 3 times while it prepared"):
            future.result(20)
