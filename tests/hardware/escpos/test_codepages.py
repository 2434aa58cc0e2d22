"""Letters: Russian and Kazakh on printers that have them and on such as have not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.escpos.codepages import STAND_INS, MissingLetter, codec_name, known_letters, runs, stand_in
from hardware.escpos.profiles import PROFILES, profile

EPSON = PROFILES["epson"].pages
CITIZEN = PROFILES["citizen"].pages
KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"


def read_back(text: str, pages: dict[int, str]) -> str:
    return "".join(run.data.decode(pages[run.page] if run.page is not None else "ascii") for run in runs(text, pages))


def test_ascii_needs_no_page() -> None:
    assert [run.page for run in runs("Total 100", EPSON, None)] == [None]


def test_one_page_for_a_line_that_one_page_has() -> None:
    assert [run.page for run in runs("Чек 1", EPSON)] == [17]
    assert [run.page for run in runs("Чек «1» №", EPSON)] == [46]
    assert [run.page for run in runs("Қазақстан, чек «1»", EPSON)] == [53]


def test_the_page_that_is_set_is_kept_while_it_will_do() -> None:
    assert [run.page for run in runs("Чек", EPSON, 46)] == [46]
    assert [run.page for run in runs("Қ", EPSON, 46)] == [53]


def test_a_line_that_no_page_has_whole_changes_as_seldom_as_possible() -> None:
    assert [run.page for run in runs("Чек für Қ", {17: "cp866", 19: "cp858", 53: "kz1048"})] == [17, 19, 53]


def test_kz1048_has_every_kazakh_letter() -> None:
    assert read_back(KAZAKH, dict(EPSON)) == KAZAKH
    assert len(runs(KAZAKH, EPSON)) == 1


def test_a_printer_without_them_refuses_by_name_or_takes_stand_ins() -> None:
    with pytest.raises(MissingLetter) as missing:
        runs("Қазақ", CITIZEN)
    assert missing.value.letter == "Қ"
    assert stand_in("Қазақстан «ұлы» №5 — 500 ₸", CITIZEN) == "Казакстан «улы» №5 — 500 тг"
    assert stand_in("Қазақстан", EPSON) == "Қазақстан"


@pytest.mark.parametrize("name", PROFILES)
def test_every_model_prints_kazakh_with_stand_ins(name: str) -> None:
    pages = PROFILES[name].pages
    assert known_letters(pages.values()).issuperset(stand_in(KAZAKH + "Чек — «₸» 5 €", pages))


def test_stand_ins_are_plain() -> None:
    plain = known_letters(["cp866"])
    assert all(set(letters) <= plain for letters in STAND_INS.values())


@given(st.text(st.sampled_from(sorted(known_letters(EPSON.values()))), max_size=60))
def test_what_is_sent_reads_as_what_was_meant(text: str) -> None:
    assert read_back(text, dict(EPSON)) == text


def test_names_of_pages() -> None:
    assert codec_name("KZ-1048") == codec_name("rk1048") == "kz1048"
    assert codec_name("WPC1251") == "cp1251"
    for wrong in ("utf-8", "gbk", "klingon"):
        with pytest.raises(ValueError, match=wrong):
            codec_name(wrong)


def test_an_owner_may_say_which_pages_his_printer_has() -> None:
    mine = profile("generic", code_pages={73: "cp1251", 59: "PC866"}, columns=48, dots=576, presenter=True)
    assert mine.pages == {73: "cp1251", 59: "cp866"}
    assert (mine.columns, mine.dots, mine.presenter) == (48, 576, True)
    for wrong in ({"columns": 3}, {"dots": 1}, {"code_pages": {256: "cp866"}}):
        with pytest.raises(ValueError, match="to"):
            profile("generic", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there are generic"):
        profile("nokia")
