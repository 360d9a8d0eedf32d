"""Claims as plans write them: what they are about, what a task's own arguments make of them, how they are checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from engine.core import claims as core
from engine.core.patterns import normal
from engine.plan.model import Claim
from engine.plan.tables import ClaimTable
from engine.settings.fields import nearest, shown

Held: TypeAlias = tuple[tuple[core.Claim, ...], list[tuple[core.Claim, ...]] | None]
"""What tasks hold: what all of them claim, and what each claims beside that."""
_PLACE: Final = re.compile(r"\{([^{}]*)\}")


def spelled(text: str) -> str:
    """A name or a pattern of paths in the one spelling by which they are compared (`engine.core.patterns`).

    Raises ValueError with a sentence for what is none.
    """
    if not text.isprintable() or text != text.strip():
        raise ValueError(f"{shown(text)} is no name or path on one line")
    return normal(text)


def claim_of(given: str | ClaimTable, names: Iterable[str] | None) -> Claim:
    """What is claimed. `names`: the keyword arguments that it may be made of; None: of the item.

    Raises ValueError with a sentence.
    """
    if isinstance(given, str):
        what, shared = given, False
    elif (given.exclusive is None) == (given.shared is None):
        raise ValueError("a claim has either exclusive or shared")
    else:
        shared = given.exclusive is None
        what = (given.shared if shared else given.exclusive) or ""
    what = spelled(what)
    known = ["", "n"] if names is None else list(names)
    for name in _PLACE.findall(what):
        if name not in known:
            written = [f"{{{one}}}" for one in known]
            raise ValueError(f"claim {shown(what)}: no argument {{{name}}}{nearest(f'{{{name}}}', written)}")
    return Claim(what, shared)


def is_template(claim: Claim) -> bool:
    """Whether each task of a set has a claim of its own."""
    return "{" in claim.what


def widened(claim: Claim) -> str:
    """A pattern of all that the tasks of a set may claim by it."""
    return _PLACE.sub("*", claim.what)


def of_task(claims: Sequence[Claim], argument: Any, keywords: bool, number: int) -> list[Claim]:
    """What one task claims: `number` is its own from 1, `argument` its keyword arguments or its item."""

    def value(found: re.Match[str]) -> str:
        if keywords:
            return str(argument[found[1]])
        return str(number) if found[1] == "n" else str(argument)

    return [Claim(_PLACE.sub(value, claim.what), claim.shared) if is_template(claim) else claim for claim in claims]


def to_hold(claims: Sequence[Claim], arguments: Sequence[Any], keywords: bool, first: int) -> Held:
    """What tasks hold while they run, as the core takes it: what all of them claim, and what each claims beside that,
    None where that is nothing. `arguments` are those of the tasks from number `first` (from 0) on.

    Raises ValueError with a sentence for what a task's arguments make no name of.
    """
    common = tuple(core.Claim(claim.what, claim.shared) for claim in claims if not is_template(claim))
    own = [claim for claim in claims if is_template(claim)]
    if not own:
        return common, None
    each = []
    for number, argument in enumerate(arguments, first + 1):
        made = of_task(own, argument, keywords, number)
        each.append(tuple(core.Claim(spelled(claim.what), claim.shared) for claim in made))
    return common, each
