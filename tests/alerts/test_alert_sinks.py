"""Sinks: nobody waits for them, and nothing of theirs stays."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alerting import CRASH, Watched

from engine.alerts.sinks.command import CommandSink
from engine.alerts.sinks.outlet import DeliveryError, Outlet
from engine.alerts.sinks.webhook import WebhookSink
from engine.alerts.told import described


@pytest.fixture
def message() -> dict[str, Any]:
    watched = Watched(CRASH)
    watched.event(pool="main", text="main/3 was killed")
    return described(watched.told[0], 1e9, "7f3a")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Slow:
    """Takes until it is let go."""

    name = "slow"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.told: list[dict[str, Any]] = []

    def deliver(self, message: dict[str, Any]) -> None:
        self.gate.wait(60)
        self.told.append(message)

    def abort(self) -> None:
        self.gate.set()


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_a_slow_sink_holds_nobody_up_and_what_is_left_out_is_counted() -> None:
    sink = Slow()
    outlet = Outlet(sink, most=5)
    began = time.monotonic()
    taken = sum(outlet.offer({"n": n}) for n in range(1000))
    assert time.monotonic() - began < 5  # a thousand waits would be a minute
    assert taken in (5, 6)  # the thread may have taken one
    assert outlet.dropped == 1000 - taken
    sink.gate.set()
    assert outlet.close(30) is False  # not all of it was told
    assert [found["n"] for found in sink.told] == list(range(taken))
    assert outlet.sent == taken
    assert not outlet.offer({})


def test_a_queue_that_is_full_is_said() -> None:
    said: list[str] = []
    sink = Slow()
    outlet = Outlet(sink, most=5, on_error=said.append, on_well=lambda: said.append("well"))
    for n in range(100):
        outlet.offer({"n": n})
    assert said == ["slow: 5 wait for it already: it takes too long"]
    sink.gate.set()
    outlet.close(30)
    assert said[1:] == ["well"]


def test_one_that_hangs_is_given_up_at_the_end() -> None:
    sink = Slow()
    outlet = Outlet(sink)
    for n in range(3):
        outlet.offer({"n": n})
    until(lambda: outlet._queue.qsize() == 2)
    assert outlet.close(0.05) is False
    assert outlet.dropped == 2
    until(lambda: not any(thread.name.startswith("shoal-alerts") for thread in threading.enumerate()))


def test_without_alerts_there_is_no_thread() -> None:
    outlet = Outlet(Slow())
    assert outlet.close() is True
    assert outlet._thread is None


def test_a_sink_that_fails_says_so_now_and_then_until_it_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("engine.alerts.sinks.outlet.AGAIN", 3600.0)
    well = threading.Event()

    class Failing(Slow):
        name = "webhook"

        def deliver(self, message: dict[str, Any]) -> None:
            if not well.is_set():
                raise DeliveryError("nobody there")

    outlet = Outlet(Failing(), on_error=said.append, on_well=lambda: said.append("well"))
    for _ in range(3):
        outlet.offer({})
    until(lambda: outlet.failed == 3)
    assert said == ["webhook: nobody there"]
    monkeypatch.setattr("engine.alerts.sinks.outlet.AGAIN", 0.0)
    outlet.offer({})
    until(lambda: outlet.failed == 4)
    assert said == ["webhook: nobody there"] * 2
    well.set()
    for sent in (1, 2):
        outlet.offer({})
        until(lambda sent=sent: outlet.sent == sent)  # type: ignore[misc]
    assert said == ["webhook: nobody there", "webhook: nobody there", "well"]
    assert outlet.error == "nobody there"
    outlet.close()


# -- a command ---------------------------------------------------------------------------------------------------------


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_gets_the_alert_as_json_and_in_its_environment(message: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import json, os, sys; print('not shown'); "
        "found = {k: v for k, v in os.environ.items() if k.startswith('SHOAL_ALERT')}; "
        "json.dump([json.load(sys.stdin), found, sys.argv[2:]], open(sys.argv[1], 'w'))"
    )
    CommandSink([*python(code), str(out), "$HOME; echo `id`"], 60).deliver(message)
    given, variables, arguments = json.loads(out.read_text())
    assert given == json.loads(json.dumps(message))
    assert variables == {
        "SHOAL_ALERT_RULE": "crash", "SHOAL_ALERT_STATE": "firing", "SHOAL_ALERT_SEVERITY": "warning",
        "SHOAL_ALERT_CHANGE": "state", "SHOAL_ALERT_TEXT": "warning: crash: main/3 was killed",
        "SHOAL_ALERT_FINGERPRINT": message["alert"]["fingerprint"], "SHOAL_ALERT_RUN": "7f3a",
        "SHOAL_ALERT_LABEL_POOL": "main",
    }  # fmt: skip
    assert arguments == ["$HOME; echo `id`"]  # no shell has seen it


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["/no/such/program"], "can't start '/no/such/program': No such file or directory"),
        (["bad\0name"], "can't start 'bad\\\\x00name': embedded null byte"),
        (python("import sys; sys.exit('it is full')"), "exited with code 1: it is full"),
        (python("import os; os.kill(os.getpid(), 9)"), "was killed by signal 9"),
        (python("raise SystemExit(3)"), "exited with code 3$"),
    ],
)
def test_commands_that_fail(argv: list[str], text: str, message: dict[str, Any]) -> None:
    with pytest.raises(DeliveryError, match=text):
        CommandSink(argv, 60).deliver(message)


def test_a_command_that_reads_nothing_is_fine(message: dict[str, Any]) -> None:
    CommandSink(python("import sys; sys.stdin.close()"), 60).deliver(message | {"more": "x" * 1_000_000})


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_has_ended_when_it_has_though_its_child_keeps_its_standard_error(
    message: dict[str, Any], tmp_path: Path, code: int
) -> None:
    child = tmp_path / "child"
    sink = CommandSink(["sh", "-c", f"sleep 1000 & echo $! > {child}; echo sorry >&2; exit {code}"], 300)
    began = time.monotonic()
    try:
        if code:
            with pytest.raises(DeliveryError, match=r"exited with code 3: sorry$"):
                sink.deliver(message)
        else:
            sink.deliver(message)
        assert time.monotonic() - began < 200
        assert _runs(int(child.read_text())), "it is none of our business"
    finally:
        os.kill(int(child.read_text()), 9)


def test_of_many_words_the_last_are_told(message: dict[str, Any]) -> None:
    code = "import sys; sys.stderr.write('x' * 10_000_000 + '\\nthe end\\n'); sys.exit(1)"
    with pytest.raises(DeliveryError, match=r"exited with code 1: the end$"):
        CommandSink(python(code), 60).deliver(message)


def test_a_command_that_takes_too_long_is_killed_with_what_it_started(message: dict[str, Any], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '1000']); "
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}'); time.sleep(1000)"
    )
    sink = CommandSink([*python(code), str(pids)], 3600)
    outlet = Outlet(sink)
    outlet.offer(message)
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    assert outlet.close(0.05) is False  # as at the end; a timeout does the same
    until(lambda: outlet.failed == 1)
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: not _runs(pid))  # type: ignore[misc]
    with pytest.raises(DeliveryError, match="given up"):
        sink.deliver(message)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_a_timeout(message: dict[str, Any]) -> None:
    with pytest.raises(DeliveryError, match=r"'sleep' took longer than 0.1 s, and was killed"):
        CommandSink(["sleep", "1000"], 0.1).deliver(message)


# -- a webhook ---------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Answers with the statuses it was given, the last one from then on."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), json.loads(body)))
        statuses = self.server.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Server, str]]]:
    servers: list[tuple[Server, threading.Thread]] = []

    def start(*statuses: int) -> tuple[Server, str]:
        server = Server(*statuses)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return server, f"http://127.0.0.1:{server.server_address[1]}/hook?a=1"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_post_of_json(message: dict[str, Any], serve: Callable[..., tuple[Server, str]]) -> None:
    server, url = serve(204)
    WebhookSink(url).deliver(message)
    ((path, headers, body),) = server.asked
    assert path == "/hook?a=1"
    assert headers["Content-Type"] == "application/json"
    assert body == json.loads(json.dumps(message))


@pytest.mark.parametrize(
    ("statuses", "asked", "error"),
    [
        ((500, 503, 200), 3, ""), ((500,), 3, "it answers 500"), ((404,), 1, "it answers 404"),
        ((302,), 1, "it answers 302"), ((429, 200), 2, ""),
    ],
)  # fmt: skip
def test_answers(
    statuses: tuple[int, ...], asked: int, error: str, message: dict[str, Any], serve: Callable[..., tuple[Server, str]]
) -> None:
    server, url = serve(*statuses)
    sink = WebhookSink(url, pause=0.001)
    if error:
        with pytest.raises(DeliveryError, match=error):
            sink.deliver(message)
    else:
        sink.deliver(message)
    assert len(server.asked) == asked


def test_nobody_there(message: dict[str, Any]) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        with pytest.raises(DeliveryError, match=r"127\.0\.0\.1: .*refused"):
            WebhookSink(url, pause=0.001).deliver(message)


@pytest.fixture
def drip() -> Iterator[str]:
    """A server that answers a byte now and then, and never ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve_one(peer: socket.socket) -> None:
        with peer:
            peer.settimeout(30)
            try:
                while not ended.wait(0.01):
                    peer.sendall(b"H")
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve_one, args=(peer,))
            threads.append(thread)
            thread.start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    ended.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join()


def test_an_answer_that_never_ends_is_cut_off(drip: str, message: dict[str, Any]) -> None:
    with pytest.raises(DeliveryError):
        WebhookSink(drip, timeout=0.2, pause=0.001).deliver(message)


def test_the_end_does_not_wait_for_a_server(drip: str, message: dict[str, Any]) -> None:
    outlet = Outlet(WebhookSink(drip, timeout=3600))
    outlet.offer(message)
    until(lambda: outlet._queue.empty())
    assert outlet.close(0.05) is False
    until(lambda: not any(thread.name.startswith("shoal-alerts") for thread in threading.enumerate()))
    assert outlet.failed == 1


@pytest.mark.parametrize("url", ["ftp://x/", "example.org", "http://", "file:///etc/passwd"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        WebhookSink(url)


def test_proxies_of_the_environment_are_not_asked(
    message: dict[str, Any], serve: Callable[..., tuple[Server, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert os.environ["http_proxy"]
    server, url = serve(200)
    WebhookSink(url).deliver(message)
    assert len(server.asked) == 1
