"""``shoal run``, ``resume`` and ``rerun``: from the command line to a run, on a screen or without one, to its end."""
