"""The room as a whole: what runs beside all else."""

from pathlib import Path

import pytest

from cloud.accounts.account import Act
from tests.cloud.hub import rows, running, until

TRY = Act(who="", door="dashboard", act="account.sign-in-failed")


async def test_what_writes_tries_down_outlives_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as at:
        audit, broken = at.hub.people.audit, [True]
        write = audit.note

        async def note(act: Act) -> None:
            if broken:
                broken.pop()
                raise RuntimeError("nobody thought of this")
            await write(act)

        monkeypatch.setattr(audit, "note", note)
        audit.note_alike(TRY, "192.0.2.1")
        await until(lambda: not broken)
        audit.note_alike(TRY, "192.0.2.2")
        await until(lambda: not audit._first)
        assert "nobody thought of this" in caplog.text
    assert len(rows(tmp_path, "SELECT act FROM audit WHERE act = 'account.sign-in-failed'")) == 2
