"""What a function of a script needs is imported before agents are forked."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.runtime.calls.imports import imports_of

SCRIPT = """
import json
import math as m
from collections import Counter, OrderedDict
from decimal import Decimal
from functools import partial

import absent_elsewhere

half = Decimal("0.5")

class Model:
    rate = OrderedDict()
    def fit(self, x):
        return json.dumps(x)

def inner(x):
    return [m.sin(y) for y in x]

def outer(x, counted=Counter):
    def deeper(y):
        return inner(y)
    return deeper(x)

def made():
    kept = half
    return lambda x: kept * x

def plain(x):
    return len(x)

def by_hand(x):
    return absent_elsewhere.f(x)

def turns(x):
    return turns(x - 1)
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a script."""
    monkeypatch.setitem(sys.modules, "absent_elsewhere", ModuleType("absent_elsewhere"))
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SCRIPT, "script.py", "exec"), names)
    return names


@pytest.mark.parametrize(
    ("what", "modules"),
    [
        ("plain", set()),
        ("inner", {"math"}),
        ("outer", {"math", "collections"}),
        ("made()", {"decimal"}),
        ("Model().fit", {"json", "collections"}),
        ("partial(inner, Decimal(2))", {"math", "decimal"}),
        ("by_hand", set()),
        ("turns", set()),
    ],
)
def test_what_a_function_names(script: dict[str, Any], what: str, modules: set[str]) -> None:
    found = imports_of(eval(what, script))
    assert set(found) == modules
    assert len(found) == len(modules)


def test_what_is_no_function_of_a_script() -> None:
    assert imports_of(math.sin) == ["math"]
    assert set(imports_of(partial(math.pow, 2))) == {"math"}
    assert imports_of(print) == []
    assert imports_of(object()) == []


class Shy:
    """It answers nothing."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_an_object_that_answers_nothing_is_passed_over(script: dict[str, Any]) -> None:
    script["shy"] = Shy()
    exec("def asks(x):\n    return shy, m.pi", script)
    assert imports_of(script["asks"]) == ["math"]


PROGRAM = """
import os, sys
import heavy
from shoal import Engine

def f(x):
    return heavy.twice(x)

if __name__ == "__main__":
    with Engine(3) as engine:
        assert list(engine.map(f, range(30), chunksize=1)) == [2 * x for x in range(30)]
        engine.submit(os.getpid).result()
"""


@pytest.mark.needs("pooling")
def test_agents_find_it_loaded(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text(
        "import os\nwith open('imported', 'a') as file:\n    file.write(f'{os.getpid()}\\n')\n"
        "def twice(x):\n    return 2 * x\n"
    )
    (tmp_path / "program.py").write_text(PROGRAM)
    subprocess.run([sys.executable, "program.py"], cwd=tmp_path, check=True, timeout=60)
    assert len((tmp_path / "imported").read_text().split()) == 2, "once by the script, once for all agents"
