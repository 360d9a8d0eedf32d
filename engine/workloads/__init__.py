"""What the agents run: functions a plan can name, each importable on its own."""
