"""Settings from all of their sources: the command line wins over the environment, that over the plan, that over the
config file, and that over the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.settings.fields import fields, nearest
from engine.settings.sources import NOTHING, Source, config_path, from_config, from_environment
from engine.settings.types import Settings, SettingsError

DEFAULT: Final = "default"
"""The origin of what nobody has set."""


@dataclass(slots=True, frozen=True)
class Resolved:
    """Settings, and how they came to be.

    Attributes:
        origins: for every setting `DEFAULT`, the path of the config file or the plan, the environment variable, or the
            command line option.
    """

    settings: Settings
    origins: dict[str, str]


def resolve(
    command_line: Source = NOTHING,
    plan: Source = NOTHING,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Resolved:
    """The settings in force. A value that can't be is an error even where a higher source overrides it.

    `environ` and `config` are by default this process's environment, and the user's config file if there is one. Raises
    `SettingsError`.
    """
    environ = os.environ if environ is None else environ
    file = from_config(config_path(environ) if config is None else config)
    origins = dict.fromkeys(Settings.__struct_fields__, DEFAULT)
    values: dict[str, Any] = {}
    for source in (file, plan, from_environment(environ), command_line):
        for name in source.values:
            value = _value(source, name, written=source.file is None)
            values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
            origins[name] = source.origin(name)
    settings = Settings(**values)
    _check_together(settings, origins)
    return Resolved(settings, origins)


def checked(settings: Settings) -> Settings:
    """Settings that somebody made himself, with their values as they are meant. Raises `SettingsError`."""
    values = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    source = Source(values, {name: f"setting {name}" for name in values})
    found = Settings(**{name: _value(source, name, written=False) for name in values})
    _check_together(found, dict.fromkeys(values, "given"))
    return found


def _value(source: Source, name: str, written: bool) -> Any:
    field = fields().get(name)
    if field is None:
        raise SettingsError(f"{source.where(name)}: no setting {name!r}{nearest(name, fields())}")
    try:
        return field.parse(source.values[name], written)
    except ValueError as error:
        raise SettingsError(f"{source.where(name)} is {error}") from None


def _check_together(settings: Settings, origins: dict[str, str]) -> None:
    for low, high in (("pool_min_size", "pool_size"), ("batch_size", "batch_max_size")):
        least, most = getattr(settings, low), getattr(settings, high)
        if least is not None and most is not None and least > most:
            raise SettingsError(f"{low} is {least} ({origins[low]}), above {high}, which is {most} ({origins[high]})")
