"""All tests can be collected at once; files stay short."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_files_have_names_of_their_own() -> None:
    """pytest knows a file by its bare name, unless its folder is a package."""
    bare = [path for path in HERE.rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    assert {name for name, times in Counter(path.name for path in bare).items() if times > 1} == set()


def test_no_file_of_the_screens_is_long() -> None:
    long = {
        path.name: lines
        for path in (HERE.parent / "tui").rglob("*.py")
        if (lines := path.read_text().count("\n")) > 400
    }
    assert not long
