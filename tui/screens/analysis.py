"""Where the time goes: what is measured of it today, and what the alerts advise."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container

from engine.stream.types import PoolMetrics, Spread, Topic
from tui import draw
from tui import format as fmt
from tui.screens.base import LiveScreen
from tui.view import View
from tui.widgets.lines import Line, Piece
from tui.widgets.told import Told, wrapped

_MINUTE = 60.0
_NOTHING_FIRES = (
    "No alert fires, so nothing is advised. Finding the bottleneck by itself, saying what a change would gain and "
    "trying it out are not built yet."
)
_STAGES = (("wait", "starting"), ("assign", "draining"), ("run", "busy"))


def window_of(view: View, pool: str) -> PoolMetrics | None:
    """What was measured of a pool within the last minute, or since the run began."""
    found = [window for window in view.metrics.windows if window.pool == pool] if view.metrics is not None else []
    return next((window for window in found if window.window == _MINUTE), found[-1] if found else None)


def stage_lines(view: View, width: int, height: int) -> list[Line]:
    """For each pool the way of a median task: how long it waits, is on its way, runs; and the slow ones."""
    frame = view.frame
    if frame is None or view.metrics is None:
        told = "not recorded" if view.replay or view.over else "◌ measuring"
        return [*[()] * max((height - 1) // 2, 0), ((told.center(width), "quiet"),)]
    lines: list[Line] = []
    for pool in frame.pools:
        window = window_of(view, pool.name)
        if window is None:
            continue
        medians = [getattr(window, stage).p50 or 0.0 for stage, _ in _STAGES]
        bar = max(width - 2, 0)
        cells = draw.shares([round(value * 1e9) for value in medians], bar)
        drawn: list[Piece] = [
            (glyph * count, ink) for (_, ink), glyph, count in zip(_STAGES, "░▒█", cells, strict=True) if count
        ]
        rate = f"  {fmt.si(window.rate)} tasks/s" if window.rate is not None else ""
        lines.append(((fmt.fit(pool.name, 20), "strong"), (rate, "quiet"), *_saturation(pool.busy, pool.size)))
        lines.append((("▕", "track"), *drawn, (" " * (bar - sum(cells)), ""), ("▏", "track")))
        for (stage, ink), glyph in zip(_STAGES, "░▒█", strict=True):
            lines.append(_spread(stage, glyph, ink, getattr(window, stage), width))
        lines.append(())
    return lines[:-1] if lines else [(("no pools yet", "quiet"),)]


def _saturation(busy: int, size: int) -> Line:
    share = busy / size if size else 0.0
    return ((f"  {fmt.percent(share)} of its agents busy", "quiet"),)


def _spread(stage: str, glyph: str, ink: str, spread: Spread, width: int) -> Line:
    words = {"wait": "ready, until sent", "assign": "sent, until begun", "run": "running"}
    pieces: list[Piece] = [(f"{glyph} ", ink), (f"{words[stage]:<18}", "quiet")]
    for name in ("p50", "p95", "p99", "max"):
        value = getattr(spread, name)
        text = "-" if value is None else fmt.duration(value)
        if sum(len(part) for part, _ in pieces) + len(name) + 8 > width:
            break
        pieces += [(f" {name} ", "quiet"), (f"{text:>6}", "strong")]
    return tuple(pieces)


def advice_lines(view: View, width: int, height: int) -> list[Line]:
    """What fires, what is most likely its cause, and what to do."""
    firing = [alert for alert in view.alerts.values() if alert.state in ("firing", "recovering")]
    if not firing:
        return wrapped(_NOTHING_FIRES, width, "quiet")
    lines: list[Line] = []
    order = {"critical": 0, "warning": 1, "info": 2}
    for alert in sorted(firing, key=lambda alert: (order.get(alert.severity, 3), -(alert.fired or 0.0))):
        mark: Piece = {"critical": ("● ", "error"), "warning": ("▲ ", "warning")}.get(alert.severity, ("· ", "quiet"))
        lines += wrapped(alert.text, width, "strong", mark, "  ")
        if alert.hint:
            lines += wrapped(alert.hint, width, "", ("  why  ", "quiet"), "       ")
        if alert.action:
            lines += wrapped(alert.action, width, "", ("  do   ", "quiet"), "       ")
        lines.append(())
    return lines[:-1]


class AnalysisScreen(LiveScreen):
    """Where the time of a task goes in each pool, beside what the alerts advise."""

    CSS_PATH: ClassVar[str] = "analysis.tcss"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"metrics"})

    def panels(self) -> ComposeResult:
        """The stages beside the advice."""
        with Container(id="both"):
            yield Told(
                stage_lines, title="where a task's time goes  last minute", id="stages", classes="panel"
            ).data_bind(LiveScreen.view)
            yield Told(advice_lines, title="what the alerts advise", id="advice", classes="panel").data_bind(
                LiveScreen.view
            )
