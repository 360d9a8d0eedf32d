"""The processes of a fleet: nursery, shard hosts and agents, and the memory they share.

Everything an agent runs is imported before user code and is closed: nothing here imports more of Shoal later on, so a
user's own package named ``engine`` can take that name afterwards.
"""
