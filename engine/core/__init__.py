"""The pure heart of the engine: what happened goes in, what is to be done comes out.

No clock, socket, file, thread or process in here: times are arguments, in seconds of any monotonic clock. The
same core runs the
fleet, runs under a virtual clock, and is hammered by property tests.
"""
