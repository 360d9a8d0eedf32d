"""Where the time goes: cProfile for the threads of the engine's process and its recorder, samples for its hosts and
agents.

The processes below the nursery are reached by preloading `engine.bench.sampling`, as any user's module.
"""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.bench.sampling import FOLDER

_TOP = 30


def preload() -> list[str]:
    """What an engine must import for its hosts and agents to be sampled; nothing unless that was asked for."""
    return ["engine.bench.sampling"] if FOLDER in os.environ else []


@contextmanager
def profiled(folder: Path) -> Iterator[None]:
    """Profile this thread, every thread started inside, and the processes of engines made inside.

    The text for people is what `text` makes of the folder.
    """
    from engine.runtime.record import line

    starter: Any = line
    os.environ[FOLDER] = str(folder)
    launch = starter.launch
    run = threading.Thread.run

    def profiled_run(self: threading.Thread) -> None:
        mine = cProfile.Profile()
        try:
            mine.runcall(run, self)
        finally:
            (folder / f"thread {self.name.partition('-')[0]} {self.native_id}.txt").write_text(told(mine))

    def launched(module: str, *arguments: str) -> Any:
        return launch(module.replace("engine.store.recorder", "engine.bench.profiled_recorder"), *arguments)

    threading.Thread.run = profiled_run  # type: ignore[method-assign]
    starter.launch = launched
    main = cProfile.Profile()
    try:
        main.enable()
        yield
    finally:
        main.disable()
        starter.launch = launch
        threading.Thread.run = run  # type: ignore[method-assign]
        (folder / "thread main.txt").write_text(told(main))


def told(found: cProfile.Profile) -> str:
    """A profile for people."""
    out = io.StringIO()
    pstats.Stats(found, stream=out).sort_stats("tottime").print_stats(_TOP)
    return out.getvalue()


def text(folder: Path) -> str:
    """All that was found, one part after the other: the recorder, threads, then lines where samples fell."""
    from engine.bench import sampling

    parts = [f"== {path.stem}\n{path.read_text().strip()}\n" for path in sorted(folder.glob("*.txt"))]
    for kind, found in sorted(sampling.gathered(folder).items()):
        parts.append(f"== {kind}: {found.seconds:.2f} s of processor time in {found.processes} processes")
        parts += [f"{share / found.lines.total():6.1%}  {where}" for where, share in found.lines.most_common(_TOP)]
        parts.append("")
    return "\n".join(parts)
