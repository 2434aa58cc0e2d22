"""`kioskwire-appliance devices`, its words, and what it is asked wrongly."""

import inspect
import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.workbench import devices as commands
from appliance.workbench.devices import as_data, as_words, routing_fields
from appliance.workbench.survey import Answer, State, Surveyed
from hardware import catalogue
from hardware.catalogue import DriverEntry
from hardware.ports import LineSettings
from hardware.ports.listing import FoundPort
from hardware.probe import Found
from hardware.roles import BillValidator, Identity

USB = FoundPort(
    path="/dev/ttyUSB0", description="FT232R", vid=0x403, pid=0x6001, serial="A1", by_id="/dev/serial/by-id/usb-A1"
)
BOARD = FoundPort(path="/dev/ttyS0")
SM = Identity(maker="CashCode", model="SM", serial="21", firmware="1.2")


def found(
    port: FoundPort = USB, *drivers: str, line: LineSettings | None = None, address: int | None = None
) -> Surveyed:
    answers = tuple(
        Answer(Found(driver, SM, "idle", address), line or LineSettings()) for driver in drivers or ("toy",)
    )
    return Surveyed(port, "ftdi_sio", State.FOUND, answers=answers)


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(self: DriverEntry) -> dict[str, inspect.Parameter]:
        def toy(*, baud: int = 9600, currency: str, address: int = 3) -> None: ...

        return dict(inspect.signature(toy).parameters)

    entry = DriverEntry("toy", "toy", BillValidator, "toy", "a toy validator")
    real = catalogue.find_driver
    monkeypatch.setattr(DriverEntry, "settings", settings)
    monkeypatch.setattr(catalogue, "find_driver", lambda name: entry if name == "toy" else real(name))


def test_a_found_device_has_a_line_for_the_routing_file() -> None:
    words = as_words([found()], {"/dev/ttyUSB0": "notes"})
    assert words == [
        "/dev/ttyUSB0  FT232R  0403:6001  ftdi_sio",
        "    lasting name   /dev/serial/by-id/usb-A1",
        "    configured as  notes",
        "    CashCode SM, serial 21, firmware 1.2, toy at 9600 8N1",
        "      idle",
        "",
        "for routing_config.yaml:",
        "devices:",
        "  bills: {driver: toy, port: /dev/serial/by-id/usb-A1, currency: …}  # say which currency",
    ]


def test_settings_that_are_not_the_drivers_own_are_in_that_line() -> None:
    port = found(line=LineSettings(baud=19200), address=1)
    assert routing_fields(port, port.answers[0]) == {
        "driver": "toy", "port": "/dev/serial/by-id/usb-A1", "baud": 19200, "currency": None, "address": 1,
    }  # fmt: skip
    network = found(FoundPort(path="tcp://10.0.0.2:4001"), line=LineSettings(baud=19200))
    assert routing_fields(network, network.answers[0]) == {
        "driver": "toy", "port": "tcp://10.0.0.2:4001", "currency": None,
    }  # fmt: skip


def test_several_of_a_kind_are_numbered() -> None:
    words = as_words([found(USB, "toy"), found(BOARD, "toy")], {})
    assert [line.split(":")[0] for line in words[-2:]] == ["  bills1", "  bills2"]


def test_a_driver_that_is_not_in_the_catalogue_is_still_told() -> None:
    port = found(USB, "future")
    assert routing_fields(port, port.answers[0]) == {"driver": "future", "port": "/dev/serial/by-id/usb-A1"}
    assert as_words([port], {})[-1].startswith("  device: {driver: future")


@pytest.mark.parametrize(
    ("state", "words", "line"),
    [
        (State.IN_USE, "x", "    in use by another program; not touched"),
        (State.IN_USE, "open in cashd (pid 8)", "    in use: open in cashd (pid 8); not touched"),
        (State.UNREACHABLE, "no right to open it", "    no right to open it"),
        (State.SILENT, "", "    nothing answered"),
        (State.SILENT, "gave up after 30 s", "    nothing answered (gave up after 30 s)"),
    ],
)
def test_how_looking_ended(state: State, words: str, line: str) -> None:
    assert line in as_words([Surveyed(BOARD, "", state, words)], {})


def test_what_is_configured_already_is_not_suggested_again() -> None:
    told = as_words([found()], {found().port.url: "bills"})
    assert "    configured as  bills" in told
    assert not any("routing_config" in line for line in told)


def test_who_was_not_let_in_is_not_sent_to_the_power_switch() -> None:
    assert "power" not in "\n".join(as_words([Surveyed(BOARD, "", State.UNREACHABLE, "no right")], {}))


def test_when_nothing_is_there_it_says_what_to_check() -> None:
    assert "Is the cable in" in "\n".join(as_words([], {}))
    assert "Has the device power" in "\n".join(as_words([Surveyed(BOARD, "", State.SILENT)], {}))


def test_who_may_open_no_port_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "dialout_hint", lambda: "not in the group")
    assert as_words([], {})[-1] == "not in the group"
    assert "not in the group" not in as_words([found()], {})


def test_the_same_as_data() -> None:
    data = as_data(found(), {})
    assert (data["state"], data["usb"], data["by_id"]) == ("found", "0403:6001", "/dev/serial/by-id/usb-A1")
    assert data["devices"][0]["serial"] == "21"
    assert as_data(Surveyed(BOARD, "", State.SILENT), {})["devices"] == []


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_nothing_found_is_no_failure(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["devices", "--only", "--no-probe", *more]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {"ports": []} if more else "no serial port was found" in out


def test_a_url_that_is_none_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--only", "--no-probe", "--port", "COM1"]) == 2
    assert "--port: 'COM1' names no line" in capsys.readouterr().err


def test_a_routing_file_with_mistakes_stops_no_survey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text("routes: 5\n")
    assert main(["devices", "--only", "--no-probe", "--routes", str(tmp_path / "r.yaml")]) == 0
    assert "has a mistake, the names in it are left out" in capsys.readouterr().err


def test_everything_asked_wrongly_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["/dev/ttyUSB0", "--driver", "nothing", "--set", "x", "--set", "port=5", "--pay", "99", "--wait", "0"]
    assert main(["devices", "test", *arguments, "--coins", "many"]) == 2
    told = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert told == ["--pay=99", "--coins=many", "--wait=0", "--set=x", "--set=port=5", "--driver"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/dev/ttyUSB0"], "/dev/ttyUSB0: is a port; say what hangs on it: --driver, one of ccnet"),
        (["bills"], "cannot be read"),
        (["/dev/ttyUSB0", "--driver", "ccnet"], "--set currency: is required by the driver ccnet"),
        (["COM1", "--driver", "ccnet"], "ROUTING_CONFIG"),
        (["/dev/x", "--driver", "ssp", "--set", "baud=1"], "--set baud: is no setting of the driver ssp"),
        (["/dev/x", "--driver", "ssp", "--set", "address=1", "--set", "address=2"], "address is given twice"),
        (["/dev/x", "--driver", "ssp", "--trace", "/nowhere/x"], "--trace=/nowhere/x: its directory does not exist"),
        (["/dev/x", "--driver", "ssp", "--journal", "/dev/full"], "--journal=/dev/full: is no file"),
        (["tcp://127.0.0.1:1", "--driver", "atol"], "NAME: 'tcp://127.0.0.1:1' is no http://host:port"),
        (["tcp://nowhere", "--driver", "ccnet", "--set", "currency=KZT"], "NAME: 'tcp://nowhere' is no address"),
    ],
)
def test_one_thing_asked_wrongly(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["devices", "test", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_name_of_the_routing_file_is_taken_with_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    routes = tmp_path / "r.yaml"
    routes.write_text(
        'default: {url: "http://127.0.0.1/"}\ndevices: {bills: {driver: ccnet, port: /dev/nowhere, currency: KZT}}\n'
    )
    seen = []

    async def test(entry: object, journal: object, wishes: object, trace: object) -> str:
        seen.append(entry)
        return "it does not answer"

    monkeypatch.setattr(commands, "_test", test)
    arguments = ["--routes", str(routes), "test", "bills", "--set", "baud=19200", "--journal", str(tmp_path / "j")]
    assert main(["devices", *arguments]) == 1
    assert seen[0].settings == {"currency": "KZT", "baud": 19200}  # type: ignore[attr-defined]
    assert "FAILED: it does not answer" in capsys.readouterr().out
    assert main(["devices", "--routes", str(routes), "test", "coins"]) == 2
    assert "there are bills" in capsys.readouterr().err
    assert main(["devices", "--routes", str(routes), "test", "bills", "--journal", "/dev/null/x"]) == 2
    assert "--journal=/dev/null/x: cannot be written" in capsys.readouterr().err


def test_a_mistake_of_ours_is_no_traceback_on_the_screen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.undo()

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(commands, "walk_through", fail)
    arguments = ["/dev/nowhere", "--driver", "ccnet", "--set", "currency=KZT", "--journal", str(tmp_path / "j")]
    assert main(["devices", "test", *arguments, "--trace", str(tmp_path / "trace")]) == 1
    assert capsys.readouterr().out.endswith("FAILED: the driver failed, see above\n")
    assert "ZeroDivisionError: ours" in caplog.text
