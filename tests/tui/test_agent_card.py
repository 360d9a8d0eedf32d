"""What is told of one agent, line by line."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from screen_fleets import manned, past_tasks, spoken

from engine.stream.types import BUSY, DEAD
from tui.view import View
from tui.widgets.agent_card import Seen, card_lines, task_lines, word_lines, words_of
from tui.widgets.lines import Line

WHO = "micro/1"


def text_of(line: Line) -> str:
    """A line without its inks."""
    return "".join(text for text, _ in line)


@pytest.fixture
def fleet(running: View) -> View:
    """A run whose second agent has said something."""
    return spoken(manned(running), WHO)


def test_the_card_fits_and_leaves_nothing_out(fleet: View) -> None:
    assert fleet.agents is not None
    row = fleet.agents.rows[1]
    for width in range(40, 130):
        for height in range(3, 14):
            lines = card_lines(Seen(WHO, BUSY, row), width, height)
            assert len(lines) <= height
            assert all(cell_len(text_of(line)) <= width for line in lines)
    whole = "\n".join(text_of(line) for line in card_lines(Seen(WHO, BUSY, row), 60, 11))
    for word in (
        "busy",
        "running",
        row.task,
        str(row.pid),
        "memory",
        "restarts",
        "shard",
        f"{row.batch} #1",
    ):
        assert word in whole


def test_the_card_says_what_it_does_not_know() -> None:
    assert "no agent a/9 any more" in text_of(card_lines(Seen("a/9", None), 60, 5)[0])
    waiting = card_lines(Seen("a/1", BUSY, None, awaited=True), 60, 5)
    assert "busy" in text_of(waiting[0])
    assert "asking for its details" in text_of(waiting[1])
    assert "were not recorded" in text_of(card_lines(Seen("a/1", DEAD), 60, 5)[1])


def test_words_are_its_own_the_newest_first(fleet: View) -> None:
    events = words_of(fleet.events, WHO)
    lines = [text_of(line) for line in word_lines(events, WHO, 60, 20)]
    assert lines[0].endswith("▲ was killed on request")
    assert "› k = 4: mutual information" in lines[1]
    assert not any("not of this one" in line for line in lines)
    assert all(cell_len(line) <= 60 for line in lines)
    assert len(word_lines(events, WHO, 60, 3)) == 3
    assert "said nothing" in text_of(word_lines([], WHO, 60, 3)[0])


def test_tasks_fit_and_say_how_they_ended() -> None:
    tasks = past_tasks(1_763_726_500.0)
    for width in range(50, 130):
        lines = [text_of(line) for line in task_lines(tasks, width, 50)]
        assert all(cell_len(line) <= width for line in lines)
        assert len(lines) == 42
    wide = [text_of(line) for line in task_lines(tasks, 120, 50)]
    assert "✕ ValueError: window 7 is constant" in wide[4]
    assert "✓ done" in wide[1]
    assert "□ cancelled" in wide[-1]
    assert len({line.index("✓") for line in wide if "✓" in line}) == 1
