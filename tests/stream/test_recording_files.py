"""Recordings as files: whole ones come back, of others what is whole is played, and it is said in one line."""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path

import pytest
from stream_frames import START, event, frame
from told import Told

from engine.stream import files
from engine.stream.files import FileRecording
from engine.stream.moments import Moment, pack
from engine.stream.recordings import Recording, RecordingError
from engine.stream.types import STREAM_VERSION, Cells, Hello

HELLO = Hello(STREAM_VERSION, "7f3a", "sweep", 4711, START, "/data/runs.db")


MOMENTS: list[Moment] = [
    (START + n, [event("x", f"event {n}", at=n), frame(float(n), number=n), Cells(0, bytes([n % 6]) * 8)])
    for n in range(1, 21)
]
TOLD = Told(HELLO, MOMENTS, START + 20.5)


def saved(path: Path, recording: Recording) -> Path:
    with open(path, "wb") as file:
        files.write(file, recording)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path / "run.shoal", TOLD)


def test_what_was_written_comes_back(path: Path) -> None:
    found = FileRecording(path)
    assert list(found.window(found.start, found.end)) == MOMENTS
    assert (found.start, found.end, found.complete, found.damage) == (START, START + 20.5, True, "")
    assert not found.look()


def test_it_does_not_tell_where_the_database_lay(path: Path) -> None:
    found = FileRecording(path)
    assert found.hello == Hello(STREAM_VERSION, "7f3a", "sweep", 4711, START, "")
    assert b"/data" not in b"".join(zlib.decompress(part) for part in _data(path)[1:-1])


def _data(path: Path) -> list[bytes]:
    """Of each record."""
    stream = io.BytesIO(path.read_bytes())
    stream.readline()
    found = []
    while head := stream.read(16):
        found.append(stream.read(struct.unpack("<dII", head)[1]))
    return found


def test_a_window_begins_after_and_ends_with(path: Path) -> None:
    found = FileRecording(path)

    def numbers(since: float, until: float) -> list[float]:
        return [at - START for at, _ in found.window(START + since, START + until)]

    assert numbers(3, 6) == [4, 5, 6]
    assert numbers(3.5, 6.5) == [4, 5, 6]
    assert numbers(-9, 1) == [1]
    assert numbers(20, 99) == []
    assert numbers(6, 3) == []


def test_of_a_file_that_is_cut_off_what_is_whole_is_played(path: Path, tmp_path: Path) -> None:
    """Wherever it was cut."""
    data = path.read_bytes()
    ends = [at for at in range(len(data)) if _is_end(data, at)]
    assert len(ends) == 22, "the head, each moment, but not the end, which is the file's"
    for cut in range(0, len(data), 7):
        short = tmp_path / "short.shoal"
        short.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends[1:]) - 1
        if whole < 0:
            with pytest.raises(RecordingError, match=r"short\.shoal is (damaged from its beginning on|no recording)"):
                FileRecording(short)
            continue
        found = FileRecording(short)
        assert list(found.window(found.start, found.end)) == MOMENTS[:whole], cut
        assert found.damage == f"{short} is cut off or damaged: it plays {whole} s, and ends there"


def _is_end(data: bytes, at: int) -> bool:
    """Whether a record ends there, or the first line."""
    ends, place = {18}, 18
    while place < len(data):
        place += 16 + struct.unpack_from("<dII", data, place)[1]
        ends.add(place)
    return at in ends


@pytest.mark.parametrize("at", range(18, 900, 37))
def test_of_one_that_is_damaged_what_comes_before_is_played(path: Path, at: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
    if at < _head_end(whole):
        with pytest.raises(RecordingError, match=r"run\.shoal is damaged from its beginning on$"):
            FileRecording(path)
        return
    found = FileRecording(path)
    played = list(found.window(found.start, found.end))
    assert played == MOMENTS[: len(played)]
    assert len(played) < 20
    assert "cut off or damaged" in found.damage


def _head_end(data: bytes) -> int:
    """Where the first moment begins."""
    return 18 + 16 + int(struct.unpack_from("<dII", data, 18)[1])


def _record(at: float, data: bytes) -> bytes:
    return struct.pack("<dII", at, len(data), zlib.crc32(data, zlib.crc32(struct.pack("<d", at)))) + data


@pytest.mark.parametrize("at", [START - 1, math.nan, math.inf], ids=["earlier", "no number", "never"])
def test_moments_are_in_order(path: Path, at: float) -> None:
    path.write_bytes(path.read_bytes()[:-16] + _record(at, pack([frame()])))
    found = FileRecording(path)
    assert len(list(found.window(START, math.inf))) == 20
    assert found.damage


def test_a_moment_that_is_none_is_one_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-16] + _record(START + 30, b"nothing") + _record(START + 30, b""))
    found = FileRecording(path)
    with pytest.raises(RecordingError, match=r"run\.shoal: a moment can't be read: it is garbage") as caught:
        list(found.window(START, found.end))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is no recording of Shoal"),
        (b"SQLite format 3\0" * 20, "is no recording of Shoal"),
        (b"shoal recording 2\n" + bytes(50), "was written by a newer Shoal: update it"),
        (b"shoal recording 1\n" + bytes(50), "is damaged from its beginning on"),
        (b"shoal recording 1\n" + _record(START, b"\x90"), "is damaged from its beginning on"),
    ],
    ids=["empty", "another's", "newer", "zeros", "no head"],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.shoal"
    path.write_bytes(data)
    with pytest.raises(RecordingError) as caught:
        FileRecording(path)
    assert str(caught.value) == f"{path} {why}"


def test_another_version_of_the_stream_is_refused(tmp_path: Path) -> None:
    told = Told(Hello(STREAM_VERSION + 1, "7f3a", "sweep", 4711, START), MOMENTS)
    with pytest.raises(RecordingError, match=f"is of stream version {STREAM_VERSION + 1}, this shoal reads"):
        FileRecording(saved(tmp_path / "x.shoal", told))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"^can't read .*none\.shoal: No such file or directory$"):
        FileRecording(tmp_path / "none.shoal")
