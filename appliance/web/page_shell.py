"""What stands around every page, in the three languages of the kiosk. Pure."""

from collections.abc import Mapping

SHELL: Mapping[str, Mapping[str, str]] = {
    "en": {"shell.title": "Kiosk", "shell.languages": "Language"},
    "ru": {"shell.title": "Киоск", "shell.languages": "Язык"},
    "kk": {"shell.title": "Киоск", "shell.languages": "Тіл"},
}
