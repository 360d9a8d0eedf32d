"""The control socket of a run: any number of readers of its stream, and what they ask for."""

from __future__ import annotations

from engine.runtime.control.hub import Control

__all__ = ["Control"]
