"""The two themes of Shoal, and the one meaning of each colour and glyph."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

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


def fallback_variables(dark: bool) -> dict[str, str]:
    """Our colours under somebody else's theme, which knows nothing of agents."""
    return dict(_DARK_VARIABLES if dark else _LIGHT_VARIABLES)
