"""The screens, for the commands that show one: this installation's, whatever else is called ``tui``."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app import Outcome

_PLACE = Path(__file__).resolve().parent.parent.parent / "tui"


def show(path: Path) -> Outcome:
    """Show the run whose engine listens at `path`, as `tui.app.run` does, and return what that returns."""
    if "tui" not in sys.modules:
        # Loaded from its place, not looked up: a user's own package of that name may come first on the path.
        spec = spec_from_file_location("tui", _PLACE / "__init__.py", submodule_search_locations=[str(_PLACE)])
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            sys.modules["tui"] = module
            spec.loader.exec_module(module)
    from tui.app import run

    return run(path)
