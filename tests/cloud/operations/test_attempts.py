"""What is known of where an operation was given."""

from cloud.operations.attempts import LONGEST_WAIT, Attempts, Place

THERE = Place("hub-2", 5, "journal-1", is_v1=False)
ELSEWHERE = Place("hub-3", 6, "journal-1", is_v1=False)


def test_not_executed_may_be_told_once_every_attempt_was_refused() -> None:
    it = Attempts()
    assert not it.may_be_put
    first, second = it.begin(THERE), it.begin(ELSEWHERE)
    assert it.may_be_put
    assert it.refused(second)
    assert it.may_be_put
    assert it.refused(first)
    assert not it.may_be_put
    assert not it.refused(first)  # told again, or of something else


def test_what_was_put_on_a_socket_stays_so() -> None:
    it = Attempts()
    first = it.begin(THERE)
    it.carried(first)
    assert (it.may_be_put, it.is_there) == (True, True)
    second = it.begin(ELSEWHERE)
    assert not it.is_there
    assert it.refused(second)
    assert (it.may_be_put, it.is_there) == (True, False)
    assert not it.refused(first)


def test_a_message_that_surely_was_not_sent_leaves_no_doubt() -> None:
    it = Attempts()
    it.unsent(it.begin(THERE))
    assert not it.may_be_put


def test_who_tells_of_it_has_it() -> None:
    it = Attempts()
    it.begin(THERE)
    it.begin(ELSEWHERE)
    it.heard("hub-3")
    assert (it.is_put, it.is_there, list(it.doubts.values())) == (True, True, ["hub-2"])
    it = Attempts()
    it.heard("hub-9")  # told at a hub it never was given to
    assert (it.may_be_put, it.is_there) == (True, False)


def test_each_wait_is_twice_as_long_up_to_a_bound() -> None:
    it = Attempts()
    waits = []
    for _ in range(6):
        it.begin(THERE)
        waits.append(it.wait())
    assert waits == [0.5, 1.0, 2.0, 4.0, LONGEST_WAIT, LONGEST_WAIT]


def test_a_place_is_a_connection() -> None:
    assert THERE.is_same(Place("hub-2", 5, "", is_v1=True))
    assert not THERE.is_same(Place("hub-2", 6, "journal-1", is_v1=False))
    assert not THERE.is_same(ELSEWHERE)
    assert not THERE.is_same(None)
