"""The terminal that the screens are on."""

from __future__ import annotations

import os
import select

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Terminal:
    """Looks whether a terminal is still there."""

    def __init__(self, descriptor: int = 0) -> None:
        """`descriptor`: that of our input, which may be no terminal at all."""
        self._descriptor = descriptor
        self._was = os.isatty(descriptor)

    def is_gone(self) -> bool:
        """Whether it has hung up. Never true of what was no terminal in the first place."""
        if not self._was:
            return False
        poller = select.poll()
        poller.register(self._descriptor, _GONE)
        return any(happened & _GONE for _, happened in poller.poll(0)) or not os.isatty(self._descriptor)
