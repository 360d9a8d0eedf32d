"""How the cost grows with agents, tasks, payload and cores; and a model of what that would come to elsewhere."""
