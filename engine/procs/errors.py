"""What a caller's future, and a subtask's handle, may raise beside the task's own exception."""

from __future__ import annotations

import pickle
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool

from engine.wire import frames


class TaskPoisoned(RuntimeError):
    """The task killed every agent that ran it, as often as its limit allows. The text says how the last one died."""


class TaskTimeout(TimeoutError):
    """The task took longer than its timeout, and was killed."""


class RemoteError(RuntimeError):
    """The task raised an exception that can't be carried over to this process; the text names its class and message."""


class RemoteTraceback(Exception):
    """The traceback in the agent, as text: the cause of an exception that came from there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def exception_of(failure: frames.Failure) -> BaseException:
    """The exception that a failed task raised, or the nearest that can be had here. Never raises."""
    error: BaseException | None = None
    if failure.exception:
        try:
            found = pickle.loads(failure.exception)
        except BaseException:  # its class may do anything while it is read
            found = None
        if isinstance(found, BaseException):
            error = found
    if error is None:
        error = RemoteError(f"{failure.type}: {failure.message}")
    error.__cause__ = RemoteTraceback(failure.traceback)
    return error


def exception_for(kind: str, text: str) -> BaseException:
    """The exception for a task that the engine ended."""
    if kind == "poisoned":
        return TaskPoisoned(text)
    if kind == "timeout":
        return TaskTimeout(text)
    if kind == "pool":
        return BrokenProcessPool(text)
    if kind == "depth":
        return RecursionError(text)
    if kind == "request":
        return ValueError(text)
    return CancelledError(text)
