"""The command ``shoal``: what is heavy is imported by the one command that needs it."""
