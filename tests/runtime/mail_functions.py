"""Tasks that send each other messages."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
from remote_functions import wait_until

from engine.procs import mail
from shoal import NoAgent, SoftTimeout, address, receive, send

PATIENCE = 60.0


def where(_: Any = None) -> str:
    return address()


def post(to: str | int, values: list[Any], sure: bool) -> str:
    """Send values one after the other; who sent them."""
    for value in values:
        send(to, value, sure=sure)
    return address()


def post_when(path: str, to: str | int, values: list[Any], sure: bool) -> str:
    wait_until(path)
    return post(to, values, sure)


def post_in_time(to: str, value: Any, seconds: float) -> None:
    send(to, value, sure=True, timeout=seconds)


def collect(count: int) -> list[tuple[str, Any]]:
    return [tuple(receive(PATIENCE)) for _ in range(count)]


def collect_until_stop() -> list[Any]:
    found = [receive(PATIENCE).value]
    while found[-1] != "stop":
        found.append(receive(PATIENCE).value)
    return found


def to_itself_beyond(descriptors: int, value: Any) -> Any:
    """Send this agent a value, and receive it, by a channel beyond so many descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * descriptors), hard))
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(descriptors)]
    try:
        send(address(), value, sure=True)
        return receive(PATIENCE).value
    finally:
        for fd in kept:
            os.close(fd)


def nothing_comes(seconds: float) -> bool:
    try:
        receive(seconds)
    except TimeoutError:
        return True
    return False


def read_and_die_once(flag: str, first: int, then: int) -> list[Any]:
    """Receive some, and be killed before dealing with the last of them. The next one to run this receives others."""
    if not os.path.exists(flag):
        for _ in range(first):
            receive(PATIENCE)
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [receive(PATIENCE).value for _ in range(then)]


def log_until_stop(log: str) -> list[Any]:
    """As `collect_until_stop`; a line in a file for each."""
    found: list[Any] = []
    while not found or found[-1] != "stop":
        found.append(receive(PATIENCE).value)
        with open(log, "a") as lines:
            lines.write(f"{found[-1]}\n")
    return found


def read_slowly(log: str) -> list[Any]:
    """As `log_until_stop`; it deals with a 2 only once it may go on."""
    found: list[Any] = []
    while not found or found[-1] != "stop":
        found.append(receive(PATIENCE).value)
        with open(log, "a") as lines:
            lines.write(f"{found[-1]}\n")
        if found[-1] == 2:
            wait_until(f"{log}.go")
    return found


def post_and_wait(to: str, values: list[Any], path: str) -> None:
    post(to, values, True)
    wait_until(path)


def note_and_post(path: str, to: str, values: list[Any]) -> None:
    """Say who runs this, then send."""
    Path(path).write_text(str(os.getpid()))
    post(to, values, True)


def to_itself(value: Any, sure: bool) -> tuple[bool, Any]:
    send(address(), value, sure=sure)
    message = receive(PATIENCE)
    return message.sender == address(), message.value


def array_sums(count: int) -> list[float]:
    sums = []
    for _ in range(count):
        array = receive(PATIENCE).value
        array[0] += 1  # one's own: it can be written to
        sums.append(float(np.sum(array)))
    return sums


def from_a_fork() -> tuple[int, tuple[bool, Any]]:
    """The exit code of a child that found out that it is no agent, and that its parent still is one."""
    assert address()
    pid = os.fork()
    if pid == 0:
        try:
            send(0, "from a child")
        except NoAgent:
            os._exit(7)
        os._exit(8)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), to_itself("from its parent", True)


def post_large(to: str, count: int, size: int, sure: bool) -> None:
    for _ in range(count):
        send(to, bytes(size), sure=sure)


_lost: list[Any] = []


def post_each_by_a_channel_of_its_own(to: str, values: list[Any], sure: bool) -> str:
    """Send values, each as an agent that has lost its mailbox meanwhile."""
    for value in values:
        _lost.append(mail._mailbox)  # its end stays open
        mail._mailbox = None
        send(to, value, sure=sure)
    _lost.clear()
    return address()


def sizes(count: int) -> list[int]:
    """How long what is received is."""
    return [len(receive(PATIENCE).value) for _ in range(count)]


class Interrupted(Exception):
    pass


def _interrupt(number: int, frame: Any) -> None:
    raise Interrupted


def address_interrupted(gate: str, flag: str) -> str:
    """Use the mailbox for the first time while nobody answers, be interrupted in that, and use it again."""
    wait_until(gate)
    signal.signal(signal.SIGALRM, _interrupt)
    for _ in range(3):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            address()
        except Interrupted:
            continue
        return "was answered"
    Path(flag).touch()
    return address()


def _late_once(flag: str) -> str:
    if not os.path.exists(flag):
        Path(flag).touch()
        raise SoftTimeout
    return "read"


class LateOnce:
    """Whoever reads it runs into a soft timeout, the first time."""

    def __init__(self, flag: str) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Any, ...]:
        return _late_once, (self.flag,)


def post_late_once(to: str, flag: str) -> str:
    return post(to, [LateOnce(flag), 2], True)


def receive_twice() -> list[Any]:
    """What is received, the first time after a soft timeout."""
    try:
        receive(PATIENCE)
    except SoftTimeout:
        return collect(2)
    return []
