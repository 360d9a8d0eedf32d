"""Benchmarks: the engine beside other tools, in one run, on one machine."""
