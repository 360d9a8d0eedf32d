"""Alerts as lines on a stream, by default standard error."""

from __future__ import annotations

import os
import sys
from typing import Any, Final, TextIO

from engine.alerts.sinks.outlet import DeliveryError

_COLOURS: Final = {"info": "36", "warning": "33", "critical": "31"}


class StderrSink:
    """A line for each alert: ``shoal: alert: critical: the host of shard main/0 died``."""

    name = "stderr"

    def __init__(self, stream: TextIO | None = None, colour: bool | None = None) -> None:
        """`colour`: None to tell by the stream and by ``NO_COLOR``."""
        self._stream = sys.stderr if stream is None else stream
        self._colour = self._stream.isatty() and not os.environ.get("NO_COLOR") if colour is None else colour

    def deliver(self, message: dict[str, Any]) -> None:
        """As `outlet.Sink`."""
        text: str = message["line"]
        code = _COLOURS.get(message["severity"], "") if message["after"] != "resolved" else "32"
        if self._colour and code:
            word, _, rest = text.partition(":")
            text = f"\x1b[{code}m{word}\x1b[0m:{rest}"
        try:
            self._stream.write(f"shoal: alert: {text}\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise DeliveryError(f"can't write: {error}") from None

    def abort(self) -> None:
        """As `outlet.Sink`. A line is written, or is not."""
