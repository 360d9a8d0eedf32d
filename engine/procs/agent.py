"""An agent: the life of its process, from the fork to the end of its host."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import signal
import socket
import sys
import time
import traceback
from array import array
from collections.abc import Callable
from typing import Any, Final

from engine.procs import command, mail, system
from engine.procs.failures import failure
from engine.procs.outlet import BELL, Outlet
from engine.procs.scoreboard import BATCH, BUSY, CELLS, GENERATION, HELD, OFFSET, PONG, START, STATE, Scoreboard
from engine.procs.tasks import Function, Tasks
from engine.procs.weight import Report
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

__all__ = ["APPLY", "BELL", "COMMAND", "NOT_UP", "UP", "Agent", "main", "reseed", "resolve"]

UP: Final = 0x01
"""First byte of a message to the host: ready for work."""
NOT_UP: Final = 0x03
"""Could not start; the text follows."""

COMMAND: Final = "!command"
"""Reference of the function that runs an argv; its body is the template as a msgpack list of text."""

APPLY: Final = "!apply"
"""Reference of the function whose first argument is the callable: for callables that are not worth a definition of
their own.
"""

_IDLE, _BUSY = 2, 3
_SIGINT: Final = int(signal.SIGINT)
_DONTWAIT: Final = int(socket.MSG_DONTWAIT)

_clock = time.monotonic_ns


def resolve(reference: str) -> Any:
    """What ``module:qualname`` names. Raises ImportError or AttributeError."""
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _apply(call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return call(*args, **kwargs)


class Agent:
    """The agent of this process."""

    def __init__(self, board: Scoreboard, row: int, sock: socket.socket) -> None:
        self._board = board
        self._row = row
        self._cells = board.cells
        self._base = row * CELLS
        self._outlet = Outlet(board, row, sock)
        self._tasks = Tasks(board, row, self._outlet)
        self._receiver = channel.Receiver(sock, channel.buffer(frames.RECEIVE))
        self._defined: dict[int, frames.Define] = {}
        self._functions: dict[int, Function] = {}
        self._timeout = 0.0
        self._report = Report(board, row)
        self._untold = 0
        """When the last batch ended, if the host was not told by the bell because another may be there already."""
        for cell in (HELD, PONG):  # the row may have had another agent before
            board.set(row, cell, 0)

    def serve(self) -> None:
        """Work until the host says that it is enough. Raises `channel.Closed` once the host is gone."""
        self._tasks.listen()
        while True:
            received = self._receive(_DONTWAIT) if self._untold else None
            if received is None:
                if self._untold:
                    self._outlet.bell(self._untold)
                    self._untold = 0
                received = self._receive()
                if received is None:
                    continue
            message, parcels = received
            match frames.to_agent.decode(message):
                case frames.Define() as frame:
                    if parcels:  # a closure over something large
                        frame = frames.Define(frame.function, frame.reference, parcels[0].load())
                    self._defined[frame.function] = frame
                case frames.Work() as work:
                    self._run(work, parcels)
                    del work
                case frames.Direct():
                    self._outlet.open(parcels[0])
                case frames.Ping() as ping:
                    self._board.set(self._row, PONG, ping.number)
                case frames.Retire():
                    return
            del message, parcels, received

    def _receive(self, flags: int = 0) -> tuple[memoryview, list[Parcel]] | None:
        """What the host, or the engine, says next; None if that is nothing for now, or came to nothing."""
        try:
            return self._receiver.receive(flags)
        except channel.Starved as starved:  # tasks have used up all that this process may open
            if isinstance(frames.to_agent.decode(starved.message), frames.Direct):
                return None  # the engine hears that it can't be told anything, and ends the loan
            raise

    def _function(self, number: int) -> Function:
        known = self._functions.get(number)
        if known is None:
            defined = self._defined[number]
            call: Callable[..., Any]
            if defined.reference == COMMAND:
                call = self._command(values.read(defined.body))
            elif defined.reference == APPLY:
                call = _apply
            elif defined.reference:
                call = resolve(defined.reference)
            else:
                call = pickle.loads(defined.body)
            known = self._functions[number] = Function(call, interruptible=defined.reference != COMMAND)
        return known

    def _command(self, template: list[str]) -> Callable[[str, int], dict[str, Any]]:
        def run(item: str, number: int) -> dict[str, Any]:
            return command.run(command.fill(template, item, number), self._timeout, self._board, self._row)

        return run

    def _run(self, work: frames.Work, parcels: list[Parcel]) -> None:
        cells, base = self._cells, self._base
        self._timeout = work.timeout
        begun = _clock()
        if work.direct:
            self._outlet.direct()
        cells[base + START] = begun
        cells[base + BATCH] = work.batch
        cells[base + OFFSET] = 1
        cells[base + STATE] = _BUSY
        try:
            function = self._function(work.function)
            items, wrapped = values.open_arguments(work.column, parcels)
        except BaseException as error:
            self._fail_all(work, error)
        else:
            self._tasks.run(work, function, items, parcels, wrapped)
            mail.task_over()
        cells[base + OFFSET] = 0
        cells[base + BATCH] = 0
        now = _clock()
        cells[base + BUSY] += now - begun
        cells[base + STATE] = _IDLE
        if work.direct and self._outlet.told:
            self._untold = 0
        elif work.prefetch > 1 and not self._outlet.silent(now):
            self._untold = now
        else:
            self._outlet.bell(now)
            self._untold = 0
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # closed or replaced by the task: its own affair
                pass
        self._report.look(now)

    def _fail_all(self, work: frames.Work, error: BaseException) -> None:
        """The batch can't be run at all: its function, or its column, can't be read here."""
        for offset in range(work.count):
            failed = [failure(offset, "arguments", error)]
            now = _clock()
            self._outlet.emit(work.batch, offset, [None], array("Q", [now]), failed, now)


def reseed() -> None:
    """Give this process random numbers of its own: forks share the generators' state."""
    found = sys.modules.get("random")
    if found is not None:
        found.seed()
    found = sys.modules.get("numpy.random")
    if found is not None:
        found.seed()


def main(
    board: Scoreboard,
    row: int,
    sock: socket.socket,
    host: int,
    outputs: tuple[int, int],
    late: list[str],
    initializer: bytes,
) -> None:
    """Be an agent; called in the forked process, and never returns.

    Args:
        board: the scoreboard, mapped before the fork.
        row: its row.
        sock: its end of the channel to the host, blocking.
        host: pid of the host.
        outputs: descriptors that take what the process writes to stdout and stderr.
        late: modules to import first.
        initializer: what to call first: a pickled ``(function, args)``, or ``!module:function``; b"" for nothing.
    """
    code = 1
    try:
        system.die_with_parent(host)
        system.set_name("shoal-agent")
        os.setpgid(0, 0)  # whatever a task leaves behind is in this group, and ends with it
        system.handle(_SIGINT, None)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        fd = sock.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 1 << 20)
        gc.enable()
        reseed()
        board.set(row, START, _clock())  # so the host knows that what takes time from here on is not ours
        try:
            for name in late:
                importlib.import_module(name)
            if initializer[:1] == b"!":
                resolve(initializer[1:].decode())()
            elif initializer:
                call, args = pickle.loads(initializer)
                call(*args)
        except BaseException as error:
            told = failure(0, "start", error)
            text = f"{told.type}: {told.message}"
            channel.send(sock, (bytes((NOT_UP,)), text.encode()[:4096]))
        else:
            mail.attach(sock, row, board.get(row, GENERATION))
            board.set(row, STATE, _IDLE)
            channel.send(sock, (bytes((UP,)),))
            Agent(board, row, sock).serve()
            code = 0
    except channel.Closed:
        code = 0  # the host has ended: nobody is left to work for
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
