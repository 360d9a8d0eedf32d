"""What every agent does, done once before the first fork.

Functions that run for the first time write to their own code (counters, caches, the instructions that suit what they
have seen), and so does the interpreter to what it looks up. After a fork each such write makes a page of memory the
agent's own, and each agent would do all of it anew: 20 idle ones have a sixth less memory of their own after this.
"""

from __future__ import annotations

import contextlib
import os
from importlib.util import find_spec
from typing import Final

import msgspec

from engine.procs.agent import Agent
from engine.procs.scoreboard import Scoreboard, create
from engine.procs.tasks import silence
from engine.wire import channel, frames, values

_BATCHES: Final = 12
"""Code settles after eight calls."""
_TASKS: Final = 40
_RING: Final = 64 << 10


def rehearse() -> None:
    """Look into all folders that modules come from, and be an agent for some batches of trivial tasks. Without a
    descriptor left, it is left out.
    """
    with contextlib.suppress(Exception):  # finders of others may be among them
        find_spec("_shoal_absent")
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        fd = create(1, _RING)
        try:
            board = Scoreboard(fd, 1, _RING)
        finally:
            os.close(fd)
        ours, theirs = channel.pair()
        stack.enter_context(ours)
        stack.enter_context(theirs)
        column = msgspec.Raw(values.encode(list(range(_TASKS))))
        batches = [frames.Work(number, 1, False, 0.0, 0, _TASKS, column) for number in range(1, _BATCHES + 1)]
        for frame in (frames.Define(1, "builtins:abs", b""), *batches, frames.Retire()):
            channel.send(ours, (frames.encode(frame),))
        Agent(board, 0, theirs).serve()  # it and the board have views of each other: they go with the next collection
        silence()
