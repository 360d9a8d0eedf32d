"""An agent: receives batches, runs their tasks one after the other, and writes each outcome to its ring at once.

Only outcomes of tasks that are known to be trivial are grouped, for at most a millisecond: so a slow task holds back
none of its finished neighbours, and a killed agent's finished work is still there.
"""

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

import msgspec

from engine.procs import command, system
from engine.procs.ring import Writer
from engine.procs.scoreboard import BATCH, BUSY, CELLS, DONE, FAILED, MEMORY, OFFSET, START, STATE, Scoreboard
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

UP: Final = 0x01
"""First byte of a message to the host: ready for work."""
BELL: Final = 0x02
"""There are records in the ring."""
NOT_UP: Final = 0x03
"""Could not start; the text follows."""

COMMAND: Final = "!command"
"""Reference of the function that runs an argv; its body is the template as a msgpack list of text."""

APPLY: Final = "!apply"
"""Reference of the function whose first argument is the callable: for callables that are not worth a definition of
their own.
"""

_IDLE, _BUSY = 2, 3
_GROUP_NS: Final = 1_000_000
"""Outcomes of trivial tasks are written together once this has passed; a task is trivial below it."""
_GROUP_BYTES: Final = 48 << 10
_PROVEN: Final = 32
"""Tasks of a function that must all have been trivial before its outcomes are grouped."""
_SLOW_SHARE: Final = 0.05
"""Share of slow tasks up to which a function counts as trivial."""
_QUIET_NS: Final = 5_000_000
"""No second bell within this time: the host looks by itself soon enough."""
_AGAIN: Final = 0.005
"""Seconds until a message is tried again that the kernel had no memory or no room for descriptors for."""
# What a failed task may say: all of it, beside a group's other outcomes, must fit a frame.
_NAME_MAX: Final = 200
_TEXT_MAX: Final = 16 << 10
_DETAIL_MAX: Final = 24 << 10
_EXCEPTION_MAX: Final = 32 << 10

_clock = time.monotonic_ns
_Ext = values.Ext


class _Function:
    """A function that this agent was told of."""

    __slots__ = ("call", "seen", "slow")

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.seen = 0
        self.slow = 1.0
        """Smoothed share of its tasks that were not trivial. One in hundreds may have been interrupted, not slow."""


def resolve(reference: str) -> Any:
    """What ``module:qualname`` names. Raises ImportError or AttributeError."""
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _apply(call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return call(*args, **kwargs)


def _cut(text: str, limit: int) -> str:
    """Beginning and end of a text, about `limit` bytes of UTF-8 in all; surrogates are escaped."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    head, tail = data[: limit // 2].decode("utf-8", "ignore"), data[-limit // 2 :].decode("utf-8", "ignore")
    return f"{head}\n[... {len(data) - limit:,} bytes ...]\n{tail}"


def failure(offset: int, kind: str, error: BaseException) -> frames.Failure:
    """An exception as it travels. Never raises, whatever the exception's own methods do."""
    try:
        message = str(error)
    except BaseException:
        message = "<its __str__ raises>"
    try:
        told = "".join(traceback.format_exception(error))
    except BaseException:
        told = ""
    pickled: bytes = b""
    detail: dict[str, Any] = {}
    if isinstance(error, command.CommandFailed):
        kind, detail, told = error.kind, error.detail, error.detail.get("stderr", "")
    else:
        try:
            error.__traceback__ = None
            pickled = values.dumps(error)
        except BaseException:
            pickled = b""
    if len(pickled) > _EXCEPTION_MAX:
        pickled = b""
    detail = {key: _cut(value, _DETAIL_MAX) if isinstance(value, str) else value for key, value in detail.items()}
    name = _cut(type(error).__name__, _NAME_MAX)
    return frames.Failure(offset, kind, name, _cut(message, _TEXT_MAX), _cut(told, _TEXT_MAX), pickled, detail)


class Agent:
    """The agent of this process."""

    def __init__(self, board: Scoreboard, row: int, sock: socket.socket) -> None:
        self._board = board
        self._row = row
        self._cells = board.cells
        self._base = row * CELLS
        self._ring = Writer(board, row)
        self._sock = sock
        self._receiver = channel.Receiver(sock, channel.buffer(frames.RECEIVE))
        self._defined: dict[int, frames.Define] = {}
        self._functions: dict[int, _Function] = {}
        self._belled = 0
        self._reported = 0
        self._forked = False
        os.register_at_fork(after_in_child=self._mark_forked)

    def _mark_forked(self) -> None:
        self._forked = True

    def serve(self) -> None:
        """Work until the host is gone."""
        while True:
            received = self._receiver.receive()
            assert received is not None  # the end blocks
            message, parcels = received
            frame = frames.to_agent.decode(message)
            if isinstance(frame, frames.Define):
                if parcels:  # a closure over something large
                    frame = frames.Define(frame.function, frame.reference, parcels[0].load())
                self._defined[frame.function] = frame
            else:
                self._run(frame, parcels)
                del frame, parcels, received

    def _function(self, number: int) -> _Function:
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
            known = self._functions[number] = _Function(call)
        return known

    def _command(self, template: list[str]) -> Callable[[str, int, float], dict[str, Any]]:
        def run(item: str, number: int, timeout: float) -> dict[str, Any]:
            return command.run(command.fill(template, item, number), timeout, self._board, self._row)

        return run

    def _run(self, work: frames.Work, parcels: list[Parcel]) -> None:
        cells, base = self._cells, self._base
        begun = t = _clock()
        cells[base + START] = t
        cells[base + BATCH] = work.batch
        cells[base + OFFSET] = 1
        cells[base + STATE] = _BUSY
        try:
            function = self._function(work.function)
            items = values.open_column(work.column, parcels)
        except BaseException as error:
            self._fail_all(work, error)
        else:
            self._tasks(work, function, items, parcels)
        cells[base + OFFSET] = 0
        cells[base + BATCH] = 0
        now = _clock()
        cells[base + BUSY] += now - begun
        if now - self._reported > 1_000_000_000:
            self._report(now)
        cells[base + STATE] = _IDLE
        self._bell(now)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # closed or replaced by the task: its own affair
                pass

    def _tasks(self, work: frames.Work, function: _Function, items: list[Any], parcels: list[Parcel]) -> None:
        cells, base = self._cells, self._base
        offset_at, start_at = base + OFFSET, base + START
        call, star, plain = function.call, work.star, values.PLAIN
        if self._defined[work.function].reference == COMMAND:
            timeout = work.timeout
            call = lambda text, number: function.call(text, number, timeout)  # noqa: E731
        results: list[Any] = []
        errors: list[frames.Failure] = []
        times = array("Q")
        first = size = 0
        group_began = t = _clock()
        slow, grouping = 0, function.seen >= _PROVEN and function.slow < _SLOW_SHARE
        for offset, item in enumerate(items):
            items[offset] = None  # a large argument must not outlive its task
            cells[start_at] = t
            cells[offset_at] = offset + 1
            kind = "arguments"
            try:
                if type(item) is _Ext:
                    item = values.unwrap(item, parcels)
                kind = "exception"
                if star:
                    args, kwargs = item
                    value = call(*args, **kwargs)
                else:
                    value = call(item)
                kind = "result"
                if type(value) not in plain:
                    value = values.hold(value)
                    size += values.size(value) if type(value) is _Ext else _GROUP_BYTES + 1
                elif type(value) is str or type(value) is bytes:
                    size += 4 * len(value)
            except BaseException as error:
                errors.append(failure(offset, kind, error))
                results.append(None)
                size += len(errors[-1].traceback) + len(errors[-1].exception)
                del error
            else:
                results.append(value)
                del value
            del item
            if self._forked:  # a task's own fork has come back from it: it is no agent, and must not go on as one
                os._exit(0)
            now = _clock()
            took = now - t
            times.append(took)
            if took >= _GROUP_NS:
                slow += 1
            if not grouping or now - group_began > _GROUP_NS or size > _GROUP_BYTES:
                self._emit(work.batch, first, results, times, errors, now)
                first = offset + 1
                results, errors, times, size = [], [], array("Q"), 0
                group_began = now = _clock()
            t = now
        if results:
            self._emit(work.batch, first, results, times, errors, t)
        function.seen += len(items)
        function.slow = 0.5 * function.slow + 0.5 * slow / len(items)

    def _fail_all(self, work: frames.Work, error: BaseException) -> None:
        """The batch can't be run at all: its function, or its column, can't be read here."""
        for offset in range(work.count):
            failed = [failure(offset, "arguments", error)]
            self._emit(work.batch, offset, [None], array("Q", [0]), failed, _clock())

    def _emit(
        self,
        batch: int,
        first: int,
        results: list[Any],
        times: array[int],
        errors: list[frames.Failure],
        now: int,
    ) -> None:
        parcels: list[Parcel] = []
        column = values.write_column(results, parcels)
        if len(column) > frames.FRAME_MAX - (64 << 10):  # long strings may do that: a parcel is never too long
            parcels.append(values.parcel(column))
            column = values.encode(len(parcels) - 1)
        cells, base = self._cells, self._base
        count = len(results)
        head = frames.HEAD.pack(batch, first, count, now - sum(times))
        record = head + frames.encode(frames.Outcomes(msgspec.Raw(column), times.tobytes(), errors))
        if errors:
            cells[base + FAILED] += len(errors)
        cells[base + DONE] += count - len(errors)
        if parcels or not self._ring.write(record):
            # Through the channel, behind what the ring held at this moment; it blocks while the host has no room, as it
            # should.
            prefix = bytes((frames.RECORD,)) + self._ring.head.to_bytes(8, "little")
            while not channel.send(self._sock, (prefix, record), [parcel.fd for parcel in parcels]):
                time.sleep(_AGAIN)
        elif now - self._belled > _QUIET_NS:
            self._bell(now)

    def _bell(self, now: int) -> None:
        self._belled = now
        channel.send(self._sock, (bytes((BELL,)),))

    def _report(self, now: int) -> None:
        import resource  # built in; kept off the path of a first task

        self._reported = now
        self._cells[self._base + MEMORY] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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
        initializer: pickled ``(function, args)`` to call first, b"" for none.
    """
    code = 1
    try:
        system.die_with_parent(host)
        system.set_name("shoal-agent")
        os.setpgid(0, 0)  # whatever a task leaves behind is in this group, and ends with it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        fd = sock.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 1 << 20)
        gc.enable()
        reseed()
        try:
            for name in late:
                importlib.import_module(name)
            if initializer:
                call, args = pickle.loads(initializer)
                call(*args)
        except BaseException as error:
            told = failure(0, "start", error)
            text = f"{told.type}: {told.message}"
            channel.send(sock, (bytes((NOT_UP,)), text.encode()[:4096]))
        else:
            board.set(row, STATE, _IDLE)
            channel.send(sock, (bytes((UP,)),))
            Agent(board, row, sock).serve()
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
