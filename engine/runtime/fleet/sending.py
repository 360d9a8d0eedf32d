"""How a batch that the core wants sent gets under way: its arguments are encoded, and it goes to a shard's host, or to
an agent on loan."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from engine.core.actions import Send
from engine.core.core import Core
from engine.runtime.fleet.functions import Functions
from engine.runtime.fleet.hosts import Hosts
from engine.runtime.fleet.jobs import Job
from engine.wire import frames, values
from engine.wire.memory import Parcel

if TYPE_CHECKING:
    from engine.runtime.meters.meter import Meter


class Sending:
    """Carries out `Send`."""

    def __init__(self, core: Core, functions: Functions, hosts: Hosts, jobs: Mapping[int, Job]) -> None:
        """`jobs`: those that are not over, by their range."""
        self._core = core
        self._functions = functions
        self._hosts = hosts
        self._jobs = jobs

    def send(self, action: Send, meter: Meter | None) -> None:
        """Send a batch. To a host that has died in this very pass nothing goes: the core will hear of it, and send it
        again."""
        job, loans, shard = self._jobs[action.range], self._hosts.loans, action.shard
        wire = self._hosts.wires.get(shard)
        if wire is None:
            return
        alone = action.count == 1 and self._alone(action, job)
        loan = loans.take(shard) if alone else None
        parcels: list[Parcel] = []
        began = 0 if meter is None else time.monotonic_ns()
        column = job.source.column(action.first, action.count, parcels)
        column = values.fit(column, parcels, frames.FRAME_MAX - 1024)
        options = job.options
        work = frames.Work(
            action.batch, job.function, job.star, options.timeout or 0.0, action.prefetch, action.count,
            msgspec.Raw(column), options.soft_timeout or 0.0, loan is not None,
        )  # fmt: skip
        data = frames.encode(work)
        if loan is not None:
            if job.function not in loan.known:
                loan.known.add(job.function)
                loan.outbox.put(*self._functions.message(job.function))
            if not loan.give(action.batch, job.function, data, parcels):
                loans.end(shard)
                self.send(action, meter)
                return
        else:
            if job.function not in wire.defined:
                wire.defined.add(job.function)
                self._hosts.put(shard, *self._functions.message(job.function))
            self._hosts.put(shard, data, parcels)
            if alone:
                loans.alone(shard)
            else:
                loans.other(shard)
        if meter is not None:
            meter.sent(action, len(data), began, parcels)

    def _alone(self, action: Send, job: Job) -> bool:
        """Whether it is a task that nothing else is out with at its shard, and that needs nobody to look after it."""
        options = job.options
        return (
            not (options.timeout or options.soft_timeout)
            and self._core.shards[action.shard].batches == 1
            and job.function not in self._functions.commands
        )
