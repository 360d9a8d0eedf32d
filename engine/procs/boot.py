"""How another process of Shoal's is started: a fresh interpreter that loads this very package, whatever else has its
name.

A user's own package named ``engine`` may come first on the path; so the package is loaded from its place, not looked
up.
"""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

_CODE = """\
import sys, importlib.util as u
s = u.spec_from_file_location("engine", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
m = u.module_from_spec(s); sys.modules["engine"] = m; s.loader.exec_module(m)
f = __import__(sys.argv[2], fromlist=["main"]).main
del sys.argv[:3]; f()
"""

THREAD_LIMITS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
"""Read when a numeric library is loaded. Every agent is one worker, so each defaults to one thread."""


def argv(module: str, *arguments: str) -> list[str]:
    """The command that runs ``main()`` of a module of this package.

    ``-P``: nothing of the working folder is imported by it.
    """
    return argv_of(sys.executable, _HERE, module, *arguments)


def argv_of(python: str, package: str, module: str, *arguments: str) -> list[str]:
    """The same with an interpreter and a folder ``engine`` of another copy."""
    return [python, "-P", "-c", _CODE, package, module, *arguments]


def environment() -> dict[str, str]:
    """This process's environment, with one thread for numeric libraries unless it says otherwise."""
    found = dict(os.environ)
    for name in THREAD_LIMITS:
        found.setdefault(name, "1")
    found.setdefault("NUMBA_THREADING_LAYER", "workqueue")  # the one layer that survives a fork
    return found


def steps_aside(path: list[str]) -> bool:
    """Whether ``engine`` means another package on `path`; then this one gives up its name in ``sys.modules``."""
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec("engine", path)
    places = [] if found is None else [*(found.submodule_search_locations or ()), found.origin or ""]
    if not places or any(os.path.realpath(place) == _HERE for place in places if place):
        return False
    for name in [n for n in sys.modules if n == "engine" or n.startswith("engine.")]:
        del sys.modules[name]
    return True
