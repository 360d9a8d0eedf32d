"""What can be done to agents and pools from the screens: the choice, the question by name, the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from engine.stream.types import BUSY, IDLE, STARTING
from tui import format as fmt
from tui.agents import Layout, Roster, pools_of
from tui.screens.choose import ChooseScreen, Way
from tui.screens.confirm import Question
from tui.screens.size import Size, SizeScreen, written
from tui.view import View
from tui.widgets.pool_lines import PoolFacts

if TYPE_CHECKING:
    from tui.app import ShoalApp

_NAMED: Final = 12
"""Agents that a question names; the rest is counted."""
_ALIVE: Final = (STARTING, IDLE, BUSY)


def named(names: Sequence[str]) -> str:
    """Who they are: ``micro/1, micro/2 and 40 more``."""
    told = ", ".join(map(fmt.clean, names[:_NAMED]))
    return f"{told} and {fmt.count(len(names) - _NAMED)} more" if len(names) > _NAMED else told


# -- agents ------------------------------------------------------------------------------------------------------------


def recycle_question(names: Sequence[str]) -> Question:
    """Before agents are replaced."""
    if len(names) == 1:
        return Question(
            f"Recycle agent {fmt.clean(names[0])}?", "A fresh one takes its place after its task.", "recycle"
        )
    told = f"{named(names)}: a fresh one takes the place of each after its task."
    return Question(f"Recycle {fmt.count(len(names))} agents?", told, "recycle")


def kill_question(names: Sequence[str], tasks: Mapping[str, str]) -> Question:
    """Before agents are killed; `tasks`: what they run, as far as that is known."""
    again = "What it runs is run again by another, and a fresh one takes its place."
    if len(names) == 1:
        task = tasks.get(names[0], "")
        told = again.replace("What it runs", f"Its task {fmt.clean(task)}", 1) if task else again
        return Question(f"Kill agent {fmt.clean(names[0])}?", told, "kill")
    again = "what they run is run again by others, and fresh ones take their places."
    return Question(f"Kill {fmt.count(len(names))} agents?", f"{named(names)}: {again}", "kill")


def act_on_agents(app: ShoalApp, names: Sequence[str], tasks: Mapping[str, str]) -> None:
    """Have the user choose what to do to these agents."""
    if not app.may_write:
        app.notify("one may only look here", severity="warning")
        return
    one = len(names) == 1
    title = f"agent {fmt.clean(names[0])}" if one else f"{fmt.count(len(names))} agents"
    told = "" if one else named(names)
    if one and tasks.get(names[0]):
        told = f"runs {fmt.clean(tasks[names[0]])}"
    ways = [
        Way("r", "recycle: a fresh one after the task", lambda: recycle(app, names)),
        Way("k", "kill: at once, the task is run again", lambda: kill(app, names, tasks)),
    ]
    ChooseScreen.ask(app, title, told, ways)


def recycle(app: ShoalApp, names: Sequence[str]) -> None:
    """Replace agents, if the user says yes."""
    app.order_all("recycle", names, recycle_question(names))


def kill(app: ShoalApp, names: Sequence[str], tasks: Mapping[str, str]) -> None:
    """Kill agents, if the user says yes."""
    app.order_all("kill", names, kill_question(names, tasks))


# -- pools -------------------------------------------------------------------------------------------------------------


def step(pool: PoolFacts) -> int:
    """By how many agents a pool grows or shrinks at a time: a tenth of it, one at the least."""
    return max(1, round(pool.view.maximum / 10))


def grown(pool: PoolFacts, steps: int) -> Size:
    """The size of a pool so many steps larger, or smaller: where it had room to breathe, its least stays."""
    least, most = pool.view.minimum, pool.view.maximum
    larger = max(1, most + steps * step(pool))
    return (larger, larger) if least == most else (max(1, min(least, larger)), larger)


def scale(app: ShoalApp, pool: PoolFacts, size: Size) -> None:
    """Give a pool another size; if agents have to go for that, the user is asked."""
    name, most = pool.view.name, size[1]
    gone = pool.there - most
    question = None
    if gone > 0:
        question = Question(
            f"Shrink pool {fmt.clean(name)} to {fmt.count(most)} agents?",
            f"It has {fmt.count(pool.there)}: {fmt.count(gone)} of them end after their tasks.", "shrink",
        )  # fmt: skip
    app.order("scale", name, written(size), question=question)


def set_size(app: ShoalApp, pool: PoolFacts) -> None:
    """Have the user write a size."""
    if not app.may_write:
        app.notify("one may only look here", severity="warning")
        return

    def answered(size: Size | None) -> None:
        if size is not None:
            scale(app, pool, size)

    now = (max(1, pool.view.minimum), max(1, pool.view.maximum))
    app.push_screen(SizeScreen(fmt.clean(pool.view.name), now, pool.there), answered)


def recycle_pool(app: ShoalApp, view: View, pool: str | None) -> None:
    """Replace all agents of a pool, or of all, if the user says yes."""
    names = alive(view, pool)
    if not names:
        app.notify("there is no agent to recycle", severity="warning")
        return
    whom = f"all {fmt.count(len(names))} agents" if len(names) > 1 else "the one agent"
    where = f"pool {fmt.clean(pool)}" if pool is not None else "all pools"
    told = "A fresh one takes the place of each after its task. They are told one after the other; c halts that."
    app.order_all("recycle", names, Question(f"Recycle {whom} of {where}?", told, "recycle"))


def alive(view: View, pool: str | None) -> list[str]:
    """The agents that can be replaced."""
    if view.frame is None:
        return []
    roster = Roster.of(Layout.of(pools_of(view.frame.pools)), None, view.cells)
    return [roster.layout.names[place] for place in roster.listed(pool) if roster.state(place) in _ALIVE]


def act_on_pool(app: ShoalApp, view: View, pool: PoolFacts) -> None:
    """Have the user choose what to do to a pool."""
    if not app.may_write:
        app.notify("one may only look here", severity="warning")
        return
    ways: list[Way] = []
    if not pool.whole:
        more, fewer = (fmt.count(grown(pool, steps)[1]) for steps in (1, -1))
        ways = [
            Way("g", f"grow to {more}", lambda: scale(app, pool, grown(pool, 1))),
            Way("G", f"shrink to {fewer}", lambda: scale(app, pool, grown(pool, -1))),
            Way("s", "set its size", lambda: set_size(app, pool)),
        ]
    name = None if pool.whole else pool.view.name
    ways.append(
        Way("r", "recycle all its agents" if name else "recycle all agents", lambda: recycle_pool(app, view, name))
    )
    title = f"pool {fmt.clean(name)}" if name is not None else "all pools"
    ChooseScreen.ask(app, title, f"has {fmt.count(pool.there)} agents, may have {pool.bounds}", ways)
