"""Alerts for a command of the user's: a real argv, no shell; the alert as JSON on its standard input."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO, Any, Final

import msgspec

from engine.alerts.sinks.outlet import DeliveryError

TIMEOUT: Final = 10.0
"""Seconds that a command may take."""
_WORDS: Final = 200
_READ: Final = 1 << 16
"""Bytes of its last words: more than a pipe holds."""


class CommandSink:
    """Runs a command for each alert, one after the other.

    Its standard input is the alert as JSON, a line. Its environment has ``SHOAL_ALERT_RULE``, ``_STATE``,
    ``_SEVERITY``, ``_CHANGE``, ``_TEXT``, ``_FINGERPRINT``, ``_RUN``, and ``SHOAL_ALERT_LABEL_POOL`` for a label called
    pool. What it writes is not shown, unless it fails. After `timeout` seconds it is killed, with its process group.
    """

    name = "command"

    def __init__(self, argv: Sequence[str], timeout: float = TIMEOUT) -> None:
        """`argv`: the program, found as a shell would find it, and its arguments."""
        self._argv = list(argv)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._aborted = False

    def deliver(self, message: dict[str, Any]) -> None:
        """As `outlet.Sink`."""
        with tempfile.TemporaryFile() as told:  # and no pipe: whoever does not read it holds nobody up
            told.write(msgspec.json.encode(message) + b"\n")
            told.seek(0)
            process = self._started(message, told)
        try:
            words = self._last_words(process)
        except subprocess.TimeoutExpired:
            self._kill(process)
            raise DeliveryError(f"{self._argv[0]!r} took longer than {self._timeout:g} s, and was killed") from None
        finally:
            assert process.stderr is not None
            process.stderr.close()
            with self._lock:
                self._process = None
        if process.returncode:
            said = words.decode("utf-8", "replace").strip().splitlines()
            more = f": {said[-1][:_WORDS]}" if said else ""
            raise DeliveryError(f"{self._argv[0]!r} {_how(process.returncode)}{more}")

    def _started(self, message: dict[str, Any], told: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._aborted:
                raise DeliveryError("given up: the engine ends")
            try:
                self._process = process = subprocess.Popen(
                    self._argv,
                    stdin=told,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **_variables(message)},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                raise DeliveryError(f"can't start {self._argv[0]!r}: {why}") from None
        return process

    def _last_words(self, process: subprocess.Popen[bytes]) -> bytes:
        """The end of what it writes on standard error until it ends itself: who inherits that may write for ever.

        Raises `subprocess.TimeoutExpired`.
        """
        assert process.stderr is not None
        stderr, words = process.stderr.fileno(), b""
        os.set_blocking(stderr, False)
        deadline = time.monotonic() + self._timeout
        poller = select.poll()
        ended = os.pidfd_open(process.pid)
        try:
            poller.register(ended, select.POLLIN)
            poller.register(stderr, select.POLLIN)
            while (left := deadline - time.monotonic()) > 0:
                ready = {fd for fd, _ in poller.poll(left * 1000)}
                if stderr in ready:
                    said = os.read(stderr, _READ)
                    words = (words + said)[-_READ:]
                    if not said:
                        poller.unregister(stderr)
                if ended in ready:
                    process.wait()
                    return words
        finally:
            os.close(ended)
        raise subprocess.TimeoutExpired(self._argv, self._timeout)

    def abort(self) -> None:
        """As `outlet.Sink`."""
        with self._lock:
            self._aborted = True
            process = self._process
            if process is not None and process.poll() is None:
                self._end_group(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._end_group(process)
        process.wait()

    @staticmethod
    def _end_group(process: subprocess.Popen[bytes]) -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"exited with code {status}"


def _variables(message: dict[str, Any]) -> dict[str, str]:
    alert = message["alert"]
    found = {
        "RULE": alert["rule"], "STATE": message["after"], "SEVERITY": message["severity"], "CHANGE": message["change"],
        "TEXT": message["line"], "FINGERPRINT": alert["fingerprint"], "RUN": message["run"],
    }  # fmt: skip
    found |= {f"LABEL_{name.upper()}": value for name, value in alert["labels"].items() if name.isidentifier()}
    return {f"SHOAL_ALERT_{name}": value.replace("\0", "") for name, value in found.items()}
