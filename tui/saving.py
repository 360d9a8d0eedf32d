"""Screens and reports as text and as files."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from traceback import format_exception
from typing import Any

from textual.app import App
from textual.screen import Screen

from engine.stream.types import Hello
from tui.archive import Archive
from tui.widgets.lines import LineWidget, Panel


def text_of(screen: Screen[Any]) -> str:
    """All that a screen shows, panel by panel, as plain text."""
    parts = []
    for widget in screen.query(LineWidget):
        if not widget.display or not widget.size.area:
            continue
        title = str(widget.border_title or "").strip()
        body = widget.copied() if isinstance(widget, Panel) else widget.text()
        parts.append(f"{title}\n{body}" if title else body)
    return "\n\n".join(parts)


def save_picture(app: App[Any]) -> str:
    """The screen as an SVG file in the current folder; its path. Raises OSError."""
    picture = app.export_screenshot(title="Shoal")
    return _write("screen", ".svg", picture)


def save_report(archive: Archive | None, hello: Hello, screen: Screen[Any]) -> str:
    """A report of a run in the current folder; its path. A run that is recorded nowhere is told as its screen has it.

    Raises OSError, `ArchiveError`.
    """
    if archive is None or not hello.database:
        return _write(f"{hello.run}-report", ".txt", text_of(screen) + "\n")
    return _write(f"{hello.run}-report", ".md", archive.report(hello.run))


def save_failure(error: BaseException) -> str:
    """A line about a mistake of ours, with the file that its traceback is written to, among the temporary ones."""
    first = next(iter(str(error).splitlines()), "")
    told = f"the screens have failed: {type(error).__name__}{f': {first[:200]}' if first else ''}"
    try:
        with NamedTemporaryFile(
            "w", prefix="shoal-traceback-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.writelines(format_exception(error))
    except OSError:  # there is no room for it: what has gone wrong is told all the same
        return told
    return f"{told}; traceback: {file.name}"


def _write(name: str, suffix: str, text: str) -> str:
    """To the first name that is free: nothing is overwritten."""
    name = re.sub(r"[^\w.-]", "-", name)
    for number in range(1000):
        path = Path.cwd() / f"shoal-{name}{f'-{number + 1}' if number else ''}{suffix}"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return str(path)
    raise FileExistsError(f"{Path.cwd()} has a thousand of these already")
