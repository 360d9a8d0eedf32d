"""Rules from the text of TOML files, with an error for each thing that is wrong.

::

    [rules.memory]
    title = "memory is short"
    mode = "level"
    signal = "memory_used_ratio"
    warning = { raise = "90%", clear = "85%" }
    for = "5s"
    summary = "{value} of the memory is in use"

A later file may change a rule of an earlier one by saying only what is different.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from engine.alerts.keys import Reader, known_keys
from engine.alerts.overlays import in_order
from engine.alerts.types import Rule
from engine.settings.fields import nearest, shown

BUILT_IN: Final = "built-in"
"""The name that the file of built-in rules goes by."""
_MERGED: Final = frozenset({"info", "warning", "critical"})
"""Tables of a rule in which a later file may change one key, too."""


class Text(NamedTuple):
    """The text of a file of rules."""

    name: str
    """Its path, or `BUILT_IN`."""
    text: str


class Problem(NamedTuple):
    """One thing that is wrong with a file of rules."""

    file: str
    rule: str
    """Its id; "" if it is about the file."""
    key: str
    """What in the rule; "" if it is about all of it."""
    text: str

    def __str__(self) -> str:
        place = [self.file, *([f"rule {self.rule}"] if self.rule else []), *([self.key] if self.key else [])]
        return ": ".join([*place, self.text])


class RulesError(ValueError):
    """Rules that can't be. The text has a line for each problem.

    Attributes:
        problems: all of them, in the order of the files.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def parse(texts: Sequence[Text]) -> list[Rule]:
    """The rules of some files, the later of which may change those of the earlier. Raises `RulesError`."""
    problems: list[Problem] = []
    tables: dict[str, dict[str, Any]] = {}
    sources: dict[str, list[str]] = {}
    where: dict[tuple[str, str], str] = {}
    """By rule and key, the file that said it last: that is where an error is."""
    for text in texts:
        for name, table in _tables(text, problems).items():
            if name not in tables or "mode" in table:
                tables[name], sources[name] = {}, []
            merged = tables[name]
            for key, value in table.items():
                both = key in _MERGED and isinstance(merged.get(key), dict) and isinstance(value, dict)
                merged[key] = {**merged[key], **value} if both else value
                where[name, key] = text.name
            sources[name].append(text.name)
    rules = []
    for name, table in tables.items():
        last = sources[name][-1]
        reader = Reader(name, table, " + ".join(dict.fromkeys(sources[name])))
        rule = reader.rule()
        problems += [
            Problem(where.get((name, key.partition(".")[0]), last), name, key, what) for key, what in reader.wrong
        ]
        if rule is not None:
            rules.append(rule)
    ids = set(tables)
    for rule in rules:
        for target in rule.inhibits:
            if target not in ids or target == rule.id:
                what = "itself" if target == rule.id else f"no rule {target!r}{nearest(target, ids)}"
                problems.append(Problem(where[rule.id, "inhibits"], rule.id, "inhibits", what))
    if not problems:
        try:
            in_order(rules)
        except ValueError as error:
            problems.append(Problem(texts[-1].name, "", "", str(error)))
    if problems:
        raise RulesError(problems)
    return rules


def _tables(text: Text, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """The rules of a file as they are written, by id."""
    try:
        raw = tomllib.loads(text.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problems.append(Problem(text.name, "", "", f"not TOML: {error}"))
        return {}
    for key in raw:
        if key != "rules":
            hint = "; a rule is written [rules.NAME]" if isinstance(raw[key], dict) else ""
            problems.append(Problem(text.name, "", "", f"unknown key {key!r}{nearest(key, ['rules'])}{hint}"))
    rules = raw.get("rules", {})
    if not isinstance(rules, dict):
        problems.append(Problem(text.name, "", "", "rules are tables, written [rules.NAME]"))
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, table in rules.items():
        if not _is_id(name):
            what = f"a name has letters, digits and -, and begins with a letter, not {shown(name)}"
            problems.append(Problem(text.name, "", "", what))
        elif not isinstance(table, dict):
            problems.append(Problem(text.name, name, "", f"a table, written [rules.{name}]"))
        else:
            found[name] = table
            unknown = [key for key in table if key not in known_keys()]
            problems += [Problem(text.name, name, key, f"unknown key{nearest(key, known_keys())}") for key in unknown]
    return {name: {k: v for k, v in table.items() if k in known_keys()} for name, table in found.items()}


def _is_id(name: str) -> bool:
    return len(name) <= 60 and name.isascii() and name[:1].isalpha() and all(c.isalnum() or c in "-_" for c in name)
