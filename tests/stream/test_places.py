"""The folder of the control sockets: nobody else's, and without the sockets of engines that are gone."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.stream import places
from engine.stream.places import UnsafeFolder, answers, live_sockets, runtime_folder, sweep

Listen = Callable[..., socket.socket]


@pytest.fixture
def folder() -> Path:
    return runtime_folder()


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Be an engine that listens at a place, until the test is over."""
    with ExitStack() as stack:

        def at(path: Path, backlog: int = 8) -> socket.socket:
            found = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            # Relative to the folder's descriptor: a path of more than 107 bytes is none.
            fd = os.open(path.parent, os.O_PATH)
            found.bind(f"/proc/self/fd/{fd}/{path.name}")
            os.close(fd)
            stack.callback(path.unlink, missing_ok=True)
            found.listen(backlog)
            return found

        yield at


def killed(path: Path) -> None:
    """What an engine leaves behind that had no time to clean up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as engine:
        engine.bind(str(path))
        engine.listen()


def test_it_is_made_for_this_user_alone(folder: Path) -> None:
    assert folder == Path(os.environ["XDG_RUNTIME_DIR"]) / "shoal"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert runtime_folder() == folder


def test_whatever_the_umask_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0)
    try:
        assert stat.S_IMODE(runtime_folder().stat().st_mode) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_it_is_closed_to_others_if_it_was_open(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert stat.S_IMODE(runtime_folder().stat().st_mode) == 0o700


def refused(folder: Path) -> None:
    with pytest.raises(UnsafeFolder) as caught:
        runtime_folder()
    assert str(caught.value) == f"{folder} is not a folder of yours: remove it, or set XDG_RUNTIME_DIR"


def test_a_link_is_refused_wherever_it_leads(folder: Path, tmp_path: Path) -> None:
    folder.rmdir()
    for target in (tmp_path, tmp_path / "nowhere"):
        folder.symlink_to(target)
        refused(folder)
        folder.unlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_refused(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")
    refused(folder)


def test_a_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    refused(folder)


@pytest.mark.parametrize("base", ["", "/no/such/folder", "not writable"])
def test_without_a_runtime_folder_it_lies_in_tmp_under_the_users_name(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, int]] = []
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    monkeypatch.setattr(Path, "mkdir", lambda path, mode, **_: made.append((path, mode)))
    monkeypatch.setattr(
        os, "lstat", lambda path: os.stat_result((stat.S_IFDIR | 0o700, 0, 0, 0, os.getuid(), *[0] * 5))
    )
    if base == "not writable":  # another user's, after su: the variable outlives the change
        base = str(tmp_path)
        monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    assert runtime_folder() == Path("/tmp/shoal-4000000001")
    assert made == [(Path("/tmp/shoal-4000000001"), 0o700)]


def test_only_who_listens_answers(folder: Path, listen: Listen) -> None:
    listen(folder / "alive.sock")
    assert answers(folder / "alive.sock")
    killed(folder / "dead.sock")
    (folder / "file.sock").write_text("")
    for name in ("dead.sock", "file.sock", "missing.sock"):
        assert not answers(folder / name)
    sweep(folder)


def test_an_engine_too_busy_to_accept_is_alive(folder: Path, listen: Listen) -> None:
    path = folder / "busy.sock"
    listen(path, 0)
    with ExitStack() as stack:
        while True:
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            waiting.setblocking(False)
            try:
                waiting.connect(str(path))
            except BlockingIOError:
                break
        assert answers(path)


def test_sweeping_takes_the_dead_and_leaves_the_living(folder: Path, listen: Listen) -> None:
    listen(folder / "alive.sock")
    killed(folder / "dead.sock")
    (folder / "notes.txt").write_text("")
    sweep(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["alive.sock", "notes.txt"]
    sweep(folder)


def test_a_draft_is_left_to_its_engine_until_nobody_can_mean_it(folder: Path) -> None:
    young, old = folder / "young.new", folder / "old.new"
    killed(young)
    killed(old)
    past = time.time() - places._DRAFT_AGE - 1
    os.utime(old, (past, past))
    sweep(folder)
    assert list(folder.iterdir()) == [young]


def test_the_living_the_newest_first(folder: Path, listen: Listen) -> None:
    for age, name in enumerate(["newest", "older", "oldest"]):
        listen(folder / f"{name}.sock")
        os.utime(folder / f"{name}.sock", (1e9 - age, 1e9 - age))
    killed(folder / "dead.sock")
    killed(folder / "draft.new")
    assert [path.stem for path in live_sockets()] == ["newest", "older", "oldest"]
    assert (folder / "dead.sock").exists()  # looking takes nothing away
    sweep(folder)


def test_nobody_is_alive_where_nothing_is(folder: Path) -> None:
    assert live_sockets() == []


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both folders that engines are in, with the variable and without it: the first is returned."""
    monkeypatch.setattr(places, "_USUAL", str(tmp_path / "user-{}"))
    monkeypatch.setattr(places, "_WITHOUT", str(tmp_path / "shoal-{}"))
    found = Path(places._USUAL.format(os.getuid()))
    for folder in (found, found / "shoal", tmp_path / f"shoal-{os.getuid()}"):
        folder.mkdir(mode=0o700)
    return found


@pytest.mark.parametrize("known", [True, False], ids=["with the variable", "without it"])
def test_engines_of_programs_with_and_without_the_variable_are_found(
    known: bool, usual: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    if known:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(usual))
    else:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    for age, path in enumerate([usual / "shoal" / "newer.sock", usual.parent / f"shoal-{os.getuid()}" / "older.sock"]):
        listen(path)
        os.utime(path, (1e9 - age, 1e9 - age))
    assert [path.stem for path in live_sockets()] == ["newer", "older"]
    assert runtime_folder() == (usual / "shoal" if known else usual.parent / f"shoal-{os.getuid()}")


def test_where_the_variable_is_unusual_only_its_engines_are_found(folder: Path, usual: Path, listen: Listen) -> None:
    listen(folder / "here.sock")
    listen(usual / "shoal" / "there.sock")
    assert [path.stem for path in live_sockets()] == ["here"]


def test_a_folder_that_others_could_plant_a_socket_in_is_not_looked_into(
    usual: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    listen(usual / "shoal" / "planted.sock")
    (usual / "shoal").chmod(0o770)
    assert live_sockets() == []
