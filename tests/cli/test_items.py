"""Items: every line of every kind of file is an item, or the reason why nothing runs."""

from __future__ import annotations

import csv
import io
import itertools
import os
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import wait_for

from engine.cli.running.items import FileItems, StdinItems
from engine.plan.steps import NOTHING_YET, SpecError


def read(folder: Path, name: str, data: bytes) -> list[Any]:
    path = folder / name
    path.write_bytes(data)
    items = FileItems(path)
    found = list(items)
    assert items.count == len(found)
    assert list(items) == found  # may be read again
    return found


def refused(folder: Path, name: str, data: bytes) -> str:
    with pytest.raises(SpecError) as caught:
        read(folder, name, data)
    told = str(caught.value)
    assert told.startswith(f"{folder}/{name}")
    assert "\n" not in told
    return told.removeprefix(f"{folder}/{name}")


@pytest.mark.parametrize(
    ("name", "data", "items"),
    [
        ("a.txt", b"one\ntwo\n", ["one", "two"]),
        ("a.txt", b"one\ntwo", ["one", "two"]),
        ("a.txt", b"one\r\ntwo\r\n", ["one", "two"]),
        ("a.txt", b"\n\none\n\n\ntwo\n\n", ["one", "two"]),
        ("a.txt", b"  spaces stay \n\ttabs\t\n", ["  spaces stay ", "\ttabs\t"]),
        ("a.txt", "\ufeffcafé\n\u2028x\x0cy\x85z\n".encode(), ["café", "\u2028x\x0cy\x85z"]),
        ("a.TXT", b"1\n", ["1"]),
        ("items", b"1\n2\n", ["1", "2"]),
        ("a.jsonl", b'1\n"two"\n[3]\n{"four": null}\n', [1, "two", [3], {"four": None}]),
        ("a.ndjson", b"1.5\r\n\r\n   \r\ntrue", [1.5, True]),
        ("a.JSONL", b'\xef\xbb\xbf{"a": 1}\n', [{"a": 1}]),
        ("a.jsonl", b"123456789012345678901234567890\n", [123456789012345678901234567890]),
        ("a.csv", b"a,b\n1,2\n3,4\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ("a.csv", b"\xef\xbb\xbfa,b\r\n1,\r\n\r\n,4\r\n", [{"a": "1", "b": ""}, {"a": "", "b": "4"}]),
        ("a.csv", b'a,b\n"x, y","line\nbreak ""quoted"""\n', [{"a": "x, y", "b": 'line\nbreak "quoted"'}]),
        ("a.csv", b'a\n"x\n\ny"\n', [{"a": "x\n\ny"}]),
    ],
)
def test_lines_as_items(folders: Path, name: str, data: bytes, items: list[Any]) -> None:
    assert read(folders, name, data) == items


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.txt", b"", ": no items in it"),
        ("a.txt", b"\n\r\n\n", ": no items in it"),
        ("a.jsonl", b"\n  \n", ": no items in it"),
        ("a.csv", b"a,b\n", ": no items in it"),
        ("a.txt", b"one\n\x00two\n", ": a binary file; items are lines of text (.txt), JSON (.jsonl) or .csv"),
        ("a.txt", b"one\ntwo\n\xffthree\nfour\n", ", line 3: not UTF-8 text"),
        ("a.jsonl", b'1\n\n"\xe9"\n', ", line 3: not UTF-8 text"),
        ("a.csv", b"a,b\n1,2\n\xe9,4\n", ", line 3: not UTF-8 text"),
        ("a.txt", b"x\n" * 100_000 + b"\xff", ", line 100001: not UTF-8 text"),
        ("a.csv", b"a,b\n1,2\n3\n", ", line 3: 1 fields where the header has 2"),
        ("a.csv", b"a,b\n1,2,3\n", ", line 2: 3 fields where the header has 2"),
        ("a.csv", b'a,b\n1,"2\n3,4\n', ", line 3: not CSV: unexpected end of data"),
        ("a.csv", b'a,b\n1,"2"x\n', ", line 2: not CSV: ',' expected after '\"'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_with_its_line(folders: Path, name: str, data: bytes, told: str) -> None:
    assert refused(folders, name, data) == told


@pytest.mark.parametrize("line", [b"{", b"NaN", b"'x'", b"1 2", b'{"a": 1,}', b'"\x01"', b"[" * 50_000], ids=range(7))
def test_json_that_is_broken(folders: Path, line: bytes) -> None:
    assert refused(folders, "a.jsonl", b"1\n\n" + line + b"\n2\n").startswith(", line 3: not JSON: ")


def test_places_without_items(folders: Path) -> None:
    (folders / "loop").symlink_to("loop")
    os.mkfifo(folders / "pipe")
    for path, told in (
        (folders / "missing.txt", "missing.txt: no such items file"),
        (folders, ": a folder, not an items file"),
        (folders / "loop", "loop: Too many levels of symbolic links"),
        (folders / ("x" * 300), "File name too long"),
        (folders / "pipe", "pipe: not a regular file; pipe it into --items -"),
    ):
        with pytest.raises(SpecError) as caught:
            FileItems(path)
        assert str(caught.value).endswith(told)


def test_a_file_that_may_not_be_read(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    path = folders / "secret.txt"
    path.write_text("1\n")
    monkeypatch.setattr(Path, "open", deny)  # who runs the tests may be allowed everything
    with pytest.raises(SpecError, match=r"secret\.txt: Permission denied"):
        FileItems(path)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(st.characters(codec="utf-8"))), min_size=1))
def test_what_a_csv_writer_wrote(rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, "abc", restval="-")
    writer.writeheader()
    writer.writerows(rows)
    path = Path(os.environ["XDG_DATA_HOME"] + ".csv")
    data = text.getvalue().encode()
    path.write_bytes(data)
    if b"\0" in data[:8192]:
        with pytest.raises(SpecError, match="binary"):
            FileItems(path)
        return
    expected = [{name: row.get(name, "-").replace("\r\n", "\n") for name in "abc"} for row in rows]
    assert [{name: text.replace("\r\n", "\n") for name, text in row.items()} for row in FileItems(path)] == expected


@pytest.mark.parametrize("name", ["big.txt", "big.jsonl", "big.csv"])
def test_a_long_file_is_read_as_it_is_asked_for(folders: Path, name: str) -> None:
    line = b'"' + b"x" * 98 + b'"\n'
    path = folders / name
    path.write_bytes(line * 100_000)  # 10 MB
    tracemalloc.start()
    items = FileItems(path)
    found = iter(items)
    assert isinstance(found, Iterator)
    assert len(list(itertools.islice(found, 3))) == 3
    del found
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert items.count in (100_000, 99_999)


class Typed:
    """A standard input at which somebody types: a line comes when the test says so."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()

    def type(self, data: bytes) -> None:
        os.write(self._writing, data)

    def end(self) -> None:
        os.close(self._writing)

    def close(self) -> None:
        os.close(self.reading)


def stdin_of(data: bytes) -> list[Any]:
    """All items of a standard input that ends."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        items = StdinItems(lambda: None, file.fileno())
        return [item for item in items if item is not NOTHING_YET]


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\n\r\n\n two", ["one", " two"]),
        (b"\xef\xbb\xbfone\n{}\n", ["one", "{}"]),
        (b"x\n" * 50_000, ["x"] * 50_000),
        (b"y" * 200_000 + b"\n" + b"z" * 65_535 + b"\r\nlast", ["y" * 200_000, "z" * 65_535, "last"]),
    ],
    ids=["plain", "blank lines", "a mark and braces", "more than may wait", "longer than one read"],
)
def test_lines_of_standard_input(data: bytes, items: list[str]) -> None:
    assert stdin_of(data) == items


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no items on standard input"),
        (b"\n\r\n\n", "no items on standard input"),
        (b"one\n\xff\nthree\n", "standard input, line 2: not UTF-8 text"),
        (b"\xff\n", "standard input, line 1: not UTF-8 text"),
    ],
)
def test_standard_input_that_is_wrong(data: bytes, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        stdin_of(data)
    assert str(caught.value) == told


def test_standard_input_that_breaks_is_not_taken_for_its_end(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(SpecError, match="standard input: Is a directory"):
            [item for item in StdinItems(lambda: None, folder) if item is not NOTHING_YET]
    finally:
        os.close(folder)


def test_a_pipe_that_does_not_wait_is_waited_for() -> None:
    typed, woken = Typed(), threading.Semaphore(0)
    os.set_blocking(typed.reading, False)  # by whoever shares it with us
    items = iter(StdinItems(woken.release, typed.reading))
    assert next(items) is NOTHING_YET
    typed.type(b"one\ntw")
    assert woken.acquire(timeout=20)
    assert next(items) == "one"
    typed.type(b"o")
    typed.end()
    assert woken.acquire(timeout=20)
    assert [item for item in items if item is not NOTHING_YET] == ["two"]
    typed.close()


def test_lines_come_as_they_are_typed_and_somebody_is_told() -> None:
    typed, woken = Typed(), threading.Semaphore(0)
    items = iter(StdinItems(woken.release, typed.reading))
    assert next(items) is NOTHING_YET
    for line in ("one", "two"):
        typed.type(line.encode() + b"\n")
        assert woken.acquire(timeout=20)
        assert next(items) == line
        assert next(items) is NOTHING_YET
    typed.end()
    assert woken.acquire(timeout=20)
    with pytest.raises(StopIteration):
        next(items)
    typed.close()


def test_whoever_found_nothing_is_woken_even_if_there_was_something_a_moment_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The thread is held between a look at the queue and its next line, while the last item is taken.
    typed, woken = Typed(), threading.Semaphore(0)
    source = StdinItems(woken.release, typed.reading)
    items = iter(source)
    typed.type(b"one\n")
    assert woken.acquire(timeout=20)
    put = source._queue.put

    def late(item: Any) -> None:
        assert next(items) == "one"
        assert next(items) is NOTHING_YET
        put(item)

    monkeypatch.setattr(source._queue, "put", late)
    typed.type(b"two\n")
    assert woken.acquire(timeout=20)
    monkeypatch.setattr(source._queue, "put", put)
    assert next(items) == "two"
    typed.end()
    wait_for(lambda: next(items, "over") == "over")
    typed.close()
