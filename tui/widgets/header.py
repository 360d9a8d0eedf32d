"""The one line at the top of every screen: which run, how it is, how far."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len
from textual.reactive import reactive

from tui import draw
from tui import format as fmt
from tui.view import Phase, Replaying, View
from tui.widgets.lines import Line, LineWidget, Piece

_BADGES: dict[Phase, Piece] = {
    "idle": ("□ NO RUN", "quiet"),
    "starting": ("◌ STARTING", "starting"),
    "live": ("● LIVE", "good"),
    "paused": ("‖ RUN PAUSED", "warning"),
    "draining": ("◐ DRAINING", "draining"),
    "ended": ("■ ENDED", "strong"),
    "lost": ("✕ LOST", "error"),
}
_BAR_MAX = 28
_BAR_MIN = 6
_NAME = 60
"""How much the name of the run is worth to be kept."""
_NAME_MIN, _NAME_MAX = 8, 24


class _Part(NamedTuple):
    keep: int
    """What goes first where there is no room: the lowest."""
    line: Line


def badges(phase: Phase, behind: int | None, replay: Replaying | None = None) -> Line:
    """How the run is; and while the view is held, how far it is behind. The end shows even then."""
    if replay is not None:
        speed = f" ×{replay.speed:g}" if replay.speed != 1 else ""
        at_end = replay.at >= replay.end - 0.05
        glyph, ink = ("▶", "brand") if replay.playing and not at_end else ("■" if at_end else "‖", "warning")
        return ((f"{glyph} REPLAY {fmt.of_day(replay.at)}{speed}", ink),)
    if behind is None:
        return (_BADGES[phase],)
    paused = (f"‖ PAUSED {fmt.si(behind)} behind", "warning")
    return (paused, ("  ", ""), _BADGES[phase]) if phase in ("ended", "lost") else (paused,)


def header_line(view: View, phase: Phase, behind: int | None, width: int) -> Line:
    """The header for a width: words go before parts, whole parts before anything would be cut."""
    frame = view.frame
    share = frame.done / frame.total if frame is not None and frame.total else None
    for words in (True, False):
        left, right = _left(view, phase, behind), _right(view, phase, words)
        if _length(left, right) + (_BAR_MIN + 2 if share is not None else 0) <= width - 2:
            break
    return _arrange(left, right, share, width)


def _left(view: View, phase: Phase, behind: int | None) -> list[_Part]:
    parts = [_Part(20, (("SHOAL", "brand"),))]
    if view.hello is not None:
        parts.append(_Part(_NAME, ((fmt.fit(view.hello.name, _NAME_MAX), "strong"),)))
        parts.append(_Part(30, ((fmt.fit(view.hello.run, 12), "quiet"),)))
    parts.append(_Part(100, badges(phase, behind, view.replay)))
    if view.frame is not None:
        parts.append(_Part(90, ((fmt.clock(view.frame.elapsed), ""),)))
    return parts


def _right(view: View, phase: Phase, words: bool) -> list[_Part]:
    frame = view.frame
    if frame is None:
        return []
    parts: list[_Part] = []
    done = fmt.count(frame.done)
    if frame.total:
        total = fmt.count(frame.total)
        parts.append(_Part(95, ((done.rjust(len(total)), "strong"), (f"/{total}", "quiet"))))
        parts.append(_Part(80, ((fmt.percent(frame.done / frame.total).rjust(4), "strong"),)))
        if phase not in ("ended", "lost"):
            parts.append(_Part(50, (("ETA ", "quiet"), (fmt.remaining(frame.eta).rjust(5), ""))))
    else:
        parts.append(_Part(95, ((done.rjust(9), "strong"), (" done", "quiet"))))
    glyph, ink = ("✓", "good") if frame.delivered >= 1 else ("▲", "warning")
    delivered = (f"{glyph} {fmt.percent(frame.delivered, 2).rjust(7)}", ink)
    parts.append(_Part(40, (delivered, (" delivered" if words else "", "quiet"))))
    if frame.failed:
        parts.append(_Part(85, ((f"✕ {fmt.count(frame.failed)}{' failed' if words else ''}", "error"),)))
    elif words:
        parts.append(_Part(25, (("0 failed", "quiet"),)))
    if frame.alerts is None:
        parts.append(_Part(88, ((f"▲ alerts{' unknown' if words else ' ?'}", "warning"),)))
        return parts
    warnings, errors = frame.alerts
    if warnings or errors:
        told: list[Piece] = []
        if errors:
            told.append((f"● {fmt.si(errors)}{' critical' if words else ''}", "error"))
        if warnings:
            told.append((f"{' ' if told else ''}▲ {fmt.si(warnings)}{' alerts' if words else ''}", "warning"))
        parts.append(_Part(88, tuple(told)))
    return parts


def _arrange(left: list[_Part], right: list[_Part], share: float | None, width: int) -> Line:
    inner = width - 2
    while _length(left, right) > inner and len(left) + len(right) > 1:
        least = min((*left, *right), key=lambda part: part.keep)
        if least.keep == _NAME:  # half a name still tells, half a number would lie
            (name, ink), *_ = least.line
            room = cell_len(name) - (_length(left, right) - inner)
            if room >= _NAME_MIN:
                left[left.index(least)] = _Part(_NAME, ((fmt.fit(name, room), ink),))
                break
        (left if least in left else right).remove(least)
    spare = inner - _length(left, right)
    pieces = [(" ", ""), *_join(left)]
    if share is not None and len(right) > 1 and spare >= _BAR_MIN + 2:
        # The bar stands between done/total and the percentage, and takes some of the room that is left over.
        size = min(_BAR_MAX, spare - 2)
        full = draw.bar(share, size)
        right.insert(1, _Part(0, ((full, "bar"),)))
        spare = inner - _length(left, right)
    pieces += [(" " * (spare + 2 if right else 0), ""), *_join(right)]
    return tuple(pieces)


def _join(parts: list[_Part]) -> list[Piece]:
    pieces: list[Piece] = []
    for part in parts:
        if pieces:
            pieces.append(("  ", ""))
        pieces += part.line
    return pieces


def _length(left: list[_Part], right: list[_Part]) -> int:
    parts = [*left, *right]
    return sum(cell_len(text) for part in parts for text, _ in part.line) + 2 * (len(parts) - 1)


class Header(LineWidget[Line]):
    """Name, badge, elapsed time, progress, delivery and failures, on one line."""

    behind: reactive[int | None] = reactive(None, init=False, repaint=False)
    """Frames that came since the view was paused, None while it follows."""
    phase: reactive[Phase] = reactive("starting", init=False, repaint=False)
    """How the run is by now, whatever is on view."""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The one line."""
        return [header_line(view, self.phase, self.behind, width)]

    def watch_behind(self) -> None:
        """The badge counts on while the view stands still."""
        self.redraw()

    def watch_phase(self) -> None:
        """The badge shows how the run is."""
        self.redraw()
