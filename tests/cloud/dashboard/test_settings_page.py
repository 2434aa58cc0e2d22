"""What is in force, as a page."""

from pathlib import Path

import msgspec

from cloud.dashboard.settings_page import rows, versions
from cloud.db.migrate import HEAD
from cloud.settings import Settings
from tests.cloud.dashboard.site import dashboard
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET
from wire.environment import Secret

CANARY = "canary-of-a-secret-0123456789-abcdefghij"


def test_no_secret_is_in_the_rows() -> None:
    fields = {field.name: Secret(CANARY) for field in msgspec.structs.fields(Settings) if field.type is Secret}
    secret = [name for name in Settings.__struct_fields__ if isinstance(getattr(Settings(), name), Secret)]
    given = Settings(
        **{**fields, **{name: Secret(CANARY) for name in secret}}, redis_url=f"redis://u:{CANARY}@h",  # type: ignore[arg-type]
        database_url=f"postgresql://u:{CANARY}@h/d", alerts_webhook_url=f"https://u:{CANARY}@h/?x={CANARY}",
    )  # fmt: skip
    found = rows(given)
    assert len(secret) >= 5
    assert CANARY not in str(found)
    assert {row["name"] for row in found if row["is_secret"]} == {name.upper() for name in secret}
    assert [row["name"] for row in found] == [name.upper() for name in Settings.__struct_fields__]


def test_what_differs_from_its_default_is_marked() -> None:
    changed = {
        row["name"]: row["value"] for row in rows(Settings(port=1, timezone="Asia/Almaty")) if not row["is_default"]
    }
    assert changed == {"PORT": "1", "TIMEZONE": "Asia/Almaty"}


def test_versions_of_what_it_is_made_with() -> None:
    names = [name for name, _ in versions()]
    assert {"tornado", "sqlalchemy", "msgspec"} <= set(names)
    assert "hypothesis" not in names


async def test_the_page(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("no_such_key: {}\n")
    async with dashboard(tmp_path / "hub", timezone="Asia/Almaty", alerts_config=str(rules)) as site:
        page = await site.get("/dashboard/settings")
        assert page.status_code == 200
        for words in ("Asia/Almaty", HEAD, "no_such_key", "Warnings", "OPERATIONS_KEEP_DAYS"):
            assert words in page.text
        for secret in (JWT_SECRET, ADMIN_KEY):
            assert secret not in page.text
