"""The engine's I/O around the core: the loop, the processes it starts, the control socket, the recorder's line, the
Executor.
"""
