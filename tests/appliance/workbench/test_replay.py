"""The command `replay`: who said what, when, and what was wrong."""

import json
import sys
from pathlib import Path

import pytest

from appliance.__main__ import main

TRACE = """\
# kioskwire trace 1
# program: kioskwire 0.1.0
# device: bills
# protocol: ccnet
# url: /dev/ttyUSB0
# line: 9600 8N1
2026-11-21T13:20:11.000000Z     10.000000 * opened /dev/ttyUSB0, 9600 8N1
2026-11-21T13:20:11.100000Z     10.100000 > 02 03 06 33 DA 81
2026-11-21T13:20:11.110000Z     10.110000 < 02 03 06
2026-11-21T13:20:11.115000Z     10.115000 < 14 67 D4
2026-11-21T13:20:11.300000Z     10.300000 > 02 03 06 33 DA 81
2026-11-21T13:20:11.310000Z     10.310000 < 02 03 06 14 67 D5
2026-11-21T13:20:11.350000Z     10.350000 < 02 03 06 14 67 D4
2026-11-21T13:20:11.400000Z     10.400000 < 02 03
2026-11-21T13:20:11.500000Z     10.500000 * lost /dev/ttyUSB0: the port is gone (unplugged?)
# kioskwire trace 1
# device: bills
# protocol: ccnet
2026-11-21T13:30:00.000000Z     20.000000 > 02 03 06 33
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "bills.trace"
    path.write_text(TRACE)
    return path


def test_a_trace_in_words(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(trace)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bills, ccnet, /dev/ttyUSB0, 9600 8N1, kioskwire 0.1.0"
    assert [line[:14] for line in lines[1:4]] == ["13:20:11.000 *", "13:20:11.100 →", "13:20:11.115 ←"]
    assert "POLL" in lines[2]
    assert [line[13:16] for line in lines].count("← !") == 2  # a wrong sum; a frame that the unplugging cut off
    assert lines[-1].startswith("13:30:00.000 → ! ")
    assert lines[-1].endswith("02 03 06 33")


def test_a_trace_as_data(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--json", str(trace)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == {
        "at": "2026-11-21T13:20:11Z", "seconds": 10.0, "event": "opened /dev/ttyUSB0, 9600 8N1",
    }  # fmt: skip
    assert (told[1]["from"], told[1]["command"], told[1]["ok"], told[1]["hex"]) == (
        "host",
        "POLL",
        True,
        "02030633DA81",
    )
    assert [one["ok"] for one in told if "ok" in one].count(False) == 3
    assert all(one["reason"] for one in told if not one.get("ok", True))


def test_faults_are_red_on_a_terminal_unless_it_shall_have_no_colour(
    trace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["replay", str(trace)])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    main(["replay", str(trace)])
    coloured = capsys.readouterr().out.splitlines()
    assert all(("\x1b[31m" in line) == (" ! " in line) for line in coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    main(["replay", str(trace)])
    assert "\x1b" not in capsys.readouterr().out


def test_another_protocol_can_be_named(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--protocol", "id003", str(trace)]) == 0
    assert "POLL" not in capsys.readouterr().out


def test_a_line_that_speaks_http_is_told_as_its_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def hexed(text: str) -> str:
        return text.encode().hex(" ").upper()

    (tmp_path / "t").write_text(
        "# kioskwire trace 1\n# device: register\n# protocol: \n"
        "2026-11-21T13:20:11.000000Z     10.000000 * opened http://127.0.0.1:16732\n"
        f"2026-11-21T13:20:11.100000Z     10.100000 > {hexed('GET / HTTP/1.1' + chr(13) + chr(10) + 'Authoriz')}\n"
        f"2026-11-21T13:20:11.200000Z     10.200000 > {hexed('ation: Basic Y2FuYXJ5' + chr(13) + chr(10) * 2)}\n"
        f"2026-11-21T13:20:11.300000Z     10.300000 < {hexed('чек' + chr(27))}\n"
        "2026-11-21T13:20:11.400000Z     10.400000 * lost closed\n"
    )
    assert main(["replay", str(tmp_path / "t")]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "13:20:11.000 * opened http://127.0.0.1:16732",
        "13:20:11.100 → GET / HTTP/1.1",
        "13:20:11.200 → Authorization: <hidden>",
        "13:20:11.300 ← чек\ufffd",
        "13:20:11.400 * lost closed",
    ]
    assert main(["replay", "--json", str(tmp_path / "t")]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (told[1]["from"], told[1]["text"]) == ("host", "GET / HTTP/1.1")


def test_a_long_rest_is_not_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t").write_text(
        "# kioskwire trace 1\n# device: bills\n# protocol: ccnet\n"
        f"2026-11-21T13:20:11.100000Z     10.100000 < {'55 ' * 300}\n"
    )
    assert main(["replay", str(tmp_path / "t")]) == 0
    assert capsys.readouterr().out.endswith(" 55 … 300 bytes\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n", "is no trace"),
        ("# kioskwire trace 1\n# device: x\n", "there is no protocol ''"),
        ("# kioskwire trace 1\n# protocol: atol\n", "there is no protocol 'atol'"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_read_ends_with_2(
    text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "t").write_text(text)
    assert main(["replay", str(tmp_path / "t")]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""
