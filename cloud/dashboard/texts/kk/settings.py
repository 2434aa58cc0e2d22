"""Не күшінде."""

TEXTS = {
    "settings.title": "Баптаулар",
    "settings.about": "Орта айнымалыларымен немесе .env файлымен беріледі, хаб іске қосылғанда оқылады: мұнда "
    "өзгертуге "
    "болмайды.",
    "settings.warnings": "Ескертулер",
    "settings.in-force": "Күшінде",
    "settings.name": "Баптау",
    "settings.value": "Мәні",
    "settings.description": "Бұл не",
    "settings.default": "Әдепкі мәні: {value}.",
    "settings.changed": "берілген",
    "settings.not-set": "берілмеген",
    "settings.secret-set": "берілген, көрсетілмейді",
    "settings.database": "Дерекқор",
    "settings.kind": "Түрі",
    "settings.place": "Орны",
    "settings.size": "Көлемі",
    "settings.schema": "Схема",
    "settings.versions": "Нұсқалар",
    "settings.system": "Жүйе",
    "settings.libraries": "Кітапханалар ({count})",
}
