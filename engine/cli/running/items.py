"""Items: the arguments of tasks, from a file of JSON lines, CSV or text, or from standard input.

A file is read twice: once to see that all of it can be read, and to count; then again, as tasks are taken. So what is
wrong with line 900,000 is said before anything runs.
"""

from __future__ import annotations

import contextlib
import csv
import os
import queue
import select
import stat
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.plan.steps import NOTHING_YET, SpecError

_WAITING_LINES: Final = 10_000
_SNIFF: Final = 8192
_READ: Final = 1 << 16


def _decoder(name: str) -> Callable[[Iterator[tuple[int, str]]], Iterator[Any]]:
    """How the lines of a file become items, by its ending."""
    ending = Path(name).suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return lambda lines: _json_lines(name, lines)
    if ending == ".csv":
        return lambda lines: _csv_rows(name, lines)
    return lambda lines: (text for _, text in lines if text)


def _json_lines(name: str, lines: Iterator[tuple[int, str]]) -> Iterator[Any]:
    decode = msgspec.json.Decoder().decode
    for number, text in lines:
        if not text.strip():
            continue
        try:
            yield decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise SpecError(f"{name}, line {number}: not JSON: {error}") from None


def _csv_rows(name: str, lines: Iterator[tuple[int, str]]) -> Iterator[dict[str, str]]:
    reader = csv.reader((text + "\n" for _, text in lines), strict=True)
    header: list[str] | None = None
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SpecError(f"{name}, line {reader.line_num}: not CSV: {error}") from None
        if not row:
            continue
        if header is None:
            header = row
        elif len(row) != len(header):
            raise SpecError(f"{name}, line {reader.line_num}: {len(row)} fields where the header has {len(header)}")
        else:
            yield dict(zip(header, row, strict=True))


def _lines(path: Path) -> Generator[tuple[int, str]]:
    with path.open("rb") as file:  # not as text: that is decoded in large pieces, so an error would name the wrong line
        for number, raw in enumerate(file, 1):
            try:
                yield number, _text(number, raw)
            except UnicodeDecodeError:
                raise SpecError(f"{path}, line {number}: not UTF-8 text") from None


def _text(number: int, raw: bytes) -> str:
    """A line without its end, the first one without the mark that some editors and spreadsheets put before it."""
    return raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")


class FileItems:
    """Items of a file. Iterating reads it again.

    Attributes:
        count: how many there are.
    """

    def __init__(self, path: Path) -> None:
        """Read all of it once. Raises `SpecError` if it is missing, empty, binary, or broken at some line."""
        self._path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # what a pipe holds can be read once only
                raise SpecError(f"{path}: not a regular file; pipe it into --items -")
            with path.open("rb") as file:
                if b"\0" in file.read(_SNIFF):
                    raise SpecError(f"{path}: a binary file; items are lines of text (.txt), JSON (.jsonl) or .csv")
            self.count = sum(1 for _ in self)
        except FileNotFoundError:
            raise SpecError(f"{path}: no such items file") from None
        except IsADirectoryError:
            raise SpecError(f"{path}: a folder, not an items file") from None
        except OSError as error:
            raise SpecError(f"{path}: {error.strerror}") from None
        if not self.count:
            raise SpecError(f"{path}: no items in it")

    def __iter__(self) -> Iterator[Any]:
        with contextlib.closing(_lines(self._path)) as lines:  # where a line is wrong, the file is closed at once
            yield from _decoder(str(self._path))(lines)


class KeptItems:
    """Items that came on standard input when the run was begun. Iterating reads them from the database."""

    def __init__(self, database: Path, run: str, count: int) -> None:
        """Nothing is read yet. `count`: how many there are."""
        self._database = database
        self._run = run
        self._count = count

    def __iter__(self) -> Iterator[str]:
        from engine.store.queries import input_items, open_readonly
        from engine.store.schema import FAULTS, StoreError, explain

        number = 0
        try:
            with contextlib.closing(open_readonly(self._database)) as db:
                for item in input_items(db, self._run):
                    number += 1
                    yield item
        except (StoreError, *FAULTS) as error:
            why = error if isinstance(error, StoreError) else explain(self._database, error)
            raise SpecError(f"items that came on standard input can't be read: {why}") from error
        if number < self._count:
            gone = f"only {number:,} of {self._count:,} are left of the items that were recorded with run {self._run}"
            raise SpecError(f"{gone}: it has been deleted meanwhile")


class StdinItems:
    """Items from standard input, one a line, as they come: it may never end.

    A thread waits for it, so that the loop does not. It reads the descriptor, not ``sys.stdin``: whoever waits in a
    buffered file holds its lock, and an interpreter that ends meanwhile aborts.
    """

    def __init__(self, wake: Callable[[], None], descriptor: int = 0) -> None:
        """`wake` is called when there is something after there was nothing."""
        self._descriptor = descriptor
        self._queue: queue.Queue[str | SpecError | None] = queue.Queue(_WAITING_LINES)
        self._wake = wake
        threading.Thread(target=self._read, name="shoal-stdin", daemon=True).start()

    def _read(self) -> None:
        number, none = 0, True
        try:
            for number, raw in enumerate(self._raw_lines(), 1):
                text = _text(number, raw)
                if not text:
                    continue
                none = False
                self._queue.put(text)
                if self._queue.qsize() <= 1:  # asked afterwards: whoever found it empty before is now told
                    self._wake()
        except UnicodeDecodeError:
            self._queue.put(SpecError(f"standard input, line {number}: not UTF-8 text"))
            none = False
        except OSError as error:  # what was read so far is not all there is
            self._queue.put(SpecError(f"standard input: {error.strerror or error}"))
            none = False
        if none:
            self._queue.put(SpecError("no items on standard input"))
        self._queue.put(None)
        self._wake()

    def _raw_lines(self) -> Iterator[bytes]:
        """Lines with neither delay nor their ends; the last one counts without an end, too."""
        parts: list[bytes] = []  # of a line that is longer than one read
        while True:
            try:
                data = os.read(self._descriptor, _READ)
            except BlockingIOError:  # whoever shares the pipe with us made it so
                poller = select.poll()
                poller.register(self._descriptor, select.POLLIN)
                poller.poll()
                continue
            if not data:
                break
            first, *rest = data.split(b"\n")
            parts.append(first)
            if rest:
                yield b"".join(parts)
                yield from rest[:-1]
                parts = [rest[-1]]
        if last := b"".join(parts):
            yield last

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                yield NOTHING_YET
                continue
            if found is None:
                return
            if isinstance(found, SpecError):
                raise found
            yield found
