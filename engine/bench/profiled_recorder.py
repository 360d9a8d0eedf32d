"""The recorder's process, profiled: started in the place of the real one where an engine is profiled."""

from __future__ import annotations

import cProfile
import os
from pathlib import Path

from engine.bench.profile import told
from engine.bench.sampling import FOLDER
from engine.store import recorder


def main() -> None:
    """Be the recorder, and leave what was found in the folder for profiles."""
    mine = cProfile.Profile()
    try:
        mine.runcall(recorder.main)
    finally:
        Path(os.environ[FOLDER], "process recorder.txt").write_text(told(mine))
