"""Which tests are left out where a mechanism is switched off: ``python tests/flags.py`` writes ``FLAGS.md``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
MECHANISMS = ("pooling", "batching", "parallel_spawn", "sharding")
FEW = "tests/runtime/test_messages.py tests/runtime/test_timeouts.py"
"""What runs in a minute with everything switched off."""

HEAD = f"""# The tests with mechanisms switched off

Every engine of a test session takes `SHOAL_ENABLE_POOLING=0`, `SHOAL_ENABLE_BATCHING=0`,
`SHOAL_ENABLE_PARALLEL_SPAWN=0` and `SHOAL_ENABLE_SHARDING=0` from the environment. Tests of what an engine does
whatever is switched off must pass with them all the same. Those that test the very mechanism are marked
`needs("...")`, are skipped then, and are listed here; a test holds this list to the marks. Without pooling every task
has a fresh interpreter, so `processes.scaled` makes tests of thousands of tasks smaller.

About a minute with all four switched off, for every commit:

    export SHOAL_ENABLE_POOLING=0 SHOAL_ENABLE_BATCHING=0 SHOAL_ENABLE_PARALLEL_SPAWN=0 SHOAL_ENABLE_SHARDING=0
    pytest {FEW}
"""


def _needs(node: ast.expr) -> Iterator[str]:
    """The mechanisms that a mark names, if it is one of ours."""
    if isinstance(node, ast.List):
        for part in node.elts:
            yield from _needs(part)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.needs":
        for argument in node.args:
            yield str(ast.literal_eval(argument))


def marked() -> dict[str, list[str]]:
    """Tests that need a mechanism, by its name, as ``file::test``; or ``file`` where all tests of it do."""
    found: dict[str, list[str]] = {mechanism: [] for mechanism in MECHANISMS}
    for path in sorted(HERE.rglob("test_*.py")):
        name = path.relative_to(HERE.parent).as_posix()
        named: dict[str, list[str]] = {}
        """Marks that a file has given a name, because it has many of them."""
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign):
                marks = named[ast.unparse(node.targets[0])] = list(_needs(node.value))
                if ast.unparse(node.targets[0]) == "pytestmark":
                    for mechanism in marks:
                        found[mechanism].append(name)
            elif isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    for mechanism in named.get(ast.unparse(mark)) or _needs(mark):
                        found[mechanism].append(f"{name}::{node.name}")
    return found


def page() -> str:
    """What is to be in ``FLAGS.md``."""
    parts = [HEAD]
    for mechanism, tests in marked().items():
        lines = "\n".join(f"- `{test}`" for test in tests) or "None."
        parts.append(f"## SHOAL_ENABLE_{mechanism.upper()}=0\n\n{lines}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (HERE / "FLAGS.md").write_text(page())
