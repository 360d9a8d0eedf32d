"""A shard host: forks its agents, holds their queue, passes their outcomes on, and watches them die.

Single-threaded. It owns no task: what it holds are frames in transit. It may wait for the engine to take an outcome,
because the engine never waits for it; it never waits for an agent.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import time
from collections import deque
from typing import Final

import msgspec

from engine.procs import agent as agents
from engine.procs import mail, orphans, system
from engine.procs.bundle import Bundle
from engine.procs.loans import Loans
from engine.procs.outlet import GIVEN, REST
from engine.procs.output import LINES_A_FRAME, Outputs
from engine.procs.poll import Poll
from engine.procs.queue import ShardQueue
from engine.procs.relay import Relay
from engine.procs.ring import RingBroken
from engine.procs.scoreboard import CELLS, HEAD, START, STATE, Scoreboard
from engine.procs.slots import Held, Slot, calm, held, what_is_wrong
from engine.procs.spawn import Spawner
from engine.procs.watch import Watch
from engine.wire import channel, frames
from engine.wire.memory import Parcel

_DEAD = 5
_TICK: Final = 0.025
"""Seconds between looks at the rings of busy agents."""
_SPAWN_SLICE: Final = 16
"""Forks between two looks at everything else."""
_CALM_TICK: Final = 0.25
"""Seconds between looks at agents that are starting, or calm: with a hundred that do something for seconds each, looks
would take more time than all else."""
_TOGETHER: Final = 0.02
"""Seconds that an agent's being up may be kept back, to be told together with others that are starting."""
_ENOUGH: Final = 12
"""Agents that are told of at once in any case."""
_LEAVE_GRACE: Final = 5.0
"""Seconds that an agent which was asked to end may take for it."""
_AGAIN: Final = 0.005
_STOP_GRACE: Final = 0.5


class Host:
    """One shard's host. `run` returns when the engine has gone or said so."""

    def __init__(self, sock: socket.socket, config: frames.HostConfig, board: Scoreboard, board_fd: int = -1) -> None:
        self._config = config
        self._board = board
        self._sock = sock
        sock.setblocking(False)
        self._buffer = channel.buffer(frames.RECEIVE)
        self._receiver = channel.Receiver(sock, self._buffer)
        self._engine = os.pidfd_open(config.engine)
        self._outputs = Outputs()
        self._slots: dict[int, Slot] = {}
        self._by_pid: dict[int, Slot] = {}
        care = config.care
        self._most = min(filter(None, (care.max_bytes, care.memory_limit)), default=0)
        worn = self._worn if care.max_tasks or self._most else None
        self._queue = ShardQueue(board, self._crowded, worn)
        self._commands: set[int] = set()
        """Functions that keep to their timeout by themselves."""
        self._to_spawn: deque[tuple[int, int]] = deque()
        self._starting = 0
        self._spawner = Spawner(config, board, board_fd, self._outputs.writing, self._buffer)
        self._watchdog = Watch(board, care, self._commands, self._kill)
        self._came_up: list[tuple[int, int, int]] = []
        self._up_times: list[tuple[int, int]] = []
        self._first_up = 0.0
        self._bundle = Bundle(self._send, care.bundle)
        self._loans = Loans(board, self._slots, self._queue, self._send)
        self._over = False
        self._brisk = True
        """Whether any agent was to be looked at often when all were looked at last."""
        self._looked_at_all = 0.0
        self._poll = Poll()
        self._relay = Relay(self._poll, self._buffer, self._pass_on)
        self._pid = os.getpid()

    # -- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the engine ends or stops this host; then end every agent."""
        self._poll.watch(self._sock.fileno(), self._from_engine)
        self._poll.watch(self._engine, self._engine_gone)
        for fd in self._outputs.fds:
            self._poll.watch(fd, lambda fd=fd: self._outputs.read(fd, int(time.monotonic())))  # type: ignore[misc]
        looked = 0.0
        try:
            while not self._over:
                busy = self._queue.idle + self._loans.out + self._starting < len(self._slots)
                pause = _TICK if self._brisk or self._queue.brisk else _CALM_TICK
                wait = 0.0 if self._to_spawn else pause if busy else _CALM_TICK if self._starting else None
                if self._came_up:
                    wait = min(_TOGETHER, wait or 0.0)
                elif wait is None and self._slots:
                    wait = self._config.care.stuck
                self._poll.wait(wait)
                if self._to_spawn:
                    self._spawn_some()
                now = time.monotonic()
                if now - looked >= (_TICK if self._brisk or self._queue.brisk else _CALM_TICK):
                    looked = now
                    self._tick(now)
                self._queue.dispatch()
                while self._queue.leaving:
                    self._retire(self._queue.leaving.pop(), "recycled")
                if self._loans.wanted:
                    self._loans.lend(self._config.care)
                self._report()
        except channel.Closed:
            pass
        finally:
            self._end()

    def _engine_gone(self) -> None:
        self._over = True

    def _crowded(self, slot: Slot) -> None:
        self._poll.crowded(slot.outbox)

    # -- the engine ----------------------------------------------------------------------------------------------------

    def _from_engine(self) -> None:
        for _ in range(64):
            received = self._receiver.receive()
            if received is None:
                return
            view, parcels = received
            frame = frames.to_host.decode(view)
            match frame:
                case frames.Delivered() | frames.MailTaken() | frames.MailPools() | frames.Answered():
                    self._relay.deliver(self._slots.get(frame.row), frame, bytes(view), parcels)
                case frames.Work():
                    self._queue.add(Held(frame, bytes(view), parcels))
                case frames.Lend():
                    self._loans.wanted = True
                case frames.HandBack():
                    if (slot := self._loans.back(frame)) is not None:
                        self._from_agent(slot)
                case frames.Over():
                    if (slot := self._loans.over(frame)) is not None:
                        self._finished(slot)
                case frames.Define():
                    self._queue.define(frame.function, bytes(view), parcels)
                    if frame.reference == agents.COMMAND:
                        self._commands.add(frame.function)
                case frames.Spawn():
                    self._to_spawn.extend(frame.rows)
                case frames.Kill():
                    for row, generation in frame.rows:
                        slot = self._slots.get(row)
                        if slot is not None and slot.generation == generation:
                            self._kill(slot, frame.why)
                case frames.Leave():
                    leaver = self._slots.get(frame.row)
                    if leaver is not None and leaver.generation == frame.generation:
                        self._part(leaver, frame.why)
                case frames.Mind():
                    self._mind(frame.care)
                case frames.StandAside():
                    waiting = self._slots.get(frame.row)
                    if waiting is not None and waiting.generation == frame.generation:
                        self._queue.stand_aside(waiting)
                case frames.RetireIdle():
                    for _ in range(frame.count):
                        idle = self._queue.longest_idle()
                        if idle is None:
                            break
                        self._retire(idle, "retired")
                case frames.StopTask():
                    dropped = self._queue.stop(frame.batch, frame.offset)
                    if dropped is not None:
                        self._send(frames.encode(frames.Returned([(dropped, 0, 0)])))
                case frames.Recall():
                    back = self._queue.recall(frozenset(frame.rest))
                    self._send(frames.encode(frames.Returned([(batch, 0, 0) for batch in back])))
                case frames.Stop():
                    self._over = True
                    return

    def _send(self, data: bytes, parcels: list[Parcel] | None = None) -> None:
        """To the engine, in order, waiting for room if need be. Raises `channel.Closed` once the engine is gone."""
        fds = [parcel.fd for parcel in parcels or ()]
        while not channel.send(self._sock, (data,), fds):
            poller = select.poll()
            poller.register(self._sock, select.POLLOUT)
            poller.register(self._engine, select.POLLIN)
            ready = [fd for fd, _ in poller.poll()]
            if self._engine in ready:
                raise channel.Closed
            if fds:  # it may not be the socket that is full, but the number of descriptors under way
                time.sleep(_AGAIN)

    def _pass_on(self, data: bytes, parcels: list[Parcel]) -> None:
        """A message of an agent, after the outcomes that went before it: what it causes must not come before them."""
        self._bundle.flush()
        self._tell_up()  # whoever speaks is up
        self._send(data, parcels)

    def _tell_up(self) -> None:
        if self._came_up:
            self._send(frames.encode(frames.AgentsUp(self._came_up, self._up_times)))
            self._came_up, self._up_times = [], []

    def _report(self) -> None:
        self._bundle.flush()
        if not self._starting or len(self._came_up) >= _ENOUGH or time.monotonic() - self._first_up > _TOGETHER:
            self._tell_up()
        outputs = self._outputs
        while outputs.lines or outputs.dropped:
            lines = [(self._row_of(pid), pid, stream, line) for pid, stream, line in outputs.lines[:LINES_A_FRAME]]
            del outputs.lines[:LINES_A_FRAME]
            self._send(frames.encode(frames.Output(lines, outputs.dropped)))
            outputs.dropped = 0

    def _row_of(self, pid: int) -> int:
        """The row of the agent that a process is, or descends from; -1 if it can't be told."""
        for _ in range(8):
            slot = self._by_pid.get(pid)
            if slot is not None:
                return slot.row
            fields = system.status(pid)
            if not fields:
                return -1
            pid = int(fields[1])
        return -1

    # -- agents: birth -------------------------------------------------------------------------------------------------

    def _spawn_some(self) -> None:
        wanted = [self._to_spawn.popleft() for _ in range(min(_SPAWN_SLICE, len(self._to_spawn)))]
        for row, generation, slot in self._spawner.start(wanted):
            if isinstance(slot, OSError):
                text = f"can't fork: {slot.strerror or slot}"
                self._send(frames.encode(frames.SpawnFailed(row, generation, text)))
            else:
                self._starting += 1
                self._slots[row] = self._by_pid[slot.pid] = slot
                self._poll.watch(slot.sock.fileno(), lambda slot=slot: self._from_agent(slot))  # type: ignore[misc]
                self._poll.watch(slot.pidfd, lambda slot=slot: self._died(slot))  # type: ignore[misc]

    # -- agents: life --------------------------------------------------------------------------------------------------

    def _from_agent(self, slot: Slot) -> None:
        """Take what an agent has said, by its channel and by its ring, in the order in which it said it.

        The ring only up to where it stood before the channel was read: what went through the channel before that is
        then among what is read, and says itself where in the ring it belongs.
        """
        head = self._board.get(slot.row, HEAD)
        try:
            self._hear(slot)
        except (ValueError, IndexError, struct.error) as error:  # user code has written to a descriptor that it found
            slot.told = f"its channel holds what no agent writes: {error}"
            self._kill(slot, "")
        except channel.Closed:  # or has shut it down: we hold its other end as well, so it can't have been closed
            slot.told = "it has shut down its channel"
            self._kill(slot, "")
        self._drain(slot, head)

    def _hear(self, slot: Slot) -> None:
        while (received := slot.receiver.receive()) is not None:
            view, parcels = received
            kind = view[0]
            if kind == agents.BELL:
                pass  # it only wakes us
            elif kind == frames.RECORD:
                record = bytes(view[9:])
                self._drain(slot, int.from_bytes(view[1:9], "little"))
                if wrong := what_is_wrong(slot, record):
                    raise ValueError(wrong)
                self._bundle.flush()
                self._bundle.alone(slot.row, record, parcels)
                self._seen(slot, record)
            elif kind in (agents.UP, agents.NOT_UP) and slot.up:
                raise ValueError("it says anew how its start went")
            elif kind == agents.UP:
                if not slot.doomed:
                    slot.up = True
                    self._starting -= 1
                    self._queue.ready(slot)
                    if not self._came_up:
                        self._first_up = time.monotonic()
                    self._came_up.append((slot.row, slot.generation, slot.pid))
                    self._up_times.append((self._board.get(slot.row, START), time.monotonic_ns()))
            elif kind == REST:
                _, batch, offset, nanoseconds = GIVEN.unpack(view)
                if self._queue.given_back(slot, batch, offset):
                    self._send(frames.encode(frames.Returned([(batch, offset, nanoseconds)])))
            elif kind == mail.OPEN and parcels:
                self._relay.open(slot, parcels[0])
            elif kind == agents.NOT_UP:
                slot.why, slot.told = "start", bytes(view[1:]).decode("utf-8", "replace")

    def _drain(self, slot: Slot, upto: int | None = None) -> None:
        """Collect what an agent's ring holds. Of one on loan it is looked at when that is over."""
        if slot.lent:
            return
        reader = slot.reader
        try:
            while (found := reader.peek(upto)) is not None:
                record, tail = found
                if wrong := what_is_wrong(slot, record):
                    raise RingBroken(wrong)
                reader.tail = tail
                self._bundle.add(slot.row, record, reader, tail)
                self._seen(slot, record)
        except (RingBroken, struct.error) as error:
            slot.told = f"its outcome ring holds what no agent writes: {error}"
            self._bundle.flush()
            reader.reset()
            self._kill(slot, "")

    def _seen(self, slot: Slot, record: bytes) -> None:
        """Note a record; after a batch's last the agent has room for another."""
        batch, first, count, _ = frames.HEAD.unpack_from(record)
        current = slot.current
        if current is not None and current.id == batch and first + count >= current.size:
            if slot.doomed:
                slot.current = slot.ahead.popleft() if slot.ahead else None
            else:
                self._finished(slot)

    def _finished(self, slot: Slot) -> None:
        """An agent's batch is over."""
        self._queue.finished(slot)
        if slot.current is None and (slot.parting or self._worn(slot, 1)):
            self._retire(slot, slot.parting or "recycled")

    def _tick(self, now: float) -> None:
        everybody = now - self._looked_at_all >= _CALM_TICK
        if everybody:
            self._looked_at_all = now
        limited = bool(self._config.care.memory_limit)
        self._brisk = self._queue.brisk = False
        for slot in list(self._slots.values()):
            if slot.lent:
                continue
            if slot.current is not None:
                if limited or not calm(slot):
                    self._brisk = True
                elif not everybody:
                    continue
            if slot.reader.pending():
                self._from_agent(slot)
            if slot.current is not None:
                self._watchdog.working(slot, now)
            elif slot.leaving:
                if now - slot.leaving > _LEAVE_GRACE:
                    self._kill(slot, slot.why)
            elif not slot.up and not slot.doomed:
                self._watchdog.starting(slot, now)
        self._watchdog.idle(self._queue.waiting(), now)
        orphans.reap(self._by_pid)

    def _worn(self, slot: Slot, tasks: int) -> bool:
        """Whether an agent is to be replaced rather than be given so many tasks more."""
        care = self._config.care
        if care.max_tasks and slot.taken and slot.taken + tasks > care.max_tasks:
            return True
        # What it holds between tasks, the next is not to be killed for.
        if not self._most or not slot.taken:
            return False
        return self._watchdog.scales.above(slot, self._most, time.monotonic(), surely=True) > 0

    def _part(self, slot: Slot, why: str) -> None:
        """Have an agent end once the task that it runs is over; at once if it runs none. One that starts is left
        alone."""
        if not slot.up or slot.doomed or slot.leaving or slot in self._queue.leaving:
            return
        if slot.current is None:
            self._retire(slot, why)
        else:
            slot.parting = why
            self._queue.part(slot)

    def _mind(self, care: frames.Care) -> None:
        """See to other limits; those that go with the queue stay as they were."""
        self._config = msgspec.structs.replace(self._config, care=care)
        self._brisk = True
        self._watchdog.care = care
        self._bundle.together = care.bundle

    def _retire(self, slot: Slot, why: str) -> None:
        """Have an agent that has nothing to do end by itself."""
        slot.why, slot.leaving = why, time.monotonic()
        self._queue.forget(slot)
        slot.outbox.put(frames.encode(frames.Retire()))

    # -- agents: death -------------------------------------------------------------------------------------------------

    def _kill(self, slot: Slot, why: str, text: str = "") -> None:
        if not slot.why:
            slot.why, slot.told = why, slot.told or text
        slot.doomed = True
        self._queue.forget(slot)
        signal.pidfd_send_signal(slot.pidfd, signal.SIGKILL)

    def _died(self, slot: Slot) -> None:
        """Drain, then blame: everything it had finished goes to the engine before the word of its death."""
        if slot.lent:
            self._loans.dead(slot)
        self._relay.take(slot)
        self._from_agent(slot)
        self._drain(slot)
        base = slot.row * CELLS
        cells = self._board.cells
        orphans.end_groups(self._board, slot)
        try:
            _, status, used = os.wait4(slot.pid, 0)
            peak = used.ru_maxrss << 10
        except ChildProcessError:  # somebody has reaped it
            status, peak = signal.SIGKILL, 0
        for fd in self._outputs.fds:
            self._outputs.read(fd, int(time.monotonic()))
        batches = held(slot, self._board)
        words = slot.told or self._outputs.last_words(slot.pid)
        self._forget(slot)
        cells[base + STATE] = 0 if slot.why == "retired" else _DEAD  # nobody misses it
        self._report()
        code = os.waitstatus_to_exitcode(status)
        down = frames.AgentDown(
            slot.row, slot.generation, slot.pid, code, slot.why, batches, words, peak, self._poll.woke
        )
        self._send(frames.encode(down))

    def _forget(self, slot: Slot) -> None:
        self._queue.forget(slot)
        if slot in self._queue.leaving:
            self._queue.leaving.remove(slot)
        self._starting -= not slot.up
        self._poll.unwatch(slot.sock.fileno())
        self._poll.unwatch(slot.pidfd)
        del self._slots[slot.row], self._by_pid[slot.pid]
        os.close(slot.pidfd)
        slot.sock.close()
        slot.peer.close()
        self._relay.close(slot)

    def _end(self) -> None:
        """End every agent: the idle ones by closing their channel, whatever is left by force."""
        for slot in self._slots.values():
            slot.sock.shutdown(socket.SHUT_RDWR)  # a fork of the engine may have a copy of it, from a loan
            slot.sock.close()
            slot.peer.close()
            if slot.current is not None or not slot.up:
                signal.pidfd_send_signal(slot.pidfd, signal.SIGKILL)
        deadline = time.monotonic() + _STOP_GRACE
        for slot in self._slots.values():
            poller = select.poll()
            poller.register(slot.pidfd, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                signal.pidfd_send_signal(slot.pidfd, signal.SIGKILL)
                poller.poll()
            orphans.end_groups(self._board, slot)
            os.waitpid(slot.pid, 0)
            self._board.set(slot.row, STATE, 0)
        orphans.end(self._pid, time.monotonic() + _STOP_GRACE)
        try:
            self._outputs.finish()  # what they wrote last is told, too
            self._report()
        except channel.Closed:
            pass


def main(sock: socket.socket, config: frames.HostConfig, board: Scoreboard, board_fd: int) -> None:
    """Be a host, in a process that was forked for it: everything but the channel and the board is closed."""
    system.set_name("shoal-host")
    system.adopt_orphans()
    kept = sorted({sock.fileno()} if config.care.fresh is None else {sock.fileno(), board_fd})
    for low, high in zip([2, *kept], [*kept, 1 << 20], strict=True):
        os.closerange(low + 1, high)
    gc.disable()  # it makes no cycles, and its memory is what its agents share
    Host(sock, config, board, board_fd).run()
