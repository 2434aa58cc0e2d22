"""The uplink against a real WebSocket server that speaks the hub's end."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from appliance.journal import Journal, StorageError, UnknowableError
from appliance.uplink import link as link_module
from tests.appliance.quick import quick
from tests.appliance.worlds import TOKEN, gateway, hub, kiosk, refusal, reply, request, route, table, until, uplinked
from wire.messages import Accepted, Event, Events, Executed, Hello, Response, Responses, Settled, encode
from wire.session import BATCH, PING_INTERVAL, Send, WantOutcomes


@quick
async def test_an_operation_goes_there_and_its_outcome_comes_back_and_is_settled(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url) as up,
    ):
        await there.ask(request(body=b'{"sum":1}'))
        await until(lambda: there.responses("request-1"))
        nothing_left = Responses(responses=[], more=False)
        kinds = [type(message) for message in there.heard if message != nothing_left]
        assert kinds[:2] == [Hello, Accepted]
        assert nothing_left in there.heard
        assert bytes(there.responses("request-1")[0].body) == b'{"ok":true}'
        await until(lambda: here.journal.facts.unsettled == 0)
        assert up.link.connected


@quick
async def test_a_request_delivered_twice_is_executed_once(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url),
    ):
        await until(lambda: there.session.hello)
        for _ in range(3):
            await there.ask(request())
        await until(lambda: there.responses("request-1"))
        await there.ask(request())
        await until(lambda: len(there.responses("request-1")) >= 2)
        assert len(terminal.calls) == 1


@quick
async def test_what_nothing_could_be_said_of_is_asked_again_when_the_journal_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: up.link.connected)

        async def fail(*_: object) -> None:
            raise UnknowableError("disk I/O error")

        async def cannot_read() -> None:
            raise StorageError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(here.journal, "begin", fail)
            patch.setattr(here.journal, "in_doubt", cannot_read)
            await there.ask(request())
            await until(lambda: here.operations.unsaid)
            await asyncio.sleep(1.2)  # the link looks once a second
            assert len(there.sockets) == 1
        await until(lambda: there.responses("request-1"))
        assert (len(there.sockets), len(terminal.calls), here.operations.unsaid) == (2, 1, False)


@quick
async def test_a_request_that_lay_in_a_buffer_beyond_its_time_is_refused_and_not_executed(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: up.link.connected)
        held = msgspec.structs.replace(request("held-up-1"), start_within=5.0, clock=time.monotonic() - 6)
        young = msgspec.structs.replace(request("young-1"), start_within=5.0, clock=time.monotonic() - 2)
        for data in (b"", b"no clock", b"inf", b"nan", str(time.monotonic()).encode()):
            await there.sockets[-1].ping(data)
        for message in (held, young):
            await there.sockets[-1].send(encode(message), text=True)
        await until(lambda: there.responses("held-up-1") and there.responses("young-1"))
        refused, done = there.responses("held-up-1")[0], there.responses("young-1")[0]
        assert (refused.executed, refused.error and refused.error.type) == (Executed.NO, "expired")
        assert done.executed is Executed.YES
        assert len(terminal.calls) == 1


@quick
async def test_an_outcome_is_told_after_the_link_was_cut_in_the_middle(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: object) -> bytes:
        await release.wait()
        return reply()

    async with (
        hub() as there,
        gateway(wait) as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url),
    ):
        await there.ask(request())
        await until(lambda: terminal.calls)
        there.sockets[-1].transport.abort()
        release.set()
        await until(lambda: there.responses("request-1"))
        assert len(there.sockets) >= 2
        assert len(terminal.calls) == 1
        assert there.responses("request-1")[0].executed is Executed.YES


@quick
async def test_an_outcome_the_hub_did_not_settle_is_told_on_the_next_link(tmp_path: Path) -> None:
    async with hub() as there, gateway() as terminal, kiosk(tmp_path, table(route(terminal.url))) as here:
        there.settles = False
        async with uplinked(here, there.url):
            await there.ask(request())
            await until(lambda: there.responses("request-1"))
            there.settles = True
            await there.sockets[-1].close(1012, "restart")
            await until(lambda: len(there.responses("request-1")) >= 2)
            await until(lambda: here.journal.facts.unsettled == 0)


@pytest.mark.parametrize("batch", [0, 8, BATCH])
@quick
async def test_a_long_backlog_is_told_in_order_and_altogether(tmp_path: Path, batch: int) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url, "fiscal", waiting=200))) as here,
    ):
        for number in range(100):
            here.operations.request(request(f"request-{number:03}", "fiscal"))
        await until(lambda: len(here.told.outcomes) == 100)
        for number in range(50):
            await here.operations.note("jam", {"n": number})
        there.batch = batch
        async with uplinked(here, there.url):
            await until(lambda: here.journal.facts.unsettled == 0)
            await until(lambda: len(there.events()) == 50)
            kinds = {type(message) for message in there.heard} - {Hello}
            assert kinds == ({Responses, Events} if batch else {Response, Event})
            assert [event.seq for event in there.events()] == list(range(1, 51))
            assert all(len(there.responses(f"request-{n:03}")) == 1 for n in range(100))


@quick
async def test_an_outcome_that_was_swallowed_while_the_journal_was_slow_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wire.session.REPEAT_AFTER", 0.5)
    async with hub() as there, gateway() as terminal, kiosk(tmp_path, table(route(terminal.url))) as here:
        here.operations.request(request("request-1"))
        await here.told.first("request-1")
        there.settles = False
        async with uplinked(here, there.url) as up:
            await until(lambda: there.responses("request-1"))
            asked, disk = asyncio.Event(), asyncio.Event()
            read = here.journal.unsettled

            async def slow(count: int, told: frozenset[str]) -> list[Response]:
                asked.set()
                await disk.wait()
                return [] if "request-1" in told else await read(count, told)

            monkeypatch.setattr(here.journal, "unsettled", slow)
            await there.carry_out([Send(Settled(request_id="request-2"))])
            await asked.wait()
            link = up.uplink._link
            assert link is not None
            await until(lambda: WantOutcomes in link._wants)
            disk.set()
            await until(lambda: len(there.responses("request-1")) == 2)


@pytest.mark.parametrize("code", [4401, 4403])
@quick
async def test_a_revoked_kiosk_stays_away_for_a_minute_and_says_why(tmp_path: Path, code: int) -> None:
    async with (
        hub() as there,
        kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: up.link.connected)
        await there.sockets[-1].close(code, "no")
        await until(lambda: not up.link.connected)
        assert str(code) in up.link.trouble
        assert len(there.sockets) == 1


@quick
async def test_a_refused_upgrade_is_kept_for_health_without_the_token(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here:
        there.refuse = refusal(401)
        async with uplinked(here, there.url) as up:
            await until(lambda: up.link.last_error)
            assert "token is wrong" in up.link.last_error
            assert TOKEN not in up.link.last_error


@quick
async def test_a_hub_with_another_time_is_believed(tmp_path: Path) -> None:
    async with hub() as there, kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here:
        there.time = lambda: 4_000_000_000.0
        async with uplinked(here, there.url) as up:
            await until(lambda: up.clock.offset is not None)
            assert up.clock.now() >= 4_000_000_000.0


@quick
async def test_what_is_no_message_is_counted_and_the_link_stays(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url),
    ):
        await until(lambda: there.session.hello)
        for text in ("{", "[]", '{"type":"request"}', '{"type":"later"}', b"\x00\xff"):
            await there.sockets[-1].send(text)
        await there.ask(request())
        await until(lambda: there.responses("request-1"))
        assert len(there.sockets) == 1
        assert b"kioskwire_malformed_total 4.0" in here.metrics.exposition()


@quick
async def test_a_silent_hub_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "WELCOME_TIMEOUT_S", 0.0)
    async with hub() as there, kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here:
        there.silent = True
        async with uplinked(here, there.url) as up:
            await until(lambda: len(there.sockets) >= 2)
            assert "no welcome" in up.link.last_error


@quick
async def test_a_half_open_link_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.session.SILENCE_LIMIT", 0.5)
    assert PING_INTERVAL > 0.5
    async with (
        hub() as there,
        kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: len(there.sockets) >= 2)
        assert "silent" in up.link.last_error


@quick
async def test_a_second_hello_tells_of_new_routes(tmp_path: Path) -> None:
    async with (
        hub() as there,
        kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: up.link.connected)
        here.operations.reroute(table(route("http://127.0.0.1:1", "cash")))
        up.uplink.routes_changed()
        await until(lambda: there.session.hello and there.session.hello.routes == ["cash"])
        assert len(there.sockets) == 1


async def test_a_journal_begun_anew_is_announced_on_a_new_link(tmp_path: Path) -> None:
    async with (
        hub() as there,
        kiosk(tmp_path, table(route("http://127.0.0.1:1"))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: up.link.connected)
        first = here.journal.id
        (tmp_path / "journal.db").unlink()
        await until(lambda: here.journal.id != first)
        await until(lambda: there.session.hello and there.session.hello.journal == here.journal.id)
        await until(lambda: [event.kind for event in there.events()] == ["journal-damaged"])


@quick
async def test_the_hub_is_not_dialled_without_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.uplink.uplink._JOURNAL_PAUSE_S", 0.01)
    async with hub() as there, kiosk(tmp_path, table()) as here:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "id", property(lambda _self: ""))
            async with uplinked(here, there.url) as up:
                await until(lambda: up.link.trouble)
                assert (up.link.trouble, there.upgrades) == ("the journal is not open", [])
                patch.undo()
                await until(lambda: up.link.connected)


@quick
async def test_a_journal_that_the_hub_saw_with_another_box_goes_on_under_another_name(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
        uplinked(here, there.url) as up,
    ):
        await until(lambda: up.link.connected)
        first = here.journal.id
        await there.sockets[-1].close(4411, "another box has the same journal")
        await until(lambda: here.journal.id != first)
        assert "4411" in up.link.trouble
        assert [event.kind for event in await here.journal.events(10, 0)] == ["journal-copied"]
        while not here.journal.facts.notices:
            await here.journal.events(10, 0)  # its thread tells of itself now and then, in real time
        assert "copy" in here.journal.facts.notices[0]
