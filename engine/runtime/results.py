"""Results on their way out: read from the wire, turned into JSON, and written in the order of the input."""

from __future__ import annotations

import contextlib
import io
import json
import math
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from engine.runtime.record.replacing import Replacement
from engine.wire import frames, values
from engine.wire.memory import Parcel


class Unreadable(Exception):
    """A result that can't be read in this process. The text is its error, in one line: type and message."""


class _Builtins(pickle.Unpickler):
    """Reads pickles of lists, dicts, tuples and sets of plain values; they need no import, and none is made."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def plain_value(item: Any) -> Any:
    """The value of an item of a column if that takes no import of anything.

    Raises `pickle.UnpicklingError` otherwise.
    """
    if type(item) is not values.Ext:
        return item
    if item.code != values.PICKLE:
        raise pickle.UnpicklingError("large")
    try:
        return _Builtins(io.BytesIO(item.data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:
        raise pickle.UnpicklingError(str(error)) from error


def value_of(item: Any, parcels: list[Parcel]) -> Any:
    """The value of an item of a column, with whatever import that takes.

    Raises `Unreadable`, whatever goes wrong: its class may do anything.
    """
    try:
        return plain_value(item)
    except pickle.UnpicklingError:
        pass
    try:
        return values.unwrap(item, parcels)
    except BaseException as error:
        raise Unreadable(_told(error)) from error


class Readable:
    """Values of results: None, and once a warning, for one that can't be read in this process."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn: Callable[[str], None] | None = warn

    def value(self, item: Any, parcels: list[Parcel]) -> Any:
        """The value of an item of a column."""
        try:
            return value_of(item, parcels)
        except Unreadable as error:
            warn, self._warn = self._warn, None
            if warn is not None:
                warn(f"a result can't be read here, and counts as None: {error}")
            return None


def _told(error: BaseException) -> str:
    """An error in one line."""
    try:
        text = str(error)
    except Exception:  # its class may do anything, too
        text = ""
    return " ".join(_clean(f"{type(error).__name__}: {text}").split()).removesuffix(":")


def _shown(value: Any) -> str:
    """Its repr, as text that any file takes. Never raises, whatever its class does."""
    try:
        return _clean(repr(value))
    except Exception:  # nested too deeply, too; what is left is what we know ourselves
        return f"<{type(value).__name__}: its text can't be had>"


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _hook(value: Any) -> Any:
    """JSON for what msgspec does not know: arrays and their scalars as lists and numbers, anything else as its text."""
    if str(type(value).__module__).partition(".")[0] in ("numpy", "array"):
        for method in ("tolist", "item"):
            convert = getattr(value, method, None)
            if callable(convert):
                return convert()
    for kind in (str, int, float):  # of a class of its own: by its value
        if isinstance(value, kind):
            return getattr(kind, f"__{kind.__name__}__")(value)
    return _shown(value)


_json = msgspec.json.Encoder(enc_hook=_hook)


_BITS: Final = 14_000
"""Of the largest integer that is written in decimals, which Python refuses beyond 4,300 of them: the time that it takes
grows with their square."""


def to_json(value: Any) -> str:
    """Any value as JSON. What JSON has no word for becomes text, NaN and infinities too: other programs can read it.
    Integers of more than 4,200 digits or so become text in hexadecimal.

    Never raises.
    """
    text = as_json(value)
    if text is not None:
        return text
    try:
        return _json.encode(_careful(msgspec.to_builtins(value, enc_hook=_hook), hex)).decode()
    except Exception:
        return _json.encode(_shown(value)).decode()


def as_json(value: Any) -> str | None:
    """The same; None where integers would become text, or nothing be left of the value but its repr."""
    if value is None:
        return "null"
    try:
        data = _json.encode(value)
        if b"null" not in data and type(value) is not float:
            return data.decode()
    except Exception:  # a lone surrogate somewhere, or anything that the methods of its class may raise
        pass
    try:  # msgspec writes null for NaN, too: look at each value
        return _json.encode(_careful(msgspec.to_builtins(value, enc_hook=_hook), _too_large)).decode()
    except Exception:
        return None


def _too_large(value: int) -> str:
    raise ValueError("an integer that is written in no decimals")


def _careful(value: Any, large: Callable[[int], str]) -> Any:
    """Builtins without anything that JSON has no word for. `large` gives a text for integers that are too large."""
    kind = type(value)
    if kind is int:
        return value if value.bit_length() <= _BITS else large(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is str:
        return _clean(value)
    if kind is dict:
        return {_careful(key, large): _careful(found, large) for key, found in value.items()}
    if kind in (list, tuple, set, frozenset):
        return [_careful(found, large) for found in value]
    return value


def row(index: int, task: str | None, item: Any, parcels: list[Parcel], failure: frames.Failure | None) -> str:
    """One line of a results file."""
    head: dict[str, Any] = {} if task is None else {"task": task}
    head["index"] = index
    if failure is None:
        head["ok"] = True
        try:
            value = value_of(item, parcels)
        except Unreadable as error:  # it went well; a text in place of the result would pass for one
            return to_json(head | {"result": None, "unreadable": str(error)})
        return _json.encode(head).decode()[:-1] + ',"result":' + to_json(value) + "}"
    head["ok"] = False
    head["kind"] = failure.kind
    head["error"] = f"{failure.type}: {failure.message}" if failure.type else failure.message
    if failure.traceback and failure.kind not in ("exit", "timeout"):
        head["traceback"] = failure.traceback
    if failure.detail:
        head["result"] = failure.detail
    return to_json(head)


class OrderedWriter:
    """Writes lines in the order of their numbers, whatever the order they come in.

    A line waits in memory until all before it are written. A file is opened, and what was in it is gone, with `begin`
    or the first line: a run that never begins destroys nothing. With `replaces` it is gone only with `finish`, where
    the file is one that can be replaced.
    """

    def __init__(self, path: Path | None, stream: IO[str] | None = None, replaces: bool = False) -> None:
        """To a file that is not opened yet, or to a stream that is open."""
        self._path = path
        self._replaces = replaces
        self._replacement: Replacement | None = None
        self._own = stream is None
        self._file: IO[str] | None = stream
        self._closed = self._whole = False
        self._next = 0
        self._waiting: dict[int, str] = {}
        self.failed: OSError | None = None
        """What went wrong with writing, if something did: the run then ends."""

    @property
    def waiting(self) -> int:
        """Lines that wait for an earlier one."""
        return len(self._waiting)

    def begin(self) -> None:
        """Open the file, emptying it, unless it is open. What goes wrong is `failed`."""
        try:
            self._opened()
        except OSError as error:
            self.failed = self.failed or error

    def _opened(self) -> IO[str]:
        if self.failed is not None and self._file is None:  # what could not be opened once is not tried again
            raise self.failed
        if self._file is None:
            path = self._path or Path()
            target: Path | int = path
            if self._replaces:
                with contextlib.suppress(OSError):
                    self._replacement = Replacement(path)
                    target = self._replacement.fd
            self._file = open(target, "w", encoding="utf-8")  # noqa: SIM115
        return self._file

    def put(self, number: int, line: str) -> None:
        """Take in one line; its number is given once. After `close` it is ignored."""
        if self._closed:
            return
        if number != self._next:
            self._waiting[number] = line
            return
        try:
            file = self._opened()
            while True:
                file.write(line + "\n")
                self._next += 1
                if not self._waiting:
                    return
                following = self._waiting.pop(self._next, None)
                if following is None:
                    return
                line = following
        except OSError as error:
            self.failed = self.failed or error

    def finish(self, rest: Iterable[str] = ()) -> None:
        """Write what is left, and `rest` behind it if the file is open by then; close. The new file takes its place.

        What `rest` raises comes through.
        """
        self._drain()
        if self._file is not None and not self._closed:
            try:
                for line in rest:
                    self._file.write(line + "\n")
            except OSError as error:
                self.failed = self.failed or error
        self._whole = True
        self.close()

    def close(self) -> None:
        """Write what is left (after an interruption there are gaps) and close. May be called twice.

        Unless it was finished, a file that was to be replaced stays.
        """
        if self._closed:
            return
        self._drain()
        self._closed = True
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self.failed = self.failed or error
        if self._own and self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self.failed = self.failed or error
        if self._replacement is not None:
            self._settle(self._replacement)

    def _drain(self) -> None:
        """Write what waits for lines that have not come."""
        try:
            for number in sorted(self._waiting):
                self._opened().write(self._waiting[number] + "\n")
            self._waiting.clear()
        except OSError as error:
            self.failed = self.failed or error

    def _settle(self, replacement: Replacement) -> None:
        if not self._whole or self.failed is not None:
            replacement.drop()
            return
        try:
            replacement.settle()
        except OSError as error:
            self.failed = error
            replacement.drop()


def report_text(value: Any) -> str:
    """A report as it is printed: its own text where it has one."""
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    return value if isinstance(value, str) else json.dumps(value, indent=2, default=repr)
