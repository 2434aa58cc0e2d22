"""Writes the Grafana dashboards beside it: hub.json, fleet.json, kiosk.json. Run it after a change here.

    python docs/monitoring/dashboards.py

A dashboard is rows of panels, a module each in `boards/`; each panel has a title, a sentence on what it means, a unit
and expressions with legends.
"""

import json
from pathlib import Path
from typing import Any

from boards.fleet import fleet
from boards.hub import hub
from boards.kiosk import kiosk
from boards.panels import SOURCE, WIDTH, Panel

HERE = Path(__file__).parent
SCHEMA = 41


def _variable(name: str, label: str, query: str, *, all_of_them: bool) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "A"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": all_of_them,
        "includeAll": all_of_them,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if all_of_them else {}),
    }


INSTANCE = _variable(
    "instance", "hub", 'label_values(kioskwire_kiosks_connected{job="kioskwire-hub"}, instance)', all_of_them=True
)
ONE = _variable(
    "kiosk", "kiosk", 'label_values(kioskwire_connected{job="kioskwire-appliance"}, kiosk)', all_of_them=False
)


def dashboard(uid: str, title: str, words: str, variable: dict[str, Any], rows: list[tuple[str, list[Panel]]]) -> str:
    """The JSON to import."""
    panels: list[dict[str, Any]] = []
    y = 0
    for name, in_row in rows:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": name, "collapsed": False, "gridPos": place, "panels": []}
        )
        x, y, tallest = 0, y + 1, 0
        for panel in in_row:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panels.append(panel.drawn(len(panels) + 1, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}
    others = [
        {
            "type": "dashboards",
            "title": "Kioskwire",
            "tags": ["kioskwire"],
            "asDropdown": False,
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "icon": "dashboard",
            "tooltip": "",
            "url": "",
        },
    ]
    found = {
        "uid": uid,
        "title": title,
        "description": words,
        "tags": ["kioskwire"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "links": others,
        "annotations": {"list": []},
        "templating": {"list": [source, variable]},
        "panels": panels,
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def all_of_them() -> dict[str, str]:
    """File name → text."""
    return {
        "hub.json": dashboard(
            "kioskwire-hub", "Kioskwire: hub", "Operations, kiosks and the hub itself.", INSTANCE, hub()
        ),
        "fleet.json": dashboard(
            "kioskwire-fleet", "Kioskwire: fleet", "All kiosks: versions, devices, connections.", INSTANCE, fleet()
        ),
        "kiosk.json": dashboard("kioskwire-kiosk", "Kioskwire: one kiosk", "By the kiosk's own figures.", ONE, kiosk()),
    }


def main() -> None:
    """Write all."""
    for name, text in all_of_them().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
