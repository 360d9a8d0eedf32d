"""Arguments of tasks as a fleet takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from engine.core.tasks import Options
from engine.plan.claims import Held, to_hold
from engine.plan.steps import SpecError, Step
from engine.runtime.results import to_json
from engine.wire import values


def held(step: Step, found: list[Any], before: int) -> tuple[list[Any], bool]:
    """Arguments of a step, as `Items` holds them, and whether each is ``(args, kwargs)``. `before`: how many of the
    step came before them. Raises `SpecError` for what can't be sent: results of others that could be read, but not
    written again, or are nested too deeply."""
    try:
        return _held(step, found, before)
    except Exception as error:  # their classes may raise anything
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(f"tasks {step.name!r}: can't be sent what they take: {why}") from error


def _held(step: Step, found: list[Any], before: int) -> tuple[list[Any], bool]:
    if step.command is not None:
        texts = [None if item is None else command_text(item) for item in found]
        return [values.hold(((text, before + n), {})) for n, text in enumerate(texts, 1)], True
    if step.keywords:
        return [values.hold(((), keywords)) for keywords in found], True
    if step.gather is not None:
        return [values.hold((arguments, {})) for arguments in found], True
    return found if values.is_plain(found) else [values.hold(value) for value in found], False


def with_more(arguments: Iterator[dict[str, Any]], more: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Keyword arguments, and some that all of them have."""
    return ({**given, **more} for given in arguments)


def command_text(item: Any) -> str:
    """An item as a command gets it: text as it is, anything else as compact JSON, which other programs can read."""
    if isinstance(item, str):
        return item
    text = to_json(item)
    return str(json.loads(text)) if text.startswith('"') else text  # a date, say: JSON would only put quotes around it


def claims_of(step: Step, found: Sequence[Any], before: int) -> Held:
    """What tasks of a step claim. Raises `SpecError` where their arguments make no name."""
    try:
        return to_hold(step.claims, found, step.keywords, before)
    except ValueError as error:
        raise SpecError(f"tasks {step.name!r}: can't claim what their arguments make: {error}") from None


def options_of(step: Step, batch_max: int | None, arguments: list[Any]) -> Options:
    """How tasks of a step with these arguments are treated."""
    return Options(
        retries=step.retries, crash_limit=step.crash_limit, timeout=step.timeout, item_bytes=_mean_bytes(arguments),
        batch_max=batch_max, soft_timeout=step.soft_timeout, retry_on=tuple(step.retry_on), priority=step.priority,
    )  # fmt: skip


def _mean_bytes(arguments: list[Any]) -> int:
    """About how long an argument is on the wire, by the first few."""
    sample = arguments[:50]
    return sum(map(values.size, sample)) // len(sample)
