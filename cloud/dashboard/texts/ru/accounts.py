"""Вход, учётные записи и своя запись."""

TEXTS = {
    "accounts.foreign": "Это отправила страница другого сайта. Откройте саму панель и повторите.",
    # вход
    "accounts.sign-in": "Вход",
    "accounts.name": "Имя",
    "accounts.password": "Пароль",
    "accounts.code": "Код из приложения-аутентификатора",
    "accounts.code-hint": "Шесть цифр. Меняется каждые 30 секунд, каждый код действует один раз.",
    "accounts.next": "Дальше",
    "accounts.again": "Начать заново",
    "accounts.nobody-yet": (
        "Войти пока некому. На машине хаба выполните `kioskwire-hub account link` и откройте ссылку, которую он "
        "напечатает; она же лежит в файле first-admin-link в STATE_DIR."
    ),
    "accounts.forgotten": "Забыли пароль? Администратор сделает одноразовую ссылку для нового.",
    "accounts.wrong": "Неверное имя или пароль.",
    "accounts.wrong-code": "Код неверен, уже использован или устарел. Дождитесь следующего.",
    "accounts.too-late": "Прошло слишком много времени. Войдите заново.",
    "accounts.locked": (
        "Слишком много неверных попыток. Повторите через {wait}; администратор может разблокировать раньше."
    ),
    "accounts.limited": "Слишком много попыток с вашего адреса. Повторите через {wait}.",
    "accounts.busy": "Сейчас входит слишком много людей. Повторите через несколько секунд.",
    "accounts.wrong-own": "Ваш пароль неверен.",
    "accounts.locked-own": "Слишком много неверных попыток. Повторите через {wait}.",
    "accounts.use-https": "Этот хаб работает по https. Войдите по адресу {address}",
    # одноразовая ссылка
    "accounts.welcome": "Добро пожаловать",
    "accounts.welcome-first": "Первый администратор",
    "accounts.welcome-first-why": (
        "На этом хабе ещё нет учётных записей. Выберите имя и пароль; потом вы сможете завести записи другим."
    ),
    "accounts.welcome-set": "Выберите пароль для {name}",
    "accounts.welcome-set-why": "Ссылка действует один раз. Все нынешние входы этой записи завершатся.",
    "accounts.name-hint": "Буквы a-z, цифры и . _ @ -",
    "accounts.password-rules": (
        "Не короче {least} знаков; не имя и не из тех, что пробуют первыми. Хороши несколько не связанных друг с "
        "другом слов."
    ),
    "accounts.password-repeat": "Ещё раз то же",
    "accounts.password-differs": "Пароли не совпадают.",
    "accounts.set-password": "Установить пароль и войти",
    "accounts.link-dead": "Эта ссылка больше не действует",
    "accounts.link-dead-why": (
        "Ею уже воспользовались, ей больше 24 часов или сделана новая. Другую сделает администратор или, на "
        "машине хаба, `kioskwire-hub account link ИМЯ`."
    ),
    # своя запись
    "accounts.own": "Ваша учётная запись",
    "accounts.own-role": "Роль",
    "accounts.own-since": "Создана",
    "accounts.own-zone": "Часовой пояс",
    "accounts.own-password": "Смена пароля",
    "accounts.own-password-why": "Остальные ваши входы завершатся.",
    "accounts.password-old": "Нынешний пароль",
    "accounts.password-new": "Новый пароль",
    "accounts.change": "Сменить",
    "accounts.totp": "Второй фактор",
    "accounts.totp-is-on": "Включён: при каждом входе нужен код из приложения.",
    "accounts.totp-is-off": "Выключен: достаточно пароля.",
    "accounts.totp-set-up": "Настроить",
    "accounts.totp-turn-off": "Выключить",
    "accounts.totp-why": "Приложение-аутентификатор на телефоне показывает код, который меняется каждые 30 секунд.",
    "accounts.totp-scan": (
        "Отсканируйте приложением-аутентификатором или введите ключ вручную. Затем введите код, который оно покажет."
    ),
    "accounts.totp-key": "Ключ",
    "accounts.totp-code": "Код",
    "accounts.totp-confirm": "Включить",
    "accounts.totp-qr": "QR-код с ключом",
    "accounts.totp-once": (
        "Показывается только сейчас. Код будет нужен при следующем входе, когда вы введёте первый здесь."
    ),
    "accounts.language": "Язык",
    "accounts.language-any": "как в браузере",
    "accounts.sessions": "Где вы вошли",
    "accounts.session-here": "здесь",
    "accounts.session-browser": "Браузер",
    "accounts.session-address": "Адрес",
    "accounts.session-since": "С",
    "accounts.session-seen": "Последнее действие",
    "accounts.session-ends": "Закончится",
    "accounts.session-end": "Завершить",
    "accounts.sessions-end": "Завершить остальные",
    "accounts.browser-unknown": "неизвестен",
    # все записи
    "accounts.title": "Учётные записи",
    "accounts.add": "Добавить запись",
    "accounts.add-why": "Вы получите одноразовую ссылку: кто её откроет, задаст пароль.",
    "accounts.role": "Роль",
    "accounts.role-viewer": "наблюдатель: видит всё, кроме секретов",
    "accounts.role-operator": (
        "оператор: ещё закрывает операции вручную, подтверждает оповещения, включает и отключает киоски"
    ),
    "accounts.role-admin": "администратор: ещё добавляет киоски, выдаёт токены и ключи, ведёт записи",
    "accounts.state": "Состояние",
    "accounts.signed-in": "Последний вход",
    "accounts.state-good": "действует",
    "accounts.state-disabled": "отключена",
    "accounts.state-locked": "закрыта для новых браузеров",
    "accounts.state-invited": "пароль ещё не задан",
    "accounts.has-totp": "второй фактор",
    "accounts.you": "это вы",
    "accounts.acts": "Действия",
    "accounts.enable": "Включить",
    "accounts.disable": "Отключить",
    "accounts.unlock": "Разблокировать",
    "accounts.link": "Новая одноразовая ссылка",
    "accounts.totp-off": "Выключить второй фактор",
    "accounts.remove": "Удалить",
    "accounts.set-role": "Сменить роль",
    "accounts.sure-disable": "Отключить {name}? Все входы этой записи сразу завершатся.",
    "accounts.sure-remove": "Удалить {name} насовсем? Сделанное останется в журнале действий.",
    "accounts.sure-totp-off": "Выключить второй фактор у {name}? Тогда достаточно пароля.",
    "accounts.sure-own": "Это ваша собственная учётная запись.",
    "accounts.sure-role": "Сменить роль {name}? Понадобится войти заново.",
    "accounts.link-made": "Одноразовая ссылка для {name}",
    "accounts.link-why": (
        "Передайте её так, чтобы прочитать мог только {name}. Она действует один раз, до {until}; прежние ссылки "
        "недействительны. Показывается только сейчас."
    ),
    "accounts.back": "К учётным записям",
    # что сделано
    "accounts.done-role": "Роль {name} изменена.",
    "accounts.done-enable": "{name} снова может войти.",
    "accounts.done-disable": "{name}: запись отключена, все входы завершены.",
    "accounts.done-unlock": "{name} может пробовать снова.",
    "accounts.done-totp-off": "{name} теперь входит только с паролем.",
    "accounts.done-remove": "Запись {name} удалена.",
    "accounts.done-password": "Пароль изменён; остальные ваши входы завершены.",
    "accounts.done-totp-on": "Второй фактор включён.",
    "accounts.done-own-totp-off": "Второй фактор выключен.",
    "accounts.done-session": "Этот вход завершён.",
    "accounts.done-sessions": "Все остальные входы завершены.",
    # отказы
    "refused.account-name-wrong": "Имя — от 1 до 64 знаков: буквы a-z, цифры и . _ @ -",
    "refused.account-role-wrong": "Выберите роль.",
    "refused.account-exists": "Запись {name} уже есть.",
    "refused.account-unknown": "Записи {name} нет.",
    "refused.account-disabled": "Запись {name} отключена: сначала включите её.",
    "refused.account-last-admin": "{name} — последний администратор, который может войти. Сначала сделайте другого.",
    "refused.password-short": "Слишком коротко: нужно не меньше {least} знаков.",
    "refused.password-long": "Слишком длинно: не больше {most} знаков.",
    "refused.password-name": "Пароль не должен совпадать с именем.",
    "refused.password-common": "Такой пароль пробуют одним из первых. Выберите другой.",
}
