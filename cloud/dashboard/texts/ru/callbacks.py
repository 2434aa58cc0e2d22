"""Что сообщено бэкендам."""

TEXTS = {
    "callbacks.title": "Уведомления",
    "callbacks.about": (
        "Исходы операций, которые хаб отправляет бэкендам. Что не принято, отправляется снова, всё реже, "
        "пока не выйдет срок."
    ),
    "callbacks.key": "Ключ API",
    "callbacks.all-keys": "все ключи",
    "callbacks.show": "Показать",
    "callbacks.time": "Время операции",
    "callbacks.operation": "Операция",
    "callbacks.attempts": "Попыток",
    "callbacks.next": "Следующая попытка",
    "callbacks.delivered-at": "Доставлено",
    "callbacks.error": "Что не так",
    "callbacks.now": "отправляется",
    "callbacks.first": "На первую страницу",
    "callbacks.next-page": "Ещё",
    "callbacks.stand.failing": "Не принимают",
    "callbacks.stand.given-up": "Прекращены",
    "callbacks.stand.waiting": "Ждут отправки",
    "callbacks.stand.delivered": "Доставлены",
    "callbacks.nothing.failing": "Всё в порядке: бэкенды принимают уведомления.",
    "callbacks.nothing.given-up": "Прекращённых уведомлений нет.",
    "callbacks.nothing.waiting": "Ничего не ждёт отправки.",
    "callbacks.nothing.delivered": "Пока ничего не доставлено.",
    "callbacks.redeliver": "Отправить снова",
    "callbacks.redeliver-all": "Отправить снова все непринятые",
    "callbacks.all-failed": "Не приняты или прекращены по этому ключу: {count}.",
    "callbacks.choose-key": "Чтобы отправить снова все непринятые, выберите ключ API.",
    "callbacks.sure-means": "Они уйдут по очереди, с прежним webhook-id: бэкенд, который какое-то уже принял, это "
    "увидит. То, что отправляется прямо сейчас, не трогаем.",
    "callbacks.none-such": "Такого уведомления нет.",
    "callbacks.no-address": "Ключ API отозван или у него нет адреса для уведомлений. Сначала задайте адрес.",
    "callbacks.under-way-now": "Оно отправляется прямо сейчас. Посмотрите через несколько секунд.",
    "callbacks.wrong-state": "Такого списка нет. Есть failing, given-up, waiting, delivered.",
    "callbacks.which-key": "Выберите ключ API: такого нет.",
}
