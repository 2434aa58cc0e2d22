"""Бэкендтерге не хабарланды."""

TEXTS = {
    "callbacks.title": "Хабарламалар",
    "callbacks.about": "Хаб бэкендтерге жіберетін операция нәтижелері. Қабылданбағаны мерзімі біткенше қайта "
    "жіберіледі, бірақ барған сайын сирек.",
    "callbacks.key": "API кілті",
    "callbacks.all-keys": "барлық кілт",
    "callbacks.show": "Көрсету",
    "callbacks.time": "Операция уақыты",
    "callbacks.operation": "Операция",
    "callbacks.attempts": "Әрекет саны",
    "callbacks.next": "Келесі әрекет",
    "callbacks.delivered-at": "Жеткізілді",
    "callbacks.error": "Не болды",
    "callbacks.now": "жіберілуде",
    "callbacks.first": "Бірінші бетке",
    "callbacks.next-page": "Тағы",
    "callbacks.stand.failing": "Қабылданбай жатыр",
    "callbacks.stand.given-up": "Тоқтатылған",
    "callbacks.stand.waiting": "Кезекте",
    "callbacks.stand.delivered": "Жеткізілген",
    "callbacks.nothing.failing": "Бәрі дұрыс: бэкендтер хабарламаларды қабылдап жатыр.",
    "callbacks.nothing.given-up": "Жеткізілмей тоқтатылған хабарлама жоқ.",
    "callbacks.nothing.waiting": "Жіберуді күткен хабарлама жоқ.",
    "callbacks.nothing.delivered": "Әзірге ештеңе жеткізілмеді.",
    "callbacks.redeliver": "Қайта жіберу",
    "callbacks.redeliver-all": "Қабылданбағанның бәрін қайта жіберу",
    "callbacks.all-failed": "Осы кілт бойынша қабылданбаған немесе тоқтатылған: {count}.",
    "callbacks.choose-key": "Қабылданбағанның бәрін қайта жіберу үшін API кілтін таңдаңыз.",
    "callbacks.sure-means": "Олар бұрынғы webhook-id арқылы кезекпен жіберіледі: бұрын қабылдаған бэкенд мұны көреді. "
    "Қазір жіберіліп жатқанына тиіспейміз.",
    "callbacks.none-such": "Мұндай хабарлама жоқ.",
    "callbacks.no-address": (
        "API кілтінің күші жойылған немесе хабарлама мекенжайы жоқ. Алдымен мекенжайды енгізіңіз."
    ),
    "callbacks.under-way-now": "Ол дәл қазір жіберіліп жатыр. Бірнеше секундтан кейін қараңыз.",
    "callbacks.wrong-state": "Мұндай тізім жоқ. Бары: failing, given-up, waiting, delivered.",
    "callbacks.which-key": "API кілтін таңдаңыз: мұндай кілт жоқ.",
}
