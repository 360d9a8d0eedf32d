"""The end of a process that was asked to end: what it said last is heard, however soon it is gone."""

from __future__ import annotations

import os
import socket

import pytest

from engine.runtime.fleet import deaths


@pytest.mark.parametrize("buried", [True, False])
def test_what_a_process_said_last_is_heard_though_it_is_gone_already(buried: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        for text in (b"one", b"two"):
            theirs.send(text)
        os._exit(0)
    theirs.close()
    if buried:
        os.waitpid(pid, 0)
    heard = []

    def hear() -> bool:
        heard.append(ours.recv(10))
        return heard[-1] != b""

    deaths.await_process(pid, ours, hear)
    ours.close()
    if not buried:
        os.waitpid(pid, 0)
    assert heard == [b"one", b"two", b""]


def test_a_silent_end_that_somebody_holds_open_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    theirs.send(b"last")
    heard = []

    def hear() -> bool:
        heard.append(ours.recv(10))
        return True

    deaths.await_process(pid, ours, hear)
    for end in (ours, theirs):
        end.close()
    assert heard == [b"last"]
