"""Questions to the record: asked by a thread, for it may be large and its disk slow; the screen hears the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from textual.events import ScreenResume
from textual.screen import Screen
from textual.timer import Timer

from tui.archive import ArchiveError
from tui.screens.base import LiveScreen

T = TypeVar("T")


def ask(
    screen: Screen[Any],
    question: Callable[[], T],
    told: Callable[[T | ArchiveError], object],
    group: str,
    *,
    exclusive: bool = False,
) -> None:
    """Ask a question, by a thread. `told` is called by the screen with the answer, or with why there is none; never
    once the screen is gone. `exclusive`: whatever is still asked in this group does not matter any more.
    """

    def work() -> None:
        answer: T | ArchiveError
        try:
            answer = question()
        except ArchiveError as error:
            answer = error
        screen.call_later(told, answer)

    screen.run_worker(work, thread=True, group=group, exclusive=exclusive)


class AskingScreen(LiveScreen):
    """A screen that asks the record when it is shown, and again every few seconds as long as it is."""

    EVERY: ClassVar[float] = 5.0
    """Seconds between two questions."""

    _asking: bool = False
    _timer: Timer | None = None

    def read(self) -> None:
        """Ask what there is to be asked."""
        raise NotImplementedError

    def ask_once(self, question: Callable[[], T], told: Callable[[T | ArchiveError], object]) -> None:
        """Ask a question, unless the last one is not answered yet."""
        if self._asking:
            return

        def answered(answer: T | ArchiveError) -> None:
            self._asking = False
            told(answer)

        self._asking = True
        ask(self, question, answered, "record")

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Shown: look at once, then every few seconds."""
        self.read()
        if self._timer is None:
            self._timer = self.set_interval(self.EVERY, self.read)
        self._timer.resume()

    def on_screen_suspend(self) -> None:
        """Not shown: nobody has to know."""
        if self._timer is not None:
            self._timer.pause()
