"""``shoal report``: the whole text for a run with all there is, and that no text can break its tables."""

from __future__ import annotations

import array
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerting import MAIN, Watched
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from recorded_runs import GONE, START, began, call, group, made, write

from engine.alerts.told import as_event
from engine.alerts.types import NOTHING, Signals, Transition
from engine.cli.recorded.markdown import block, code, cut, plain, sparkline, table
from engine.cli.recorded.report import report
from engine.cli.recorded.throughput import step_for, throughput
from engine.cli.words import printable
from engine.plan.kept import VERSION, Kept, encode
from engine.settings.types import Settings
from engine.store.messages import (
    Attempt,
    Failed,
    Finished,
    Happened,
    JobMade,
    PoolMade,
    PoolSample,
    RunBegan,
    RunEnded,
    Sampled,
    SpecPart,
)
from engine.stream.types import Event

ALERTS = """
[rules.deep]
mode = "level"
signal = "queue_depth"
warning = { raise = 100, clear = 50 }
critical = { raise = 1000, clear = 500 }
keep_for = "0s"
summary = "{pool} | {value} wait"
[rules.memory]
mode = "level"
signal = "memory_used_ratio"
critical = { raise = "95%", clear = "90%" }
summary = "{value} of the memory is in use"
"""
GOLDEN = Path(__file__).parent / "report.md"
_CELL = re.compile(r"""(?:\\[!-/:-@\[-`{-~]|[^|\r\n])+""")
"""A cell as GitHub's reader of tables takes it."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def sampled(at: float, done: int, failed: int = 0, memory: int | None = None) -> Sampled:
    pool = PoolSample(0, done, failed, 5, 0, 1, 3, 0, 0, 0, memory)
    return Sampled(START + at, done, failed, 10.0, 0, 0, 0.5, 1 << 30, 1.0, 20, [pool])


def happened(number: int, at: float, level: str, kind: str, said: str, **data: object) -> Event:
    return Event(number, START + at, level, kind, said, data)  # type: ignore[arg-type]


def told_of_alerts() -> list[Transition]:
    """One gets worse, is over, and comes back; another one is taken on."""
    watched = Watched(ALERTS)
    full: Signals = {"memory_used_ratio": {NOTHING: 0.97}}

    def depth(at: float, value: float) -> None:
        watched.tick({"queue_depth": {MAIN: value}, **(full if at > 30 else {})}, at - watched.now)

    depth(1, 200)
    depth(31, 250)
    (memory,) = [alert for alert in watched.core.alerts() if alert.rule == "memory"]
    watched.core.acknowledge(memory.fingerprint, 32, "ada", "mine")
    for at, value in ((33, 1500), (36, 300), (38, 20), (44, 120), (50, 10), (62, 10)):
        depth(at, value)
    return watched.told


def a_run(path: Path) -> None:
    """A run with something of everything in it."""
    machine = {"cores": 2, "memory": 24 << 30, "host": "node|1", "kernel": "6.1.0", "python": "3.11.2"}
    config = {
        "agents": {"local": 4, "io": None}, "batch_max": None,
        "settings": {"batch_size": 10, "shard_strategy": "hash"},
        "steps": [{"name": "fit", "call": "m:f", "command": None, "timeout": 2.5, "retries": 1}],
    }  # fmt: skip
    command = ["/opt/env/bin/shoal", "run", "a b.toml", "--serve", "7", "--headless"]
    trace = (
        'Traceback (most recent call last):\n  File "m.py", line 3, in f\n    raise ValueError(x)\n'
        "ValueError: item 8 | has `ticks`\nand ```fences```\x1b[31m\n"
    )
    long = Failed(11, "exception", "LookupError", "x" * 500, "")
    bad = [Failed(n, "exception", "ValueError", f"item {n} | has `ticks`\nand more", trace) for n in (8, 9, 10)]
    deaths = [
        happened(n, 20 + n, "warning", "agent.died", f"agent local/{n} was killed by SIGKILL") for n in range(1, 4)
    ]
    alerts = [Event(4 + one.number, START + one.at, *as_event(one, START)) for one in told_of_alerts()]
    fast = array.array("Q", [20_000] * 100)
    write(
        path,
        RunBegan("f00d1234", "sweep *now* <b> @all #1", START, GONE, command, config, "0.1.0", machine),
        PoolMade(0, "local", 0, 4, 2),
        PoolMade(1, "io", 4, 2, 1),
        JobMade(0, "fit", "m:f", 0),
        JobMade(1, "`tick`|", "m:g", 1),
        Attempt(0, 2, 1, 1, 99, START + 3, "died", "agent local/1 was killed by SIGKILL"),
        Finished(1, 0, 4, START + 5, fast.tobytes(), [1] * 100, [], [], {}),
        group(0, [1] * 8, row=0, seconds=0.25),
        group(8, [None] * 4, *bad, long, row=2, seconds=1.5, attempts={8: 2}),
        *[sampled(at, min(108, at * 2), 3 * (at > 40), 1 << (20 + at // 10)) for at in range(1, 60)],
        Happened([*deaths, *alerts, happened(99, 61, "warning", "run.ended", "run f00d1234 failed")]),
        RunEnded(START + 62.5, "failed", {"restarts": 3, "redelivered": 1}),
    )  # fmt: skip


def test_the_whole_report(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    a_run(path)
    text = call(report, "f00d", "--db", path).stdout.replace(str(path), "runs.db")
    found = tmp_path / GOLDEN.name
    found.write_text(text)
    assert text == GOLDEN.read_text(), (
        f"after a change that is meant: read {found}, and put it in the place of {GOLDEN}"
    )


def tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def test_the_report_is_read_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    a_run(path)
    read = tokens(call(report, "f00d", "--db", path).stdout)
    heads = [read[at + 1].content for at, token in enumerate(read) if token.type == "heading_open"]
    assert heads[1:] == [
        "Totals", "Run times of tasks", "Throughput", "Pools", "Shards", "Slowest tasks", "Failures", "Alerts",
        "Events of note", "Settings that differ from the defaults", "To go on from here",
    ]  # fmt: skip
    assert sum(token.type == "table_open" for token in read) == 10
    inline = [child for token in read if token.children for child in token.children]
    assert {child.type for child in inline} == {"text", "code_inline", "strong_open", "strong_close"}
    assert "item 8 | has `ticks`" in [child.content for child in inline if child.type == "code_inline"]


def test_a_run_that_goes_on_and_one_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    write(path, began("aaaa", "open"), *made("fit"), group(0, [1] * 5), now=time.time())
    write(path, began("bbbb", "gone", START + 9, GONE), *made("fit"), group(0, [1] * 5))
    going = call(report, "aaaa", "--db", path).stdout
    assert "**running**: 5 done so far, in " in going
    assert "**It is still going on**: these are its figures at " in going
    assert "shoal attach aaaa" in going
    cut_off = call(report, "last", "--db", path).stdout
    assert "**crashed**: 5 done, how many more there were to be is not known, in " in cut_off
    assert "\n| last seen" in cut_off
    assert "shoal resume" not in cut_off, "nothing is kept that it could be resumed from"
    assert "n too small" in cut_off


def test_a_run_of_which_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    write(path, began("aaaa", ""), RunEnded(START + 1, "interrupted", {}))
    text = call(report, "last", "--db", path).stdout
    assert "**interrupted**: 0 of 0 tasks done, in 1 s (0 tasks/s)." in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Totals", "## Settings", "## To go on from here",
    ]  # fmt: skip


def test_what_can_be_resumed_says_how(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    kept = Kept(VERSION, ["m:f"], False, {}, Settings(), "/home/a user", [], None, total=9)
    write(path, began("aaaa", "cut"), SpecPart(0, 1, encode(kept)), RunEnded(START + 1, "interrupted", {}))
    text = call(report, "last", "--db", path).stdout
    assert f"\nshoal resume aaaa --db {path}\n" in text
    assert "\ncd '/home/a user' && shoal run 'a b.toml'\n" in text


def test_files_and_refusals(tmp_path: Path) -> None:
    path, out = tmp_path / "runs.db", tmp_path / "r.md"
    assert call(report, "last", "--db", path).exit_code == 2
    write(path, began("aaaa", "one"))
    result = call(report, "aaaa", "--db", path, "--out", out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"run aaaa in {out}\n")
    assert out.read_text().startswith("# Shoal run aaaa: one\n")
    assert call(report, "zzz", "--db", path).exit_code == 2
    refused = call(report, "aaaa", "--db", path, "--out", path)
    assert (refused.exit_code, refused.stderr) == (2, f"Error: {path} is the database itself\n")
    assert call(report, "aaaa", "--db", path, "--out", tmp_path / "no" / "r.md").exit_code == 2


TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="\\|`*_<>[]()#&@~!\n\r\t \x1b\x00\u202e-:=aé漢", max_size=40),
)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_any_text_keeps_a_table_whole(rows: list[tuple[str, str]]) -> None:
    lines = table(("one", "two", "three"), [(code(a), plain(b), "end") for a, b in rows], right=(2,))
    assert len(lines) == len(rows) + 2
    for line in lines:
        assert len(_CELL.findall(line.removeprefix("|").removesuffix("|"))) == 3, line
    read = tokens("\n".join(["before", "", *lines, "", "after"]))
    assert [token.type for token in read if token.level == 0] == [
        f"{block}_{end}" for block in ("paragraph", "table", "paragraph") for end in ("open", "close")
    ]
    cells = [read[at + 1] for at, token in enumerate(read) if token.type == "td_open"]
    assert len(cells) == 3 * len(rows)
    assert [cell.content for cell in cells[2::3]] == ["end"] * len(rows)
    for cell, text in zip(cells[1::3], [b for _, b in rows], strict=True):
        assert {child.type for child in cell.children or []} <= {"text"}
        shown = "".join(child.content for child in cell.children or [])
        assert shown == shown_of(text)
    for cell, text in zip(cells[0::3], [a for a, _ in rows], strict=True):
        assert {child.type for child in cell.children or []} <= {"text", "code_inline"}
        assert "".join(child.content for child in cell.children or []) == shown_of(text)


def shown_of(text: str) -> str:
    return cut(printable(text))


@settings(deadline=None)
@given(st.lists(st.text(alphabet="`~\\| ab\x1b\r\n", max_size=30), min_size=1, max_size=5))
def test_any_text_stays_within_its_block(said: list[str]) -> None:
    read = tokens("\n".join([*block(said), "", "after"]))
    assert [token.type for token in read] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert len(read[0].content.splitlines()) <= len(said)
    assert read[2].content == "after"


def test_long_texts_are_cut() -> None:
    assert code("x" * 500) == f"`{'x' * 199}…`"
    assert block(["y" * 500])[1] == "y" * 199 + "…"
    assert code("") == ""


def test_bars() -> None:
    assert sparkline([0, 1, 50, 100]) == " ▁▅█"
    assert sparkline([0.0, 0.0]) == "  "
    assert sparkline([]) == ""


def test_throughput_by_the_minute() -> None:
    points = [(float(at), at * 2) for at in range(1, 601)]
    found = throughput(points, 0.0, 600.0)
    assert found is not None
    assert found.seconds == 60
    assert found.rates == pytest.approx([2.0] * 10)
    assert throughput([], 0.0, 600.0) is None
    assert throughput([(1.0, 5)], 0.0, 1.5) is None


def test_throughput_counts_on_over_a_resumption() -> None:
    points = [(60.0, 60), (300.0, 300), (420.0, 0), (540.0, 120), (600.0, 120)]
    found = throughput(points, 0.0, 600.0)
    assert found is not None
    assert found.rates == pytest.approx([1, 1, 1, 1, 1, 0, 0, 1, 1, 0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e7), st.integers(0, 10**7)), max_size=50), st.floats(0, 1e7),
)  # fmt: skip
def test_throughput_loses_nothing(points: list[tuple[float, int]], ended: float) -> None:
    points.sort()
    found = throughput(points, 0.0, ended)
    if found is None:
        return
    assert 2 <= len(found.rates) <= 60
    assert all(rate >= -1e-6 for rate in found.rates)


@pytest.mark.parametrize(
    ("seconds", "step"), [(4, 1), (59, 1), (90, 2), (299, 5), (300, 60), (3600, 60), (7200, 120), (30 * 86400, 43200)]
)
def test_steps(seconds: float, step: int) -> None:
    assert step_for(seconds) == step
    assert step_for(1e10) * 60 >= 1e10
