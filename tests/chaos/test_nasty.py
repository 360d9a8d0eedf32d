"""Tasks that misbehave cost their own agent, and neither its host nor its neighbours."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from processes import marked_processes, wait_for

from engine.chaos import nasty
from engine.runtime.executor import Engine
from engine.wire import frames
from shoal import TaskPoisoned


def _say(*words: bytes) -> None:
    """Send by every socket that this agent has, and wait to be ended for it."""
    for end in nasty.sockets():
        for word in words:
            end.send(word)
        end.detach()
    signal.pause()


def up_again(n: int) -> None:
    _say(b"\x01")


def not_up(n: int) -> None:
    _say(b"\x03it never started")


def nothing(n: int) -> None:
    _say(b"")


def short_record(n: int) -> None:
    _say(bytes([frames.RECORD]))


def broken_record(n: int) -> None:
    _say(bytes([frames.RECORD]) + bytes(8) + frames.HEAD.pack(1, 0, 1, 0) + b"\x07")


def shut(n: int) -> None:
    for end in nasty.sockets():
        end.shutdown(socket.SHUT_RDWR)
        end.detach()
    signal.pause()


def a_mail_channel_that_is_none(n: int) -> None:
    for end in nasty.sockets():
        with open(os.devnull) as file:
            socket.send_fds(end, [b"\x04"], [file.fileno()])
        end.detach()
    signal.pause()


@pytest.mark.parametrize(
    "say", [up_again, not_up, nothing, shut, short_record, broken_record, a_mail_channel_that_is_none]
)
def test_an_agent_that_talks_nonsense_dies_alone(say: object) -> None:
    heard: list[str] = []
    with Engine(
        2, shards=1, crash_limit=2, attachable=False, on_event=lambda event: heard.append(event.kind)
    ) as engine:
        bad = engine.submit(say, 1)  # type: ignore[arg-type]
        good = [engine.submit(nasty.steady, n) for n in range(100)]
        assert isinstance(bad.exception(60), TaskPoisoned)
        assert [future.result(60) for future in good] == [nasty.answer(n) for n in range(100)]
    assert not {"host.died", "host.garbage"} & set(heard)


def test_what_a_task_leaves_behind_ends_with_the_run_though_its_host_was_killed(tmp_path: Path) -> None:
    heard: list[str] = []
    with Engine(1, attachable=False, on_event=lambda event: heard.append(event.kind)) as engine:
        assert engine.submit(nasty.breed, 0).result(60) == nasty.answer(0)
        (host,) = [pid for pid, name in marked_processes().items() if name == "shoal-host"]
        left = {pid for pid, name in marked_processes().items() if name == "shoal-agent"}
        os.kill(host, signal.SIGKILL)
        wait_for(lambda: "host.died" in heard, what="the word of its death")
        assert left & set(marked_processes())
    assert not left & set(marked_processes())
