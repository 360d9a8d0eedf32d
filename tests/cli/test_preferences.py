"""How the screens are to be: from which place each choice comes, and what can't be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.preferences import _FIELDS, _RATES, choices, preferences
from engine.settings.sources import OTHER_VARIABLES
from engine.settings.types import SettingsError
from tui.preferences import RATES, Preferences


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def file() -> Path:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "shoal" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_what_is_written_twice_is_the_same() -> None:
    assert _RATES == RATES
    assert tuple(field.variable for field in _FIELDS) == OTHER_VARIABLES
    default = Preferences()
    for field in _FIELDS:
        assert field.default == {"theme": "shoal-dark", "ascii": None}.get(field.name, getattr(default, field.name))


def test_nothing_chosen() -> None:
    assert preferences() == Preferences(theme="shoal-dark")


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[screen]\ntheme = "nord"\nrate = 1\nmouse = false\nread_only = true\nascii = true\n')
    assert preferences() == Preferences("nord", True, 1, True, False)
    monkeypatch.setenv("SHOAL_THEME", "gruvbox")
    monkeypatch.setenv("SHOAL_RATE", "2")
    monkeypatch.setenv("SHOAL_READ_ONLY", "no")
    monkeypatch.setenv("SHOAL_MOUSE", "on")
    monkeypatch.setenv("SHOAL_ASCII", "0")
    assert preferences() == Preferences("gruvbox", False, 2, False, True)
    given = {"theme": "shoal-light", "rate": "5", "read_only": True, "no_mouse": True, "ascii": True}
    assert preferences(given) == Preferences("shoal-light", True, 5, True, False)
    nothing = {"theme": None, "rate": None, "read_only": False, "no_mouse": False, "ascii": None}
    assert preferences(nothing) == Preferences("gruvbox", False, 2, False, True), "options that were not given"
    origins = {choice.name: choice.origin for choice in choices({"theme": "nord"})}
    assert (origins["screen_theme"], origins["screen_rate"]) == ("--theme", "SHOAL_RATE")


def test_other_keys(file: Path) -> None:
    file.write_text('[keys]\n"app.pause" = "f9"\nruns.mark = ["m", "insert"]\n[keys.app]\nhelp = "f1,?"\n')
    assert preferences().keys == {"app.pause": "f9", "runs.mark": "m,insert", "app.help": "f1,?"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[screen]\ntheme = "shoal-drk"', "screen.theme: no theme 'shoal-drk': did you mean 'shoal-dark'?"),
        ("[screen]\ntheme = 3", "screen.theme is the name of a theme, not 3"),
        ("[screen]\nrate = 3", "screen.rate is one of 1, 2, 5, 10, not 3"),
        ("[screen]\nrate = true", "screen.rate is one of 1, 2, 5, 10, not true"),
        ('[screen]\nmouse = "maybe"', "screen.mouse is true or false, not 'maybe'"),
        ("[screen]\nread_only = 1", "screen.read_only is true or false, not 1"),
        ("[screen]\ncolor = true", "unknown key 'color' in [screen]; known: theme, ascii, rate, read_only, mouse"),
        ("[screen]\nreadonly = true", "unknown key 'readonly' in [screen]: did you mean 'read_only'?"),
        ("screen = 3", "screen is a table, written [screen]"),
        ("keys = 3", "keys is a table, written [keys]"),
        ('[keys]\n"app.paus" = "f9"', "keys.app.paus: there is no such command: did you mean 'app.pause'?"),
        ("[keys]\n\"app.drain\" = 'q'", "keys.app.drain: 'q' is app.quit already: give that another one, too"),
        ('[keys]\n"app.pause" = "zzzz"', "keys.app.pause: 'zzzz' is no key"),
        ('[keys]\n"app.pause" = "contrl+k"', "keys.app.pause: 'contrl+k' is no key: did you mean 'ctrl+k'?"),
        ('[keys]\n"app.pause" = "entr"', "keys.app.pause: 'entr' is no key: did you mean 'enter'?"),
        ('[keys]\n"app.pause" = "t"', "keys.app.pause: 't' is app.theme already: give that another one, too"),
        ('[keys]\n"app.pause" = 3', 'keys.app.pause is a key, such as "f5", or a list of them, not 3'),
        ('[keys]\n"app.pause" = [3]', 'keys.app.pause is a key, such as "f5", or a list of them, not [3]'),
        ('[keys]\n"app.pause" = ""', "keys.app.pause is a key, such as \"f5\", or a list of them, not ''"),
        ("[screen", "not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_what_cannot_be_is_one_line(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        preferences()
    assert str(caught.value) == f"{file}: {told}"


def test_a_theme_that_was_not_chosen_in_the_end_does_not_matter(file: Path) -> None:
    file.write_text('[screen]\ntheme = "none such"\n')
    assert preferences({"theme": "nord"}).theme == "nord"


@pytest.mark.parametrize(
    ("locale", "ascii_"),
    [
        ({"LC_ALL": "C.UTF-8"}, False), ({"LANG": "en_US.UTF-8"}, False), ({"LC_ALL": "en_GB.utf8"}, False),
        ({}, False), ({"LANG": "C"}, False), ({"LC_ALL": "C"}, True), ({"LC_ALL": "POSIX"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True), ({"LC_ALL": "ja_JP.eucJP"}, True),
        ({"LC_ALL": "C", "SHOAL_ASCII": "no"}, False),
    ],
)  # fmt: skip
def test_a_terminal_that_shows_no_more_gets_ascii(locale: dict[str, str], ascii_: bool) -> None:
    """A plain C locale counts as UTF-8, as Python itself has it, unless ``LC_ALL`` insists."""
    code = (
        "from engine.cli.preferences import choices; "
        "print(next(choice.value for choice in choices() if choice.name == 'screen_ascii'))"
    )
    env = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LC_CTYPE", "LANG")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env | locale, check=True)
    assert done.stdout == f"{ascii_}\n"
