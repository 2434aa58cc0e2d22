"""The command `decode`: words for a person, data for a program, a status for a script."""

import io
import json
import sys

import pytest

from appliance.__main__ import main

POLL = "02030633DA81"


def decode(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = main(["decode", *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    told = capsys.readouterr()
    return status, told.out, told.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object], str]:
    status, out, errors = decode(capsys, "--json", *arguments)
    assert out.count("\n") == 1
    return status, json.loads(out), errors


def test_a_frame_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, errors = decode(capsys, "ccnet", "--from", "host", "02 03 06", "33", "DA:81")
    assert (status, errors) == (0, "")
    head, *lines = out.splitlines()
    assert head.startswith("from the host: POLL")
    assert [line.split()[0] for line in lines] == ["bytes", "frame", "decoded", "checksum"]
    assert "crc-16/kermit" in out


def test_a_frame_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    status, data, errors = as_json(capsys, "ccnet", POLL)
    assert (status, errors) == (0, "")
    assert {
        "protocol": "ccnet",
        "from": "host",
        "ok": True,
        "command": "POLL",
        "skipped_bytes": 0,
    }.items() <= data.items()
    assert isinstance(data["decoded"], dict)
    assert data["decoded"]["cmd"] == 0x33
    assert data["checksum"] == {"algorithm": "crc-16/kermit", "sent": "81DA", "reckoned": "81DA", "good": True}
    assert data["frame"]
    assert data["words"]
    assert not {"reason", "frames"} & data.keys()


def test_a_frame_that_must_be_refused(capsys: pytest.CaptureFixture[str]) -> None:
    status, data, errors = as_json(capsys, "ccnet", "02030633DA82")
    assert status == 1
    assert data["ok"] is False
    assert data["reason"]
    assert errors == f"refused: {data['reason']}\n"
    status, out, errors = decode(capsys, "ccnet", "02030633DA82")
    assert (status, out.startswith("not taken, 6 bytes: 02 03 06 33 DA 82"), errors[:8]) == (1, True, "refused:")


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_frame_that_was_cut_is_refused(cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, errors = decode(capsys, "ccnet", POLL[: 2 * cut])
    assert (status, errors.startswith("refused: ")) == (1, True)


def test_noise_before_a_frame_is_told_and_what_is_broken_behind_it_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, data, _ = as_json(capsys, "ccnet", f"FF00{POLL}")
    assert (status, data["skipped_bytes"], data["command"]) == (0, 2, "POLL")
    assert isinstance(data["frames"], list)
    assert [item["ok"] for item in data["frames"]] == [False, True]
    status, data, _ = as_json(capsys, "ccnet", f"{POLL}0203")
    assert (status, data["command"], data["ok"]) == (1, "POLL", False)


def test_a_stream_of_frames_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    status, data, _ = as_json(capsys, "ccnet", "--from", "host", f"{POLL}02030633DA82{POLL}")
    assert status == 0
    assert isinstance(data["frames"], list)
    assert [item["ok"] for item in data["frames"]][::2] == [True, True]
    assert any("reason" in item for item in data["frames"])


@pytest.mark.parametrize("text", ["05", "15", "FF06"])
def test_control_bytes_of_a_register_are_good(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert decode(capsys, "shtrih-v1", text)[0] == 0


def test_what_both_may_say_is_told_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = decode(capsys, "shtrih-v1", "15")
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines() if "from the" in line] == [
        "from the device", "or, from the host",
    ]  # fmt: skip
    _, data, _ = as_json(capsys, "shtrih-v1", "15")
    assert isinstance(data["also"], list)
    assert data["also"][0]["from"] == "host"


def test_bytes_come_from_standard_input_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("0x02 0x03 0x06\n0x33 0xDA 0x81\n"))
    assert decode(capsys, "ccnet", "-")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ccnet", "0203063"], "7 hex digits"),
        (["ccnet", "02 03 zz"], "'z' in 'zz' is no hex digit"),
        (["ccnet", ""], "there are no bytes"),
        (["ccnett", "02"], "did you mean ccnet?"),
        (["ccnet"], "the following arguments are required: HEX"),
        (["ccnet", "--from", "nobody", "02"], "invalid choice: 'nobody'"),
    ],
)
def test_asked_for_wrongly_it_says_so_and_ends_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, errors = decode(capsys, *arguments)
    assert (status, out) == (2, "")
    assert words in errors
    assert "Traceback" not in errors


def test_a_print_job_is_one_thing(capsys: pytest.CaptureFixture[str]) -> None:
    _, data, _ = as_json(capsys, "escpos", "1B40 1B7413 D50A 1D564200")
    assert isinstance(data["decoded"], dict)
    assert {"code_page": "cp858", "text": "€", "GS V": 66}.items() <= data["decoded"].items()
    assert data["command"] == "ESC @"


def test_a_status_whose_question_nobody_saw_is_the_printers(capsys: pytest.CaptureFixture[str]) -> None:
    status, data, _ = as_json(capsys, "escpos", "7E")
    assert (status, data["from"]) == (0, "device")
