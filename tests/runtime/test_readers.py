"""Readers that do their worst: the run neither slows down nor stops, and holds no more than a bound for any of them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest
from hubs import controlled, event, frame, heard, reader, step
from processes import enabled, scaled, wait_for

from engine.runtime.control import Control
from engine.runtime.control.listener import Peer, peer_of
from engine.stream import places
from engine.stream.client import Client, StreamError
from engine.stream.types import (
    Cells,
    Command,
    Event,
    Frame,
    Hello,
    QueuesNow,
    Refused,
    Reply,
    ShapesNow,
    Subscribe,
    encoder,
)
from shoal import Engine

_READER = """
import os, random, socket, sys, time
from engine.stream.client import Client, StreamError
from engine.stream.filters import parse
path, seed, kind, until = sys.argv[1], int(sys.argv[2]), sys.argv[3], time.monotonic() + float(sys.argv[4])
chance = random.Random(seed)
sessions = frames = pages = 0
try:
    while time.monotonic() < until:
        with_client = Client(path)
        sessions += 1
        if kind == "stopped":
            print("in", flush=True)
            while True:  # reads nothing more, until it is killed
                time.sleep(60)
        if kind == "garbage":
            for _ in range(50):
                try:
                    with_client._socket.setblocking(False)
                    with_client._socket.send(chance.randbytes(chance.randrange(1, 4000)))
                except BlockingIOError:  # it reads no answers, so it is not listened to any more
                    break
                time.sleep(0.002)
        else:
            with_client.subscribe(chance.sample(["frames", "events", "cells"], chance.randrange(1, 4)), 20)
            rows, total = with_client.agents(parse("state!=dead"), "done", limit=5)
            pages += total
            leave = time.monotonic() + chance.random() * 0.3
            while time.monotonic() < leave:
                frames += with_client.receive(0.1) is not None
        with_client.close()
    print("done", sessions, frames, pages)
except StreamError as error:
    print("lost", error)
"""


@pytest.fixture
def control() -> Iterator[Control]:
    with controlled() as found:
        yield found


# -- all at once, for real --------------------------------------------------------------------------------------------


def test_ten_readers_come_and_go_while_one_is_stopped_one_killed_and_one_sends_garbage() -> None:
    with Engine(2, name="stormed") as engine:
        engine.submit(abs, 1).result(20)
        path = str(places.runtime_folder() / f"{engine.run_id}.sock")

        def work() -> float:
            """Processor time that some work takes of this process, which is the engine's."""
            began, count = time.process_time(), scaled(5000)
            assert list(engine.map(abs, range(count))) == list(range(count))
            engine.submit(print, "x" * 200).result(20)  # events for them
            return time.process_time() - began

        before = [work() for _ in range(20)]
        kinds = ["good"] * 7 + ["garbage", "stopped", "killed"]
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", _READER, path, str(seed), "stopped" if kind == "killed" else kind, "3"],
                stdout=subprocess.PIPE, text=True,
            )
            for seed, kind in enumerate(kinds)
        ]  # fmt: skip
        try:
            *_, stopped, killed = readers
            for one in (stopped, killed):
                assert one.stdout is not None
                assert one.stdout.readline() == "in\n"
            stopped.send_signal(signal.SIGSTOP)
            killed.kill()
            during = [work() for _ in iter(lambda: any(one.poll() is None for one in readers[:-2]), False)]
            told = [one.communicate(timeout=20)[0].split() for one in readers[:-2]]
            for kind, (what, sessions, *counts) in zip(kinds, told, strict=False):
                assert what == "done", told
                assert int(sessions) >= 1
                assert kind == "garbage" or all(int(count) for count in counts)
            assert engine.submit(abs, -1).result(20) == 1
            # Of processor time, for how much of that is left beside ten processes is no question of ours. Without
            # pooling the work takes seconds, and the readers are served in all of them.
            assert not enabled("pooling") or median(during) < 2 * median(before)
        finally:
            for one in readers:
                one.kill()
                one.send_signal(signal.SIGCONT)
                one.communicate()
        control = engine._worker.run.control
        assert control is not None
        wait_for(lambda: not control.watched, what="all of them are forgotten")


@pytest.mark.needs("pooling")
def test_the_end_of_a_run_does_not_wait_for_readers_that_are_stopped() -> None:
    with Engine(1) as engine:
        engine.submit(abs, 1).result(20)
        stopped = [Client(places.runtime_folder() / f"{engine.run_id}.sock") for _ in range(20)]
        for n in range(scaled(2000)):
            engine.submit(print, n)
        engine.submit(abs, 1).result(60)
        control = engine._worker.run.control
        assert control is not None
        wait_for(lambda: any(one.behind for one in control._readers.values()), what="somebody is behind")
        began = time.monotonic()
        engine.shutdown()
        assert time.monotonic() - began < 10
        for client in stopped:
            client.close()


# -- strangers --------------------------------------------------------------------------------------------------------

_STRANGER = """
import os, socket, sys
folder = os.open(sys.argv[1], os.O_PATH)  # the way there is closed to others
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
from_here = f"/proc/self/fd/{folder}/{sys.argv[2]}"
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
    try:
        sock.connect(from_here)
    except PermissionError:
        print("shut out")
    else:
        print(sock.recv(65536), sock.recv(65536))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_somebody_else_is_refused_by_the_file_and_by_the_kernels_word() -> None:
    with Engine(1) as engine:
        engine.submit(abs, 1).result(20)
        path = places.runtime_folder() / f"{engine.run_id}.sock"

        def stranger() -> str:
            arguments = [sys.executable, "-S", "-c", _STRANGER, str(path.parent), path.name]
            return subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=True).stdout

        assert stranger() == "shut out\n"
        path.parent.chmod(0o711)
        path.chmod(0o666)  # somebody has opened the door: the credentials of who comes in are looked at, too
        told = stranger()
        assert "belongs to another user" in told
        assert told.endswith("b''\n"), "and hung up"
        client = Client(path)
        assert client.command("pause").ok
        assert client.command("resume").ok
        client.close()
        assert engine.submit(abs, -2).result(20) == 2


def test_who_is_trusted() -> None:
    assert Peer(1, os.getuid()).trusted
    assert Peer(1, 0).trusted
    assert not Peer(1, os.getuid() + 12345).trusted
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(ours), closing(theirs):
        assert peer_of(ours) == Peer(os.getpid(), os.getuid())
    comm = Path("/proc/self/comm").read_text().strip()
    assert Peer(os.getpid(), 0).text == f"root (pid {os.getpid()}, {comm})"
    assert Peer(2**22 + 1, 0).text == f"root (pid {2**22 + 1})"
    assert Peer(2**22 + 1, 3_999_999_999).text == f"uid 3999999999 (pid {2**22 + 1})"


def test_a_stranger_costs_no_descriptor(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "trusted", property(lambda self: False))
    for _ in range(3):
        with reader(control) as sock:
            assert heard(sock) == [Refused("this engine belongs to another user")]
    assert not control.watched


# -- what a reader wants ----------------------------------------------------------------------------------------------


def subscribe(control: Control, sock: socket.socket, topics: list[str], hz: float = 20.0) -> Reply:
    sock.send(encoder.encode(Subscribe(7, topics, hz)))
    step(control)
    (reply,) = [each for each in heard(sock) if isinstance(each, Reply)]
    return reply


def test_a_reader_is_told_of_what_it_wants(control: Control) -> None:
    with reader(control) as sock:
        control.event(event(1))
        control.show("frames", [frame(1)])
        control.show("cells", [Cells(0, b"\2\2")])
        control.sample(everybody=True)
        assert [type(each) for each in heard(sock)] == [Hello, Event, Frame], "as ever, to who says nothing"
        reply = subscribe(control, sock, ["cells"])
        assert (reply.ok, reply.data) == (True, {"topics": ["cells"], "hz": 10.0, "event": 1})
        assert control.wants("cells")
        assert not control.wants("frames")
        for number in (2, 3):
            control.event(event(number))
            control.show("frames", [frame(number)])
            control.show("cells", [Cells(0, b"\2\2")])
            control.sample(everybody=True)
        assert heard(sock) == [Cells(0, b"\2\2")], "states that are as they were are not said again"
        control.show("cells", [Cells(0, b"\2\2"), Cells(2, b"\3")])
        control.sample(everybody=True)
        assert heard(sock) == [Cells(2, b"\3")]
        assert subscribe(control, sock, []).ok
        assert control.wanted_rate == 0.0
        control.event(event(4))
        assert heard(sock) == []


def test_a_frame_comes_after_what_belongs_to_it(control: Control) -> None:
    with reader(control) as sock:
        subscribe(control, sock, ["frames", "cells", "queues", "shapes"])
        for number in range(1, 4):
            control.show("frames", [frame(number)])
            control.show("cells", [Cells(number, b"\2")])
            control.show("queues", [QueuesNow(float(number), (), ())])
            control.show("shapes", [ShapesNow(float(number), 60.0, ())])
            control.sample(everybody=True)
            *others, last = heard(sock)
            assert isinstance(last, Frame)
            assert last.number == number
            assert [type(each) for each in others] == [Cells, QueuesNow, ShapesNow]


@pytest.mark.parametrize(
    ("topics", "hz", "why"),
    [
        (["frames", "news"], 1.0, "no topic 'news'; known: frames,"),
        (["frames"], 0.0, "hz must be"),
        (["frames"], -1.0, "hz must be"),
        (["frames"], 1e9, "hz must be"),
        (["frames"], float("nan"), "hz must be"),
    ],
)
def test_a_subscription_that_cannot_be_changes_nothing(
    control: Control, topics: list[str], hz: float, why: str
) -> None:
    with reader(control) as sock:
        reply = subscribe(control, sock, topics, hz)
        assert not reply.ok
        assert reply.text.startswith(why)
        assert control.wants("events")


def test_each_reader_has_a_pace_of_its_own(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("engine.runtime.control.hub.time.monotonic", lambda: now)
    with reader(control) as fast, reader(control) as slow:
        subscribe(control, fast, ["frames"])
        assert subscribe(control, slow, ["frames"], 2.0).data["hz"] == 2.0
        assert control.wanted_rate == 10.0
        for number in range(1, 101):  # ten seconds
            now += 0.1
            control.show("frames", [frame(number)])
            control.sample()
        assert len(heard(fast)) == 100
        assert 19 <= len(heard(slow)) <= 21
    step(control)
    assert control.wanted_rate == 0.0


def test_a_topic_may_begin_with_how_things_are(control: Control) -> None:
    control.beginnings["alerts"] = lambda: [event(99)]
    with reader(control) as sock:
        sock.send(encoder.encode(Subscribe(1, ["alerts"])))
        step(control)
        told = heard(sock)
        assert event(99) in told
        control.tell("alerts", event(100))
        assert heard(sock) == [event(100)]


def test_garbage_is_refused_and_forgiven(control: Control) -> None:
    chance = random.Random(1)
    with reader(control) as sock:
        heard(sock)
        for data in (b"\xc1", b"\x93", encoder.encode(Command(1, "x"))[:-1], chance.randbytes(4000), b"x" * 60_000):
            sock.send(data)
            step(control)
            (told,) = heard(sock)
            assert isinstance(told, Refused)
            assert told.why.startswith("not a request: ")
        assert subscribe(control, sock, ["events"]).ok


# -- the client -------------------------------------------------------------------------------------------------------


def test_an_engine_of_another_version_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "old.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)):
            pid = os.fork()
            if pid == 0:
                sock, _ = listener.accept()
                sock.send(encoder.encode(("hello", 1, "r1", "n", 1, 0.0)))
                os._exit(0)
            with pytest.raises(StreamError, match=r"speaks stream version 1, this shoal 2: use the same version$"):
                Client(path)
            os.waitpid(pid, 0)
