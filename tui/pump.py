"""The ground of feeds whose views a thread makes: it pokes the app once, and not again until the view is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tui.view import View


class Pump:
    """A daemon thread that makes views: `_run` is what it does, until `_stopping` is set."""

    THREAD = "shoal-pump"
    """Its name."""

    def __init__(self, view: View) -> None:
        """`view`: the first one. Nothing is begun yet."""
        self._view = view
        self._fresh = threading.Event()  # set from a poke until the app takes the view
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, post: Callable[[], None]) -> None:
        """Begin; `post` is called when there is something new, and not again until `take`."""
        self._thread = threading.Thread(target=self._run, args=(post,), name=self.THREAD, daemon=True)
        self._thread.start()

    def take(self) -> View:
        """The newest view; the next change pokes again."""
        # Cleared first: a view that changes in between pokes once too often, never once too few.
        self._fresh.clear()
        return self._view

    def stop(self) -> None:
        """End, and wait for the thread."""
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self, post: Callable[[], None]) -> None:
        """Make views, and `_poke` for each."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Have the thread look whether it is to stop, whatever it waits for."""

    def _poke(self, post: Callable[[], None]) -> None:
        """There is something new."""
        if not self._fresh.is_set() and not self._stopping.is_set():
            self._fresh.set()
            post()
