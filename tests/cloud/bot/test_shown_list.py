"""Which kiosks are wanted, and pages of them."""

import pytest

from cloud.bot.html import length
from cloud.bot.reply import Language
from cloud.bot.shown_list import PER_PAGE, Wanted, page, shown, wanted
from cloud.bot.shown_stand import Stand, State
from cloud.bot.texts import Texts
from cloud.emulator.entities import parse_html
from cloud.kiosks.registry import Kiosk

NOW = 1_800_000_000.0
SAY = Texts()


def it(kiosk_id: str, state: State = State.ONLINE, name: str = "", *, double: bool = False) -> Stand:
    kiosk = Kiosk(id=kiosk_id, name=name, enabled=state is not State.DISABLED, generation=0, created_at=NOW - 90_000)
    since = None if state is State.NEVER else NOW - 3700
    return Stand(kiosk=kiosk, state=state, since=since, is_double=double)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", Wanted()),
        ("offline", Wanted(state=State.OFFLINE)),
        ("Офлайн  Вокзал", Wanted(state=State.OFFLINE, text="вокзал")),
        ("station ONLINE", Wanted(state=State.ONLINE, text="station")),
        ("double", Wanted(is_double=True)),
        ("online-shop", Wanted(text="online-shop")),
        ("Till  2", Wanted(text="till 2")),
    ],
)
def test_what_is_wanted(text: str, right: Wanted) -> None:
    assert wanted(text) == right
    assert right.is_all == (text == "")


def test_what_is_wanted_is_taken() -> None:
    some = [it("a1", name="Вокзал"), it("b2", State.OFFLINE), it("c3", State.DISABLED), it("d4", double=True)]
    assert [s.kiosk.id for s in some if wanted("вокзал").takes(s)] == ["a1"]
    assert [s.kiosk.id for s in some if wanted("B").takes(s)] == ["b2"]
    assert [s.kiosk.id for s in some if wanted("offline").takes(s)] == ["b2"]
    assert [s.kiosk.id for s in some if wanted("double").takes(s)] == ["d4"]
    assert [s.kiosk.id for s in some if wanted("online вок").takes(s)] == ["a1"]
    assert all(Wanted().takes(s) for s in some)


def test_pages() -> None:
    some = [it(f"k{n:03}") for n in range(25)] + [it("off", State.OFFLINE), it("new", State.NEVER, double=True)]
    first = page(some, Wanted(), 0)
    assert (len(first.stands), first.pages, first.found, first.doubles) == (PER_PAGE, 3, 27, 1)
    assert first.counts == {State.ONLINE: 25, State.OFFLINE: 1, State.NEVER: 1}
    assert [s.kiosk.id for s in page(some, Wanted(), 2).stands][-1] == "new"
    assert page(some, Wanted(), 99).number == 2  # kiosks were removed since the button was made
    only = page(some, wanted("offline"), 0)
    assert (only.found, only.pages, only.counts[State.ONLINE]) == (1, 1, 25)
    none = page([], Wanted(), 3)
    assert (none.number, none.pages, none.found) == (0, 1, 0)


def test_a_page_says_who_and_since_when() -> None:
    some = [it("k1", name="Till <2> & co"), it("k2", State.OFFLINE), it("k3", State.NEVER), it("k4", State.DISABLED)]
    html = shown(SAY, "en", page(some, Wanted(), 0), "", now=NOW, up=60.0)
    assert html.startswith(
        "<b>4 kiosks</b>: 🟢 1 connected · 🔴 1 offline · ⚪️ 1 never connected · 🚫 1 disabled\n"
        "\n🟢 <code>k1</code> Till &lt;2&gt; &amp; co\nconnected for 1 h 1 min, since 2027-01-15 06:58 UTC\n"
        "\n🔴 <code>k2</code>\noffline for 1 h 1 min, since 2027-01-15 06:58 UTC\n"
    )
    assert html.endswith(
        "\n⚪️ <code>k3</code>\nnever connected, added 1 d 1 h ago, 2027-01-14 07:00 UTC\n"
        "\n🚫 <code>k4</code>\ndisabled, last here 1 h 1 min ago, 2027-01-15 06:58 UTC"
    )


def test_a_page_in_russian_counts_rightly() -> None:
    html = shown(SAY, "ru", page([it("k1"), it("k2", double=True)], Wanted(), 0), "", now=NOW, up=60.0)
    assert html.startswith("<b>2 киоска</b>: 🟢 на связи 2 · ⚠️ с двойником 1\n")
    assert "на связи 1 ч 1 мин, с 2027-01-15 06:58 UTC" in html
    assert "⚠️ две машины под одним именем" in html


def test_one_gone_before_the_hub_started_says_so() -> None:
    kiosk = Kiosk(id="k1", name="", enabled=True, generation=0, created_at=NOW)
    gone = Stand(kiosk=kiosk, state=State.OFFLINE, since=None)
    html = shown(SAY, "en", page([gone], Wanted(), 0), "", now=NOW, up=720.0)
    assert html.endswith("offline, not seen since the hub started, 12 min ago")


def test_what_nobody_matches_is_said() -> None:
    assert "None matches “&lt;x&gt;”" in shown(SAY, "en", page([it("k")], wanted("<x>"), 0), "<x>", now=NOW, up=1.0)
    assert "1 matches “k”" in shown(SAY, "en", page([it("k")], wanted("k"), 0), "k", now=NOW, up=1.0)
    assert "/add_kiosk" in shown(SAY, "en", page([], Wanted(), 0), "", now=NOW, up=1.0)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_longest_page_fits(language: Language) -> None:
    some = [it(f"{n}" + "k" * 63, State.OFFLINE, "<&😀>" * 40, double=True) for n in range(10)]
    html = shown(SAY, language, page(some, Wanted(), 0), "<" * 200, now=NOW, up=1e9)
    assert length(html) <= 4096
    parse_html(html)
