"""What is planted into a program that a test starts: haste, or a bug that the checker has to find.

`environment("impatient", "double")` is what such a program is given: Python then loads `site/sitecustomize.py`, which
loads the modules named before the program's own first line. Nothing of it is in the programs themselves.
"""

from pathlib import Path


def environment(*names: str) -> dict[str, str]:
    """The variables that plant these modules of this package."""
    modules = " ".join(f"{__name__}.{name}" for name in names)
    return {"PYTHONPATH": str(Path(__file__).parent / "site"), "KIOSKWIRE_PLANTS": modules}
