"""What of a frame is kept for good."""

from __future__ import annotations

from collections.abc import Sequence

from engine.store.messages import PoolSample, Sampled
from engine.stream.types import Frame


def sampled(frame: Frame, memory: Sequence[int | None]) -> Sampled:
    """A frame as the recorder takes it. Pools are numbered as in the frame, which is how `PoolMade` tells of them.

    `memory`: bytes that the agents of each pool hold, None where that is not known.
    """
    machine = frame.machine
    pools = [
        PoolSample(
            number, pool.done, pool.failed, pool.queued, pool.starting, pool.idle, pool.busy, pool.draining,
            pool.dead, pool.restarts, held,
        )
        for number, (pool, held) in enumerate(zip(frame.pools, memory, strict=True))
    ]  # fmt: skip
    return Sampled(
        frame.at, frame.done, frame.failed, frame.rate, frame.restarts, frame.redelivered, machine.cpu,
        machine.memory_used, machine.load, machine.fds, pools,
    )  # fmt: skip
