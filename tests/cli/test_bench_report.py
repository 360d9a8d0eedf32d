"""``shoal bench report``: the newest whole session of each suite as tables, the same text for the same sessions."""

from __future__ import annotations

import re
from pathlib import Path

import bench_sessions as made
import pytest
from commands import line, run

from engine.bench.catalogue import ALL, BY_NAME
from engine.bench.guard import history
from engine.cli.bench.document import document, newest, reproduces, typed


def kept(*sessions: object) -> Path:
    return made.keep(history.default_folder(), sessions)  # type: ignore[arg-type]


def test_which_session_of_a_suite_it_is() -> None:
    whole = made.session_of("speed", 9)
    others = [
        made.session_of("speed", 4, quick=True), made.session_of("speed", 3, whole=False),
        made.session_of("speed", 2, against="another copy"), made.gated(1, {}),
        made.session_of("speed", 8, lines=[]),  # of an older Shoal
    ]  # fmt: skip
    assert newest([whole, *others]) == {"speed": whole}
    later = made.session_of("speed", 5)
    assert newest([later, whole, *others]) == {"speed": later}
    assert newest(others) == {}


def test_the_same_sessions_make_the_same_text_in_whatever_order_and_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    sessions = made.all_sessions({"submit": 1.18})
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    first = document(newest(sessions))
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert document(newest(reversed(sessions))) == first
    finally:
        monkeypatch.undo()
        time.tzset()


def test_everything_of_every_suite_is_in_it() -> None:
    sessions = newest(made.all_sessions())
    text = document(sessions)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["What is reached", "Machines", *(f"{suite.name}: {suite.title}" for suite in ALL)]
    for suite in ALL:
        session = sessions[suite.name]
        part = text.partition(f"## {suite.name}: ")[2].partition("\n## ")[0]
        assert f"`shoal bench {suite.name}`" in part
        assert f"`{session.id}`" in part
        assert "2025-11-" in part
        assert "0.1.0 at" in part
        for found in session.lines:
            assert found.title.replace("_", "\\_").split("<")[0].split("|")[0] in part, found.title
    assert "Not measured yet" not in text
    start = next(row for row in text.splitlines() if row.startswith("| `start` "))
    cells = [cell.strip() for cell in start.strip("|").split("|")]
    assert cells[1] == "500 agents: start, 500 trivial tasks, every answer"
    assert cells[4:6] == ["7", "multiprocessing.Pool"]
    assert cells[9:] == ["\\< 1.5 s, faster", "yes", "half the time", "yes"]


def test_what_is_not_reached_is_said_at_the_top() -> None:
    good, bad = made.session_of("speed", 4), made.session_of("speed", 4, slower={"start": 4.0})
    assert "must, speed" not in document({"speed": good})
    text = document({"speed": bad})
    found = re.search(r"^- must, speed: (.*), found (.*) s, (.*)x$", text, re.MULTILINE)
    assert found is not None
    assert found[1] == "500 agents: start, 500 trivial tasks, every answer: \\< 1.5 s, faster"
    assert 1.5 < float(found[2]) < 2
    assert "| [speed](#speed-the-engine-beside-other-pools) | 2025-11-17 | 12 of 13 |" in text
    assert "## Not measured yet" in text
    assert "- `shoal bench coordination`: what each mechanism brings" in text


def test_tables_are_tables() -> None:
    """As many cells in every line, links that lead to headings, nothing that a text could have made of it."""
    session = made.session_of("speed", 4, without={"array": "no | answer <b>within</b> 120 s"})
    text = document(newest([*made.all_sessions(), session]) | {"speed": session})
    widths: list[int] = []
    for one in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", one)) if one.startswith("|") else 0
        if cells and widths and widths[-1]:
            assert cells == widths[-1], one
        widths.append(cells)
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall("^## (.*)$", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors
    assert "- array: no &#124; answer \\<b\\>within\\</b\\> 120 s" in text


def test_two_machines_are_told_apart() -> None:
    other = made.session_of("memory", 2, fingerprint="0" * 12, machine=made.MACHINE | {"cpu": "abacus"})
    text = document({"speed": made.session_of("speed", 4), "memory": other})
    assert text.count("processor ") == 2
    assert "- `000000000000`: processor abacus;" in text


@pytest.mark.parametrize(
    ("words", "kept_"),
    [
        (["bench", "speed", "--json", "b.json"], ["bench", "speed"]),
        (["bench", "--json=b.json", "--rounds", "9"], ["bench", "--rounds", "9"]),
        (["bench", "peers", "--progress", "json", "--until-eof"], ["bench", "peers"]),
        (["bench", "--progress=json", "memory", "--no-store"], ["bench", "memory"]),
        (["bench", "peers", "--python", "/opt/others/bin/python"], ["bench", "peers", "--python", "FILE"]),
    ],
)
def test_the_command_says_what_changes_the_measurement(words: list[str], kept_: list[str]) -> None:
    assert typed(words) == kept_
    session = made.session_of("speed", 4, command=["shoal", *words])
    assert reproduces(session, BY_NAME["speed"]) == " ".join(["shoal", *kept_])


def test_the_command(tmp_path: Path) -> None:
    kept(*made.all_sessions())
    shown = run("bench", "report")
    assert shown.exit_code == 0
    assert shown.stderr == ""
    assert shown.stdout.startswith("# Benchmarks\n")
    out = tmp_path / "BENCHMARKS.md"
    written = run("bench", "report", "--out", str(out))
    assert (written.exit_code, written.stdout) == (0, "")
    assert written.stderr == f"written: {out}, 14 of 14 suites\n"
    assert out.read_text() == shown.stdout


def test_what_is_missing_is_told() -> None:
    kept(made.session_of("memory", 1))
    shown = run("bench", "report")
    assert shown.exit_code == 0
    assert shown.stderr.startswith("no whole session yet of: speed, coordination, peers, ")


def test_problems_are_one_line(tmp_path: Path) -> None:
    assert line(run("bench", "report")).startswith("no whole session in ")
    kept(made.session_of("memory", 1))
    assert line(run("bench", "report", "--out", str(tmp_path / "absent" / "B.md"))).startswith("can't write ")
