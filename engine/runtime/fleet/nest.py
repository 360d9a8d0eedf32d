"""Starting the nursery and talking to it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.procs import boot, orphans
from engine.runtime.fleet.launch import StartError, launch
from engine.runtime.fleet.loop import Loop
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel


@dataclass(slots=True)
class Image:
    """What a nursery imports before it forks, and agents after that. Pools with equal images share one nursery."""

    preload: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    """``module:function`` that must be there and callable."""
    warm: list[str] = field(default_factory=list)
    """``module:function`` to call once before any fork."""
    hints: list[str] = field(default_factory=list)
    """Modules to import if that works: it saves each agent the import."""
    late: list[str] = field(default_factory=list)
    """Modules to import in each agent, because importing them starts threads."""
    path: list[str] | None = None
    """Where modules are found; None: as in this process."""


class Nest:
    """The nursery process and the channel to it. Not started again by itself."""

    def __init__(
        self, loop: Loop, said: Callable[[frames.FromNursery], None], gone: Callable[[], None], mark: str = ""
    ) -> None:
        """`mark`: the fleet's, by which whatever comes of this nursery is found. Raises `StartError`."""
        self._loop = loop
        self._said = said
        self._gone = gone
        self.prepared = False
        """It has imported what it was to import."""
        try:
            self._log = os.memfd_create("shoal-nursery-log", os.MFD_CLOEXEC)
        except OSError as error:
            raise StartError(f"can't start a nursery: {error.strerror or error}") from error
        environment = boot.environment() | {orphans.MARK: mark}
        try:
            self._process, ours = launch("engine.procs.nursery", "FD", output=self._log, env=environment)
        except StartError:
            os.close(self._log)
            raise
        self._sock = ours
        self._receiver = channel.Receiver(ours, channel.buffer(frames.RECEIVE))
        self._outbox = channel.Outbox(ours)
        loop.watch(ours.fileno(), self._read)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once: that it has gone is told as of one that was killed by others."""
        self._process.kill()

    def prepare(self, image: Image, control: str, board: Parcel, board_bytes: int) -> None:
        """Have it import what the image says; `Prepared` is its answer."""
        frame = frames.Prepare(
            frames.VERSION, list(image.path if image.path is not None else sys.path), os.getpid(), control,
            image.preload, image.check, image.warm, image.hints, board_bytes,
        )  # fmt: skip
        self._outbox.put(frames.encode(frame), [board])

    def start_host(self, shard: int, config: frames.HostConfig) -> socket.socket:
        """Have it fork a host; returns our end of the channel to that host."""
        large = []
        if len(config.initializer) > values.LARGE:
            large.append(values.parcel(config.initializer))
            config = msgspec.structs.replace(config, initializer=b"")
        ours, theirs = channel.pair()  # last: nothing can fail any more that would leave it open
        self._outbox.put(frames.encode(frames.StartHost(shard, config)), [Parcel(theirs.detach()), *large])
        ours.setblocking(False)
        return ours

    def log(self) -> str:
        """The last lines that the nursery or a host wrote: why it crashed, most likely."""
        size = os.fstat(self._log).st_size
        return os.pread(self._log, 4096, max(0, size - 4096)).decode("utf-8", "replace").strip()

    def _read(self) -> None:
        try:
            while (received := self._receiver.receive()) is not None:
                frame = frames.from_nursery.decode(received[0])
                self.prepared = self.prepared or isinstance(frame, frames.Prepared)
                self._said(frame)
        except channel.Closed:
            self._loop.unwatch(self._sock.fileno())
            self._gone()

    def close(self) -> None:
        """End the nursery and wait for that. Hosts are not ended by it."""
        self._loop.unwatch(self._sock.fileno())
        with contextlib.suppress(OSError):  # it acts on the connection, even if a fork of the user's holds our end
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        if not self.prepared:  # it may be in the middle of an import that never ends
            self._process.kill()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1


@dataclass(slots=True)
class Wire:
    """The engine's side of one host."""

    shard: int
    pool: int
    sock: Any
    receiver: channel.Receiver
    outbox: channel.Outbox
    nest: Nest
    """The nursery that forked it, which alone can tell how it ended."""
    pid: int = 0
    closed: bool = False
    blameless: bool = False
    """It is replaced for no reason that lies in what ran there: this process has no descriptor left, or somebody has
    stopped it."""
    defined: set[int] = field(default_factory=set)
