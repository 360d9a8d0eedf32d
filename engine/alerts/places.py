"""Where the user's own rules lie. Loads nothing, for every engine asks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine.settings.sources import config_path


def users_file(setting: str | None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The user's file: that of the setting `alert_rules`, which must be there; else the one beside the config file, if
    there is one.
    """
    if setting == "":
        return None
    if setting is not None:
        return Path(os.path.expanduser(setting))
    path = config_path(environ).with_name("alerts.toml")
    return path if path.exists() else None
