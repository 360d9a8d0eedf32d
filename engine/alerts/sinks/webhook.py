"""Alerts for a web server: each a POST of JSON."""

from __future__ import annotations

import http.client
import socket
import threading
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from engine.alerts.sinks.outlet import DeliveryError

TIMEOUT: Final = 5.0
"""Seconds that one attempt may take."""
ATTEMPTS: Final = 3
_PAUSE: Final = 0.5
"""Seconds before the second attempt; twice as many before each further one."""


class WebhookSink:
    """Posts each alert to an address, as JSON, up to three times if the server can't be reached or is at fault.

    Redirections are not followed, and no proxy is used.
    """

    name = "webhook"

    def __init__(self, url: str, timeout: float = TIMEOUT, pause: float = _PAUSE) -> None:
        """`url` begins with http:// or https://. Raises ValueError if it does not, or names no host."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"an address such as https://example.org/alerts, not {url!r}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._pause = pause
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._ended = threading.Event()

    def deliver(self, message: dict[str, Any]) -> None:
        """As `outlet.Sink`."""
        data = msgspec.json.encode(message)
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt and self._ended.wait(self._pause * 2 ** (attempt - 1)):
                break
            try:
                status = self._post(data)
            except (OSError, http.client.HTTPException) as error:
                why = str(error) or type(error).__name__
                continue
            if status < 300:
                return
            why = f"it answers {status}"
            if status < 500 and status != 429:
                break
        why = "given up: the engine ends" if self._ended.is_set() else why
        raise DeliveryError(f"{self._host}: {why}")

    def _post(self, data: bytes) -> int:
        """Its answer's status. The whole of it takes no longer than the timeout, though each read may be short."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        watch = threading.Timer(self._timeout, self._hang_up)
        watch.daemon = True
        try:
            connection.connect()
            with self._lock:
                if self._ended.is_set():
                    raise OSError("given up")
                self._sock = connection.sock
            watch.start()
            connection.request("POST", self._target, data, {"Content-Type": "application/json", "User-Agent": "shoal"})
            return connection.getresponse().status
        finally:
            watch.cancel()
            with self._lock:
                self._sock = None
            connection.close()
            if watch.ident is not None:
                watch.join()

    def _hang_up(self) -> None:
        with self._lock:
            if self._sock is not None:
                try:
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # under TLS too: its own would be no hang-up
                except OSError:  # it is closed already
                    pass

    def abort(self) -> None:
        """As `outlet.Sink`."""
        self._ended.set()
        self._hang_up()
