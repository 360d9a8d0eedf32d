"""One agent in full: what is known of it, what it said last, what it ran last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.cells import cell_len

from engine.stream.types import AGENT_STATES, BUSY, AgentRow, Event
from tui import format as fmt
from tui.archive import PastTask
from tui.history import History
from tui.themes import STATE_GLYPHS, STATE_NAMES
from tui.view import View
from tui.widgets.lines import Line, Panel, Piece
from tui.widgets.timeseries import Scale, TimeSeries

_GAP: Final = 3
_EVENT_GLYPHS: Final[dict[str, Piece]] = {
    "info": ("·", "quiet"), "warning": ("▲", "warning"), "error": ("●", "error"),
}  # fmt: skip
_OUTPUT: Final = ("agent.stdout", "agent.stderr")


@dataclass(frozen=True, slots=True)
class Seen:
    """An agent at one moment.

    Attributes:
        name: ``pool/number``.
        state: one of the numbers of `AGENT_STATES`; None: there is no such agent.
        row: its details; None: not known, or not yet.
        awaited: they will be known in a moment.
    """

    name: str
    state: int | None
    row: AgentRow | None = None
    awaited: bool = False


def card_lines(seen: Seen, width: int, height: int) -> list[Line]:
    """All that is known, label by label, in as many columns as there is room for."""
    if seen.state is None:
        return [((f"✕ there is no agent {fmt.clean(seen.name)} any more", "quiet"),)]
    state = (f"{STATE_GLYPHS[seen.state]} {AGENT_STATES[seen.state]}", STATE_NAMES[seen.state])
    row = seen.row
    if row is None:
        told = "◌ asking for its details" if seen.awaited else "its details were not recorded"
        return [(("state  ", "quiet"), state), ((told, "quiet"),)][:height]
    busy = seen.state == BUSY
    facts: list[tuple[str, Piece]] = [
        ("state", state),
        ("task", (fmt.clean(row.task) or "-", "strong" if busy and row.task else "quiet")),
        ("running", (fmt.duration(row.running) if row.task else "-", "" if busy else "quiet")),
        ("busy", (fmt.percent(row.busy), "")),
        ("done", (fmt.count(row.done), "")),
        ("failed", (fmt.count(row.failed), "error" if row.failed else "quiet")),
        ("restarts", (fmt.count(row.restarts), "warning" if row.restarts else "quiet")),
        ("memory", (fmt.size(row.memory), "") if row.memory else ("-", "quiet")),
        ("pid", (str(row.pid), "") if row.pid else ("-", "quiet")),
        ("shard", (str(row.shard), "")),
        ("batch", (f"{row.batch} #{row.offset}", "") if row.batch else ("-", "quiet")),
    ]
    columns = next((n for n in (1, 2, 3, 4) if math.ceil(len(facts) / n) <= height), 4)
    while columns > 1 and (width - (columns - 1) * _GAP) // columns < _FACT_MIN:
        columns -= 1
    rows = math.ceil(len(facts) / columns)
    each = (width - (columns - 1) * _GAP) // columns
    return [_beside([facts[n] for n in range(line, len(facts), rows)], each) for line in range(min(rows, height))]


_FACT_MIN: Final = 18
_LABEL: Final = 9


def _beside(facts: Sequence[tuple[str, Piece]], each: int) -> Line:
    pieces: list[Piece] = []
    for place, (label, (text, ink)) in enumerate(facts):
        last = place == len(facts) - 1
        text = fmt.fit(text, each - _LABEL) if last else fmt.pad(text, each - _LABEL) + " " * _GAP
        pieces += [(f"{label:<{_LABEL}}", "quiet"), (text, ink)]
    return tuple(pieces)


class AgentCard(Panel[Line]):
    """What is known of the agent now."""

    HELP: ClassVar[str] = (
        "All that is known of the agent. `done`, `failed` and `restarts` count for all agents that there were in "
        "its place; `busy` is its share of time in tasks since it is up; `memory` is what it shares with nobody; "
        "`batch` is the one that it runs, and which task of it."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.seen = Seen("", None)

    def show_agent(self, seen: Seen) -> None:
        """As it is now."""
        if seen != self.seen:
            self.seen = seen
            self.redraw()

    def watch_view(self) -> None:
        """What is shown comes by `show_agent`."""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """As much as there is room for."""
        return card_lines(self.seen, width, height)


class AgentCourse(TimeSeries):
    """How busy the agent was while somebody looked."""

    HELP: ClassVar[str] = (
        "The share of looks at which the agent was busy, half a second each, since this screen is open."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        scale = Scale(span=1.0, top=1.0, tell=fmt.percent)
        super().__init__("busy", title="busy since you look", scale=scale, id=id, classes=classes)
        self.course = History()

    def values(self, view: View) -> Sequence[float]:
        """Of the agent, not of the run."""
        return self.course.series("busy")

    def show_course(self, course: History) -> None:
        """A look more, or another agent."""
        self.course = course
        self.redraw()

    def watch_view(self) -> None:
        """What is shown comes by `show_course`."""


# -- words -------------------------------------------------------------------------------------------------------------


def words_of(events: Sequence[Event], name: str) -> list[Event]:
    """What an agent said, and what was said of it, the oldest first."""
    return [event for event in events if event.data.get("agent") == name]


def word_lines(events: Sequence[Event], name: str, width: int, height: int) -> list[Line]:
    """The newest first; of what it said, its own words alone, with where it said it."""
    lines: list[Line] = []
    for event in reversed(events):
        if len(lines) >= height:
            break
        glyph, ink = _EVENT_GLYPHS.get(event.level, _EVENT_GLYPHS["info"])
        if event.kind in _OUTPUT and isinstance(event.data.get("line"), str):
            glyph, ink, text = ("›", "brand", event.data["line"])
            if event.kind == "agent.stderr":
                ink = "warning"
        else:
            text = event.text.removeprefix(f"agent {name} ")
        told = fmt.fit(text, width - 11)
        lines.append(((fmt.of_day(event.at), "quiet"), (" ", ""), (glyph, ink), (" ", ""), (told, "")))
    return lines or [(("it has said nothing that is still known", "quiet"),)]


class AgentWords(Panel[Line]):
    """What the agent said last, and what befell it."""

    BORDER_TITLE = " last words "
    HELP: ClassVar[str] = (
        "What the agent wrote last (`›`; of another colour what went to standard error), and what happened to it. "
        "All of it is in the record of the run: `shoal events`."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.agent = ""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """As many as fit."""
        return word_lines(words_of(view.events, self.agent), self.agent, width, height)


# -- tasks -------------------------------------------------------------------------------------------------------------

_TASK_INKS: Final[dict[str, Piece]] = {"done": ("✓", "good"), "failed": ("✕", "error"), "cancelled": ("□", "quiet")}
_TIME, _TOOK, _TRIES, _END = 8, 8, 5, 24
_NAME_MIN, _NAME_MAX = 10, 40


def task_lines(tasks: Sequence[PastTask], width: int, height: int) -> list[Line]:
    """A heading, and the newest first: when, what, how long, how it ended."""
    longest = max((cell_len(task.name) for task in tasks), default=_NAME_MIN)
    name = max(_NAME_MIN, min(width - _TIME - _TOOK - _END - 4, longest, _NAME_MAX))
    with_tries = width - _TIME - name - _TOOK - _END - 4 >= _TRIES + 1
    tries = f" {'tries':>{_TRIES}}" if with_tries else ""
    heading = f"{'began':<{_TIME}} {'task':<{name}} {'took':>{_TOOK}}{tries}  how it ended"
    lines: list[Line] = [((fmt.fit(heading, width), "quiet"),)]
    for task in tasks[: height - 1]:
        glyph, ink = _TASK_INKS.get(task.state, ("·", "quiet"))
        began = fmt.of_day(task.started) if task.started is not None else "-"
        took = fmt.duration(task.seconds) if task.seconds is not None else "-"
        pieces: list[Piece] = [
            (f"{began:<{_TIME}} ", "quiet"), (fmt.pad(task.name, name), ""), (f" {took:>{_TOOK}}", "strong"),
        ]  # fmt: skip
        if with_tries:
            pieces.append((f" {task.attempts:>{_TRIES}}", "warning" if task.attempts > 1 else "quiet"))
        used = _TIME + name + _TOOK + 2 + (_TRIES + 1 if with_tries else 0)
        pieces += [(f"  {glyph} ", ink), (fmt.fit(task.error or task.state, width - used - 4), "")]
        lines.append(tuple(pieces))
    return lines


class AgentTasks(Panel[Line]):
    """The last tasks of the agent, from the record."""

    BORDER_TITLE = " last tasks "
    HELP: ClassVar[str] = (
        "The last tasks of the agent that are over, as they were recorded, the newest first. The record is read "
        "again every few seconds."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._tasks: Sequence[PastTask] | None = None
        self._told = "◌ reading the record"
        self._ink = "quiet"

    def show_tasks(self, tasks: Sequence[PastTask] | None, told: str, *, wrong: bool = False) -> None:
        """These; if there are none, what to say instead."""
        self._tasks, self._told, self._ink = tasks, told, "error" if wrong else "quiet"
        self.redraw()

    def watch_view(self) -> None:
        """What is shown comes by `show_tasks`."""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """As many as fit."""
        if self._tasks:
            return task_lines(self._tasks, width, height)
        return [((fmt.fit(self._told, width), self._ink),)]
