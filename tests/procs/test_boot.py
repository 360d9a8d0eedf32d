"""Another process of Shoal's is this very package, whatever else is called ``engine``; then the user has the name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.procs import boot

HERE = Path(boot.__file__).resolve().parent.parent.parent


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with a package of the user's, named as ours, that breaks whatever takes it for ours."""
    folder = tmp_path / "theirs"
    (folder / "engine").mkdir(parents=True)
    (folder / "engine" / "__init__.py").write_text("ORIGIN = 'theirs'\n")
    (folder / "engine" / "cli.py").write_text("raise SystemExit('the wrong engine')\n")
    (folder / "engine" / "procs.py").write_text("raise SystemExit('the wrong engine')\n")
    return folder


def start(cwd: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    argv = boot.argv("engine.cli.main", "shoal", "--help")
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_users_package_does_not_hide_ours(theirs: Path, tmp_path: Path) -> None:
    for cwd, path in ((tmp_path, [theirs]), (theirs, []), (theirs, [theirs, HERE]), (theirs, [Path(), HERE])):
        done = start(cwd, *path)
        assert done.returncode == 0, done.stderr
        assert "Fleets of Python agents" in done.stdout


def test_a_module_of_the_working_folder_does_not_hide_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "importlib.py").write_text("raise SystemExit('the wrong importlib')\n")
    (tmp_path / "socket.py").write_text("raise SystemExit('the wrong socket')\n")
    assert start(tmp_path).returncode == 0


def test_arguments_arrive_as_they_were_given(tmp_path: Path) -> None:
    argv = boot.argv("engine.cli.main", "shoal", "no such {command}")
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no such {command}" in done.stderr


def in_fresh_process(code: str, *arguments: object) -> str:
    """What a new interpreter that finds our package prints."""
    argv = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


ASIDE = """\
import sys
from engine.procs import boot
from engine.wire import values
sys.path[:0] = path = sys.argv[1:]
print(boot.steps_aside([*path, *sys.path]), values.hold((1,)) is not None, "engine" in sys.modules)
import engine
print(getattr(engine, "ORIGIN", "ours"), values.unwrap(values.hold([1, (2,)]), []))
"""


def test_it_steps_aside_for_a_users_package_and_goes_on_working(theirs: Path) -> None:
    assert in_fresh_process(ASIDE, theirs).splitlines() == ["True True False", "theirs [1, (2,)]"]


def test_a_single_module_of_that_name_counts_too(tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text("ORIGIN = 'a module'\n")
    assert in_fresh_process(ASIDE, tmp_path).splitlines()[1].startswith("a module")


def test_it_stays_where_the_name_means_us_or_nobody(tmp_path: Path) -> None:
    assert in_fresh_process(ASIDE, tmp_path).splitlines() == ["False True True", "ours [1, (2,)]"]
    assert in_fresh_process(ASIDE, HERE, tmp_path).splitlines()[0] == "False True True"


def test_ours_before_theirs_is_ours(theirs: Path) -> None:
    assert in_fresh_process(ASIDE, HERE, theirs).splitlines() == ["False True True", "ours [1, (2,)]"]


def test_a_folder_of_that_name_without_code_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    assert in_fresh_process(ASIDE, tmp_path).splitlines()[0] == "False True True"


def test_each_agent_is_one_worker_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in boot.THREAD_LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    found = boot.environment()
    assert {name: found[name] for name in boot.THREAD_LIMITS} == {
        **dict.fromkeys(boot.THREAD_LIMITS, "1"),
        "OMP_NUM_THREADS": "4",
    }
    assert "OPENBLAS_NUM_THREADS" not in os.environ  # ours stays as it was
