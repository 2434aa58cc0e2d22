"""What is in force."""

TEXTS = {
    "settings.title": "Settings",
    "settings.about": "Set by the environment or by .env, and read when the hub starts: nothing can be changed here.",
    "settings.warnings": "Warnings",
    "settings.in-force": "In force",
    "settings.name": "Setting",
    "settings.value": "Value",
    "settings.description": "What it is",
    "settings.default": "Default: {value}.",
    "settings.changed": "set",
    "settings.not-set": "not set",
    "settings.secret-set": "set, never shown",
    "settings.database": "Database",
    "settings.kind": "Kind",
    "settings.place": "Place",
    "settings.size": "Size",
    "settings.schema": "Schema",
    "settings.versions": "Versions",
    "settings.system": "System",
    "settings.libraries": "Libraries ({count})",
}
