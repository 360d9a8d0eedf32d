"""Screens that are loaded once somebody wants them, or when the first one stands there: they are most of the code."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from textual.css.stylesheet import Stylesheet
from textual.screen import Screen

_MODULES: Final = (
    "pools", "queues", "alerts", "runs", "agent", "help", "quit", "plan", "analysis", "bench", "settings",
)  # fmt: skip
"""Those that are opened most come first."""
_COLLECT: Final = 2_000, 10, 20
"""Objects that have come without going, collections of the youngest, and of these and the next, before the next one.
Ten times as many objects would not be looked at for less time in all, but for most of a frame at once.
"""


def screen(module: str, name: str) -> Callable[[], Screen[Any]]:
    """What makes a screen of this name, loaded then from its module in ``tui.screens``."""

    def make() -> Screen[Any]:
        made: Screen[Any] = getattr(import_module(f"tui.screens.{module}"), name)()
        return made

    return make


def load() -> None:
    """Load all of them."""
    for module in _MODULES:
        import_module(f"tui.screens.{module}")


def read_styles(stylesheet: Stylesheet) -> None:
    """Read the stylesheets of all screens: each that is read when its screen opens has all others parsed again."""
    for path in sorted((Path(__file__).parent / "screens").glob("*.tcss")):
        if not stylesheet.has_source(str(path), ""):
            stylesheet.read(path)
    stylesheet.reparse()
    if gc.get_freeze_count():
        keep()


def load_beside(more: Callable[[], object]) -> None:
    """Load all of them while something else goes on, and have done what else takes its time. Then, if garbage was not
    looked for until now, it is again.
    """
    threading.Thread(target=_load_and_collect, args=(more,), name="shoal-screens", daemon=True).start()


def _load_and_collect(more: Callable[[], object]) -> None:
    load()
    more()
    if not gc.isenabled():
        keep()
        gc.enable()


def keep() -> None:
    """All that there is by now stays, modules and classes and rules of styles: no collection need look at it again. And
    they need not come as often as usual: a view makes thousands of objects, which go by themselves.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECT)
