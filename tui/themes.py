"""The themes of Shoal, and the one meaning of each colour and glyph."""

from __future__ import annotations

from typing import Final

from textual.theme import BUILTIN_THEMES, Theme

STATE_NAMES: Final = ("absent", "starting", "idle", "busy", "draining", "dead")
"""By the byte of the state in a frame."""
STATE_GLYPHS: Final = ("·", "◌", "□", "■", "▽", "✕")
"""One glyph a state, told apart without any colour."""

_DARK_VARIABLES: Final = {
    "state-absent": "#18243a",
    "state-starting": "#f2c14e",
    "state-idle": "#2f5578",
    "state-busy": "#33d6c0",
    "state-draining": "#a48bf5",
    "state-dead": "#ff5c66",
    "quiet": "#7388a6",
    "track": "#24344f",
    "edge": "#2a3d5c",
    "chart-low": "#1d6f86",
    "chart-high": "#6cf0d8",
}
_LIGHT_VARIABLES: Final = {
    "state-absent": "#e3eaf2",
    "state-starting": "#d99a00",
    "state-idle": "#a9c3da",
    "state-busy": "#0b9c8c",
    "state-draining": "#7c5bd6",
    "state-dead": "#d5283b",
    "quiet": "#5d7189",
    "track": "#d5dfe9",
    "edge": "#b4c4d4",
    "chart-low": "#4fb3c4",
    "chart-high": "#0b7f86",
}

DARK: Final = Theme(
    name="shoal-dark",
    dark=True,
    primary="#33d6c0",
    secondary="#6ea8fe",
    accent="#f2c14e",
    success="#4fd69c",
    warning="#f5a742",
    error="#ff5c66",
    foreground="#dbe6f3",
    background="#0a1120",
    surface="#0e1729",
    panel="#16233b",
    variables={
        **_DARK_VARIABLES,
        "footer-key-foreground": "#33d6c0",
        "footer-description-foreground": "#9db0ca",
        "footer-background": "#0e1729",
    },
)
LIGHT: Final = Theme(
    name="shoal-light",
    dark=False,
    primary="#0b7f86",
    secondary="#2b6cb0",
    accent="#b7791f",
    success="#17804d",
    warning="#b45f06",
    error="#c81e33",
    foreground="#16263a",
    background="#f6f9fc",
    surface="#ffffff",
    panel="#e6eef6",
    variables={
        **_LIGHT_VARIABLES,
        "footer-key-foreground": "#0b7f86",
        "footer-description-foreground": "#43566d",
        "footer-background": "#e6eef6",
    },
)


_CONTRAST_VARIABLES: Final = {
    "state-absent": "#3a3a3a",
    "state-starting": "#ffff00",
    "state-idle": "#6f9fff",
    "state-busy": "#00ff87",
    "state-draining": "#ff87ff",
    "state-dead": "#ff3b3b",
    "quiet": "#d0d0d0",
    "track": "#5f5f5f",
    "edge": "#ffffff",
    "chart-low": "#00d7ff",
    "chart-high": "#ffffff",
}
_ANSI_VARIABLES: Final = {
    "state-absent": "ansi_bright_black",
    "state-starting": "ansi_yellow",
    "state-idle": "ansi_blue",
    "state-busy": "ansi_green",
    "state-draining": "ansi_magenta",
    "state-dead": "ansi_red",
    "quiet": "ansi_default",
    "track": "ansi_bright_black",
    "edge": "ansi_bright_black",
    "chart-low": "ansi_cyan",
    "chart-high": "ansi_bright_cyan",
}

CONTRAST: Final = Theme(
    name="shoal-contrast",
    dark=True,
    primary="#00ffff",
    secondary="#87d7ff",
    accent="#ffff00",
    success="#00ff87",
    warning="#ffd700",
    error="#ff5f5f",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    variables={
        **_CONTRAST_VARIABLES,
        "footer-key-foreground": "#ffff00",
        "footer-description-foreground": "#ffffff",
        "footer-background": "#1c1c1c",
    },
)
"""For tired eyes, beamers and bright rooms."""

ANSI: Final = Theme(
    name="shoal-ansi",
    dark=True,
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_blue",
    accent="ansi_yellow",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        **_ANSI_VARIABLES,
        "footer-key-foreground": "ansi_cyan",
        "footer-description-foreground": "ansi_default",
        "footer-background": "ansi_default",
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border-blurred": "ansi_black",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_bright_blue",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_bright_blue",
        "screen-selection-foreground": "ansi_black",
    },
)
"""The sixteen colours of the terminal's own, whatever they are, on its own ground."""

OURS: Final = (DARK, LIGHT, CONTRAST, ANSI)
"""In the order in which `t` goes through them."""


def fallback_variables(dark: bool) -> dict[str, str]:
    """Our colours under somebody else's theme, which knows nothing of agents."""
    return dict(_DARK_VARIABLES if dark else _LIGHT_VARIABLES)


def names() -> list[str]:
    """Of all themes, ours first."""
    return [*(theme.name for theme in OURS), *sorted(BUILTIN_THEMES)]
