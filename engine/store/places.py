"""Where the database of runs lies."""

from __future__ import annotations

import os
from pathlib import Path


def default_database() -> Path:
    """``$XDG_DATA_HOME/shoal/runs.db``, ``~/.local/share/shoal/runs.db`` unless that is set. Not made."""
    from platformdirs import user_data_dir

    return Path(user_data_dir("shoal")) / "runs.db"


def prepare(path: Path) -> None:
    """Make the file, and its folder, where they are missing: readable by this user alone, for results may be
    anything.

    The files that SQLite puts beside it take its permissions. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
