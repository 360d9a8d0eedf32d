"""The hosts of a fleet: forked by the nursery of their pool's image, talked to, and buried."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from functools import partial
from typing import Any, Final, Protocol

from engine.core.pools import Shard
from engine.procs import orphans, scoreboard
from engine.procs.scoreboard import Scoreboard
from engine.runtime.fleet import deaths, groups, loans
from engine.runtime.fleet.keeper import Keeper
from engine.runtime.fleet.loop import Loop
from engine.runtime.fleet.nest import Image, Wire
from engine.runtime.fleet.specs import PoolSpec, care
from engine.runtime.fleet.stopped import PATIENCE, Stopped
from engine.settings.types import Settings
from engine.stream.types import UNREADABLE, Level
from engine.wire import channel, frames
from engine.wire.memory import Parcel, stow_some

_MANY: Final = 64
"""Messages of one host that are handled before others are heard."""
_LAST_LOOK: Final = 2.0
"""Seconds to go on looking for strays in the end."""
_SMALL: Final = 512
"""Bytes of a message after which another one seldom waits: where much is going on, records are bundled."""


class Hearer(loans.Hearer, Protocol):
    """Who hears what agents and their hosts say."""

    def host_said(self, frame: frames.FromHost, parcels: list[Parcel]) -> None:
        """A host says anything else."""

    def host_lost(self, shard_id: int, pid: int, text: str, blameless: bool = False) -> None:
        """A host is gone; `text` says how. All that it had said was told before. `blameless`: for no reason that lies
        in what ran there."""


class Owner(Protocol):
    """Whose hosts they are: the fleet."""

    def host_forked(self, shard_id: int) -> None:
        """A host is being forked: what is sent to it from now on will reach it."""

    def images_settled(self, seconds: float) -> None:
        """Every image is ready or has failed, the last one after `seconds`."""

    def image_failed(self, pools: list[int], why: str) -> None:
        """Pools will never have an agent."""

    def event(self, level: Level, kind: str, text: str, **data: Any) -> None:
        """Something worth an event happened."""


class Hosts:
    """All hosts of a fleet and their nurseries.

    Attributes:
        loans: the agents that they have lent.
    """

    def __init__(
        self, loop: Loop, board: Scoreboard, board_fd: Parcel, specs: list[PoolSpec], settings: Settings, owner: Owner,
        hearer: Hearer, control: str,
    ) -> None:  # fmt: skip
        """`control`: path of the engine's control socket, for a nursery to remove if the engine is killed."""
        self._loop = loop
        self._board = board
        self._board_fd = board_fd
        self._specs = specs
        self._settings = settings
        self._owner = owner
        self._hearer = hearer
        self._buffer = channel.buffer(frames.RECEIVE)
        self._wires: dict[int, Wire] = {}
        self.loans = loans.Loans(loop, hearer, self._put, self._buffer)
        self._early: dict[int, Shard] = {}
        """Those whose hosts can't be forked yet, by number."""
        self._settled = False
        self._mark = secrets.token_hex(8)
        self._stopped = Stopped()
        self._strays = False
        """A host was killed: what its agents' children have left behind is nobody's."""
        self._keepers: list[Keeper] = []
        self._keeper_of = [self._keeper(spec.image, control) for spec in specs]

    def _keeper(self, image: Image, control: str) -> Keeper:
        for keeper in self._keepers:
            if keeper.image == image:
                return keeper
        size = scoreboard.size(self._board.rows, self._board.capacity)
        keeper = Keeper(self._loop, image, "" if self._keepers else control, self._board_fd, size, self, self._mark)
        self._keepers.append(keeper)
        return keeper

    def image_of(self, pool: int) -> Image:
        """The image of a pool; what it is to import may be added until `start`."""
        return self._keeper_of[pool].image

    @property
    def wires(self) -> dict[int, Wire]:
        """The channels to the hosts that live, by shard; to be read only."""
        return self._wires

    # -- life ---------------------------------------------------------------------------------------------------------

    def hatch(self) -> None:
        """Start the nurseries' interpreters, which takes a while. Raises `StartError`."""
        for keeper in self._keepers:
            keeper.hatch()

    def start(self) -> None:
        """Have the nurseries import their images. Raises `StartError`."""
        for keeper in self._keepers:
            keeper.start()

    @property
    def due(self) -> float | None:
        """When `tick` is to be called, by the monotonic clock; None: it need not."""
        due = self._stopped.due if self._wires else None
        if self.loans.due is not None and (due is None or self.loans.due < due):
            due = self.loans.due
        for keeper in self._keepers:
            if keeper.due is not None and (due is None or keeper.due < due):
                due = keeper.due
        return due

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.loans.tick(now)
        for keeper in self._keepers:
            keeper.tick(now)
        self._replace_stopped(now)

    def _replace_stopped(self, now: float) -> None:
        """Whom somebody has stopped hears nothing, and nobody else sees to his agents, or forks."""
        hosts = {wire.pid: wire for wire in self._wires.values() if wire.pid}
        nurseries = {keeper.nest.pid: keeper.nest for keeper in self._keepers if keeper.nest is not None}
        for pid in self._stopped.look(now, [*hosts, *nurseries]):
            if pid in hosts:
                hosts[pid].blameless = True
                self._replace(hosts[pid], "host.stopped", f"a host was stopped for {PATIENCE:g} s, and is replaced")
            else:
                self._owner.event(
                    "error", "nursery.stopped", f"a nursery was stopped for {PATIENCE:g} s, and is replaced"
                )
                nurseries[pid].kill()

    def dismiss(self) -> None:
        """End the hosts and their agents, and hear what these wrote last."""
        self.loans.close()  # an agent's channel ends when all ends of it are closed
        for wire in self._wires.values():
            wire.outbox.put(frames.encode(frames.Stop()))
        for wire in self._wires.values():
            self._loop.unwatch(wire.sock.fileno())
            deaths.await_process(wire.pid, wire.sock, partial(self._hear_out, wire))
            wire.sock.close()
        self._wires.clear()

    def _hear_out(self, wire: Wire) -> bool:
        try:
            received = wire.receiver.receive()
        except channel.Closed:
            return False
        except ValueError:
            return True
        if received is not None and received[0][0] != frames.RECORD:
            with contextlib.suppress(*UNREADABLE):
                frame = frames.from_host.decode(received[0])
                if isinstance(frame, frames.Output):
                    self._hearer.host_said(frame, [])
        return True

    def close(self) -> None:
        """End the nurseries too, and what is nobody's by now."""
        self.dismiss()
        for keeper in self._keepers:
            keeper.close()
        if self._strays:
            self._strays = False
            orphans.end_marked(self._mark, time.monotonic() + _LAST_LOOK)

    def mind(self, settings: Settings) -> None:
        """Hosts, those there are and those to come, see to what other settings say."""
        self._settings = settings
        for wire in self._wires.values():
            self.put(wire.shard, frames.encode(frames.Mind(care(self._specs[wire.pool], settings))))

    # -- to them ------------------------------------------------------------------------------------------------------

    def start_host(self, shard: Shard) -> None:
        """Fork a host for a shard, now or as soon as its pool's image is ready."""
        if self._keeper_of[shard.pool].ready:
            self._fork(shard)
        else:
            self._early[shard.id] = shard

    def _fork(self, shard: Shard) -> None:
        spec, keeper = self._specs[shard.pool], self._keeper_of[shard.pool]
        nest = keeper.nest
        assert nest is not None
        config = frames.HostConfig(
            spec.settings.name, shard.rows[0], len(shard.rows), self._board.capacity, self._board.rows,
            deaths.own_pid(), keeper.image.late, spec.initializer, care(spec, self._settings),
        )  # fmt: skip
        try:
            sock = nest.start_host(shard.id, config)
        except OSError as error:  # no descriptor is left, most likely: it is tried again, later each time
            self._hearer.host_lost(shard.id, 0, f"can't be started: {error.strerror or error}")
            return
        wire = Wire(shard.id, shard.pool, sock, channel.Receiver(sock, self._buffer), channel.Outbox(sock), nest)
        self._wires[shard.id] = wire
        self._loop.watch(sock.fileno(), lambda: (self._hear(wire), None)[1])
        self._owner.host_forked(shard.id)

    def put(self, shard: int, data: bytes, parcels: list[Parcel] | None = None) -> None:
        """Send to a host, as soon as it has room. To one that has died it does nothing: its death is told to the
        owner. An agent that it has lent is its own again before that."""
        self.loans.before(shard)
        self._put(shard, data, parcels)

    def _put(self, shard: int, data: bytes, parcels: list[Parcel] | None = None) -> None:
        wire = self._wires.get(shard)
        if wire is None:
            return
        wire.outbox.put(data, parcels)
        if len(wire.outbox):
            self._loop.when_room(wire.sock.fileno(), lambda: self._flush(wire))

    def _flush(self, wire: Wire) -> None:
        if wire.outbox.flush():
            self._loop.when_room(wire.sock.fileno(), None)

    # -- from them ----------------------------------------------------------------------------------------------------

    def _hear(self, wire: Wire, limit: int = _MANY) -> bool:
        """Handle up to `limit` messages; False once the channel has ended."""
        for _ in range(limit):
            try:
                received = wire.receiver.receive()
            except channel.Closed:
                self._loop.unwatch(wire.sock.fileno())
                wire.closed = True
                if wire.nest is not self._keeper_at(wire).nest:  # nobody is left to say how it ended
                    self._lost(wire, "has ended")
                return False
            except channel.Starved as starved:
                if not self._spares(wire, starved.message):
                    return self._starve(wire)
                continue
            except ValueError as error:
                return self._distrust(wire, error)
            if received is None:
                return True
            view, parcels = received
            try:
                if view[0] == frames.RECORD:
                    for row, record in groups.split(view):
                        self._hearer.record(row, record, parcels)
                else:
                    frame = frames.from_host.decode(bytes(view))
                    if isinstance(frame, frames.Lent):
                        self.loans.lent(wire.shard, frame, parcels)
                        continue
                    stow_some(parcels)
                    self._hearer.host_said(frame, parcels)
            except (*UNREADABLE, ValueError, IndexError) as error:
                return self._distrust(wire, error)
            if len(view) < _SMALL and limit <= _MANY:  # nothing more is likely: asking costs as much as being told
                return True
        return True

    def _distrust(self, wire: Wire, error: BaseException) -> bool:
        """A host says what no host of ours says. Its death is the cure: what it had is run again by its successor."""
        return self._replace(wire, "host.garbage", f"a host sent what can't be read, and is replaced: {error}")

    def _spares(self, wire: Wire, message: memoryview) -> bool:
        """Whether what a message came without is not missed: it lends an agent, which goes back."""
        if message[0] == frames.RECORD:
            return False
        with contextlib.suppress(*UNREADABLE):
            frame = frames.from_host.decode(bytes(message))
            if isinstance(frame, frames.Lent):
                self.loans.lent(wire.shard, frame, [])
                return True
        return False

    def _starve(self, wire: Wire) -> bool:
        """The caller's program has opened so much that a large result is lost. Nobody can say it again."""
        text = "no descriptor is left for what a host sends (ulimit -n): it is replaced, and what it had runs again"
        wire.blameless = True
        return self._replace(wire, "host.descriptors", text)

    def _replace(self, wire: Wire, kind: str, text: str) -> bool:
        if self._wires.get(wire.shard) is wire:
            self._owner.event("error", kind, text)
            if wire.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(wire.pid, signal.SIGKILL)
        return False

    def _lost(self, wire: Wire, text: str) -> None:
        """A host is gone: hear what it had said, and tell the owner."""
        if self._wires.get(wire.shard) is not wire:
            return
        del self._wires[wire.shard]
        self._strays = True
        with contextlib.suppress(ValueError):  # half of a message, from user code that found the channel
            self._hear(wire, 1 << 30)
        self._loop.unwatch(wire.sock.fileno())
        wire.sock.close()
        self._hearer.host_lost(wire.shard, wire.pid, text, wire.blameless)

    # -- nurseries, as `keeper.Owner` ---------------------------------------------------------------------------------

    def image_ready(self, keeper: Keeper, seconds: float) -> None:
        """Fork the hosts that wait for it."""
        self._settle(seconds)
        for shard in list(self._early.values()):
            if self._keeper_of[shard.pool] is keeper:
                self._fork(self._early.pop(shard.id))

    def image_failed(self, keeper: Keeper, why: str) -> None:
        """Its pools can't run."""
        self._owner.image_failed([at for at, other in enumerate(self._keeper_of) if other is keeper], why)
        self._settle(0.0)

    def _settle(self, seconds: float) -> None:
        if not self._settled and all(keeper.settled for keeper in self._keepers):
            self._settled = True
            self._owner.images_settled(seconds)

    def host_said(self, keeper: Keeper, frame: frames.HostStarted | frames.HostExited) -> None:
        """A host was forked, or not, or has ended."""
        wire = self._wires.get(frame.shard)
        if wire is None or self._keeper_at(wire) is not keeper:
            return
        if isinstance(frame, frames.HostStarted):
            wire.pid = frame.pid
            if frame.error:
                self._lost(wire, frame.error)
        elif wire.pid == frame.pid:
            self._lost(wire, deaths.how(frame.status))

    def nursery_died(self, keeper: Keeper) -> None:
        """Of hosts that were being forked, or that have ended, nobody will tell any more."""
        for wire in [w for w in self._wires.values() if self._keeper_at(w) is keeper and (w.pid == 0 or w.closed)]:
            self._lost(wire, "has ended")

    def note(self, level: Level, kind: str, text: str) -> None:
        """Pass it on."""
        self._owner.event(level, kind, text)

    def _keeper_at(self, wire: Wire) -> Keeper:
        return self._keeper_of[wire.pool]
