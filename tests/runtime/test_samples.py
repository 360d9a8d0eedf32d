"""What of a frame is kept for good, and what is kept beside it."""

from __future__ import annotations

from engine.procs.scoreboard import MEMORY, STATE
from engine.procs.weight import packed
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.fleet.specs import PoolSpec
from engine.runtime.record.samples import sampled
from engine.runtime.sampler import Sampler
from engine.settings.types import PoolSettings
from engine.store.messages import PoolSample, Sampled
from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE, STARTING, Frame, MachineView, PoolView

MIB = 1 << 20


def test_a_frame_as_a_sample() -> None:
    pools = (
        PoolView("local", 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        PoolView("wide", 4, 4, 0, 0, 0, 0, 0, 0, 11, 0, 0),
    )
    machine = MachineView(0.25, 2, 1 << 20, 1 << 30, 1.5, 33)
    frame = Frame(3, 1e9, 5.0, "running", 50, 99, 18, 8, 6, 3, 12.5, 4.0, 0.75, 9, 2, pools, machine)
    assert sampled(frame, [1 << 30, None]) == Sampled(
        1e9, 18, 8, 12.5, 9, 2, 0.25, 1 << 20, 1.5, 33,
        [PoolSample(0, 7, 8, 6, 1, 2, 3, 4, 5, 9, 1 << 30), PoolSample(1, 11, 0, 0, 0, 0, 0, 0, 0, 0, None)],
    )  # fmt: skip


def test_what_the_agents_of_each_pool_hold_is_what_those_that_live_have_told() -> None:
    sizes = {"main": 6, "io": 2, "idle": 1}
    fleet = Fleet([PoolSpec(PoolSettings(name=name, size=size)) for name, size in sizes.items()])
    try:
        main, io, _ = fleet.core.pools
        for at, state in enumerate((STARTING, IDLE, BUSY, DRAINING, DEAD, ABSENT)):
            fleet.board.set(main.rows.start + at, STATE, state)
            fleet.board.set(main.rows.start + at, MEMORY, packed((1 << at) * MIB, 900 * MIB))
        fleet.board.set(io.rows.start, STATE, IDLE)
        fleet.board.set(io.rows.start, MEMORY, packed(0, 900 * MIB))  # as a host writes it when one is started
        fleet.board.set(io.rows.start + io.extent, MEMORY, packed(64 * MIB, 0))  # a row that is kept for later
        sampler = Sampler(fleet)
        sampler.frame(None)
        assert sampler.memory() == [15 * MIB, None, None]
    finally:
        fleet.close()
