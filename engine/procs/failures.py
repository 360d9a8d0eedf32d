"""What a failed task says of itself, as it travels."""

from __future__ import annotations

import traceback
from typing import Any, Final

from engine.procs import command
from engine.wire import frames, values

# All of it, beside a group's other outcomes, must fit a frame.
_NAME_MAX: Final = 200
_TEXT_MAX: Final = 16 << 10
_DETAIL_MAX: Final = 24 << 10
_EXCEPTION_MAX: Final = 32 << 10
_BASES_MAX: Final = 12


class SoftTimeout(TimeoutError):
    """Raised inside a task that has run for its soft timeout, so that it can tidy up."""


def failure(offset: int, kind: str, error: BaseException) -> frames.Failure:
    """An exception as it travels. Never raises, whatever the exception's own methods do."""
    try:
        message = str(error)
    except BaseException:
        message = "<its __str__ raises>"
    try:
        told = "".join(traceback.format_exception(error))
    except BaseException:
        told = ""
    pickled: bytes = b""
    detail: dict[str, Any] = {}
    if isinstance(error, command.CommandFailed):
        kind, detail, told = error.kind, error.detail, error.detail.get("stderr", "")
    else:
        if isinstance(error, SoftTimeout):
            kind = "timeout"
        try:
            error.__traceback__ = None
            pickled = values.dumps(error)
        except BaseException:
            pickled = b""
    if len(pickled) > _EXCEPTION_MAX:
        pickled = b""
    detail = {key: _cut(value, _DETAIL_MAX) if isinstance(value, str) else value for key, value in detail.items()}
    name = _cut(type(error).__name__, _NAME_MAX)
    bases = _bases(type(error))
    return frames.Failure(offset, kind, name, _cut(message, _TEXT_MAX), _cut(told, _TEXT_MAX), pickled, detail, bases)


def _bases(kind: type[BaseException]) -> list[str]:
    """The classes that an exception is an instance of, by name, itself first."""
    found = []
    try:
        for base in kind.__mro__[:_BASES_MAX]:
            if base is not object:
                text = f"{base.__module__}.{base.__qualname__}"
                found.append(text[:_NAME_MAX].encode("utf-8", "replace").decode())
    except BaseException:  # a metaclass may do anything
        pass
    return found


def _cut(text: str, limit: int) -> str:
    """Beginning and end of a text, about `limit` bytes of UTF-8 in all; surrogates are escaped."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    head, tail = data[: limit // 2].decode("utf-8", "ignore"), data[-limit // 2 :].decode("utf-8", "ignore")
    return f"{head}\n[... {len(data) - limit:,} bytes ...]\n{tail}"
