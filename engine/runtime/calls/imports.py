"""Which modules a function that travels by value needs where it arrives, such as one of a script, which names what the
script has imported. Once a nursery has imported them, its agents need not, each for itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

_MOST: Final = 500
"""Things that are looked at; a function that names more says enough by those."""


def imports_of(function: object) -> list[str]:
    """Names of modules that its code names, or that what it names comes from, each once; those that some other process
    could not import left out.

    It is a guess: nothing is called, and what a function imports or looks up by itself is not seen.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting and len(seen) < _MOST:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        with contextlib.suppress(Exception):  # an object of the user's may answer as it likes, or not at all
            waiting += _look(thing, found)
    return list(found)


def _look(thing: Any, found: dict[str, None]) -> list[Any]:
    """Note where a thing comes from; what else is to be looked at for it."""
    if isinstance(thing, ModuleType):
        _add(found, thing.__name__)
    elif isinstance(thing, MethodType):
        return [thing.__func__, thing.__self__]
    elif isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, (FunctionType, type)) and thing.__module__ == "__main__":
        return [*(_named(thing) if isinstance(thing, FunctionType) else vars(thing).values())]
    else:
        # What comes from a module as it is, or an object of a class of one.
        home = thing if isinstance(thing, (type, FunctionType, BuiltinFunctionType)) else type(thing)
        if isinstance(home, type) and home.__module__ == "__main__":
            return [home]
        _add(found, getattr(home, "__module__", None))
    return []


def _add(found: dict[str, None], name: object) -> None:
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None and name != "builtins" and getattr(module, "__spec__", None) is not None:
        found[str(name)] = None


def _named(function: FunctionType) -> Iterator[Any]:
    """What a function's code names among its globals, and what it holds."""
    names = function.__globals__
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        yield from (names[name] for name in code.co_names if name in names)
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not set yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
