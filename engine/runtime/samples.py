"""What of a frame is kept for good."""

from __future__ import annotations

from engine.store.messages import PoolSample, Sampled
from engine.stream.types import Frame


def sampled(frame: Frame) -> Sampled:
    """A frame as the recorder takes it. Pools are numbered as in the frame, which is how `PoolMade` tells of them."""
    machine = frame.machine
    pools = [
        PoolSample(
            number, pool.done, pool.failed, pool.queued, pool.starting, pool.idle, pool.busy, pool.draining,
            pool.dead, pool.restarts,
        )
        for number, pool in enumerate(frame.pools)
    ]  # fmt: skip
    return Sampled(
        frame.at, frame.done, frame.failed, frame.rate, frame.restarts, frame.redelivered, machine.cpu,
        machine.memory_used, machine.load, machine.fds, pools,
    )  # fmt: skip
