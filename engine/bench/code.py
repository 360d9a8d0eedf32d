"""Another copy of Shoal, to be measured in turns with this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.procs import boot

_TIMEOUT: Final = 60.0
_ASK: Final = """\
import json, os, engine, shoal
from engine.runtime.options import version
print(json.dumps([os.path.dirname(os.path.realpath(engine.__file__)), version()]))
"""


class NoCodeError(Exception):
    """There is none, or none that runs. The text is one line."""


@dataclass(frozen=True)
class Code:
    """Which interpreter runs which package.

    Attributes:
        text: for people.
        python: the interpreter.
        package: the folder ``engine``.
        environment: what is different for it.
        commands: whether it has a ``shoal`` of its own beside the interpreter.
    """

    text: str
    python: str
    package: str
    environment: dict[str, str] = field(default_factory=dict)
    commands: bool = True

    def argv(self, module: str, *arguments: str) -> list[str]:
        """The command that runs ``main()`` of a module of it."""
        return boot.argv_of(self.python, self.package, module, *arguments)


def found(path: Path) -> Code:
    """The copy at `path`: an interpreter, an environment that Shoal is installed in, or a checkout, with an environment
    of its own in ``.venv`` or without one. Without, this interpreter and its packages run it.

    Raises `NoCodeError`.
    """
    if path.is_file() and os.access(path, os.X_OK):
        return _asked(path, path, {}, commands=True)
    for python in (path / "bin" / "python", path / ".venv" / "bin" / "python"):
        if python.exists():
            return _asked(path, python, {}, commands=True)
    if (path / "engine" / "__init__.py").exists() and (path / "shoal.py").exists():
        others = os.environ.get("PYTHONPATH", "")
        places = os.pathsep.join(filter(None, (str(path.resolve()), others)))
        return _asked(path, Path(sys.executable), {"PYTHONPATH": places}, commands=False)
    raise NoCodeError(f"{path}: no interpreter, no environment and no checkout of Shoal")


def _asked(path: Path, python: Path, environment: dict[str, str], commands: bool) -> Code:
    """Which package that interpreter has, and of which version."""
    try:
        done = subprocess.run(
            [str(python), "-P", "-c", _ASK], env=os.environ | environment,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except OSError as error:
        raise NoCodeError(f"{path}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise NoCodeError(f"{path}: no answer within {_TIMEOUT:g} s") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise NoCodeError(f"{path}: no Shoal that runs: {last[0][:300]}")
    package, version = json.loads(done.stdout)
    if not (Path(package) / "bench" / "child.py").exists():
        raise NoCodeError(f"{path}: its Shoal has no benchmark")
    return Code(f"{path} (Shoal {version})", str(python), package, environment, commands)
