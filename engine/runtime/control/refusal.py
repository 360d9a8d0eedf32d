"""Why something that a reader asked for is not done."""

from __future__ import annotations


class Refusal(Exception):
    """A command that can't be carried out. The text is one line for people."""
