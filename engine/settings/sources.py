"""Where settings are given: the environment, and the user's config file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.settings.fields import fields, nearest, shown
from engine.settings.types import Settings, SettingsError

_PREFIX = "SHOAL_"
OTHER_TABLES: Final = ("screen", "keys")
"""Of the config file: how the screens are to be, which is no setting of a run."""
OTHER_VARIABLES: Final = tuple(f"{_PREFIX}{name}" for name in ("THEME", "ASCII", "RATE", "READ_ONLY", "MOUSE"))
"""That say the same."""


@dataclass(slots=True, frozen=True)
class Source:
    """Settings that were given in one place.

    Attributes:
        values: as they were given, by the name of the setting.
        names: what the user wrote for each, such as an option; the setting's own name where there is none.
        file: the file they are from, None for the command line, for variables and for calls.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    def origin(self, name: str) -> str:
        """Where the value of a setting came from: a file's path, else what the user wrote for it."""
        return str(self.file) if self.file is not None else self.names.get(name, name)

    def where(self, name: str) -> str:
        """The place to look at, as an error begins."""
        written = self.names.get(name, name)
        return f"{self.file}: {written}" if self.file is not None else written


NOTHING = Source()


def from_environment(environ: Mapping[str, str]) -> Source:
    """What the environment says. A variable that is empty counts as not set."""
    given = _ours(environ)
    if not given:
        return NOTHING
    known = {setting.variable: name for name, setting in fields().items()}
    values = {known[name]: environ[name] for name in given if name in known and environ[name].strip()}
    return Source(values, {name: variable for variable, name in known.items()})


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """A line for each variable that is nearly the name of a setting, and is none. Others are nobody's business."""
    known = [*(setting.variable for setting in fields().values()), *OTHER_VARIABLES]
    given = [name for name in _ours(environ) if name not in known]
    if not given:
        return []
    import difflib

    plain = {_plain(name): name for name in known}
    lines = []
    for name in sorted(given):
        close = difflib.get_close_matches(_plain(name), plain, 1, 0.8)
        if close:
            lines.append(f"{shown(name)[1:-1]} is not a setting: did you mean {plain[close[0]]}?")
    return lines


def _ours(environ: Mapping[str, str]) -> list[str]:
    return [name for name in environ if name.startswith(_PREFIX)]


def _plain(variable: str) -> str:
    return variable.removeprefix(_PREFIX).replace("_", "")


def config_path(environ: Mapping[str, str] | None = None) -> Path:
    """The user's config file, ``$XDG_CONFIG_HOME/shoal/config.toml``. It need not be there.

    As platformdirs has it, but importing that takes longer than all the rest of this package.
    """
    base = (os.environ if environ is None else environ).get("XDG_CONFIG_HOME", "").strip()
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.config")) / "shoal" / "config.toml"


def read(path: Path) -> dict[str, Any]:
    """All tables of a config file; none if there is no file. Raises `SettingsError`."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not a text file (byte {error.start} is no UTF-8)") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None


def from_config(path: Path) -> Source:
    """What a config file says of settings; nothing if there is none. Raises `SettingsError`."""
    raw = read(path)
    tables: dict[str, dict[str, str]] = {}
    whole = {name for name, setting in fields().items() if setting.kind == "limits"}
    for name, setting in fields().items():
        table, key = setting.place
        tables.setdefault(table, {})[key] = name
    values: dict[str, object] = {}
    for table, content in raw.items():
        if table in Settings.__struct_fields__ and table not in whole:
            place = "[{}] {}".format(*fields()[table].place)
            raise SettingsError(f"{path}: {table} is written {place}")
        if table not in tables and table not in OTHER_TABLES:
            raise SettingsError(f"{path}: unknown table {table!r}{nearest(table, [*tables, *OTHER_TABLES])}")
        if not isinstance(content, dict):
            raise SettingsError(f"{path}: {table} is a table, written [{table}]")
        if table in OTHER_TABLES:
            continue
        if table in whole:
            values[table] = content
            continue
        for key, value in content.items():
            if key not in tables[table]:
                raise SettingsError(f"{path}: unknown key {key!r} in [{table}]{nearest(key, tables[table])}")
            values[tables[table][key]] = value
    return Source(values, {name: ".".join(filter(None, setting.place)) for name, setting in fields().items()}, path)
