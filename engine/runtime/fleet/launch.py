"""Starting another process of Shoal's, with a channel to it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping

from engine.procs import boot
from engine.wire import channel


class StartError(Exception):
    """A process of a run can't be started. The text is one line for people."""


def launch(
    module: str, *arguments: str, output: int = subprocess.DEVNULL, env: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Run ``main()`` of a module of ours in a fresh interpreter; the process, and our end of the channel to it.

    Its arguments are those given, with ``FD`` standing for the descriptor of its own end. It is the leader of a session
    of its own, so that ctrl-c reaches the engine alone. Raises `StartError`.
    """
    try:
        ours, theirs = channel.pair()
    except OSError as error:
        raise StartError(f"can't make a channel to another process: {error.strerror or error}") from error
    fd = theirs.fileno()
    try:
        process = subprocess.Popen(
            boot.argv(module, *(str(fd) if argument == "FD" else argument for argument in arguments)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[fd],
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        raise StartError(f"can't start {sys.executable}: {error.strerror or error}") from error
    finally:
        theirs.close()
    ours.setblocking(False)
    return process, ours
