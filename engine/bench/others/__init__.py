"""The benchmark of other tools: the same tasks on whatever of them is installed."""
