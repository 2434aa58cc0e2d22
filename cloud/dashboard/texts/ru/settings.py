"""Что действует."""

TEXTS = {
    "settings.title": "Настройки",
    "settings.about": "Задаются переменными окружения или файлом .env и читаются при запуске хаба: здесь их не "
    "изменить.",
    "settings.warnings": "Предупреждения",
    "settings.in-force": "Действуют",
    "settings.name": "Настройка",
    "settings.value": "Значение",
    "settings.description": "Что это",
    "settings.default": "По умолчанию: {value}.",
    "settings.changed": "задано",
    "settings.not-set": "не задано",
    "settings.secret-set": "задано, не показывается",
    "settings.database": "База данных",
    "settings.kind": "Вид",
    "settings.place": "Где",
    "settings.size": "Размер",
    "settings.schema": "Схема",
    "settings.versions": "Версии",
    "settings.system": "Система",
    "settings.libraries": "Библиотеки ({count})",
}
