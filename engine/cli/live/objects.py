"""Messages of the stream as JSON has them."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """A message with every struct in it as an object with names."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: plain(held) for name, held in msgspec.structs.asdict(value).items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return value
