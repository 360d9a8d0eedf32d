"""What the screens cost, and how quickly they answer: ``shoal attach`` on a terminal, on an engine that is at work.

The engine is one process, with thousands of agents that are busy for some seconds at a time, as those are that wait for
others; the screens are another one; and this one types, and reads what they write.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from engine.bench import watch
from engine.bench.busy import Busy
from engine.bench.shared import Result, command_seconds
from engine.bench.terminal import Terminal
from engine.bench.watched import throughput
from engine.runtime.calls.executor import Engine

_clock = time.perf_counter
SHOWN: Final = {
    "1": "task time", "2": "assignment", "3": "tasks a batch", "4": "no plan", "5": " alerts",
    "6": "where a task's time goes", "7": " runs", "8": " suites",
}  # fmt: skip
"""By the key that leads to it, what is to be read on a screen and on no other."""
_PATIENCE: Final = 30.0


def _shoal(*arguments: str) -> list[str]:
    script = Path(sys.executable).with_name("shoal")
    return [
        *([str(script)] if script.exists() else [sys.executable, "-c", "from shoal import main; main()"]),
        *arguments,
    ]


@contextmanager
def _environment() -> Iterator[Mapping[str, str]]:
    """One whose folders for settings and history are its own."""
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        names = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")
        yield os.environ | {name: f"{folder}/{name.lower()}" for name in names} | {"TMPDIR": folder}


@contextmanager
def _attached(run: str, settle: float) -> Iterator[Terminal]:
    """The screens of a run, `settle` seconds after they were opened: then they are as they will be."""
    with _environment() as environment, closing(Terminal(_shoal("attach", run), environment)) as terminal:
        terminal.until(SHOWN["1"], _PATIENCE)
        terminal.idle(settle)
        yield terminal


def screens_processor(agents: int, seconds: int, settle: float) -> Result:
    """Share of a core that the screens take on Fleet: the median of so many seconds.

    ``elsewhere``: of the screen that takes most of the others, each looked at for as long; all of them by name.
    ``memory``: the most resident bytes. ``written``: bytes a second for the terminal, on Fleet.
    """
    with closing(Busy(agents)) as engine, _attached(engine.run_id, settle) as terminal:
        found: dict[str, float] = {}
        before = terminal.bytes
        found["1"] = _share(terminal, seconds)
        written = (terminal.bytes - before) / seconds
        for key in list(SHOWN)[1:]:
            terminal.press(key)
            terminal.until(SHOWN[key], _PATIENCE)
            terminal.idle(settle)
            found[key] = _share(terminal, seconds)
        status = Path(f"/proc/{terminal.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    screens = {f"screen_{key}": share for key, share in found.items() if key != "1"}
    return {"value": found["1"], "elsewhere": max(screens.values()), "memory": peak, "written": written, **screens}


def _share(terminal: Terminal, seconds: int) -> float:
    """Median share of a core, second by second."""
    shares = []
    for _ in range(seconds):
        busy, began = watch.processor_seconds(terminal.pid), _clock()
        terminal.idle(1.0)
        shares.append((watch.processor_seconds(terminal.pid) - busy) / (_clock() - began))
    return median(shares)


def screens_keys(agents: int, presses: int, settle: float) -> Result:
    """Seconds from a key to what it changes, read at the terminal: the 95th percentile of the cursor's moves on Fleet.

    ``switch``: the same of changes to another screen that has been open before.
    """
    moves: list[float] = []
    switches: list[float] = []
    chance = random.Random(presses)
    with closing(Busy(agents)) as engine, _attached(engine.run_id, settle) as terminal:
        terminal.press("\x1b[H")  # home: to the first agent
        agent = terminal.until("▸ main/0 ", _PATIENCE)
        for _ in range(presses):
            terminal.idle(chance.uniform(0.1, 0.4))
            began = _clock()
            terminal.press("l")
            agent = terminal.until(rf"(?!{agent})▸ main/\d+ ", _PATIENCE)
            moves.append(_clock() - began)
        for key in (*SHOWN, *SHOWN):
            terminal.idle(chance.uniform(0.5, 1.0))
            began = _clock()
            terminal.press(key)
            if key != "1" or switches:  # it is there already
                terminal.until(SHOWN[key], _PATIENCE)
            switches.append(_clock() - began)
    return {
        "value": _late(moves),
        "switch": _late(switches[len(SHOWN) :]),
        "first_switch": _late(switches[1 : len(SHOWN)]),
    }


def _late(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, -(-len(values) * 95 // 100) - 1)]


def screens_start(agents: int, pairs: int) -> Result:
    """Seconds from the command that runs a fleet to the first screen, over those of a Python that imports Textual.

    The median of pairs in turns. ``attach``: the same of the screens of an engine that is already at work. ``seconds``
    and ``import``: medians of both.
    """
    runs: list[float] = []
    attached: list[float] = []
    bare: list[float] = []
    imports = [sys.executable, "-c", "import textual.app"]
    with (
        _environment() as environment,
        tempfile.NamedTemporaryFile("w", suffix=".txt") as items,
        closing(Busy(agents, idle=True)) as engine,
    ):
        items.write("".join(f"{number}\n" for number in range(1000)))
        items.flush()
        plan = ("engine.workloads.coordination:echo", "--items", items.name, "--agents", str(agents), "--no-record")
        for _ in range(pairs):
            bare.append(command_seconds(imports))
            runs.append(_first_paint(_shoal("run", *plan), environment))
            attached.append(_first_paint(_shoal("attach", engine.run_id), environment))
    return {
        "value": median(one / other for one, other in zip(runs, bare, strict=True)),
        "attach": median(one / other for one, other in zip(attached, bare, strict=True)),
        "seconds": median(runs),
        "import": median(bare),
    }


def _first_paint(argv: list[str], environment: Mapping[str, str]) -> float:
    began = _clock()
    with closing(Terminal(argv, environment)) as terminal:
        terminal.until(SHOWN["1"], _PATIENCE)
        return _clock() - began


class _Screens:
    """The screens, and a terminal that takes what they write and does nothing with it."""

    def __init__(self, engine: Engine, settle: float) -> None:
        self._engine = engine
        self._settle = settle
        self._opened = ExitStack()
        self._pid = 0
        self._spent = 0.0

    def attach(self) -> None:
        """Open them, and wait until they are as they will be."""
        terminal = self._opened.enter_context(_attached(self._engine.run_id, self._settle))
        self._opened.enter_context(terminal.ignored())
        self._pid = terminal.pid

    def detach(self, seconds: float) -> None:
        """Hang up."""
        self._spent, self._pid = self.processor(), 0
        self._opened.close()

    def processor(self) -> float:
        """Of all that were opened so far."""
        return self._spent + (watch.processor_seconds(self._pid) if self._pid else 0.0)

    def processes(self) -> set[int]:
        """None while they are closed."""
        return {self._pid} if self._pid else set()

    def close(self) -> None:
        """Hang up if they are open."""
        self._opened.close()


def screens_work(agents: int, iterations: int, seconds: float, pairs: int, settle: float) -> Result:
    """Throughput of tasks that work, with the screens open over without them; as `watched.watched_work`."""
    return throughput(agents, iterations, seconds, pairs, partial(_Screens, settle=settle))


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {
    found.__name__: found for found in (screens_processor, screens_keys, screens_start, screens_work)
}
