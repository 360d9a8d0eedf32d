"""The other tools, and how to find out which of them are there. None is ever imported here."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_FIND_TIMEOUT: Final = 60.0
_FIND: Final = """\
import importlib.metadata as m, importlib.util as u, json, platform, sys
found = {}
for name, distribution in json.loads(sys.argv[1]):
    if u.find_spec(name) is not None:
        try:
            found[name] = m.version(distribution) if distribution else platform.python_version()
        except m.PackageNotFoundError:
            found[name] = ""
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """One of them.

    Attributes:
        key: as ``--only`` and `engine.bench.others.script` have it.
        name: for people.
        module: what is to be found by the interpreter; "" for a program.
        program: what is to be found on the path; "" for a module.
        distribution: whose version is told; "" for the standard library's.
        many: whether hundreds of its workers fit a machine. Those that are fresh interpreters with all of the tool
            loaded take too much memory for that.
    """

    key: str
    name: str
    module: str = ""
    program: str = ""
    distribution: str = ""
    many: bool = False


TOOLS: Final = (
    Tool("executor", "ProcessPoolExecutor", "concurrent.futures", many=True),
    Tool("pool", "multiprocessing.Pool", "multiprocessing", many=True),
    Tool("loky", "loky", "loky", distribution="loky"),
    Tool("joblib", "joblib", "joblib", distribution="joblib"),
    Tool("mpire", "mpire", "mpire", distribution="mpire", many=True),
    Tool("dask", "Dask", "distributed", distribution="distributed"),
    Tool("ray", "Ray", "ray", distribution="ray"),
    Tool("parallel", "GNU parallel", program="parallel", many=True),
)
BY_KEY: Final = {tool.key: tool for tool in TOOLS}


class NoInterpreter(Exception):
    """The interpreter that other tools are to be looked for with does not work. The text is one line."""


def installed(python: str, tools: Sequence[Tool]) -> dict[str, str]:
    """Versions of those that are there, by key; "" where a tool does not say it.

    `python`: the interpreter whose modules count. Raises `NoInterpreter`.
    """
    modules = sorted({(tool.module, tool.distribution) for tool in tools if tool.module})
    try:
        done = subprocess.run(
            [python, "-c", _FIND, json.dumps(modules)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_FIND_TIMEOUT, check=True,
        )  # fmt: skip
        there = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NoInterpreter(f"{python} is no Python that works: {_why(error)}") from None
    found = {}
    for tool in tools:
        if tool.module in there:
            found[tool.key] = str(there[tool.module])
        elif tool.program and shutil.which(tool.program):
            found[tool.key] = ""
    return found


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {error.returncode}"
    return getattr(error, "strerror", None) or str(error)
