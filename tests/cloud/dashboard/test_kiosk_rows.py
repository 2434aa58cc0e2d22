"""The list of kiosks: what is searched, filtered, sorted, paged."""

import pytest

from cloud.dashboard.kiosk_rows import FILTERS, PAGE, SORTS, Asked, Line, State, find, plain, read


def line(kiosk_id: str, **more: object) -> Line:
    return Line(**{"id": kiosk_id, "name": "", "state": State.CONNECTED, **more})  # type: ignore[arg-type]


def ids(lines: list[Line], **asked: object) -> list[str]:
    return [each.id for each in find(lines, Asked(**asked)).lines]  # type: ignore[arg-type]


LINES = [
    line("kiosk_10", name="Алматы, касса", address="10.0.0.10", version="1.10.0", since=50.0),
    line("kiosk_9", name="Й-центр", address="10.0.0.9", version="1.9.0", since=10.0, ailing=1),
    line("Kiosk_2", state=State.AWAY, version="1.9.0", since=90.0, flaps=True),
    line("new", state=State.NEVER),
    line("off", state=State.DISABLED, name="kiosk_9 old", since=1.0),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["Kiosk_2", "kiosk_9", "kiosk_10", "new", "off"]),
        ("KIOSK_9", ["kiosk_9", "off"]),
        ("алматы", ["kiosk_10"]),
        ("й", ["kiosk_9"]),
        ("и\u0306", ["kiosk_9"]),  # the same letter, of two characters
        ("10.0.0.9", ["kiosk_9"]),
        ("nothing", []),
    ],
)
def test_search_in_id_name_and_address(text: str, found: list[str]) -> None:
    assert ids(LINES, text=text) == found


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("connected", ["kiosk_9", "kiosk_10"]), ("away", ["Kiosk_2"]), ("never", ["new"]), ("disabled", ["off"]),
        ("flapping", ["Kiosk_2"]), ("attention", ["Kiosk_2", "kiosk_9"]),
    ],
)  # fmt: skip
def test_filters(state: str, found: list[str]) -> None:
    assert ids(LINES, state=state) == found
    assert find(LINES, Asked(state=state)).counts[state] == len(found)


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("id", ["Kiosk_2", "kiosk_9", "kiosk_10", "new", "off"]),
        ("name", ["off", "kiosk_10", "kiosk_9", "Kiosk_2", "new"]),
        ("state", ["Kiosk_2", "kiosk_9", "kiosk_10", "new", "off"]),
        ("since", ["Kiosk_2", "kiosk_10", "kiosk_9", "off", "new"]),
        ("version", ["Kiosk_2", "kiosk_9", "kiosk_10", "new", "off"]),
    ],
)
def test_orders(sort: str, found: list[str]) -> None:
    assert ids(LINES, sort=sort) == found
    assert ids(LINES, sort=sort, is_falling=True) == found[::-1]


def test_versions_are_offered_the_newest_first_and_filter() -> None:
    assert find(LINES, Asked()).versions == ["1.10.0", "1.9.0"]
    assert ids(LINES, version="1.9.0") == ["Kiosk_2", "kiosk_9"]


def test_counts_are_of_what_text_and_version_mean_whatever_state_is_shown() -> None:
    counts = find(LINES, Asked(state="away", version="1.9.0")).counts
    assert counts == {
        "": 2, "connected": 1, "away": 1, "never": 0, "disabled": 0, "flapping": 1, "attention": 2,
    }  # fmt: skip


def test_pages() -> None:
    many = [line(f"k{number}") for number in range(2 * PAGE + 1)]
    assert [len(find(many, Asked(page=page)).lines) for page in (1, 2, 3, 4)] == [PAGE, PAGE, 1, 1]
    assert (find(many, Asked(page=3)).first, find([], Asked()).first, find([], Asked(page=7)).pages) == (101, 0, 1)


def test_what_an_address_says_is_read_or_counts_as_not_said() -> None:
    assert read({}) == read({"sort": "x", "page": "-1", "state": "'--"}) == Asked()
    asked = read({"q": "  a \n b ", "sort": "-version", "page": "3", "state": "away", "version": "1"})
    assert asked == Asked(text="a b", sort="version", is_falling=True, page=3, state="away", version="1")
    for page in ("0", "1" * 9, "٣", "1e3", ""):
        assert read({"page": page}).page == 1
    assert len(read({"q": "x" * 9999}).text) == 200
    assert {"id", "state"} <= set(SORTS)
    assert set(State) <= set(FILTERS)


def test_ids_whose_digits_are_no_numbers_can_be_sorted() -> None:
    assert ids([line("a²"), line("a1" + "9" * 60), line("a٣"), line("1"), line("a")])


def test_the_names_of_ten_thousand_kiosks_are_made_comparable_once() -> None:
    many = [line(f"kiosk_{number:05}", name=f"Алматы {number}", since=float(number)) for number in range(10_000)]
    find(many, Asked(text="алматы", sort="name"))
    before = plain.cache_info().misses
    assert len(find(many, Asked(text="алматы", sort="name")).lines) == PAGE
    assert plain.cache_info().misses == before


def test_letters_are_compared_without_case() -> None:
    assert plain("ҚАЗАҚСТАН ЁЖ") == plain("қазақстан ёж")
