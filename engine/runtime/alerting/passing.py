"""Who outside is told of alerts: a command, a web server; each from a thread of its own."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.settings.types import Settings

if TYPE_CHECKING:
    from engine.alerts.sinks.outlet import Outlet, Sink


class Outlets:
    """The sinks of one run, as the settings name them; often none."""

    def __init__(self, settings: Settings, wake: Callable[[], None]) -> None:
        """`wake`: has the engine's thread look at `news`."""
        self._outlets: list[Outlet] = []
        self._news: deque[tuple[str, str]] = deque(maxlen=100)
        self._wake = wake
        if settings.alert_command:
            from engine.alerts.sinks.command import CommandSink

            self._add(CommandSink(settings.alert_command))
        if settings.alert_webhook:
            from engine.alerts.sinks.webhook import WebhookSink

            self._add(WebhookSink(settings.alert_webhook))

    def __bool__(self) -> bool:
        return bool(self._outlets)

    def _add(self, sink: Sink) -> None:
        from engine.alerts.sinks.outlet import Outlet

        def tell(text: str = "") -> None:
            self._news.append((sink.name, text))
            self._wake()

        self._outlets.append(Outlet(sink, on_error=tell, on_well=tell))

    def offer(self, message: dict[str, Any]) -> None:
        """Have all of them told, some time soon."""
        for outlet in self._outlets:
            outlet.offer(message)

    def news(self) -> list[tuple[str, str]]:
        """What has become of sinks since this was asked for the last time: names, with what went wrong, or "" for one
        to which alerts are passed on again."""
        found = []
        while self._news:
            found.append(self._news.popleft())
        return found

    def close(self) -> None:
        """Tell what waits, but not for long."""
        for outlet in self._outlets:
            if not outlet.close() and outlet.dropped:
                text = f"{outlet.dropped} alerts were not passed on to the {outlet.name}: it takes too long"
                self._news.append((outlet.name, text))
        for _, text in self.news():  # nobody else can be told any more
            if not text:
                continue
            logging.getLogger("shoal").warning("an alert was not passed on: %s", text)
