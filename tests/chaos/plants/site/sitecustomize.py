"""Loads what is planted; Python imports a module of this name at every start, if it finds one."""

import importlib
import os

for name in os.environ.get("KIOSKWIRE_PLANTS", "").split():
    importlib.import_module(name)
