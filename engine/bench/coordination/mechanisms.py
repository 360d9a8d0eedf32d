"""What can be switched off."""

from __future__ import annotations

from typing import Final

FLAGS: Final = ("pooling", "batching", "parallel_spawn", "sharding")
"""The mechanisms, as the settings ``enable_...`` name them."""
