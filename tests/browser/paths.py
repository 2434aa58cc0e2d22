"""Where things lie."""

from pathlib import Path

TREE = Path(__file__).parents[2]
AXE = TREE / "packaging" / "assets" / "node_modules" / "axe-core" / "axe.min.js"
VENDOR = TREE / "cloud" / "dashboard" / "vendor" / "vendor.json"
