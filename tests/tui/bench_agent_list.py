"""How long the list of agents takes for a frame: ``python tests/tui/bench_agent_list.py [AGENTS]``.

Measured is all between a key and the bytes for the terminal: the model, the lines, their strips, and the compositor of
Textual. Every number is in milliseconds of processor time; 16 of them are a frame at 60 Hz. The last column has the
time by the clock, which is longer where others need the processor, too.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.screen import Screen

from engine.stream.types import BUSY, IDLE
from tui import late
from tui.agent_listing import AgentFilter
from tui.painting import PaintingScreen
from tui.themes import DARK, fallback_variables
from tui.view import View
from tui.widgets.agent_list import AgentList

ROUNDS: Final = 200
LIMIT: Final = 16.0
_SIZES: Final = ((120, 36), (200, 50))


class Bench(App[None]):
    """The list alone, as large as the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Ours, before the theme is there."""
        return fallback_variables(dark=True)

    def get_default_screen(self) -> PaintingScreen:
        """As all of ours."""
        return PaintingScreen()

    def compose(self) -> ComposeResult:
        """The list alone."""
        yield AgentList()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """There is no terminal, but what one would be told is made all the same."""
        if isinstance(renderable, CompositorUpdate):
            self.told = renderable.render_segments(self.console)


def scenes(
    agents: AgentList, view: View, table_of: Callable[..., Any]
) -> Iterator[tuple[str, list[Callable[[], None]]]]:
    """What is measured, by name: steps that are done one after the other, again and again."""
    chance = random.Random(3)
    listing = agents.listing

    def show(new: View) -> Callable[[], None]:
        return lambda: setattr(agents, "view", new)

    yield "scroll by a line", [lambda: agents.action_move(1)]
    yield (
        "scroll by a page",
        [lambda: agents.action_page(1), lambda: agents.action_page(1), lambda: agents.action_page(-1)],
    )
    fields = ("done", "memory", "busy", "task", "running", "state", "agent")
    yield "sort", [lambda field=field: agents._sort_by(field) for field in fields]  # type: ignore[misc]
    yield "invert", [agents.action_invert]
    texts = ("f", "fa", "fai", "fail", "failed", "failed>", "failed>0", "failed>0,state=busy", "micro fit", "9", "")
    wishes = []
    for text in texts:
        try:
            wishes.append(AgentFilter.read(text))
        except ValueError:
            continue
    yield "filter", [lambda wish=wish: agents.narrow(wish) for wish in wishes]  # type: ignore[misc]
    cells = []
    for _ in range(8):
        states = bytearray(view.cells)
        for place in chance.sample(range(len(states)), min(400, len(states))):
            states[place] = chance.choice((BUSY, IDLE))
        cells.append(replace(view, cells=bytes(states)))
    yield "new states", [show(new) for new in cells]
    listing.sort("running", True)
    listing.held = False
    tables = [replace(view, agents=table_of(view, seed=seed)) for seed in range(4)]
    yield "new details, sorted", [show(new) for new in tables]
    agents.narrow(AgentFilter.read("state=busy,busy>0.5"))
    yield "new details, sorted and filtered", [show(new) for new in tables]
    agents.narrow(AgentFilter())


async def measure(view: View, table_of: Callable[..., Any], size: tuple[int, int]) -> bool:
    """Print the figures for one size of the terminal; whether all of them are within a frame."""
    fine = True
    app = Bench()
    async with app.run_test(size=size) as pilot:
        agents, screen = app.query_one(AgentList), app.screen
        assert isinstance(screen, PaintingScreen)
        agents.view = view
        agents.focus()
        await pilot.pause()
        late.keep()  # as the app does
        title = f"{len(view.cells):,} agents, {size[0]}x{size[1]}"
        print(f"\n{title:<40}{'p50':>8}{'p95':>8}{'max':>8}{'p50 by the clock':>20}")
        for name, steps in scenes(agents, view, table_of):
            times: list[float] = []
            whole: list[float] = []
            for number in range(ROUNDS):
                began, spent = time.perf_counter(), time.thread_time()
                steps[number % len(steps)]()
                screen.paint()
                whole.append((time.perf_counter() - began) * 1e3)
                times.append((time.thread_time() - spent) * 1e3)
                if number % 20 == 0:
                    await pilot.pause()
            p95 = statistics.quantiles(times, n=20)[-1]
            fine = fine and p95 < LIMIT
            mark = "" if p95 < LIMIT else f"  above {LIMIT:g}"
            middle, clock = statistics.median(times), statistics.median(whole)
            print(f"{name:<40}{middle:>8.2f}{p95:>8.2f}{max(times):>8.2f}{clock:>20.2f}{mark}")
    return fine


def main() -> int:
    """Measure; 1 if anything takes longer than a frame."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from screen_fleets import crowd, table_of

    size = int(sys.argv[1]) if len(sys.argv) > 1 else 3435
    small = size // 10
    view = crowd({"micro": size - small - small // 5, "domain": small, "prime": small // 5})
    fine = [asyncio.run(measure(view, table_of, terminal)) for terminal in _SIZES]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
