"""The sentences of one language, by subject."""

from cloud.dashboard.texts.ru import (
    accounts,
    alerts,
    audit,
    callbacks,
    events,
    keys,
    kiosks,
    operations,
    overview,
    settings,
    shell,
)

TEXTS: dict[str, str] = {
    **accounts.TEXTS,
    **alerts.TEXTS,
    **audit.TEXTS,
    **callbacks.TEXTS,
    **events.TEXTS,
    **keys.TEXTS,
    **kiosks.TEXTS,
    **operations.TEXTS,
    **overview.TEXTS,
    **settings.TEXTS,
    **shell.TEXTS,
}
