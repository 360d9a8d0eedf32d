"""The machine a run is on: processors, memory, load, descriptors."""

from __future__ import annotations

from typing import ClassVar, Final

from tui import format as fmt
from tui.view import View
from tui.widgets.gauge import Gauges, Reading

MEMORY_WARNING, MEMORY_CRITICAL = 0.90, 0.97
"""From which share on the built-in alerts speak of memory."""
_LOAD_MAX: Final = 4.0
"""Processes for each core that want to run: the range of the gauge."""
_VALUE: Final = 9
"""Width of a value: ``23.4/128G``."""


def readings(view: View) -> list[Reading]:
    """The gauges of a view, none before its first frame."""
    frame = view.frame
    if frame is None:
        return []
    machine = frame.machine
    load = machine.load / max(machine.cores, 1)
    memory = machine.memory_used / machine.memory_total if machine.memory_total else None
    return [
        Reading("cpu", machine.cpu, fmt.percent(machine.cpu).rjust(_VALUE), trend=view.history.series("cpu")),
        Reading(
            "mem", memory, _memory(machine.memory_used, machine.memory_total).rjust(_VALUE),
            MEMORY_WARNING, MEMORY_CRITICAL, trend=view.history.series("memory"),
        ),
        Reading(
            "load", min(load / _LOAD_MAX, 1.0), f"{machine.load:.1f}".rjust(_VALUE), mark=1 / _LOAD_MAX,
            note=f"fd {fmt.si(machine.fds):>5}",
        ),
    ]  # fmt: skip


def _memory(used: int, total: int) -> str:
    """Both in the unit of the whole."""
    power, unit = next(((p, u) for p, u in ((40, "T"), (30, "G")) if total >= 1 << p), (20, "M"))
    most = total / 2**power
    return f"{used / 2**power:.1f}/{most:.0f}{unit}"


class Machine(Gauges):
    """How busy the machine is, with whatever runs on it."""

    HELP: ClassVar[str] = (
        "The whole machine, not only the run. **cpu**: busy share of all cores. **mem**: memory in use; the marks are "
        "where alerts begin. **load**: processes that want to run, the mark is one for each core. Descriptors are those"
        " of the engine."
    )

    def made_of(self, view: View) -> object:
        """What the machine is told to be like, and the steps of its course."""
        return view.hello, view.frame.machine if view.frame is not None else None, view.history.last

    def readings(self, view: View) -> list[Reading]:
        """Of the newest frame."""
        cores = view.frame.machine.cores if view.frame is not None else 0
        title = f" machine  {cores} core{'s' if cores > 1 else ''} " if cores else " machine "
        if title != self.border_title:
            self.border_title = title
        return readings(view)
