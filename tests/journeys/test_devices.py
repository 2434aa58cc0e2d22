"""An engineer at the bench: the commands as they are typed, against simulated devices that are killed and unplugged."""

import json
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.benchwork import Bench, Running


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as built:
        yield built


@pytest.fixture(autouse=True)
def _nothing_twice() -> None:
    """There is no hub and no gateway here."""


def walk_bills(bench: Bench, *more: str) -> Running:
    """`devices test` of the bill validator, as far as its asking for a note."""
    port = str(bench.directory / "bills")
    command = ["devices", "test", port, "--driver", "ccnet", "--set", "currency=KZT", "--wait", "60", *more]
    test = bench.start("kioskwire-appliance", *command)
    test.says("...   ready")
    return test


def test_a_validator_is_found_unplugged_and_plugged_again_and_gives_a_note_back(bench: Bench) -> None:
    bench.device("ccnet", "bills", "--option", "baud=19200")
    port = str(bench.directory / "bills")
    answer = bench.run("kioskwire-appliance", "devices", "--only", "--port", port, "--json")
    assert answer.returncode == 0
    (found,) = json.loads(answer.stdout)["ports"]
    assert (found["state"], found["path"]) == ("found", port)
    (device,) = found["devices"]
    assert (device["driver"], device["line"], bool(device["serial"])) == ("ccnet", "19200 8N1", True)
    assert device["routing"] == {"driver": "ccnet", "port": port, "currency": None, "baud": 19200}

    test = walk_bills(bench)
    while_it_runs = bench.run("kioskwire-appliance", "devices", "--only", "--port", port)
    assert "in use by another program; not touched" in while_it_runs.stdout
    bench.do("unplug")
    test.says("...   absent")
    bench.do("plug")
    test.says("...   ready", times=2)
    bench.do("ccnet", "insert", "500")
    assert test.ends() == 0, test.screen
    assert "500.00 KZT was given back; take it" in test.screen
    assert test.screen.endswith("PASSED\n")
    assert bench.happened("bills") == ["bill_inserted", "bill_returned"]


def test_the_simulator_is_killed_in_between_and_remembers(bench: Bench) -> None:
    device = bench.device("ccnet", "bills")
    test = walk_bills(bench, "--keep")
    device.kill()
    device = bench.device("ccnet", "bills")
    test.says("...   ready", times=2)
    bench.do("insert", "1000")
    assert test.ends() == 0, test.screen
    assert "1000.00 KZT is in the cassette" in test.screen
    device.kill()
    bench.device("ccnet", "bills")
    assert bench.happened("bills").count("bill_stacked") == 1
    assert bench.do("pull-cassette")["notes"] == 1


def test_a_printer_is_found_prints_and_says_when_it_cannot(bench: Bench) -> None:
    printer = bench.device("escpos", "printer", "--option", "boot_s=0")
    port = str(bench.directory / "printer")
    found = bench.run("kioskwire-appliance", "devices", "--only", "--port", port)
    assert f"printer: {{driver: escpos, port: {port}}}" in found.stdout
    assert bench.happened("printer") == []  # asking prints nothing

    passed = bench.run("kioskwire-appliance", "devices", "test", port, "--driver", "escpos")
    assert passed.returncode == 0, passed.stdout
    assert bench.happened("printer").count("slip_printed") == 1
    assert "Не фискальный документ" in printer.screen
    assert "qr printed" in printer.screen

    bench.do("paper-out")
    printer.kill()
    bench.device("escpos", "printer", "--option", "boot_s=0")
    failed = bench.run("kioskwire-appliance", "devices", "test", port, "--driver", "escpos")
    assert failed.returncode == 1, failed.stdout
    assert "FAILED: the paper is out: put in a roll" in failed.stdout
    assert bench.happened("printer").count("slip_printed") == 1
    bench.do("load-paper", "100000")
    assert bench.run("kioskwire-appliance", "devices", "test", port, "--driver", "escpos").returncode == 0


def test_ctrl_c_leaves_the_validator_taking_nothing(bench: Bench) -> None:
    bench.device("ccnet", "bills")
    test = walk_bills(bench)
    test.interrupt()
    assert test.ends() == 1, test.screen
    assert "stopping" in test.screen
    assert "FAILED: stopped before its end" in test.screen
    assert bench.do("insert", "500") == {"taken": 0}


def test_a_device_that_is_not_there_fails_by_name(bench: Bench) -> None:
    (bench.directory / "routing_config.yaml").write_text(
        'default: {url: "http://127.0.0.1:1/"}\n'
        f"devices:\n  bills: {{driver: ccnet, port: {bench.directory}/bills, currency: KZT}}\n"
    )
    answer = bench.run("kioskwire-appliance", "devices", "test", "coins")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "coins: is no device of routing_config.yaml: there are bills" in answer.stderr
    test = bench.start("kioskwire-appliance", "devices", "test", "bills")
    test.says("there is no port")
    test.interrupt()
    assert test.ends() == 1
    bench.device("ccnet", "bills")
    listed = bench.run("kioskwire-appliance", "devices", "--only", "--port", str(bench.directory / "bills"))
    assert "configured as  bills" in listed.stdout


def test_what_is_typed_into_its_own_terminal(bench: Bench) -> None:
    keyboard, terminal = pty.openpty()
    device = bench.start("kioskwire-sim", "device", "ccnet", stdin=terminal)
    device.says("type help")
    for typed, answer in (
        ("help", "power-cut"),
        ("pull-cassette", "cassette removed: notes 0"),
        ("dance", "there is no dance"),
        ("power-cut after=many", "after=many: right would be a whole number"),
        ("power-off", "done"),
    ):
        os.write(keyboard, f"{typed}\n".encode())
        device.says(answer)
    os.write(keyboard, b"quit\n")
    assert device.ends() == 0
    os.close(keyboard)
    os.close(terminal)


def test_two_of_a_kind_are_told_apart(bench: Bench) -> None:
    bench.device("ccnet", "left")
    bench.device("ccnet", "right")
    both = bench.run("kioskwire-sim", "insert", "500")
    assert both.returncode == 2
    assert "several take 500; say which" in both.stderr
    assert all(f"do {bench.directory / name} insert 500" in both.stderr for name in ("left", "right"))
    listed = bench.run("kioskwire-sim", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["ccnet", "ccnet"]
    taken = bench.run("kioskwire-sim", "device", "ccnet", "--link", str(bench.directory / "left"))
    assert taken.returncode == 1
    assert "is there already" in taken.stderr
    bench.do("left", "quit")
    assert bench.do("insert", "500") == {"taken": 0}
