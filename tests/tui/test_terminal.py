"""A terminal that hangs up is noticed, whatever else is told of it."""

from __future__ import annotations

import os
import pty

from tui.terminal import Terminal


def test_a_terminal_that_hangs_up_is_gone() -> None:
    ours, theirs = pty.openpty()
    try:
        terminal = Terminal(theirs)
        assert not terminal.is_gone()
        os.write(ours, b"keys")
        assert not terminal.is_gone()
        os.close(ours)
        assert terminal.is_gone()
    finally:
        os.close(theirs)


def test_what_was_no_terminal_never_goes() -> None:
    reading, writing = os.pipe()
    try:
        terminal = Terminal(reading)
        os.close(writing)
        assert not terminal.is_gone()
    finally:
        os.close(reading)
