"""What can't be asked of an engine is said in one line, before anything is sent."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from engine.stream.client import Client, StreamError
from engine.stream.types import STREAM_VERSION, Condition, Hello, encoder


def test_requests_that_cannot_be_are_refused_before_they_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(1)
        accepted: list[socket.socket] = []

        def greet() -> None:
            sock, _ = listener.accept()
            accepted.append(sock)
            sock.send(encoder.encode(Hello(STREAM_VERSION, "7f3a", "x", 1, 0.0)))

        porter = threading.Thread(target=greet)
        porter.start()
        client = Client(path)
        porter.join()
        try:
            with pytest.raises(StreamError, match="no Unicode"):
                client.post("acknowledge", "\udcff")
            with pytest.raises(StreamError, match="number too large"):
                client.agents(offset=20_000_000_000_000_000_000_000)
            with pytest.raises(StreamError, match=r"takes 5,\d\d\d bytes, and 4,096 are the most"):
                client.agents([Condition("task", "~", ["x" * 5000])])
            accepted[0].setblocking(False)
            with pytest.raises(BlockingIOError):
                accepted[0].recv(100)
        finally:
            client.close()
            accepted[0].close()
