"""What the page /setup says, in the three languages of the kiosk. Pure."""

from collections.abc import Mapping

LANGUAGES = {"kk": "Қазақша", "ru": "Русский", "en": "English"}

_EN = {
    "title": "Kiosk setup",
    "page": "The kiosk's page",
    "intro": "Enter the hub's address and the one-time code that your operator gave you.",
    "hub": "Hub address",
    "hub-example": "for example hub.example.com",
    "code": "One-time code",
    "code-example": "8 letters and digits, for example ABCD-2345",
    "pin": "Number on the kiosk's screen",
    "pin-example": "6 digits; this page shows them on the kiosk itself",
    "pin-here": "To set this kiosk up from a phone, enter this number there:",
    "engineer-pin": "PIN for the engineer (may be left empty)",
    "engineer-pin-example": "6 to 12 digits of your own; opens the engineer's part of this kiosk's page",
    "engineer-pin-again": "The same PIN once more",
    "engineer-pin-again-example": "so that a slip of the finger locks nobody out",
    "wrong-engineer-pin": "This PIN cannot be: 6 to 12 digits, no rows such as 123456, no repetitions.",
    "wrong-engineer-pin-again": "The two PINs differ.",
    "send": "Enrol this kiosk",
    "enrolled": "This kiosk is enrolled",
    "connected": "Connected to the hub.",
    "not-connected": "Not connected to the hub yet.",
    "kiosk": "Kiosk",
    "name": "Name",
    "at": "Hub",
    "token": "This kiosk has its token from its settings. There is nothing to set up here.",
    "asking": "The hub is being asked …",
    "asking-again": "It has not worked yet and is tried again by itself:",
    "other": "Enter another address or code",
    "refused": "The kiosk was not enrolled:",
    "locked-out": "The hub no longer accepts this kiosk. Have a new code made and enter it here.",
    "waiting": (
        "A new identity is kept. It comes into force as soon as everything that the kiosk did before is sent "
        "to the hub:"
    ),
    "stuck": (
        "The former identity is not set up here any more. Put the WS_TOKEN and WS_SERVER_URL that were in "
        "the settings back until all is sent. /health says what else can be done."
    ),
    "trouble-refused": "the hub refused the code. It is wrong, was used already, or is too old. Have a new one made.",
    "trouble-busy": "the hub asks to come again later.",
    "trouble-unreachable": "the hub cannot be reached. Check its address and the network.",
    "trouble-clock": "this kiosk's clock is wrong. Set the date and the time right.",
    "trouble-certificate": "the hub's certificate is not trusted.",
    "trouble-no-hub": "what answers at this address is no hub. Check the address.",
    "trouble-disk": "this kiosk's disk cannot be written to.",
    "details": "Details",
    "wrong-hub": "This is no hub address. Right would be, for example, hub.example.com",
    "wrong-code": "This is no code. It has 8 letters and digits; 0 O 1 I L U are not among them.",
    "wrong-pin": "This is not the number on the kiosk's screen.",
    "old-page": "The page was too old. Please send it again.",
    "too-fast": "Too many attempts. Wait a minute and try again.",
    "busy": "This kiosk is being enrolled in another way just now. Try again in a minute.",
    "no-disk": "This could not be kept: the kiosk's disk cannot be written to.",
    "not-from-here": "This page is for the kiosk's own screen.",
}
_RU = {
    "title": "Настройка киоска",
    "page": "Страница киоска",
    "intro": "Введите адрес хаба и одноразовый код, который вам дал оператор.",
    "hub": "Адрес хаба",
    "hub-example": "например, hub.example.com",
    "code": "Одноразовый код",
    "code-example": "8 латинских букв и цифр, например ABCD-2345",
    "pin": "Число с экрана киоска",
    "pin-example": "6 цифр; их показывает эта же страница на самом киоске",
    "pin-here": "Чтобы настроить этот киоск с телефона, введите там это число:",
    "engineer-pin": "PIN инженера (можно не задавать)",
    "engineer-pin-example": "от 6 до 12 своих цифр; открывает инженерный раздел страницы киоска",
    "engineer-pin-again": "Тот же PIN ещё раз",
    "engineer-pin-again-example": "чтобы из-за опечатки вход не закрылся",
    "wrong-engineer-pin": "Такой PIN не годится: от 6 до 12 цифр, не подряд, как 123456, и без повторов.",
    "wrong-engineer-pin-again": "PIN не совпадают.",
    "send": "Зарегистрировать киоск",
    "enrolled": "Киоск зарегистрирован",
    "connected": "Связь с хабом есть.",
    "not-connected": "Связи с хабом пока нет.",
    "kiosk": "Киоск",
    "name": "Название",
    "at": "Хаб",
    "token": "Токен этого киоска задан в его настройках. Здесь ничего настраивать не нужно.",
    "asking": "Запрос к хабу …",
    "asking-again": "Пока не получилось, киоск повторяет попытки сам:",
    "other": "Ввести другой адрес или код",
    "refused": "Киоск не зарегистрирован:",
    "locked-out": "Хаб больше не принимает этот киоск. Попросите новый код и введите его здесь.",
    "waiting": "Новое имя киоска сохранено. Оно вступит в силу, когда хабу будет передано всё сделанное раньше:",
    "stuck": (
        "Прежнее имя здесь больше не настроено. Верните в настройки прежние WS_TOKEN и WS_SERVER_URL, пока "
        "всё не будет передано. Другие пути указаны в /health."
    ),
    "trouble-refused": "хаб не принял код. Он неверен, уже использован или устарел. Попросите новый.",
    "trouble-busy": "хаб просит обратиться позже.",
    "trouble-unreachable": "хаб недоступен. Проверьте адрес и сеть.",
    "trouble-clock": "часы киоска идут неверно. Установите дату и время.",
    "trouble-certificate": "сертификат хаба не вызывает доверия.",
    "trouble-no-hub": "по этому адресу отвечает не хаб. Проверьте адрес.",
    "trouble-disk": "диск киоска не принимает запись.",
    "details": "Подробности",
    "wrong-hub": "Это не адрес хаба. Правильно, например: hub.example.com",
    "wrong-code": "Это не код. В нём 8 латинских букв и цифр; 0 O 1 I L U не бывает.",
    "wrong-pin": "Это не то число, которое показывает экран киоска.",
    "old-page": "Страница устарела. Отправьте её ещё раз.",
    "too-fast": "Слишком много попыток. Подождите минуту и повторите.",
    "busy": "Киоск прямо сейчас регистрируют другим способом. Повторите через минуту.",
    "no-disk": "Сохранить не удалось: диск киоска не принимает запись.",
    "not-from-here": "Эта страница — для экрана самого киоска.",
}
_KK = {
    "title": "Киоскіні баптау",
    "page": "Киоск беті",
    "intro": "Хабтың мекенжайын және оператор берген бір реттік кодты енгізіңіз.",
    "hub": "Хаб мекенжайы",
    "hub-example": "мысалы, hub.example.com",
    "code": "Бір реттік код",
    "code-example": "8 латын әрпі мен цифр, мысалы ABCD-2345",
    "pin": "Киоск экранындағы сан",
    "pin-example": "6 цифр; оларды осы бет киоскінің өзінде көрсетеді",
    "pin-here": "Бұл киоскіні телефоннан баптау үшін сол жерде осы санды енгізіңіз:",
    "engineer-pin": "Инженер PIN-і (қоймауға болады)",
    "engineer-pin-example": "өзіңіздің 6–12 цифрыңыз; киоск бетінің инженер бөлімін ашады",
    "engineer-pin-again": "Сол PIN тағы бір рет",
    "engineer-pin-again-example": "теру қатесінен кіру жабылып қалмауы үшін",
    "wrong-engineer-pin": "Бұл PIN жарамайды: 6–12 цифр, 123456 сияқты қатар немесе қайталау болмасын.",
    "wrong-engineer-pin-again": "PIN-дер сәйкес емес.",
    "send": "Киоскіні тіркеу",
    "enrolled": "Киоск тіркелген",
    "connected": "Хабпен байланыс бар.",
    "not-connected": "Хабпен әзірге байланыс жоқ.",
    "kiosk": "Киоск",
    "name": "Атауы",
    "at": "Хаб",
    "token": "Бұл киоскінің токені оның баптауларында берілген. Мұнда баптайтын ештеңе жоқ.",
    "asking": "Хабқа сұрау жіберілуде …",
    "asking-again": "Әзірге болмады, киоск өзі қайталап көреді:",
    "other": "Басқа мекенжай немесе код енгізу",
    "refused": "Киоск тіркелмеді:",
    "locked-out": "Хаб бұл киоскіні енді қабылдамайды. Жаңа код сұрап, осында енгізіңіз.",
    "waiting": "Киоскінің жаңа аты сақталды. Ол бұрын істелгеннің бәрі хабқа жіберілгенде күшіне енеді:",
    "stuck": (
        "Бұрынғы ат мұнда енді бапталмаған. Бәрі жіберілгенше баптауларға бұрынғы WS_TOKEN мен WS_SERVER_URL "
        "мәндерін қайтарыңыз. Басқа жолдар /health бетінде жазылған."
    ),
    "trouble-refused": "хаб кодты қабылдамады. Ол қате, пайдаланылған немесе ескірген. Жаңасын сұраңыз.",
    "trouble-busy": "хаб кейінірек келуді сұрайды.",
    "trouble-unreachable": "хаб қолжетімсіз. Мекенжай мен желіні тексеріңіз.",
    "trouble-clock": "киоскінің сағаты дұрыс емес. Күн мен уақытты түзетіңіз.",
    "trouble-certificate": "хабтың сертификатына сенім жоқ.",
    "trouble-no-hub": "бұл мекенжайда хаб емес, басқасы жауап береді. Мекенжайды тексеріңіз.",
    "trouble-disk": "киоскінің дискісіне жазу мүмкін емес.",
    "details": "Толығырақ",
    "wrong-hub": "Бұл хаб мекенжайы емес. Дұрысы, мысалы: hub.example.com",
    "wrong-code": "Бұл код емес. Онда 8 латын әрпі мен цифр бар; 0 O 1 I L U болмайды.",
    "wrong-pin": "Бұл киоск экранындағы сан емес.",
    "old-page": "Бет ескірген. Оны қайта жіберіңіз.",
    "too-fast": "Әрекет тым көп. Бір минут күтіп, қайталаңыз.",
    "busy": "Киоскіні дәл қазір басқа жолмен тіркеп жатыр. Бір минуттан кейін қайталаңыз.",
    "no-disk": "Сақтау мүмкін болмады: киоскінің дискісіне жазылмайды.",
    "not-from-here": "Бұл бет киоскінің өз экранына арналған.",
}
WORDS: Mapping[str, Mapping[str, str]] = {"kk": _KK, "ru": _RU, "en": _EN}


def choose(wanted: str, accepted: str) -> str:
    """The language: what `?lang=` asks for, else the browser's first that there is (Accept-Language), else English."""
    if wanted in WORDS:
        return wanted
    best, found = 0.0, "en"
    for part in accepted[:500].split(","):
        name, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        language = name.strip().lower().partition("-")[0]
        if language in WORDS and weight > best:
            best, found = weight, language
    return found
