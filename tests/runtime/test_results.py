"""Results on their way out: JSON of anything at all, in order, and no code run that came over the wire."""

from __future__ import annotations

import array
import collections
import datetime
import enum
import functools
import io
import json
import math
import os
import pickle
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.results import OrderedWriter, Unreadable, as_json, plain_value, row, to_json, value_of
from engine.wire import frames, values
from engine.wire.memory import Parcel


@dataclass
class Point:
    x: Any
    y: Any


class Pair(NamedTuple):
    a: int
    b: int


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    """As libraries make them: text with something of their own."""

    __slots__ = ()


class Whole(int):
    """As `Text`."""


class Plain:
    """Nothing that JSON knows."""

    def __repr__(self) -> str:
        return "<plain \ud800>"


class Hostile:
    """Whatever is asked of it, it raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    @property
    def tolist(self) -> Any:
        raise RuntimeError("no")


DEEP: list[Any] = functools.reduce(lambda inner, _: [inner], range(100_000), [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1 << 70, 1 << 70),
        (0.1, 0.1),
        ("ü\u2028", "ü\u2028"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ([1.5, math.nan, {"a": (math.inf, None, "null")}], [1.5, "nan", {"a": ["inf", None, "null"]}]),
        ("a\ud800b", "a\\ud800b"),
        ({"k\udc80": ["\ud800", 1]}, {"k\\udc80": ["\\ud800", 1]}),
        ((1, (2,)), [1, [2]]),
        ({3}, [3]),
        (frozenset({"x"}), ["x"]),
        (b"\xff\xfe", "//4="),
        (bytearray(b"\xff"), "/w=="),
        ({1: 2, 1.5: 3}, {"1": 2, "1.5": 3}),
        ({(1, 2): 3, None: 4}, {"(1, 2)": 3, "None": 4}),
        (Point(1, [math.nan]), {"x": 1, "y": ["nan"]}),
        (Point("a", Point(None, {1})), {"x": "a", "y": {"x": None, "y": [1]}}),
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.array([1.5, math.nan]), [1.5, "nan"]),
        ([np.float64(2.5), np.float32("nan"), np.int8(3), np.bool_(True)], [2.5, "nan", 3, True]),
        (np.array(["a", None], dtype=object), ["a", None]),
        (np.array([1 + 2j]), ["(1+2j)"]),
        (array.array("d", [1, 2]), [1.0, 2.0]),
        (collections.OrderedDict(a=collections.defaultdict(int, {"b": 1})), {"a": {"b": 1}}),
        (Pair(1, 2), [1, 2]),
        ([Text("text"), Whole(3), Colour.RED], ["text", 3, "red"]),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Decimal("1.10"), "1.10"),
        (3j, "3j"),
        (Point, f"{Point!r}"),
        ([Plain()], ["<plain \\ud800>"]),
        ([Hostile(), 1], ["<Hostile: its text can't be had>", 1]),
        (DEEP, "<list: its text can't be had>"),
        (10**4000, 10**4000),
        (10**5000, hex(10**5000)),
        ([{"a": -(10**5000), 10**5000: 1}], [{"a": hex(-(10**5000)), hex(10**5000): 1}]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_is_json(value: Any, expected: Any) -> None:
    assert json.loads(to_json(value), parse_constant=pytest.fail) == expected


def test_what_would_become_a_text_is_no_json_of_its_own() -> None:
    assert as_json(10**4000) == f"1{'0' * 4000}"
    assert as_json([10**5000]) is as_json(DEEP) is None
    assert as_json([math.nan]) == '["nan"]'


def test_a_list_that_holds_itself_is_told_as_text() -> None:
    value: list[Any] = [1]
    value.append(value)
    assert isinstance(json.loads(to_json(value)), str | list)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.complex_numbers()
    | st.text(st.characters(exclude_categories=())) | st.builds(Plain) | st.builds(Hostile),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.builds(Point, inner, inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers() | st.floats(), inner)
    ),
)  # fmt: skip


@given(anything)
def test_it_is_one_line_of_strict_json_whatever_comes(value: Any) -> None:
    told = to_json(value)
    assert "\n" not in told
    json.loads(told.encode("utf-8"), parse_constant=pytest.fail)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_what_json_can_say_is_said_exactly(value: Any) -> None:
    assert json.loads(to_json(value)) == value


@given(json_values | st.tuples(json_values, json_values) | st.sets(st.integers()) | st.binary())
def test_plain_values_are_read_without_any_import(value: Any) -> None:
    held = values.hold(value)
    if type(held) is not Parcel:
        assert plain_value(held) == value
    assert value_of(*through(held)) == value


def through(held: object) -> tuple[Any, list[Parcel]]:
    """One item of a column, as it arrives."""
    parcels: list[Parcel] = []
    return values.open_column(values.write_column([held], parcels), parcels)[0], parcels


class Evil:
    """Runs a program where it is read."""

    def __init__(self, path: Path) -> None:
        self._command = f"touch {path}"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_value_runs_no_code(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "it ran".replace(" ", "_")
    for value in (Evil(mark), [1, Evil(mark)], {"a": (Evil(mark),)}):
        item = values.Ext(values.PICKLE, pickle.dumps(value, protocol))
        with pytest.raises(pickle.UnpicklingError):
            plain_value(item)
    assert not mark.exists()


@pytest.mark.parametrize("value", [len, Point(1, 2), np.zeros(3), 3j, Colour.RED, Exception(), range(3), ...])
def test_what_needs_an_import_is_no_plain_value(value: object) -> None:
    with pytest.raises(pickle.UnpicklingError):
        plain_value(values.Ext(values.PICKLE, pickle.dumps(value)))


@given(st.binary(max_size=100))
def test_garbage_is_no_plain_value(data: bytes) -> None:
    # A memo index of four bytes makes pickle ask for gigabytes: that is its own affair.
    try:
        plain_value(values.Ext(values.PICKLE, data.replace(b"r", b"").replace(b"p", b"")))
    except pickle.UnpicklingError:
        pass


def test_what_is_large_or_unknown_is_no_plain_value() -> None:
    item, _ = through(values.hold("x" * 1_000_000))
    for found in (item, values.Ext(7, b"")):
        with pytest.raises(pickle.UnpicklingError):
            plain_value(found)


def _exit() -> None:
    raise SystemExit("left")


class Leaver:
    """Ends the program that reads it, if that program lets it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _exit, ()


def test_a_value_that_cannot_be_read_here_says_so() -> None:
    with pytest.raises(Unreadable, match=r"^SystemExit: left$"):
        value_of(*through(values.hold(Leaver())))
    missing = values.Ext(values.PICKLE, b"cno_such_module\nname\n.")
    with pytest.raises(Unreadable, match=r"^ModuleNotFoundError: No module named 'no_such_module'$"):
        value_of(missing, [])
    assert value_of(*through(values.hold(Point(1, 2)))) == Point(1, 2)
    item, parcels = through(values.hold("x" * 1_000_000))
    assert value_of(item, parcels) == "x" * 1_000_000


def test_the_row_of_a_task_that_went_well() -> None:
    assert row(3, None, 1.5, [], None) == '{"index":3,"ok":true,"result":1.5}'
    assert row(0, 'a "b"', None, [], None) == '{"task":"a \\"b\\"","index":0,"ok":true,"result":null}'
    item, parcels = through(values.hold((1, {"a": math.nan})))
    assert row(0, None, item, parcels, None) == '{"index":0,"ok":true,"result":[1,{"a":"nan"}]}'


def test_the_row_of_a_result_that_cannot_be_read_poses_as_no_result() -> None:
    missing = values.Ext(values.PICKLE, b"cno_such_module\nname\n.")
    assert json.loads(row(3, "t", missing, [], None)) == {
        "task": "t", "index": 3, "ok": True, "result": None,
        "unreadable": "ModuleNotFoundError: No module named 'no_such_module'",
    }  # fmt: skip


def test_the_row_of_a_task_that_failed() -> None:
    failure = frames.Failure(0, "exception", "ValueError", "no\nline", "Traceback ...", b"")
    assert json.loads(row(3, "t", None, [], failure)) == {
        "task": "t", "index": 3, "ok": False, "kind": "exception", "error": "ValueError: no\nline",
        "traceback": "Traceback ...",
    }  # fmt: skip
    exit_code = {"exit_code": 2, "stdout": "", "stderr": "x"}
    failure = frames.Failure(0, "exit", "", "exit code 2: x", "in our own code", b"", exit_code)
    assert json.loads(row(3, None, None, [], failure)) == {
        "index": 3, "ok": False, "kind": "exit", "error": "exit code 2: x", "result": exit_code
    }  # fmt: skip


@given(st.permutations(range(30)))
def test_lines_are_written_in_order_whatever_order_they_come_in(order: list[int]) -> None:
    stream = io.StringIO()
    writer = OrderedWriter(None, stream)
    for done, number in enumerate(order):
        writer.put(number, str(number))
        arrived = set(order[: done + 1])
        complete = next(n for n in range(31) if n not in arrived)
        assert stream.getvalue() == "".join(f"{n}\n" for n in range(complete))  # at once, not in the end
    writer.close()
    assert stream.getvalue().split() == [str(n) for n in range(30)]
    assert not stream.closed  # it is not ours to close


def test_after_an_interruption_what_there_is_is_written_without_what_is_not(tmp_path: Path) -> None:
    writer = OrderedWriter(tmp_path / "out.jsonl")
    for number in (7, 0, 3, 1):
        writer.put(number, f"é {number}")
    writer.close()
    writer.close()
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "é 0\né 1\né 3\né 7\n"
    assert writer.failed is None


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    for path, kind in ((tmp_path / "no" / "out.jsonl", FileNotFoundError), (tmp_path, IsADirectoryError)):
        writer = OrderedWriter(path)
        writer.begin()
        assert isinstance(writer.failed, kind)
        writer.put(0, "x")
        writer.close()
    assert list(tmp_path.glob("no")) == []


def test_a_file_is_left_alone_until_there_is_something_to_write(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    OrderedWriter(path).close()
    assert not path.exists()
    path.write_text("of last week\n")
    writer = OrderedWriter(path)
    writer.put(1, "b")  # waits
    assert path.read_text() == "of last week\n"
    writer.put(0, "a")
    writer.close()
    writer.put(2, "late")
    assert path.read_text() == "a\nb\n"
    writer = OrderedWriter(path)
    writer.begin()
    assert path.read_text() == ""
    writer.close()


def test_a_file_that_is_replaced_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path, link = tmp_path / "out.jsonl", tmp_path / "link.jsonl"
    path.write_text("of last week\n")
    path.chmod(0o640)
    link.symlink_to(path)
    for name in (path, link):
        writer = OrderedWriter(name, replaces=True)
        writer.put(0, "a")
        writer.put(2, "c")
        writer.close()  # it was cut off
        assert path.read_text() == "of last week\n"
    (tmp_path / ".out.jsonl.part").write_text("left behind by one that was killed")
    writer = OrderedWriter(link, replaces=True)
    writer.put(0, "a")
    writer.put(2, "c")
    assert path.read_text() == "of last week\n"
    writer.finish(["known"])
    assert path.read_text() == "a\nc\nknown\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert not (tmp_path / ".out.jsonl.part").exists()


def test_a_file_with_another_name_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("of last week\n")
    (tmp_path / "other").hardlink_to(path)
    writer = OrderedWriter(path, replaces=True)
    writer.put(0, "a")
    writer.finish()
    assert (tmp_path / "other").read_text() == "a\n"


def test_what_goes_wrong_with_the_rest_leaves_the_old_file(tmp_path: Path) -> None:
    def rest() -> Iterator[str]:
        yield "b"
        raise LookupError

    path = tmp_path / "out.jsonl"
    path.write_text("of last week\n")
    writer = OrderedWriter(path, replaces=True)
    writer.put(0, "a")
    with pytest.raises(LookupError):
        writer.finish(rest())
    writer.close()
    assert path.read_text() == "of last week\n"
    assert not (tmp_path / ".out.jsonl.part").exists()


def test_a_full_disk_is_remembered_and_raises_nowhere() -> None:
    writer = OrderedWriter(Path("/dev/full"))
    for number in range(3):
        writer.put(number, "x" * 100_000)
    assert writer.failed is not None
    assert writer.failed.strerror == "No space left on device"
    writer.put(5, "late")
    writer.close()
    writer.close()


def test_a_disk_that_is_full_only_in_the_end() -> None:
    writer = OrderedWriter(Path("/dev/full"))
    writer.put(0, "short")
    assert writer.failed is None  # still in the buffer
    writer.close()
    assert writer.failed is not None


def test_a_reader_that_has_left() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as raw:
        stream = io.TextIOWrapper(raw, write_through=True)
        writer = OrderedWriter(None, stream)
        writer.put(0, "x")
        assert isinstance(writer.failed, BrokenPipeError)
        writer.put(1, "y")
        writer.close()
        assert isinstance(writer.failed, BrokenPipeError)
