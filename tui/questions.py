"""What is asked before something that can't be taken back, and before leaving."""

from __future__ import annotations

from tui import format as fmt
from tui.screens.confirm import Question
from tui.view import View


def before_order(name: str, view: View) -> Question | None:
    """What is asked before an order that concerns all of a run; None: nothing."""
    if name != "drain":
        return None
    running = view.frame.running if view.frame is not None else 0
    waiting = view.frame.queued if view.frame is not None else 0
    told = f"{fmt.count(running)} tasks run and finish, {fmt.count(waiting)} that wait are not begun."
    return Question("End the run once its agents have finished?", told, "drain")


def before_leaving(view: View) -> tuple[str, str]:
    """Which run is left, and how far it is."""
    hello, frame = view.hello, view.frame
    name = f"{hello.name} {hello.run}" if hello is not None else "the run"
    if frame is None:
        return name, "It has not begun yet."
    total = f" of {fmt.count(frame.total)}" if frame.total else ""
    return name, f"{fmt.count(frame.done)}{total} tasks are done."
