"""What was typed, without what a screen adds to it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from msgspec import structs

from engine.store import queries
from engine.store.schema import open_database
from engine.store.typed import typed
from engine.store.writer import Writer

from .conftest import START, began


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("/env/bin/shoal run p.toml --serve 4", "/env/bin/shoal run p.toml"),
        ("shoal run --items i --serve 4 -- cmd --serve 5", "shoal run --items i -- cmd --serve 5"),
        ("/env/engine/cli/__main__.py rerun last --serve 14 --", "/env/engine/cli/__main__.py rerun last --"),
        ("shoal run --items i -- cmd --serve 5", "shoal run --items i -- cmd --serve 5"),
        ("server.py --serve 80", "server.py --serve 80"),
        ("", ""),
    ],
)
def test_an_option_that_nobody_types_is_left_out(words: str, expected: str) -> None:
    assert typed(words.split()) == expected.split()


def test_what_an_older_version_has_recorded_is_read_without_it(path: Path) -> None:
    with contextlib.closing(open_database(path)) as db:
        begin = structs.replace(began(), command=["shoal", "run", "p.toml", "--serve", "4"])
        assert Writer(db).write([begin], START) == []
    with contextlib.closing(queries.open_readonly(path)) as db:
        (found,) = queries.runs(db)
    assert found.command == ["shoal", "run", "p.toml"]
