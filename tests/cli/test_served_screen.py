"""``shoal attach`` in a browser, through textual-serve: a page, and a socket over which the screen comes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import wait_for

from shoal import Engine

aiohttp = pytest.importorskip("aiohttp", reason="comes with textual-serve")
pytest.importorskip("textual_serve", reason="the package textual-serve is not installed")


@pytest.fixture
def port() -> int:
    """One that is free, or was a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def served(port: int, tmp_path: Path) -> Iterator[str]:
    """Where an attach to the only run is served."""
    command = f"{sys.executable} -m engine.cli attach"
    script = f"from textual_serve.server import Server; Server({command!r}, host='127.0.0.1', port={port}).serve()"
    with (tmp_path / "served.txt").open("wb") as told:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=told, stderr=told, start_new_session=True)

    def listens() -> bool:
        assert process.poll() is None, (tmp_path / "served.txt").read_text()
        with socket.socket() as reached:
            return reached.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, what="the page is served")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


async def looked_at(address: str) -> tuple[str, bytes]:
    """The page, and what comes over the socket until the screen is there; then it is closed."""
    async with aiohttp.ClientSession() as session:
        async with session.get(address) as answer:
            page = await answer.text()
        shown = b""
        async with session.ws_connect(f"{address}/ws?width=100&height=30") as connection:
            while b"LIVE" not in shown or b"served-run" not in shown:
                message = await connection.receive(timeout=30)
                if message.type is aiohttp.WSMsgType.BINARY:
                    shown += message.data
                elif message.type is aiohttp.WSMsgType.TEXT:
                    assert json.loads(message.data)[0] != "exit", shown
                else:
                    raise AssertionError(message)
            await connection.send_str(json.dumps(["stdin", "2"]))
            while b"assignment" not in shown:
                shown += await connection.receive_bytes(timeout=30)
        return page, shown


def test_an_attach_in_a_browser(served: str) -> None:
    with Engine(2, name="served-run") as engine:
        engine.wait_ready(60)
        page, shown = asyncio.run(looked_at(served))
        assert "<html" in page.lower()
        assert "textual" in page.lower()
        assert b"\x1b[" in shown
        assert engine.submit(abs, -3).result(60) == 3, "closing the page ends no run"
