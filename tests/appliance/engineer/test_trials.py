"""Devices tried from the page: simulated ones on pseudo-terminals, a real appliance, cuts in the middle."""

import asyncio
from pathlib import Path

import msgspec

from appliance.engineer import work as module
from appliance.levels.collections import levels
from hardware.events import DeviceState
from tests.appliance.engineer.door import Door, door
from tests.appliance.quick import quick
from tests.appliance.supervisor.yard import Yard, well, yard
from tests.appliance.worlds import until
from wire.messages import Executed, Request


async def told(there: Door, kind: str) -> list[dict[str, object]]:
    found = await there.appliance.journal.events(1000, 0)
    return [msgspec.json.decode(event.data) for event in found if event.kind == kind]


async def begin(there: Door, name: str, trial: str, **fields: str) -> None:
    answer = await there.post("/devices", device=name, trial=trial, **fields)
    assert answer.headers["Location"] == "/engineer/job"


async def bills(devices: Yard) -> dict[str, object]:
    return {"driver": "ccnet", "port": await devices.put("bills", "ccnet"), "currency": "KZT"}


async def waiting_for_a_note(there: Door) -> None:
    await until(
        lambda: "note.put-in" in there.said and there.engineer.supervisor.find("bills").status.state.value == "ready"
    )


@quick
async def test_a_note_is_taken_and_given_back_and_the_device_is_free_again(tmp_path: Path) -> None:
    async with yard(tmp_path) as devices, door(tmp_path, {"bills": await bills(devices)}) as there:
        watched = there.appliance.supervisor.find("bills")
        await well(there.appliance.supervisor, "bills")
        await there.sign_in()
        await begin(there, "bills", "note")
        await waiting_for_a_note(there)
        assert watched.work.startswith("engineer/")
        assert watched.hindrance == "an engineer tests it"
        assert 'action="/engineer/job"' in (await there.get("/job")).text
        assert "refresh" in (await there.get("/job")).text
        devices.do("bills", "insert", value="500")
        job = await there.job()
        assert job.end == "passed", there.said
        assert {"device.is", "note.held", "note.given-back", "device.left-safe"} <= set(there.said)
        assert (watched.work, watched.hindrance) == ("", "")
        await until(lambda: watched.status.state is DeviceState.DISABLED)
        book = await there.appliance.journal.read(lambda book: levels(book, "bills"))
        assert book["lying"] == []
        (event,) = await told(there, "engineer-tested")
        assert (event["subject"], event["test"], event["outcome"]) == ("bills", "note", "passed")


@quick
async def test_cut_in_the_middle_it_takes_nothing_and_is_given_back(tmp_path: Path) -> None:
    async with yard(tmp_path) as devices, door(tmp_path, {"bills": await bills(devices)}) as there:
        watched = there.appliance.supervisor.find("bills")
        await well(there.appliance.supervisor, "bills")
        for how in ("stopped", "left", "unplugged", "unseen"):
            await there.sign_in()
            await begin(there, "bills", "note")
            await waiting_for_a_note(there)
            job = there.engineer.work.latest
            assert job is not None
            match how:
                case "stopped":
                    await there.post("/job", page="/logs")
                case "left":
                    await there.post("/leave", page="/logs")
                case "unseen":
                    there.engineer.work._unseen_s = 0.2
                case _:
                    devices.do("bills", "unplug")
                    await until(lambda: "state.absent" in there.said)
                    devices.do("bills", "plug")
            await until(lambda job=job: not job.running)  # type: ignore[misc]
            assert job.end == ("failed" if how == "unplugged" else "cut"), how
            assert (watched.work, watched.testing) == ("", ""), how
            await until(lambda: watched.status.state is DeviceState.DISABLED)


@quick
async def test_the_program_stops_in_the_middle_of_a_test(tmp_path: Path) -> None:
    async with yard(tmp_path) as devices:
        async with door(tmp_path, {"bills": await bills(devices)}) as there:
            await well(there.appliance.supervisor, "bills")
            await there.sign_in()
            await begin(there, "bills", "note")
            await waiting_for_a_note(there)
            job = there.engineer.work.latest
        assert job is not None
        assert (job.end, there.said[-1]) == ("cut", "job.stopping")
        assert "device.left-safe" in there.said


@quick
async def test_an_operation_that_comes_meanwhile_does_not_get_the_device_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    routes = {"cash": {"desk": "cash", "devices": ["bills"]}}
    async with yard(tmp_path) as devices, door(tmp_path, {"bills": await bills(devices)}, routes) as there:
        appliance = there.appliance
        await well(appliance.supervisor, "bills")
        await there.sign_in()
        await begin(there, "bills", "note")
        await waiting_for_a_note(there)
        body = msgspec.Raw(b'{"amount": 50000, "currency": "KZT"}')

        def ask(id: str) -> None:
            appliance.operations.request(Request(request_id=id, operation="cash", start_within=60.0, body=body))

        ask("while-tested")
        async with asyncio.timeout(10):
            row = None
            while row is None or row.response is None:  # the disk sends no events
                await asyncio.sleep(0.05)
                row = await appliance.journal.find("while-tested")
        assert row.response.executed is Executed.NO
        assert "in use by engineer/" in str(row.response.error)
        await there.engineer.work.end()
        ask("before-the-test")
        watched = appliance.supervisor.find("bills")
        await until(lambda: watched.work == "before-the-test" and watched.status.state is DeviceState.READY)
        answer = await there.get("/devices")
        assert "before-the-test" in answer.text
        await begin(there, "bills", "note")
        assert (await there.job()).end == "failed"
        assert there.said == ["device.in-use"]
        assert watched.work == "before-the-test"
        assert watched.status.state is DeviceState.READY
        appliance.operations.cancel_here("before-the-test")


@quick
async def test_a_coin_is_paid_once_when_it_was_asked_for_surely_and_stands_in_the_journal(tmp_path: Path) -> None:
    async with yard(tmp_path) as devices:
        port = await devices.put("bus", "cctalk", devices="coins,hopper")
        given = {"hopper": {"driver": "cctalk-hopper", "port": port, "denomination": 10000},
                 "coins": {"driver": "cctalk", "port": port}}  # fmt: skip
        async with door(tmp_path, given) as there:
            await well(there.appliance.supervisor, "hopper", "coins")
            await there.sign_in()
            once = "x" * 22
            csrf = next(iter(there.engineer.sessions._by_digest.values())).csrf
            answer = await there.post("/devices", device="hopper", trial="pay", csrf=csrf, once=once)
            assert answer.status_code == 422
            assert there.engineer.work.latest is None
            answers = await asyncio.gather(*(
                there.post("/devices", device="hopper", trial="pay", csrf=csrf, once=once, sure="yes") for _ in range(5)
            ))  # fmt: skip
            assert {answer.headers["Location"] for answer in answers} == {"/engineer/job"}
            assert (await there.job()).end == "passed", there.said
            await there.post("/devices", device="hopper", trial="pay", csrf=csrf, once=once, sure="yes")
            await there.job()
            paid = await told(there, "payout-ended")
            assert [(each["asked"], each["paid"]) for each in paid] == [(1, 1)]
            assert str(paid[0]["work"]).startswith("engineer/")
            (event,) = await told(there, "engineer-tested")
            assert (event["test"], event["amount"], event["currency"]) == ("pay", 10000, "KZT")


@quick
async def test_printers_and_registers_print_nothing_fiscal(tmp_path: Path) -> None:
    async with yard(tmp_path) as devices:
        register = {"driver": "shtrih", "port": await devices.put("register", "shtrih"), "password": 30}
        given = {"printer": {"driver": "escpos", "port": await devices.put("printer", "escpos")}, "register": register}
        async with door(tmp_path, given) as there:
            await well(there.appliance.supervisor, "printer", "register")
            await there.sign_in()
            for name, trial in (
                ("printer", "slip"),
                ("register", "check"),
                ("register", "slip"),
                ("register", "x-report"),
            ):
                await begin(there, name, trial)
                assert (await there.job()).end == "passed", (name, trial, there.said)
            assert await told(there, "document-registered") == []


@quick
async def test_what_a_device_says_is_text_and_never_a_page(tmp_path: Path) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    async with (
        yard(tmp_path) as devices,
        door(tmp_path, {"bills": {**await bills(devices), "label": "<b>left</b>"}}) as there,
    ):
        await well(there.appliance.supervisor, "bills")
        await there.sign_in()
        watched = there.appliance.supervisor.find("bills")
        await begin(there, "bills", "note")
        await waiting_for_a_note(there)
        assert there.engineer.work.latest is not None
        there.engineer.work.latest.say(module.Mark.SAID, "device.says", words=evil + "{0}{words}")
        watched.trouble = evil
        for page in ("/job", "/devices", "/collection"):
            text = (await there.get(page)).text
            assert "<img" not in text
            assert "<script>alert" not in text
            assert "<b>left" not in text
        watched.trouble = ""


@quick
async def test_money_is_collected_once_with_its_slip(tmp_path: Path) -> None:
    routes = {"cash": {"desk": "cash", "devices": ["bills"]}}
    async with yard(tmp_path) as devices:
        given = {
            "bills": await bills(devices),
            "printer": {"driver": "escpos", "port": await devices.put("printer", "escpos")},
        }
        async with door(tmp_path, given, routes) as there:
            await well(there.appliance.supervisor, "bills", "printer")
            await there.sign_in()
            body = msgspec.Raw(b'{"amount": 50000, "currency": "KZT"}')
            there.appliance.operations.request(Request(request_id="r1", operation="cash", start_within=60.0, body=body))
            watched = there.appliance.supervisor.find("bills")
            await until(lambda: watched.status.state is DeviceState.READY)
            refused = await there.post("/collection", sure="yes", **{"take-bills": "yes"})
            assert refused.status_code == 409
            devices.do("bills", "insert", value="500")
            await until(lambda: watched.work == "" and watched.status.state is DeviceState.DISABLED)
            assert "500" in (await there.get("/collection")).text
            for fields in ({"sure": "yes"}, {"take-bills": "yes"}, {"sure": "yes", "take-nobody": "yes"}):
                assert (await there.post("/collection", **fields)).status_code == 422
            sent = {"csrf": next(iter(there.engineer.sessions._by_digest.values())).csrf, "once": "y" * 22}
            for _ in range(2):
                answer = await there.post("/collection", sure="yes", **sent, **{"take-bills": "yes"})
                assert answer.status_code == 200
                assert "500" in answer.text
            (record,) = await told(there, "collection")
            assert (record["total"], record["by"], record["device"]) == (50000, "engineer", "bills")
            assert (await told(there, "engineer-collected"))[0]["slip"] == "printed"
            book = await there.appliance.journal.read(lambda book: levels(book, "bills"))
            assert all(each["total"] == 0 for each in book["lying"])
