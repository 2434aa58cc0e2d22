"""Кіру, тіркелгілер және өз тіркелгісі."""

TEXTS = {
    "accounts.foreign": "Мұны басқа сайттың беті жіберді. Панельдің өзін ашып, қайталаңыз.",
    # кіру
    "accounts.sign-in": "Кіру",
    "accounts.name": "Аты",
    "accounts.password": "Құпиясөз",
    "accounts.code": "Аутентификатор қолданбасындағы код",
    "accounts.code-hint": "Алты цифр. Әр 30 секунд сайын өзгереді, әр код бір рет қана жарайды.",
    "accounts.next": "Әрі қарай",
    "accounts.again": "Басынан бастау",
    "accounts.nobody-yet": (
        "Әзірге ешкім кіре алмайды. Хаб тұрған машинада `kioskwire-hub account link` пәрменін орындап, шыққан "
        "сілтемені ашыңыз; ол STATE_DIR ішіндегі first-admin-link файлында да бар."
    ),
    "accounts.forgotten": "Құпиясөзді ұмыттыңыз ба? Әкімші жаңасын қоюға бір реттік сілтеме жасап береді.",
    "accounts.wrong": "Аты немесе құпиясөзі қате.",
    "accounts.wrong-code": "Код қате, пайдаланылған немесе ескірген. Келесісін күтіңіз.",
    "accounts.too-late": "Тым ұзаққа созылды. Қайта кіріңіз.",
    "accounts.locked": "Қате әрекет тым көп. {wait} өткен соң қайталаңыз; әкімші ертерек аша алады.",
    "accounts.limited": "Сіздің мекенжайыңыздан әрекет тым көп. {wait} өткен соң қайталаңыз.",
    "accounts.busy": "Қазір кіріп жатқандар тым көп. Бірнеше секундтан кейін қайталаңыз.",
    "accounts.wrong-own": "Құпиясөзіңіз қате.",
    "accounts.locked-own": "Қате әрекет тым көп. {wait} өткен соң қайталаңыз.",
    "accounts.use-https": "Бұл хаб https арқылы жұмыс істейді. Мына мекенжайдан кіріңіз: {address}",
    # бір реттік сілтеме
    "accounts.welcome": "Қош келдіңіз",
    "accounts.welcome-first": "Бірінші әкімші",
    "accounts.welcome-first-why": (
        "Бұл хабта әлі тіркелгі жоқ. Ат пен құпиясөз таңдаңыз; содан кейін басқаларға тіркелгі аша аласыз."
    ),
    "accounts.welcome-set": "{name} үшін құпиясөз таңдаңыз",
    "accounts.welcome-set-why": "Сілтеме бір рет қана жарайды. Бұл тіркелгінің қазіргі барлық кірулері аяқталады.",
    "accounts.name-hint": "a-z әріптері, цифрлар және . _ @ -",
    "accounts.password-rules": (
        "Кемінде {least} таңба; аты болмасын, бәрі алдымен байқап көретін сөздерден болмасын. Бір-біріне қатысы "
        "жоқ бірнеше сөз жақсы."
    ),
    "accounts.password-repeat": "Тағы бір рет",
    "accounts.password-differs": "Екі құпиясөз бірдей емес.",
    "accounts.set-password": "Құпиясөз қойып, кіру",
    "accounts.link-dead": "Бұл сілтеме енді жарамайды",
    "accounts.link-dead-why": (
        "Ол пайдаланылған, оған 24 сағаттан асты немесе жаңасы жасалған. Басқасын әкімші жасайды; хаб "
        "машинасында `kioskwire-hub account link АТЫ` та жасайды."
    ),
    # өз тіркелгісі
    "accounts.own": "Сіздің тіркелгіңіз",
    "accounts.own-role": "Рөлі",
    "accounts.own-since": "Ашылған уақыты",
    "accounts.own-zone": "Уақыт белдеуі",
    "accounts.own-password": "Құпиясөзді ауыстыру",
    "accounts.own-password-why": "Басқа кірулеріңіздің бәрі аяқталады.",
    "accounts.password-old": "Қазіргі құпиясөз",
    "accounts.password-new": "Жаңа құпиясөз",
    "accounts.change": "Ауыстыру",
    "accounts.totp": "Екінші фактор",
    "accounts.totp-is-on": "Қосулы: әр кіргенде қолданбадағы код сұралады.",
    "accounts.totp-is-off": "Өшірулі: құпиясөз жеткілікті.",
    "accounts.totp-set-up": "Баптау",
    "accounts.totp-turn-off": "Өшіру",
    "accounts.totp-why": "Телефондағы аутентификатор қолданбасы әр 30 секунд сайын өзгеретін код көрсетеді.",
    "accounts.totp-scan": (
        "Аутентификатор қолданбасымен сканерлеңіз немесе кілтті қолмен енгізіңіз. Содан кейін ол көрсеткен кодты "
        "енгізіңіз."
    ),
    "accounts.totp-key": "Кілт",
    "accounts.totp-code": "Код",
    "accounts.totp-confirm": "Қосу",
    "accounts.totp-qr": "Кілт жазылған QR-код",
    "accounts.totp-once": (
        "Тек қазір көрсетіледі. Мұнда бірінші кодты енгізген соң, келесі кіруден бастап код сұралады."
    ),
    "accounts.language": "Тіл",
    "accounts.language-any": "браузердегідей",
    "accounts.sessions": "Қай жерде кіргенсіз",
    "accounts.session-here": "осы жер",
    "accounts.session-browser": "Браузер",
    "accounts.session-address": "Мекенжай",
    "accounts.session-since": "Басталуы",
    "accounts.session-seen": "Соңғы қолданылуы",
    "accounts.session-ends": "Аяқталуы",
    "accounts.session-end": "Аяқтау",
    "accounts.sessions-end": "Қалғандарын аяқтау",
    "accounts.browser-unknown": "белгісіз",
    # барлығының тіркелгілері
    "accounts.title": "Тіркелгілер",
    "accounts.add": "Тіркелгі қосу",
    "accounts.add-why": "Сізге бір реттік сілтеме беріледі: оны ашқан адам құпиясөз қояды.",
    "accounts.role": "Рөлі",
    "accounts.role-viewer": "бақылаушы: құпиядан басқаның бәрін көреді",
    "accounts.role-operator": (
        "оператор: оған қоса операцияларды қолмен жабады, дабылдарды растайды, киоскілерді қосады және өшіреді"
    ),
    "accounts.role-admin": "әкімші: оған қоса киоск қосады, токендер мен кілттер береді, тіркелгілерді жүргізеді",
    "accounts.state": "Күйі",
    "accounts.signed-in": "Соңғы кіруі",
    "accounts.state-good": "жұмыс істейді",
    "accounts.state-disabled": "өшірілген",
    "accounts.state-locked": "жаңа браузерлерге жабық",
    "accounts.state-invited": "құпиясөз әлі қойылмаған",
    "accounts.has-totp": "екінші фактор",
    "accounts.you": "бұл сіз",
    "accounts.acts": "Әрекеттер",
    "accounts.enable": "Қосу",
    "accounts.disable": "Өшіру",
    "accounts.unlock": "Бұғаттан шығару",
    "accounts.link": "Жаңа бір реттік сілтеме",
    "accounts.totp-off": "Екінші факторды өшіру",
    "accounts.remove": "Жою",
    "accounts.set-role": "Рөлін ауыстыру",
    "accounts.sure-disable": "{name} өшірілсін бе? Бұл тіркелгінің барлық кірулері бірден аяқталады.",
    "accounts.sure-remove": "{name} біржола жойылсын ба? Істегендері әрекеттер журналында қалады.",
    "accounts.sure-totp-off": "{name} үшін екінші фактор өшірілсін бе? Сонда құпиясөз жеткілікті болады.",
    "accounts.sure-own": "Бұл — өзіңіздің тіркелгіңіз.",
    "accounts.sure-role": "{name} рөлі ауыстырылсын ба? Қайта кіру керек болады.",
    "accounts.link-made": "{name} үшін бір реттік сілтеме",
    "accounts.link-why": (
        "Оны тек {name} оқи алатындай етіп беріңіз. Ол бір рет жарайды, мерзімі: {until}; бұрынғы сілтемелер "
        "жарамсыз. Тек қазір көрсетіледі."
    ),
    "accounts.back": "Тіркелгілерге",
    # не істелді
    "accounts.done-role": "{name} рөлі ауыстырылды.",
    "accounts.done-enable": "{name} қайтадан кіре алады.",
    "accounts.done-disable": "{name} өшірілді, барлық кірулері аяқталды.",
    "accounts.done-unlock": "{name} қайта байқап көре алады.",
    "accounts.done-totp-off": "{name} енді тек құпиясөзбен кіреді.",
    "accounts.done-remove": "{name} жойылды.",
    "accounts.done-password": "Құпиясөзіңіз ауыстырылды; басқа кірулеріңіз аяқталды.",
    "accounts.done-totp-on": "Екінші фактор қосылды.",
    "accounts.done-own-totp-off": "Екінші фактор өшірілді.",
    "accounts.done-session": "Ол кіру аяқталды.",
    "accounts.done-sessions": "Басқа кірулердің бәрі аяқталды.",
    # бас тарту
    "refused.account-name-wrong": "Ат — 1–64 таңба: a-z әріптері, цифрлар және . _ @ -",
    "refused.account-role-wrong": "Рөлді таңдаңыз.",
    "refused.account-exists": "{name} тіркелгісі бұрыннан бар.",
    "refused.account-unknown": "{name} тіркелгісі жоқ.",
    "refused.account-disabled": "{name} тіркелгісі өшірілген: алдымен қосыңыз.",
    "refused.account-last-admin": "{name} — кіре алатын соңғы әкімші. Алдымен басқасын жасаңыз.",
    "refused.password-short": "Тым қысқа: кемінде {least} таңба керек.",
    "refused.password-long": "Тым ұзын: {most} таңбадан аспасын.",
    "refused.password-name": "Құпиясөз атпен бірдей болмасын.",
    "refused.password-common": "Бұл құпиясөзді алғашқылардың бірі болып байқайды. Басқасын таңдаңыз.",
}
