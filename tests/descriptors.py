"""Imports that fail as they do where no descriptor is left."""

from __future__ import annotations

import errno
import sys
from types import ModuleType

import pytest


class NoDescriptors:
    """A module that can't be read for some times, as a finder of modules."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: str, times: int) -> None:
        """Have the next `times` imports of `module` fail; it is forgotten that it was imported before."""
        self._module = module
        self.left = times
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setattr(sys, "meta_path", [self, *sys.meta_path])

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> None:
        """As the import system asks. Raises OSError."""
        if name == self._module and self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files", name)
