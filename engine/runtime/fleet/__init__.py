"""A fleet: its pools of agents, the processes that it starts, and all that passes between them and the core."""
