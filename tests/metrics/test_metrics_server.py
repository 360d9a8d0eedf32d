"""The page over HTTP: where it listens, what it answers, and that nothing of it is left."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from metric_samples import full_snapshot
from processes import wait_for

from engine.metrics.observer import Observer
from engine.metrics.server import LOOPBACK, MetricsServer, MissingPackage, ServeError, _Handler


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    with MetricsServer(full_snapshot, 0) as serving:
        yield serving


def get(server: MetricsServer, path: str = "/metrics", **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()
    finally:
        connection.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers may take as long as the machine makes them."""
    monkeypatch.setattr(_Handler, "timeout", 100)


def readers() -> int:
    return sum(thread.name == "shoal-metrics-reader" for thread in threading.enumerate())


def test_it_answers_as_the_reader_asks(server: MetricsServer) -> None:
    status, kind, body = get(server, Accept="application/openmetrics-text; version=1.0.0")
    assert status == 200
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    status, kind, body = get(server)
    assert status == 200
    assert kind.startswith("text/plain")
    assert b"# TYPE shoal_pool_agents gauge\n" in body
    status, kind, body = get(server, "/metrics?name[]=shoal_machine_cores")
    assert next(line for line in body.splitlines() if not line.startswith(b"#")).startswith(b"shoal_machine_cores ")
    assert body.count(b"\n") == 3


def test_there_is_nothing_elsewhere(server: MetricsServer) -> None:
    for path in ("/", "/metrics/", "/favicon.ico", "/etc/passwd"):
        assert get(server, path) == (404, "text/plain; charset=utf-8", b"The metrics are at /metrics\n")


def test_each_answer_is_of_the_newest_snapshot() -> None:
    number = iter(range(1, 100))
    with MetricsServer(lambda: full_snapshot(growth=next(number)), 0) as serving:
        pages = [get(serving)[2] for _ in range(3)]
    counts = [
        next(line for line in page.splitlines() if line.startswith(b"shoal_loop_lag_seconds_count")) for page in pages
    ]
    assert counts == [b"shoal_loop_lag_seconds_count %d.0" % n for n in (50, 100, 150)]


def test_it_listens_on_this_machine_alone(server: MetricsServer) -> None:
    assert server.host == LOOPBACK == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}/metrics"
    wanted = f":{server.port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            with open(table, encoding="ascii") as told:
                lines = [line.split() for line in told]
            listening = [line[1] for line in lines[1:] if line[3] == "0A" and line[1].endswith(wanted)]
            assert listening == (["0100007F" + wanted] if table.endswith("tcp") else [])


def test_a_port_that_is_taken_is_said_in_one_line(server: MetricsServer) -> None:
    with pytest.raises(ServeError) as caught:
        MetricsServer(full_snapshot, server.port)
    told = str(caught.value)
    assert told == f"port {server.port} of 127.0.0.1 is taken: choose another for metrics, or 0 for any that is free"
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize(
    ("port", "host", "why"),
    [
        (70_000, LOOPBACK, "a port is 0 to 65535"),
        (-1, LOOPBACK, "a port is 0 to 65535"),
        (0, "192.0.2.1", "192.0.2.1 is no address of this machine"),
        (0, "no host at all", "'no host at all' is no address"),
    ],
)
def test_what_can_not_be_served_is_said_in_one_line(port: int, host: str, why: str) -> None:
    with pytest.raises(ServeError) as caught:
        MetricsServer(full_snapshot, port, host)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingPackage) as caught:
        MetricsServer(full_snapshot, 0)
    assert "pip install 'shoal[metrics]'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("patient")
def test_readers_that_never_ask_hold_up_nobody_and_are_hung_up_on(server: MetricsServer) -> None:
    idle = [socket.create_connection((server.host, server.port)) for _ in range(8)]
    try:
        wait_for(lambda: readers() == 8)
        assert get(server)[0] == 200
        server.close()
        assert readers() == 0
        for each in idle:
            assert each.recv(1) == b""
    finally:
        for each in idle:
            each.close()


def test_a_reader_that_never_asks_is_hung_up_on_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= _Handler.timeout <= 10
    monkeypatch.setattr(_Handler, "timeout", 0.2)
    with MetricsServer(full_snapshot, 0) as serving, socket.create_connection((serving.host, serving.port)) as idle:
        assert idle.recv(1) == b""
        wait_for(lambda: readers() == 0)


@pytest.mark.usefixtures("patient")
def test_there_are_only_so_many_readers(server: MetricsServer) -> None:
    idle = [socket.create_connection((server.host, server.port)) for _ in range(16)]
    try:
        wait_for(lambda: readers() == 16)
        with socket.create_connection((server.host, server.port)) as beyond:
            assert beyond.recv(1) == b""
        assert readers() == 16
    finally:
        for each in idle:
            each.close()
    wait_for(lambda: readers() == 0)
    assert get(server)[0] == 200


def test_garbage_is_no_harm(server: MetricsServer, capfd: pytest.CaptureFixture[str]) -> None:
    end = b"\r\n\r\n"
    strange = (b"GET /metrics HTTP/9.9", b"PUT /metrics HTTP/1.0", b"GET", b"\x00\xff", b"x" * 70_000)
    for garbage in (line + end for line in strange):
        with socket.create_connection((server.host, server.port)) as reader:
            reader.sendall(garbage)
            reader.shutdown(socket.SHUT_WR)
            try:
                while reader.recv(65536):
                    pass
            except ConnectionResetError:
                pass  # not all of it was read
    with socket.create_connection((server.host, server.port)) as reader:
        reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")  # and away
    assert get(server)[0] == 200
    wait_for(lambda: readers() == 0)
    assert capfd.readouterr() == ("", "")


def test_a_reader_that_does_not_take_its_answer_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Handler, "timeout", 0.2)
    snapshot = full_snapshot(pools=[f"pool{number}" for number in range(100)])
    with MetricsServer(lambda: snapshot, 0) as serving, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((serving.host, serving.port))
        reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait_for(lambda: readers() == 1)
        wait_for(lambda: readers() == 0)
    assert capfd.readouterr() == ("", "")


def test_a_page_that_can_not_be_made_says_so(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("no snapshot today")

    with MetricsServer(broken, 0) as serving:
        status, _, body = get(serving)
    assert status == 500
    assert body == b"The page can't be made: RuntimeError: no snapshot today\n"
    assert "can't be made" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_it_may_be_closed_twice_and_its_port_is_free_again() -> None:
    observer = Observer()
    serving = MetricsServer(full_snapshot, 0, observer=observer)
    assert get(serving)[0] == 200
    assert observer.seconds["render"] > 0
    serving.close()
    serving.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((serving.host, serving.port))
    MetricsServer(full_snapshot, serving.port).close()


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_another_address_may_be_asked_for() -> None:
    try:
        serving = MetricsServer(full_snapshot, 0, "::1")
    except ServeError:
        pytest.skip("no loopback address of IPv6 here")
    with serving:
        assert serving.url == f"http://[::1]:{serving.port}/metrics"
        assert get(serving)[0] == 200
