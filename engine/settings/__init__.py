"""What can be set: names, meanings, defaults, and where each value came from."""
