"""A plan under a virtual clock: the engine's own core schedules it, and time passes as estimates say. Pure."""
