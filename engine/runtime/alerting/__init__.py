"""Alerts of a run: its events and signals go into the rules, what comes of that to whoever is to know."""
