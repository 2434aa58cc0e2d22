"""Telegram beside the hub: the emulator as a program of its own, and what a hub is told about it."""

from collections.abc import Mapping
from typing import Any

from bench.program import Program, wait_for

TOKEN = "123456:kioskwire-emulator-token-0000000000"
ADMIN, LOG, ALERTS = 1, -1001, -1002


def of_a_real_bot(environ: Mapping[str, str]) -> dict[str, str]:
    """The hub's settings of its bot, where the environment has a token; empty where not."""
    if not environ.get("TELEGRAM_BOT_TOKEN"):
        return {}
    return {name: value for name, value in environ.items() if name.startswith("TELEGRAM_") and value}


class Telegram(Program):
    """`kioskwire-sim telegram`, and a person who talks to the bot there."""

    name = "telegram"
    command = ("kioskwire-sim", "telegram")

    def hub_settings(self) -> dict[str, str]:
        """For a hub whose bot is to be found here."""
        return {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_ADMIN_IDS": str(ADMIN),
            "TELEGRAM_API_URL": self.url,
            "TELEGRAM_LOG_CHAT_ID": str(LOG),
            "TELEGRAM_ALERT_CHAT_ID": str(ALERTS),
        }

    def arguments(self) -> list[str]:
        groups = (f"--group=Operation log={LOG}", f"--group=Alerts={ALERTS}")
        return ["telegram", "--port", str(self.port), "--token", TOKEN, "--admin", str(ADMIN), *groups]

    def is_ready(self) -> bool:
        return self.http.get("/").status_code == 200

    def messages(self, chat: int = ADMIN) -> list[dict[str, Any]]:
        """What the bot has said in a chat, as it stands now."""
        found: list[dict[str, Any]] = self.http.get("/sim/messages", params={"chat": chat}).json()["messages"]
        return found

    def ask(self, command: str) -> str:
        """Say something to the bot as its admin; returns the text of its answer. Raises `StackError`."""
        before = len(self.messages())
        self.http.post("/sim/say", json={"say": command, "user": ADMIN}).raise_for_status()
        told = wait_for(f"the bot's answer to {command}", lambda: self.messages()[before:], timeout=20)
        return str(told[0]["text"])

    def logged(self, *words: str) -> str:
        """The message of the operation log that holds all these words, once there is one. Raises `StackError`."""

        def find() -> str:
            texts = (str(each["text"]) for each in self.messages(LOG))
            return next((text for text in texts if all(word in text for word in words)), "")

        return str(wait_for(f"{' and '.join(words)} in the operation log", find, timeout=20))
