"""Where the time goes: cProfile for the threads of the engine's process, samples for its hosts and agents.

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

from engine.bench.sampling import FOLDER

_TOP = 30


def preload() -> list[str]:
    """What an engine must import for its hosts and agents to be sampled; nothing unless that was asked for."""
    return ["engine.bench.sampling"] if FOLDER in os.environ else []


@contextmanager
def profiled(folder: Path) -> Iterator[None]:
    """Profile this thread, every thread started inside, and the hosts and agents of engines made inside.

    The text for people is what `text` makes of the folder.
    """
    os.environ[FOLDER] = str(folder)
    run = threading.Thread.run

    def profiled_run(self: threading.Thread) -> None:
        mine = cProfile.Profile()
        try:
            mine.runcall(run, self)
        finally:
            (folder / f"thread {self.name.partition('-')[0]} {self.native_id}.txt").write_text(_told(mine))

    threading.Thread.run = profiled_run  # type: ignore[method-assign]
    main = cProfile.Profile()
    try:
        main.enable()
        yield
    finally:
        main.disable()
        threading.Thread.run = run  # type: ignore[method-assign]
        (folder / "thread main.txt").write_text(_told(main))


def _told(found: cProfile.Profile) -> str:
    out = io.StringIO()
    pstats.Stats(found, stream=out).sort_stats("tottime").print_stats(_TOP)
    return out.getvalue()


def text(folder: Path) -> str:
    """All that was found, one part after the other: threads, then functions and lines where samples fell."""
    from engine.bench import sampling

    parts = [f"== {path.stem}\n{path.read_text().strip()}\n" for path in sorted(folder.glob("thread *.txt"))]
    for kind, found in sorted(sampling.gathered(folder).items()):
        parts.append(f"== {kind}: {found.seconds:.2f} s of processor time in {found.processes} processes")
        parts += [f"{share / found.lines.total():6.1%}  {where}" for where, share in found.lines.most_common(_TOP)]
        parts.append("")
    return "\n".join(parts)
