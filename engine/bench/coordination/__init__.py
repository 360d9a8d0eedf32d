"""The benchmark of coordination: start, one task to each agent, every answer; with mechanisms switched on and off."""
