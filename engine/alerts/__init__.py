"""Alerts: rules about what happens and how it is, and the core that decides by them which alerts there are."""
