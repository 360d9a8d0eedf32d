"""A recorder that takes long until it is ready, and says so, is waited for; one that says nothing is not."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.fleet.launch import StartError
from engine.runtime.fleet.loop import Loop
from engine.runtime.record import line as lines
from engine.runtime.record.line import Line
from engine.store.messages import Busy, Ready, encode
from engine.wire.channel import Closed, pair, send


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Recorders are busy for a second, saying one of these every tenth of it; nobody is waited for that long."""
    told: list[str] = []

    def launch(*_: Any) -> tuple[subprocess.Popen[bytes], Any]:
        process = subprocess.Popen(["sleep", "60"])
        ours, theirs = pair()
        ours.setblocking(False)

        def work() -> None:
            with theirs, suppress(Closed):
                for text in told:
                    send(theirs, (encode(Busy(text)),))
                    time.sleep(0.1)
                time.sleep(0.0 if told else 1.0)
                send(theirs, (encode(Ready("")),))
            process.kill()

        threading.Thread(target=work).start()
        return process, ours

    monkeypatch.setattr(lines, "launch", launch)
    monkeypatch.setattr(lines, "_START", 0.5)
    return told


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop()) as found:
        yield found


def test_signs_of_life_are_heeded_and_told_now_and_then(
    busy: list[str], loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy += [f"taking in: {number} of 10 MiB" for number in range(10)]
    monkeypatch.setattr(lines, "_WAIT_TOLD", 0.35)
    line = Line(loop, tmp_path / "runs.db", "normal", lambda *_: None)
    heard: list[str] = []
    line.wait_ready(heard.append)
    assert heard[0] == busy[0]
    assert len(heard) < len(busy)
    line.close()


def test_silence_is_not_waited_for(busy: list[str], loop: Loop, tmp_path: Path) -> None:
    line = Line(loop, tmp_path / "runs.db", "normal", lambda *_: None)
    with pytest.raises(StartError, match="the recorder does not answer"):
        line.wait_ready()
    line.close()
