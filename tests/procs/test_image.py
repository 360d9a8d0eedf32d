"""What every agent inherits by its fork: what is not needed there costs each of them memory and time."""

from __future__ import annotations

import subprocess

from engine.procs import boot


def test_the_image_that_agents_are_forked_from_has_no_threading() -> None:
    # Its fork hook writes to 0.4 MB of each child. Whatever imports it, a user's module at best, is not ours.
    code = "import sys, engine.procs.nursery; print(*{'threading', 'subprocess', 'logging', 'random'} & {*sys.modules})"
    argv = [*boot.argv("x")[:2], "-c", code]
    assert subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split() == []
