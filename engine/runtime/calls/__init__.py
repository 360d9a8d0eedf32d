"""``Engine``: calls of a program's own, on their way to a fleet and back."""
