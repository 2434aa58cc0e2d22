"""/dashboard/settings: what is in force, without secrets."""

import asyncio
import platform
import re
from functools import cache
from importlib import metadata
from pathlib import Path

from cloud.accounts.account import Role
from cloud.alerts.config import RulesError, read_rules
from cloud.dashboard.screen import Screen
from cloud.db.about import about
from cloud.settings import Settings, effective
from cloud.zones import zone
from wire.environment import Secret, describe
from wire.version import VERSION

_NAME = re.compile(r"[A-Za-z0-9._-]+")


class SettingsPage(Screen):
    """GET: settings, warnings, versions, the database."""

    active = "settings"
    reads = writes = Role.ADMIN

    async def get(self) -> None:
        """The page; nothing can be changed here."""
        settings = self.rooms.settings
        wrong, libraries = await asyncio.gather(asyncio.to_thread(_wrong_rules, settings), asyncio.to_thread(versions))
        self.show(
            "settings.html", rows=rows(settings), warnings=[*self.rooms.warnings, *wrong], libraries=libraries,
            program=VERSION, python=platform.python_version(), system=platform.platform(terse=True),
            database=await about(self.rooms.engine), path_of_rules=settings.alerts_config,
        )  # fmt: skip


def rows(settings: Settings) -> list[dict[str, object]]:
    """Name, value as it may be shown, description, default, and whether that is what is in force."""
    found: list[dict[str, object]] = []
    for line, setting, field in zip(effective(settings), describe(Settings), settings.__struct_fields__, strict=True):
        name, _, value = line.partition("=")
        given, default = getattr(settings, field), getattr(Settings(), field)
        found.append({
            "name": name, "value": value, "description": setting.description, "default": setting.default,
            "is_default": given == default, "is_secret": isinstance(given, Secret),
            "is_set": bool(given.reveal()) if isinstance(given, Secret) else value != "",
        })  # fmt: skip
    return found


@cache
def versions() -> list[tuple[str, str]]:
    """What this program is made with, as it is installed; read from the disk once."""
    found = {}
    try:
        required = metadata.requires("kioskwire") or []
    except metadata.PackageNotFoundError:  # frozen, or run from a tree that nobody installed
        required = ["sqlalchemy", "tornado", "websockets", "msgspec", "httpx"]
    for line in required:
        if "extra == 'dev'" in line or 'extra == "dev"' in line:
            continue
        if match := _NAME.match(line):
            try:
                found[match[0]] = metadata.version(match[0])
            except metadata.PackageNotFoundError:
                continue
    return sorted(found.items(), key=lambda each: each[0].lower())


def _wrong_rules(settings: Settings) -> list[str]:
    """What check-config would say of ALERTS_CONFIG as the file is now; the hub goes by what it has read."""
    if not settings.alerts_config:
        return []
    try:
        read_rules(Path(settings.alerts_config), zone(settings.timezone))
    except RulesError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []
