"""An agent that was executed, not forked: it has to import for itself what a fork inherits."""

from __future__ import annotations

import faulthandler
import os
import socket
import sys

from engine.procs import agent, boot
from engine.procs.scoreboard import Scoreboard
from engine.wire import channel, frames


def main() -> None:
    """Be an agent; the arguments are the descriptors of its channel and of the scoreboard."""
    fd, memory = map(int, sys.argv)
    sys.argv[:] = [""]  # what a task sees, as in an interpreter without a script
    faulthandler.enable()  # as a fork inherits it: an agent that crashes says where, on its stderr
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)  # what a task executes must not hold the channel, nor the scoreboard
    received = channel.Receiver(sock, channel.buffer(frames.RECEIVE)).receive()
    assert received is not None
    begin = frames.to_begin.decode(received[0])
    initializer = received[1][0].load() if received[1] else begin.initializer
    board = Scoreboard(memory, begin.rows, begin.capacity)
    os.close(memory)
    sys.path[:] = begin.path
    boot.steps_aside(begin.path)
    agent.main(board, begin.row, sock, begin.host, (1, 2), [*begin.preload, *begin.late], initializer)
