"""Shoal's engine: fleets of agents on one machine.

Nothing is imported here on purpose: an agent, the command's help and the screens each need another small part.
The public names are in the module ``shoal``.
"""
