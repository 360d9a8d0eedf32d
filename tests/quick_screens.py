"""Textual in tests: nothing is waited for by the clock, parsed twice, or painted where nobody sees it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Final

import textual.app
import textual.pilot
from textual._context import active_app
from textual.app import App
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen

_FOR_THREADS: Final = 0.02
"""Seconds for which threads that are at work are waited for: one may be held up on purpose."""
_NEVER: Final = 30.0
"""Seconds after which an app that always has something to do is a mistake."""


async def at_rest(min_sleep: float = 0.0, max_sleep: float = _NEVER) -> None:
    """Until an app has nothing to do: no task can run, nothing is to be drawn, and no worker is at work, or it waits.

    It stands in for Textual's own, which sleeps 20 ms at a time until the processor has been idle for as long: that
    takes longer, and ends too early where others use the processors.

    Raises:
        TimeoutError: if there is no end.
    """
    app, loop = active_app.get(), asyncio.get_running_loop()
    began = loop.time()
    still = 0
    while still < 2:  # a turn to run what is ready, one for what came from threads meanwhile
        if loop.time() - began > _NEVER:
            raise TimeoutError(f"{app} always has something to do")
        await asyncio.sleep(0)
        still += 1
        if loop._ready:  # type: ignore[attr-defined]
            still = 0
        elif app.is_running and app.screen_stack:
            if _drawn(app.screen) or sum(map(_arranged, app._background_screens)):
                still = 0
            elif app._batch_count or app._resize_timer or (loop.time() - began < _FOR_THREADS and _at_work(app)):
                await asyncio.sleep(0.001)
                still = 0


def _drawn(screen: Screen[Any]) -> bool:
    """Do what is otherwise done 60 times a second; whether there was anything to do."""
    due = screen._layout_required or screen._scroll_required or screen._repaint_required or screen._recompose_required
    due = screen.is_current and not screen.app._batch_count and (due or bool(screen._dirty_widgets))
    if due or screen._callbacks:
        screen._on_timer_update()
    return due or bool(screen._callbacks)


def _arranged(screen: Screen[Any]) -> bool:
    """The same for one that is seen beneath another: what it shows has its place. It is drawn with the one above."""
    due = screen._layout_required or screen._scroll_required
    if due:
        screen._on_timer_update()
    return due


def _at_work(app: App[Any]) -> bool:
    return any(not worker.is_finished for worker in app.workers)


_PARSED: dict[tuple[object, ...], list[RuleSet]] = {}
_PARSE: Final = Stylesheet._parse_rules


def _parsed_once(self: Stylesheet, css: str, *args: Any, **more: Any) -> list[RuleSet]:
    """The rules of a stylesheet, which are the same in every app of the same theme. Nobody changes them."""
    key = (css, args, tuple(more.items()), tuple(self._variables.items()))
    rules = _PARSED.get(key)
    if rules is None:
        rules = _PARSED[key] = _PARSE(self, css, *args, **more)
    return rules


_REFRESH: Final = Screen._compositor_refresh


def _unseen(self: Screen[Any]) -> None:
    """Paint nothing that nobody sees: without a terminal, all that is put together for one would be thrown away. A
    picture is painted as a whole when it is taken.
    """
    if type(self.app)._display is not App._display or "_display" in vars(self.app):  # there is somebody who looks
        _REFRESH(self)
        return
    self._compositor._dirty_regions.clear()
    self._dirty_widgets.clear()
    self.app._update_mouse_over(self)


def hasten() -> None:
    """Have Textual do so in this process. Garbage is looked for less often: most objects go by themselves."""
    gc.set_threshold(20_000, 10, 10)
    Screen._compositor_refresh = _unseen  # type: ignore[method-assign]
    textual.pilot.wait_for_idle = textual.app.wait_for_idle = at_rest  # type: ignore[attr-defined]
    Stylesheet._parse_rules = _parsed_once  # type: ignore[method-assign]
