"""A plan while it runs: its steps fed and collected, gates decided, people asked, and what is told of it."""
