"""Whether what is in a file can only have been written by this user: pickles are read from it, and commands run."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path
from typing import Final

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_BESIDE: Final = ("-wal", "-shm", "-journal")
"""What is added to the name of a database for the files that SQLite reads with it."""


def is_own(found: os.stat_result) -> bool:
    """Whether it is a regular file of this user's, that nobody else may write to."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def _is_own_folder(found: os.stat_result) -> bool:
    """Whether nobody else, but for root, can put a file there."""
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & stat.S_IWOTH:
        return False
    return not found.st_mode & stat.S_IWGRP or _is_own_group(found.st_gid)


def _is_own_group(number: int) -> bool:
    """Whether a group is this user's alone, as many systems give one to each: of the same name, with no others."""
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return user.pw_gid == number and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}


def distrust(database: Path) -> str | None:
    """Why what is in a database is not to be trusted, as a sentence; None: it is this user's alone.

    Raises OSError if there is none.
    """
    if not is_own(database.stat()):
        return f"{database} is not yours alone to write to (chmod 600 if you trust it)"
    for name in _BESIDE:
        beside = database.with_name(database.name + name)
        try:
            found = beside.lstat()
        except FileNotFoundError:
            continue
        if not is_own(found):
            return f"{beside} is not yours alone to write to"
    folder = Path(os.path.realpath(database)).parent
    if not _is_own_folder(folder.stat()):
        return f"others can put files beside {database} (chmod go-w {folder}, or keep it in a folder of your own)"
    return None
