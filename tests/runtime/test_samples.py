"""What of a frame is kept for good."""

from __future__ import annotations

from engine.runtime.samples import sampled
from engine.store.messages import PoolSample, Sampled
from engine.stream.types import Frame, MachineView, PoolView


def test_a_frame_as_a_sample() -> None:
    pools = (
        PoolView("local", 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        PoolView("wide", 4, 4, 0, 0, 0, 0, 0, 0, 11, 0, 0),
    )
    machine = MachineView(0.25, 2, 1 << 20, 1 << 30, 1.5, 33)
    frame = Frame(3, 1e9, 5.0, "running", 50, 99, 18, 8, 6, 3, 12.5, 4.0, 0.75, 9, 2, pools, machine)
    assert sampled(frame) == Sampled(
        1e9, 18, 8, 12.5, 9, 2, 0.25, 1 << 20, 1.5, 33,
        [PoolSample(0, 7, 8, 6, 1, 2, 3, 4, 5, 9), PoolSample(1, 11, 0, 0, 0, 0, 0, 0, 0, 0)],
    )  # fmt: skip
