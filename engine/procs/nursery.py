"""The nursery: a fresh, single-threaded process that has imported what a run needs, and forks hosts from that warm
image.

It supervises its hosts only so far as to tell the engine how they ended. Its death kills nobody; the engine's death
ends it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from typing import Final

import msgspec

from engine.procs import boot, host, orphans, system
from engine.procs.agent import resolve
from engine.procs.rehearsal import rehearse
from engine.procs.scoreboard import Scoreboard
from engine.wire import channel, frames
from engine.wire.memory import Parcel

_LEAVE: Final = 2.0
"""Seconds to go on looking for what a killed engine has left behind."""


class Nursery:
    """Answers the engine until it is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._receiver = channel.Receiver(sock, channel.buffer(frames.RECEIVE))
        self._hosts: dict[int, tuple[int, int]] = {}
        """(shard, pid) by pidfd."""
        self._board: Parcel | None = None
        self._socket = ""
        self._engine = -1
        self._engine_pid = 0

    def serve(self) -> None:
        """Until the engine closes the channel or ends."""
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                if fd == self._engine:
                    return
                if fd in self._hosts:
                    poller.unregister(fd)
                    self._exited(fd)
                    continue
                received = self._receiver.receive()
                assert received is not None
                view, parcels = received
                frame = frames.to_nursery.decode(view)
                if isinstance(frame, frames.Prepare):
                    self._answer(self._prepare(frame, parcels))
                    poller.register(self._engine, select.POLLIN)
                else:
                    pidfd = self._start(frame, parcels)
                    if pidfd is not None:
                        poller.register(pidfd, select.POLLIN)

    def leave(self) -> None:
        """The engine is gone: take away its socket, which it may not have been able to. If it was killed, nobody else
        will end what the children of dead hosts have left behind; and what its hosts are about to end goes as well.
        """
        mark = os.environ.get(orphans.MARK)
        if mark and system.is_exiting(self._engine_pid):
            orphans.end_marked(mark, time.monotonic() + _LEAVE)
        if self._socket:
            with contextlib.suppress(OSError):
                os.unlink(self._socket)
            with contextlib.suppress(OSError):  # another engine's is in there, or it is not ours to remove
                os.rmdir(os.path.dirname(self._socket))

    def _answer(self, frame: frames.FromNursery) -> None:
        channel.send(self._sock, (frames.encode(frame),))

    def _prepare(self, frame: frames.Prepare, parcels: list[Parcel]) -> frames.Prepared:
        begun = time.monotonic()
        if frame.version != frames.VERSION:
            return frames.Prepared("engine and nursery are of different versions: reinstall shoal", 0, 0.0)
        try:
            self._engine, self._engine_pid = os.pidfd_open(frame.engine), frame.engine
        except OSError:
            raise channel.Closed from None
        self._board, self._socket = parcels[0], frame.socket
        sys.path[:] = frame.path
        boot.steps_aside(frame.path)
        error = _load(frame)
        rehearse()
        with contextlib.suppress(Exception):  # replaced by user code
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        gc.collect()
        gc.freeze()
        gc.disable()
        return frames.Prepared(error, system.threads() - 1, time.monotonic() - begun)

    def _start(self, frame: frames.StartHost, parcels: list[Parcel]) -> int | None:
        assert self._board is not None
        end = socket.socket(fileno=os.dup(parcels[0].fd))
        config = frame.config
        if len(parcels) > 1:
            config = msgspec.structs.replace(config, initializer=parcels[1].load())
        try:
            board = Scoreboard(self._board.fd, config.rows, config.capacity)
            pid = os.fork()
            if pid == 0:
                _be_host(end, config, board, self._board.fd)
        except OSError as error:
            self._answer(frames.HostStarted(frame.shard, 0, f"can't fork a host: {error.strerror or error}"))
            return None
        finally:
            end.close()
        pidfd = os.pidfd_open(pid)
        self._hosts[pidfd] = (frame.shard, pid)
        self._answer(frames.HostStarted(frame.shard, pid, ""))
        return pidfd

    def _exited(self, pidfd: int) -> None:
        shard, pid = self._hosts.pop(pidfd)
        os.close(pidfd)
        try:
            _, status = os.waitpid(pid, 0)
            code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:  # somebody has reaped it
            code = -signal.SIGKILL
        self._answer(frames.HostExited(shard, pid, code))


def _be_host(sock: socket.socket, config: frames.HostConfig, board: Scoreboard, board_fd: int) -> None:
    """Be a host, and never return: what comes after the fork in this process is the nursery's."""
    code = 1
    try:
        host.main(sock, config, board, board_fd)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _load(frame: frames.Prepare) -> str:
    """Import, resolve and warm up what the run asked for; "" or what is wrong, in one line."""
    importlib.invalidate_caches()
    for name in frame.hints:
        with contextlib.suppress(
            BaseException
        ):  # then each agent will find out for itself, and say so where it matters
            importlib.import_module(name)
    for name in frame.preload:
        try:
            importlib.import_module(name)
        except BaseException as error:
            return f"can't import {name}: {_one_line(error)}"
    for reference in [*frame.check, *frame.warm]:
        module, _, name = reference.partition(":")
        try:
            importlib.import_module(module)
        except BaseException as error:
            return f"can't import {module}: {_one_line(error)}"
        try:
            found = resolve(reference)
        except AttributeError:
            return f"module {module} has no {name}{_nearest(module, name)}"
        if not callable(found):
            return f"{reference} is not callable: it is of type {type(found).__name__}"
    for reference in frame.warm:
        try:
            resolve(reference)()
        except BaseException as error:
            return f"the warm-up {reference} failed: {_one_line(error)}"
    return ""


def _nearest(module: str, name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, vars(sys.modules[module]), 1)
    return f": did you mean {close[0]}?" if close else ""


def main() -> None:
    """Be the nursery; the descriptor of its channel is the one argument."""
    sock = socket.socket(fileno=int(sys.argv[0]))
    sys.argv[:] = [""]  # what a task sees, as in an interpreter without a script
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a whole group at most: the engine decides what an interrupt means
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored by a caller, it would be for us: and exit codes be lost
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # a host has three descriptors an agent
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    system.set_name("shoal-nursery")
    faulthandler.enable()  # inherited: an agent that crashes says where, on its stderr
    nursery = Nursery(sock)
    try:
        nursery.serve()
    except channel.Closed:
        pass
    nursery.leave()
    os._exit(0)
