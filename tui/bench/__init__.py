"""Benchmarks on the screen: what there is to know of sessions, one that measures now, and how both are drawn."""
