"""What the Grafana dashboard asks of Prometheus, for the tests that look at it."""

from __future__ import annotations

import json
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures"
DASHBOARD = FIXTURES / "grafana" / "shoal.json"


def expressions() -> list[str]:
    """The queries of all panels, each once."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return list(dict.fromkeys(target["expr"] for panel in panels for target in panel.get("targets", ())))
