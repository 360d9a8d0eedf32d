"""Tasks and what they wait for: what a run tells of its plan today."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from tui import draw
from tui import format as fmt
from tui.screens.base import LiveScreen
from tui.view import View
from tui.widgets.lines import Line
from tui.widgets.told import Told, wrapped

_ABSENT = (
    "Single tasks, what they wait for, owners, claims, gates and the critical path are not told of on the stream yet. "
    "`shoal show RUN` lists the jobs of a run, its slowest tasks and its failures."
)


def progress_lines(view: View, width: int, height: int) -> list[Line]:
    """How far the run is, all of it and pool by pool, and when it may end."""
    frame = view.frame
    if frame is None:
        return [*[()] * max((height - 1) // 2, 0), (("◌ waiting for the first frame".center(width), "quiet"),)]
    rows = [("all", frame.done, frame.failed, frame.running, frame.queued)]
    rows += [(pool.name, pool.done, pool.failed, pool.busy, pool.queued) for pool in frame.pools]
    names = min(max(len(name) for name, *_ in rows), 16)
    bar = max(width - names - 3 - 4 * 9, 0)
    heading = f"{'':{names}}   {'':{bar}}" + "".join(
        f"{title:>9}" for title in ("done", "failed", "running", "waiting")
    )
    lines: list[Line] = [((heading, "quiet"),)]
    for name, done, failed, running, queued in rows:
        cells = draw.shares([done, failed, running, queued], bar)
        inks = (("█", "busy"), ("█", "dead"), ("▒", "starting"), ("░", "track"))
        drawn = [(glyph * count, ink) for (glyph, ink), count in zip(inks, cells, strict=True) if count]
        empty = [(" " * (bar - sum(cells)), "")]
        numbers = [
            (f"{fmt.si(value):>9}", ink if value else "quiet")
            for value, ink in ((done, "strong"), (failed, "error"), (running, ""), (queued, ""))
        ]
        lines.append(((fmt.pad(name, names), "strong"), (" ▕", "track"), *drawn, *empty, ("▏", "track"), *numbers))
    lines.append(())
    if frame.total:
        left = frame.total - frame.done - frame.failed
        told = f"{fmt.count(left)} of {fmt.count(frame.total)} tasks are left"
        if view.phase not in ("ended", "lost"):
            told += f", {fmt.remaining(frame.eta)} at the pace of the last seconds"
        lines += wrapped(told, width)
    else:
        lines += wrapped("how many tasks there will be is not known: the input goes on", width)
    return lines


def absent_lines(view: View, width: int, height: int) -> list[Line]:
    """What is not here yet, and where to look."""
    return wrapped(_ABSENT, width, "quiet")


class PlanScreen(LiveScreen):
    """How far the run is."""

    CSS_PATH: ClassVar[str] = "plan.tcss"

    def panels(self) -> ComposeResult:
        """Progress, and what is to come."""
        yield Told(progress_lines, title="progress", id="progress", classes="panel").data_bind(LiveScreen.view)
        yield Told(absent_lines, title="tasks", id="absent", classes="panel").data_bind(LiveScreen.view)
