"""The page of metrics over HTTP, by threads of its own. Needs prometheus-client, which it imports when it starts."""

from __future__ import annotations

import errno
import io
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from engine.metrics.observer import Observer
from engine.metrics.snapshot import Snapshot

_log = logging.getLogger("shoal")
LOOPBACK: Final = "127.0.0.1"
_MOST: Final = 16
"""Requests at a time; who comes beyond that is hung up on."""
_PATIENCE: Final = 5.0
"""Seconds that a reader may take to send, or to take, the next bytes."""


class MissingPackage(ImportError):
    """prometheus-client is not installed. The text is one line for people."""


class ServeError(OSError):
    """The page can't be served there. The text is one line for people."""


class MetricsServer:
    """Serves the newest snapshot at ``/metrics``, as OpenMetrics or as Prometheus's older text, as the reader asks."""

    def __init__(
        self,
        newest: Callable[[], Snapshot | None],
        port: int,
        host: str = LOOPBACK,
        observer: Observer | None = None,
    ) -> None:
        """Serve from now on, until `close`.

        Args:
            newest: the snapshot to show, None while there is none; called by this server's threads.
            port: 0 for any that is free, which `port` then tells.
            host: the address, by default that of this machine alone: whoever can reach it can read the metrics.
            observer: is told what rendering costs.

        Raises:
            MissingPackage: prometheus-client is not there.
            ServeError: the port is taken, or may not be used.
        """
        try:
            from prometheus_client import make_wsgi_app

            from engine.metrics.openmetrics import registry
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "prometheus_client":
                raise
            raise MissingPackage(
                "metrics are served by prometheus-client, which is not installed: pip install 'shoal[metrics]'",
                name=error.name,
            ) from None
        try:
            self._server = _Server((host, port), _Handler, socket.AF_INET6 if ":" in host else socket.AF_INET)
        except (OSError, OverflowError) as error:
            raise ServeError(_why(error, host, port)) from None
        self._server.set_app(_only_metrics(make_wsgi_app(registry(newest, observer))))
        self.host = host
        self.port: int = self._server.server_address[1]
        """Where it listens."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="shoal-metrics", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop, and hang up on whoever still reads. Leaves no thread and no descriptor. May be called again."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    def get_stderr(self) -> TextIO:
        """Where tracebacks go: nowhere, since a reader that takes too long would fill the screen with them."""
        return io.StringIO()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: who reads the metrics is no news."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request, bounded, which are all over once it is closed."""

    daemon_threads = True  # an interpreter that ends does not wait for a reader

    def __init__(self, address: tuple[str, int], handler: type[_Handler], family: socket.AddressFamily) -> None:
        self.address_family = family
        self._lock = threading.Lock()
        self._open: dict[Any, threading.Thread] = {}
        super().__init__(address, handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        # What this overrides asks the resolver for the machine's name, which may take seconds.
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) < _MOST:
                thread = threading.Thread(
                    target=self.process_request_thread, args=(request, client_address), name="shoal-metrics-reader",
                    daemon=True,
                )  # fmt: skip
                self._open[request] = thread
                thread.start()
                return
        self.shutdown_request(request)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
            super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a reader that hangs up is no news, and what goes wrong in the page it is told itself."""

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            threads = list(self._open.values())
            for request in self._open:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has hung up itself
        for thread in threads:
            thread.join()


def _only_metrics(page: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            try:
                return page(environ, start_response)
            except Exception as error:
                _log.exception("the page of metrics can't be made")
                start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
                return [f"The page can't be made: {type(error).__name__}: {error}\n".encode()]
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"The metrics are at /metrics\n"]

    return app


def _why(error: Exception, host: str, port: int) -> str:
    if isinstance(error, OverflowError):
        return f"port {port} for metrics: a port is 0 to 65535"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: choose another for metrics, or 0 for any that is free"
    if number == errno.EACCES:
        return f"port {port} of {host} may not be used by this user: choose one above 1023 for metrics"
    if number == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: metrics can't be served there"
    if isinstance(error, socket.gaierror):
        return f"{host!r} is no address that metrics can be served at: {error.strerror}"
    return f"metrics can't be served at {host}, port {port}: {os.strerror(number) if number else error}"
