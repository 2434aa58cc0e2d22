"""Russian."""

from cloud.bot.texts.ru import alerts, core, kiosks, operations, oplog

TEXTS: dict[str, str] = {**alerts.TEXTS, **core.TEXTS, **kiosks.TEXTS, **operations.TEXTS, **oplog.TEXTS}
