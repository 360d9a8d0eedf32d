"""Progress on a terminal: what is drawn, and that a terminal which obeys it shows just that."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import wait_for
from rich.cells import cell_len
from stream_frames import event, frame, pool
from terminal import Screen, Terminal

from engine.cli.running.display import ASCII, UNICODE, Glyphs, Live, Region, draw, is_unicode
from engine.cli.running.progress import Progress


def progress_of(*alerts: str, **given: object) -> Progress:
    progress = Progress()
    for name in alerts:
        progress.event(event("alert.fired", at=1.0, id=name, severity="critical", summary=f"{name} is short"))
    pools = (
        pool(busy=6, idle=2, queued=2310, restarts=1),
        pool("a-pool-with-a-long-name", busy=198, idle=2, queued=40, starting=5),
    )
    fields: dict[str, object] = {"total": 4000, "done": 1231, "failed": 3, "rate": 79.8, "eta": 34.6, **given}
    progress.frame_came(frame(15.0, *pools, **fields))
    return progress


def plain(progress: Progress, width: int, height: int = 20, glyphs: Glyphs = UNICODE) -> list[str]:
    return [line.plain.rstrip() for line in draw(progress, width, height, glyphs)]


def test_wide() -> None:
    assert plain(progress_of("memory"), 100) == [
        "━" * 12 + "─" * 28 + "  1,234/4,000  30%  3 failed  80 tasks/s  ETA 00:35  00:15",
        "main                6 busy  2 idle  2,310 queued  0 starting  1 restart",
        "a-pool-with-a-lo  198 busy  2 idle     40 queued  5 starting  0 restarts",
        "▲ critical  memory is short  00:14",
    ]


def test_eighty_columns_and_sixty_in_ascii() -> None:
    assert (
        plain(progress_of(), 79)[0] == "━" * 6 + "─" * 15 + "  1,234/4,000  30%  3 failed  80 tasks/s  ETA 00:35  00:15"
    )
    assert plain(progress_of("mémoire"), 59, glyphs=ASCII) == [
        "[#######x" + "-" * 21 + "]  1,234/4,000  30%  3 failed",
        "80 tasks/s  ETA 00:35  00:15",
        "main                6 busy  2 idle  2,310 queued  0 starti~",
        "a-pool-with-a-lo  198 busy  2 idle     40 queued  5 starti~",
        "! critical  m\\xe9moire is short  00:14",
    ]


def test_a_stream_of_unknown_length_has_no_bar() -> None:
    assert plain(progress_of(total=None, failed=0), 79)[0] == "1,231  80 tasks/s  00:15"
    assert plain(progress_of(total=0, done=0, failed=0, rate=0.0, state="starting"), 79)[0].endswith(
        "0/0  starting  0 tasks/s  ETA 00:35  00:15"
    )


def test_what_has_no_room_is_counted() -> None:
    progress = progress_of("a", "b", "c", "d", "e")
    pools = tuple(pool(f"p{number}", idle=1) for number in range(9))
    progress.frame_came(frame(16.0, *pools, total=10, done=1))
    tall = plain(progress, 70, 20)
    assert tall[1][:2] == "p0"
    assert tall[5] == "and 5 more pools"
    assert tall[-1] == "and 2 more alerts"
    assert len(tall) == 10
    assert len(plain(progress, 70, 4)) == 4
    assert len(plain(progress, 70, 1)) == 1
    assert plain(progress, 70, 0) == []


@settings(deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 30), st.sampled_from([UNICODE, ASCII]), st.text(max_size=30),
    st.integers(0, 10**12), st.one_of(st.none(), st.integers(0, 10**12)), st.integers(0, 8),
)  # fmt: skip
def test_lines_fit_whatever_they_tell(
    width: int, height: int, glyphs: Glyphs, name: str, done: int, total: int | None, pools: int
) -> None:
    progress = Progress()
    progress.event(event("alert.fired", id=name, severity=name, summary=name * 3))
    found = [pool(name + str(number), busy=done) for number in range(pools)]
    progress.frame_came(frame(done / 7, *found, done=done, failed=done // 2, total=total, rate=float(done)))
    lines = draw(progress, width, height, glyphs)
    assert 1 <= len(lines) <= height
    for line in lines:
        assert cell_len(line.plain) <= width
        assert line.plain.isprintable()
        assert glyphs is UNICODE or line.plain.isascii()


@pytest.mark.parametrize(
    ("encoding", "environment", "found"),
    [
        ("utf-8", {"LANG": "en_US.UTF-8"}, True),
        ("utf-8", {"LC_CTYPE": "C.UTF-8"}, True),
        ("UTF8", {"LANG": "C", "LC_ALL": "de_DE.utf8"}, True),
        ("utf-8", {"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ("utf-8", {}, False),
        ("iso8859-1", {"LANG": "en_US.UTF-8"}, False),
    ],
)
def test_glyphs_by_locale(encoding: str, environment: dict[str, str], found: bool) -> None:
    assert is_unicode(encoding, environment) is found


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 19), min_size=0, max_size=6), min_size=1, max_size=8), st.data())
def test_a_terminal_shows_the_last_lines_and_all_that_was_said(paints: list[list[int]], data: st.DataObject) -> None:
    screen, region = Screen(20, 8), Region()
    screen.feed("before\n")
    said = ["before"]
    shown: list[str] = []
    for number, widths in enumerate(paints):
        if data.draw(st.booleans()):
            screen.feed(region.erase(20, 8) + f"said {number}\n")
            said.append(f"said {number}")
            shown = []
        shown = ["x" * width for width in widths]
        screen.feed(region.paint([(line, len(line)) for line in shown], 20, 8))
    assert screen.lines() == said + shown
    screen.feed(region.erase(20, 8))
    assert screen.lines() == said


@settings(deadline=None)
@given(st.lists(st.integers(0, 39), max_size=4), st.integers(10, 39))
def test_nothing_is_left_where_a_terminal_got_narrower(widths: list[int], narrow: int) -> None:
    screen, region = Screen(40, 30), Region()
    screen.feed("before\n")
    screen.feed(region.paint([("x" * width, width) for width in widths], 40, 30))
    screen.resize(narrow)
    screen.feed(region.paint([("new", 3)], narrow, 30))
    assert screen.lines() == ["before", "new"]


# -- what is caught ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, lambda *_: None], ids=["default", "none", "own"])
def test_what_handled_sigcont_handles_it_again(handler: Any) -> None:
    kept = signal.signal(signal.SIGCONT, handler)
    try:
        live = Live(Progress())
        assert signal.getsignal(signal.SIGCONT) == live._continue
        live.close()
        live.close()
        assert signal.getsignal(signal.SIGCONT) is handler
    finally:
        signal.signal(signal.SIGCONT, kept)


def test_where_nobody_can_say_what_handled_sigcont_it_is_handled_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that has Python in it, and handlers of its own."""
    given: list[object] = []

    def handle(_: int, what: object) -> None:
        given.append(what)

    monkeypatch.setattr(signal, "signal", handle)
    live = Live(Progress())
    live.close()
    assert given == [live._continue, signal.SIG_DFL]


# -- real terminals ----------------------------------------------------------------------------------------------------


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def started(terminals: list[Terminal], cwd: Path, *arguments: str, **env: str) -> Terminal:
    (cwd / "items.txt").write_text("0.05\n" * 4000)
    command = [sys.executable, "-m", "engine.cli", "run", "engine.workloads.coordination:sleep", "--items", "items.txt"]
    terminal = Terminal([*command, "--agents", "4", "--headless", *arguments], cwd, 80, 24, LC_ALL="C.UTF-8", **env)
    terminals.append(terminal)
    return terminal


@pytest.mark.needs("pooling")  # an agent is restarted, and all are busy when ctrl-c is pressed
def test_a_run_on_a_terminal_from_kill_to_ctrl_c(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminal = started(terminals, tmp_path, "--name", "lively")
    wait_for(lambda: re.search(r"^main  4 busy  0 idle  [\d,]+ queued$", terminal.show(), re.MULTILINE), 30)
    os.kill(terminal.agent(), signal.SIGKILL)
    wait_for(lambda: re.search(r"queued  1 restart$", terminal.show(), re.MULTILINE), 20)
    wait_for(lambda: re.search(r"  \d\d\d/4,000  ", terminal.show()), 30)
    assert re.search(r"^warning: agent main/\d was killed by SIGKILL", terminal.text, re.MULTILINE)
    assert re.search(r"^━*─+  [\d,]+/4,000  \d+%  [\d.]+ tasks/s  ETA \S+  \d\d:\d\d$", terminal.text, re.MULTILINE)
    assert "\x1b[31m" in terminal.raw or "\x1b[33m" in terminal.raw, "in colours"
    terminal.type("\x03")
    assert terminal.wait() == 130
    lines = terminal.text.splitlines()
    assert not any("queued" in line or "━" in line for line in lines), "what was drawn is gone"
    told = "\n".join(lines)
    assert "interrupted: finishing what runs; ctrl-c again stops at once" in told
    assert re.search(r"^lively [0-9a-f]{8}: [\d,]+ of ", told, re.MULTILINE)
    assert re.search(r"^  run time  p50 5\d", told, re.MULTILINE)
    assert re.search(r"^  agents    \d+% busy, 1 died$", told, re.MULTILINE)
    assert lines[-1].startswith("to go on: shoal resume ")
    assert "\x1b[?" not in terminal.raw, "no mode of the terminal is changed, so none can be left behind"


def test_ctrl_z_and_back(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminal = started(terminals, tmp_path, "--no-record")
    wait_for(lambda: re.search(r"  \d\d+/4,000  ", terminal.show()), 30)
    os.kill(terminal.process.pid, signal.SIGSTOP)
    terminal.screen.feed("a shell writes this\n")
    os.kill(terminal.process.pid, signal.SIGCONT)
    wait_for(lambda: "queued" in terminal.show().partition("a shell writes this")[2], 20)
    assert terminal.text.partition("a shell writes this")[0].count("queued") == 1, "what stood there stays as it was"
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert re.search(r"^  run time  p50 \S+ ", terminal.text, re.MULTILINE), "known without a record, too"


def test_no_color_is_drawn_without_colors(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminal = started(terminals, tmp_path, "--no-record", NO_COLOR="1")
    wait_for(lambda: "queued" in terminal.show(), 30)
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert not re.search(r"\x1b\[(?:[0-9]+;)*(3|4|9|10)[0-9](;[0-9]+)*m", terminal.raw)


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_lines(term: str, tmp_path: Path, terminals: list[Terminal]) -> None:
    (tmp_path / "few.txt").write_text("0.01\n" * 4)
    command = ["run", "engine.workloads.coordination:sleep", "--items", "few.txt", "--headless", "--no-record"]
    terminal = Terminal([sys.executable, "-m", "engine.cli", *command], tmp_path, 80, 24, TERM=term)
    terminals.append(terminal)
    assert terminal.wait() == 0
    assert "4 of 4 done" in terminal.text
    assert "\x1b" not in terminal.raw


def test_results_on_the_same_terminal_are_not_drawn_over(tmp_path: Path, terminals: list[Terminal]) -> None:
    (tmp_path / "few.txt").write_text("0.01\n" * 40)
    command = ["run", "engine.workloads.coordination:sleep", "--items", "few.txt", "--headless", "--no-record"]
    terminal = Terminal([sys.executable, "-m", "engine.cli", *command, "--out", "-"], tmp_path, 80, 60)
    terminals.append(terminal)
    assert terminal.wait() == 0
    assert len([line for line in terminal.text.splitlines() if line.startswith('{"index":')]) == 40
    assert "\x1b" not in terminal.raw
