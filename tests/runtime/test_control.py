"""The stream of a running engine, as readers of all sorts see it."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from processes import scaled, wait_for

from engine.store import queries
from engine.stream import places
from engine.stream.client import Client, StreamEnded, StreamError
from engine.stream.types import Event, Frame, Refused
from shoal import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(2, name="watched") as engine:
        engine.submit(abs, -1).result(20)
        yield engine


def path_of(engine: Engine) -> Path:
    return places.runtime_folder() / f"{engine.run_id}.sock"


def frames(client: Client, count: int) -> list[Frame]:
    found: list[Frame] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        message = client.receive(1.0)
        if isinstance(message, Frame):
            found.append(message)
    return found


def test_a_reader_is_greeted_and_shown_frames(engine: Engine) -> None:
    assert places.live_sockets() == [path_of(engine)]
    mode = stat.S_IMODE(path_of(engine).stat().st_mode)
    assert mode == 0o600
    client = Client(path_of(engine))
    try:
        assert (client.hello.run, client.hello.name, client.hello.pid) == (engine.run_id, "watched", os.getpid())
        sleeping = [engine.submit(time.sleep, 1.5) for _ in range(2)]
        wait_for(lambda: any(f.running == 2 for f in frames(client, 1)), what="both agents busy")
        shown = frames(client, 2)
        assert shown[-1].number > shown[0].number
        (pool,) = shown[-1].pools
        assert (pool.name, pool.size, pool.idle + pool.busy) == ("main", 2, 2)
        assert shown[-1].machine.cores >= 1
        for future in sleeping:
            future.result(20)
    finally:
        client.close()


def test_events_are_told_to_who_joins_late_too(engine: Engine) -> None:
    engine.submit(print, "hello").result(20)
    numbers: list[int] = []
    seen: list[str] = []
    client = Client(path_of(engine))
    try:
        deadline = time.monotonic() + 20
        while not any("hello" in text for text in seen) and time.monotonic() < deadline:
            message = client.receive(1.0)
            if isinstance(message, Event):
                numbers.append(message.number)
                seen.append(message.text)
    finally:
        client.close()
    assert any("image ready" in text for text in seen)
    assert any("hello" in text for text in seen)
    assert numbers == list(range(1, len(numbers) + 1))


def test_readers_that_stop_leave_or_send_garbage_do_not_slow_the_engine(engine: Engine) -> None:
    stopped = Client(path_of(engine))  # never reads again
    garbage = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    garbage.connect(str(path_of(engine)))
    gone = Client(path_of(engine))
    gone.close()
    try:
        for n in range(20):
            garbage.send(os.urandom(200) if n else b"\x92\xa7command\xa4\xff\xfe\xfd\xfc")  # text that is no UTF-8
        assert list(engine.map(abs, range(scaled(20_000)))) == list(range(scaled(20_000)))
        for n in range(scaled(1500)):  # more events than wait for a slow reader
            engine.submit(print, n)
        engine.submit(abs, 1).result(30)
        client = Client(path_of(engine))
        try:
            assert len(frames(client, 3)) == 3
        finally:
            client.close()
        garbage.settimeout(5)
        told = [garbage.recv(1 << 18) for _ in range(3)]
        assert told
    finally:
        garbage.close()
        stopped.close()


def test_garbage_is_refused_politely(engine: Engine) -> None:
    client = Client(path_of(engine))
    try:
        client._socket.send(b"\xc1garbage")
        wait_for(lambda: isinstance(client.receive(1.0), Refused), what="a refusal")
    finally:
        client.close()


def test_stop_ends_the_engine() -> None:
    engine = Engine(1)
    future = engine.submit(time.sleep, 60)
    wait_for(future.running)
    client = Client(path_of(engine))
    try:
        client.command("stop")
        with pytest.raises(Exception, match="stopped"):
            future.result(20)
        with pytest.raises(StreamEnded):
            frames(client, 10_000)
    finally:
        client.close()
    with pytest.raises(RuntimeError):
        engine.submit(abs, 1)
    engine.shutdown()


def test_the_socket_goes_with_the_engine() -> None:
    with Engine(1) as engine:
        engine.submit(abs, 1).result(20)
        path = path_of(engine)
        assert path.exists()
    assert not path.exists()
    with pytest.raises(StreamError, match="no engine answers"):
        Client(path)


def test_an_engine_that_is_not_attachable_opens_no_socket() -> None:
    with Engine(1, attachable=False) as engine:
        engine.submit(abs, 1).result(20)
        assert places.live_sockets() == []


def test_an_engine_records_when_asked(tmp_path: Path) -> None:
    with Engine(2, record=tmp_path / "runs.db", name="kept") as engine:
        assert list(engine.map(abs, range(scaled(1000)))) == list(range(scaled(1000)))
    with closing(queries.open_readonly(tmp_path / "runs.db")) as database:
        (run,) = queries.runs(database)
    assert (run.name, run.done, run.failed) == ("kept", scaled(1000), 0)
