"""The handler of `/telegram`: what Telegram delivers, where the bot has a webhook."""

from cloud.errors import Refused
from cloud.web.handler import Handler

_BODY_MAX_BYTES = 1024 * 1024


class TelegramHandler(Handler):
    """POST /telegram: an update. 200 says that it is kept, so that Telegram may forget it."""

    async def post(self) -> None:
        """Hand it to the bot, which says what to answer: Telegram reads no more than the status."""
        deliver = self.services.telegram
        if deliver is None:
            raise Refused("not-found", "there is no webhook: TELEGRAM_WEBHOOK_URL is not set")
        if len(self.request.body) > _BODY_MAX_BYTES:
            raise Refused("too-large", f"a body has at most {_BODY_MAX_BYTES} bytes")
        secret = self.request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        self.answer({}, await deliver(secret, self.request.body))
