"""The snapshots themselves: none that no test compares with, none drawn by other versions."""

from __future__ import annotations

from pathlib import Path

import pictures
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_snapshot_belongs_to_a_test(request: pytest.FixtureRequest) -> None:
    tests = pictures.names()
    if any("::" in argument for argument in request.config.args):
        tests = {}  # single tests of a module were asked for: nobody knows the others
    modules = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert pictures.unused(ROOT / "snapshots", tests, modules) == []


def test_what_belongs_to_no_test_is_found(tmp_path: Path) -> None:
    for name in (
        "test_a/test_x.svg", "test_a/test_x.1.svg", "test_a/test_x[80x24].svg", "test_a/test_gone.svg",
        "test_a/test_y.txt", "test_b/test_x.svg", "test_gone/test_x.svg", "test_x.svg",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    tests = {"test_a": {"test_x", "test_x[80x24]", "test_y"}}
    assert pictures.unused(tmp_path, tests, {"test_a", "test_b"}) == [
        "test_a/test_gone.svg",
        "test_a/test_y.txt",
        "test_gone/test_x.svg",
        "test_x.svg",
    ]
    assert "test_b/test_x.svg" in pictures.unused(tmp_path, tests | {"test_b": set()}, {"test_a", "test_b"})


def test_versions_are_those_of_the_constraints(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# pinned\ntextual==0.0.1\nrich==0\nPygments==0\nsyrupy==0\n")
    told = pictures.drawn_by_others(constraints)
    assert "is not 0.0.1, which constraints.txt says" in told
    assert "pytest-textual-snapshot is not pinned in constraints.txt" in told
    pinned = (ROOT / "constraints.txt").read_text().lower()
    assert all(f"\n{name}==" in pinned for name in ("textual", "rich", "pygments", "syrupy", "pytest-textual-snapshot"))
