"""How a user wants the screens to be: from the config file, the environment and the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

if TYPE_CHECKING:
    from tui.preferences import Preferences

F = TypeVar("F", bound=Callable[..., Any])

_RATES: Final = (1, 2, 5, 10)
"""As `tui.preferences.RATES` has them: written again here, for help must not load the screens."""
_COERCED: Final = ("C.UTF-8", "C.utf8", "UTF-8")
"""What Python sets ``LC_CTYPE`` to in the place of a plain C locale."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One preference: in the table ``[screen]``, in a variable, and as an option."""

    name: str
    kind: Literal["theme", "switch", "rate"]
    option: str
    meaning: str
    default: object = False

    @property
    def variable(self) -> str:
        return f"SHOAL_{self.name.upper()}"


_FIELDS: Final = (
    _Field("theme", "theme", "--theme", "Colours: shoal-dark, -light, -contrast, -ansi, or Textual's", "shoal-dark"),
    _Field("ascii", "switch", "--ascii", "No glyphs beyond ASCII; by itself where the locale is not UTF-8", None),
    _Field("rate", "rate", "--rate", "Looks a second: 1, 2, 5 or 10", 10),
    _Field("read_only", "switch", "--read-only", "Nothing of a run can be changed from the screens"),
    _Field("mouse", "switch", "--no-mouse", "Whether the mouse means anything", True),
)  # fmt: skip


def screen_options(command: F) -> F:
    """The options of every command that opens the screens."""
    for option in (
        click.option("--rate", type=click.Choice([str(rate) for rate in _RATES]), help="Looks a second (10)."),
        click.option("--no-mouse", is_flag=True, help="The mouse means nothing."),
        click.option("--read-only", is_flag=True, help="Nothing of the run can be changed from here."),
        click.option("--ascii/--no-ascii", default=None, help="No glyphs beyond ASCII, or all."),
        click.option("--theme", metavar="NAME", help="Colours: shoal-dark, -light, -contrast, -ansi, or Textual's."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Choice:
    """What one preference is.

    Attributes:
        name: ``screen_theme``, ``keys.app.pause``.
        value: of it.
        origin: ``default``, the path of the config file, or the variable or option.
        written: where that was, as an error begins.
    """

    name: str
    value: Any
    origin: str
    written: str
    variable: str
    meaning: str


def choices(options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> list[Choice]:
    """All preferences, each from the highest place that says something: the command line, the environment, the config
    file. Raises `SettingsError` for what can't be; whether there are such themes and commands is not looked at.
    """
    from engine.settings.resolve import DEFAULT
    from engine.settings.sources import config_path, read

    environ = os.environ if environ is None else environ
    chosen = dict(options or {})
    chosen |= {"mouse": False if chosen.get("no_mouse") else None, "read_only": chosen.get("read_only") or None}
    path = config_path(environ)
    raw = read(path)
    screen = _table(raw, "screen", path)
    _check_keys(screen, path)
    found = []
    for field in _FIELDS:
        value, origin, written = field.default, DEFAULT, ""
        for given, where, name in (
            (screen.get(field.name), str(path), f"{path}: screen.{field.name}"),
            (environ.get(field.variable, "").strip() or None, field.variable, field.variable),
            (chosen.get(field.name), field.option, field.option),
        ):
            if given is not None:
                value, origin, written = _value(field, given, name), where, name
        if field.name == "ascii" and value is None:
            value, origin = (True, "the locale") if not _utf8(environ) else (False, DEFAULT)
        found.append(Choice(f"screen_{field.name}", value, origin, written, field.variable, field.meaning))
    for name, keys in _flat(_table(raw, "keys", path)):
        text = ",".join(keys) if isinstance(keys, list) and all(isinstance(key, str) for key in keys) else keys
        if not isinstance(text, str) or not text.strip():
            from engine.settings.fields import shown
            from engine.settings.types import SettingsError

            raise SettingsError(f'{path}: keys.{name} is a key, such as "f5", or a list of them, not {shown(keys)}')
        found.append(Choice(f"keys.{name}", text, str(path), f"{path}: keys.{name}", "", "Its keys"))
    return found


def preferences(options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Preferences:
    """The same for the screens. Raises `SettingsError`, also for a theme or a command that there is none of."""
    from engine.cli.view import load
    from engine.settings.types import SettingsError

    found = {choice.name: choice for choice in choices(options, environ)}
    load()
    from tui.preferences import Preferences

    theme = found["screen_theme"]
    if theme.written:
        from tui.themes import names

        if theme.value not in (known := names()):
            from engine.settings.fields import nearest

            raise SettingsError(f"{theme.written}: no theme {theme.value!r}{nearest(theme.value, known)}")
    keys = {name.removeprefix("keys."): choice for name, choice in found.items() if name.startswith("keys.")}
    if keys:
        from tui import keymap

        try:
            keymap.check({name: choice.value for name, choice in keys.items()})
        except ValueError as error:
            place = next(iter(keys.values())).origin
            raise SettingsError(f"{place}: keys.{error}") from None
    screen: dict[str, Any] = {field.name: found[f"screen_{field.name}"].value for field in _FIELDS}
    return Preferences(**screen, keys={name: choice.value for name, choice in keys.items()})


def _table(raw: Mapping[str, Any], name: str, path: object) -> dict[str, Any]:
    from engine.settings.types import SettingsError

    table = raw.get(name, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {name} is a table, written [{name}]")
    return table


def _check_keys(screen: Mapping[str, Any], path: object) -> None:
    from engine.settings.fields import nearest
    from engine.settings.types import SettingsError

    known = [field.name for field in _FIELDS]
    for key in screen:
        if key not in known:
            raise SettingsError(f"{path}: unknown key {key!r} in [screen]{nearest(key, known)}")


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Ids and keys: TOML reads ``app.pause = "p"`` as a table within the table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _value(field: _Field, given: Any, written: str) -> Any:
    """What was given as what it means. Raises `SettingsError`."""
    from engine.settings.fields import SWITCHES, shown
    from engine.settings.types import SettingsError

    if field.kind == "switch":
        value = SWITCHES.get(given.lower()) if isinstance(given, str) else given
        if isinstance(value, bool):
            return value
        allowed = "true or false"
    elif field.kind == "rate":
        value = int(given) if isinstance(given, str) and given.isdecimal() and len(given) < 4 else given
        if value in _RATES and not isinstance(value, bool):
            return value
        allowed = f"one of {', '.join(map(str, _RATES))}"
    else:
        if isinstance(given, str):
            return given
        allowed = "the name of a theme"
    raise SettingsError(f"{written} is {allowed}, not {shown(given)}")


def _utf8(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is one that shows more than ASCII, as far as the locale says so.

    A name such as ``en_US.UTF-8`` counts even where this machine has no such locale: the terminal is at the other end.
    """
    import locale

    names = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if names[1] in _COERCED and "." in names[2]:  # by Python, which found the locale missing
        names[1] = ""
    name = next(filter(None, names), "")
    return _is_utf8(name.rpartition(".")[2]) if "." in name else _is_utf8(locale.getencoding())


def _is_utf8(charset: str) -> bool:
    return charset.lower().replace("-", "").startswith("utf8")
