"""Whatever changes something by Telegram has a row in the audit: who did it, of what, and nothing secret."""

from pathlib import Path

from cloud.bot.commands import COMMANDS
from tests.cloud.bot.site import ADMIN, bot_site
from tests.cloud.bot.test_acts_kiosks import token_of
from tests.cloud.hub import rows

SAID = {
    "add_kiosk": ("kiosk_017 Station", "kiosk.add", "kiosk_017"),
    "code": ("kiosk_017", "kiosk.code", "kiosk_017"),
    "mute": ("paper-low 1h", "alert.mute", "paper-low"),
    "unmute": ("paper-low", "alert.unmute", "paper-low"),
    "enable_kiosk": ("kiosk_001", "kiosk.enable", "kiosk_001"),
}
PRESSED = {
    "regenerate_token": ("New token", "kiosk.token"),
    "disable_kiosk": ("Disable", "kiosk.disable"),
    "remove_kiosk": ("Remove", "kiosk.remove"),
}


async def test_every_command_that_changes_something_has_its_row(tmp_path: Path) -> None:
    assert {command.name for command in COMMANDS if command.changes} == SAID.keys()
    expected, secrets = [], []
    async with bot_site(tmp_path) as site:
        for name, (button, act) in PRESSED.items():
            if name == "remove_kiosk":
                await site.say("/enable_kiosk kiosk_001")
                expected.append(("kiosk.enable", "kiosk_001"))
            asked = await site.say(f"/{name} kiosk_001")
            assert len(rows(tmp_path, "SELECT 1 FROM audit")) == len(expected)  # asking does nothing
            said = await site.press(asked, button, count=1)
            expected.append((act, "kiosk_001"))
            if name == "regenerate_token":
                secrets.append(token_of(said))
        for name, (rest, act, subject) in SAID.items():
            if name != "enable_kiosk":
                said = await site.say(f"/{name} {rest}")
                expected.append((act, subject))
                if name == "add_kiosk":
                    secrets.append(token_of(said))
        for wrong in ("/enable_kiosk kiosk_001", "/unmute paper-low", "/add_kiosk kiosk_017", "/mute x 1h"):
            await site.say(wrong)  # refused: nothing was done
        found = rows(tmp_path, "SELECT act, subject, door, who, data FROM audit ORDER BY number")
    assert [(act, subject) for act, subject, *_ in found] == expected
    assert {(door, str(ADMIN) in who) for _, _, door, who, _ in found} == {("telegram", True)}
    assert not [secret for secret in secrets if secret in str(found)]
