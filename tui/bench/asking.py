"""How a suite may be measured, as a choice. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tui import format as fmt
from tui.bench.record import LAST_GOOD, How, SessionRow, Suite
from tui.screens.choose import Way
from tui.view import View


def ways(
    suite: Suite, sessions: Sequence[SessionRow], view: View, begin: Callable[[str, How], object]
) -> tuple[str, str, list[Way]]:
    """A title, what is to be known before, and the ways. `sessions`: of the suite, the newest first; `view`: of the run
    that is shown, whose work would be in the figures.
    """
    whole = next((row for row in sessions if row.whole and not row.quick and not row.gate), None)
    quick = next((row for row in sessions if row.quick and not row.gate), None)
    told = suite.about
    told += "\n\nA measurement wants the machine for itself: let nothing else run meanwhile."
    if view.frame is not None and not view.over and view.replay is None:
        told += " A run goes on here just now; its work will be in the figures."

    def way(key: str, label: str, how: How) -> Way:
        return Way(key, label, partial(begin, suite.name, how))

    found = [way("f", f"all of it, at full size{_last(whole)}", How())]
    if suite.quick:
        found.append(way("u", f"quickly, to see whether it works{_last(quick)}", How(quick=True)))
    if suite.gate:
        found.append(way("g", "by the gate: whether anything has become slower", How(baseline=LAST_GOOD)))
        names = dict.fromkeys(name for row in sessions for name in row.names if not row.quick)
        for key, name in zip("123456789", names, strict=False):
            found.append(way(key, f"by the gate, beside baseline {name}", How(baseline=name)))
    return f"Measure {suite.name}: {suite.title}", told, found


def _last(row: SessionRow | None) -> str:
    return "" if row is None else f" (took {fmt.age(row.seconds)})"
