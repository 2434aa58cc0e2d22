"""The operations of `selftest`: they go through, and it is noticed when they do not."""

from pathlib import Path

import msgspec
import pytest

from appliance import __main__ as program
from appliance.gateways.http import Gateways
from appliance.journal import Journal
from appliance.selftest import loopback, pages
from appliance.selftest.whole import Broken


async def test_operations_go_through_and_are_found_again(tmp_path: Path) -> None:
    assert "each once" in await loopback.run_operations(tmp_path)


async def test_a_gateway_called_twice_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = Gateways.call

    async def twice(self: Gateways, *arguments: object) -> object:
        await once(self, *arguments)  # type: ignore[arg-type]
        return await once(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Gateways, "call", twice)
    with pytest.raises(Broken, match="called 2 times"):
        await loopback.run_operations(tmp_path)


async def test_a_journal_that_forgets_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Journal):
        async def find(self, request_id: str, journal: str | None = None) -> None:
            return None

    monkeypatch.setattr(loopback, "Journal", Forgetful)
    with pytest.raises(Broken, match="the journal has forgotten payment"):
        await loopback.run_operations(tmp_path)


async def test_a_device_that_is_not_there_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_SLIP", {"template": "!qrr"})
    monkeypatch.setattr(loopback, "_WANTED", (("selftest-slip", "print", loopback._SLIP),))
    with pytest.raises(Broken, match="print came to a bad end"):
        await loopback.run_operations(tmp_path)


async def test_a_bundle_that_lacks_something_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_PACKED", frozenset({"manifest.json", "nothing.json"}))
    with pytest.raises(Broken, match=r"bundle is without nothing\.json"):
        await loopback.run_operations(tmp_path)


def test_the_command_says_what_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> str:
        raise Broken("nothing is here")

    monkeypatch.setattr("appliance.selftest.command.checks", lambda *_, **__: iter([("modules", broken)]))
    assert program.main(["selftest"]) == 1
    told = capsys.readouterr().out
    assert "BROKEN  modules: nothing is here" in told
    assert told.rstrip().endswith("is BROKEN: modules")
    assert program.main(["selftest", "--json"]) == 1
    report = msgspec.json.decode(capsys.readouterr().out)
    assert (report["ok"], report["frozen"], report["findings"][0]["check"]) == (False, False, "modules")
