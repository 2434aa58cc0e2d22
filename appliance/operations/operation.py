"""The states of one operation at the kiosk, and what leads from one to the next. Pure.

The line that matters runs between `STARTING` and `RUNNING`. Before it the kiosk can still say "no, and never will" by
its own word; behind it only the gateway knows. That is why a request that merely waits is not journaled (losing it
costs nothing: the hub asks again), why the row must be on the disk before the line is crossed, and why nothing leads
back over it. `ASKING` is the state of what is behind the line and whose answer was lost, to a timeout or to a power
cut; it ends by what the gateway says or, when it cannot be asked or stays silent too long, as `UNKNOWN`.
"""

from enum import Enum, auto


class State(Enum):
    """Where an operation stands."""

    WAITING = auto()  # in memory only; its route moves next
    STARTING = auto()  # it has its slot; the journal moves next
    RUNNING = auto()  # started on the disk; the gateway moves next
    ASKING = auto()  # the answer is lost; the gateway is asked what became of it
    ANSWERED = auto()  # the gateway's answer is the outcome
    REFUSED = auto()  # it never reached the gateway, and never will
    UNKNOWN = auto()  # the gateway may have acted; only it or a person can tell
    SETTLED = auto()  # the hub has the outcome


class Happened(Enum):
    """What can happen to an operation."""

    TURN_CAME = auto()  # its route has a slot for it
    WRITTEN = auto()  # the journal has it as started
    ANSWER_CAME = auto()  # from the gateway, at once or when asked
    FOUND_ABSENT = auto()  # the gateway never got it
    ANSWER_LOST = auto()  # sent, and no answer
    GAVE_UP = auto()  # nobody to ask, or asked for long enough
    EXPIRED = auto()  # too late to be started
    CANCELLED = auto()  # by the hub
    NOT_TAKEN = auto()  # no route, no room, no disk, no query to be made
    TOLD = auto()  # the hub said settled


class IllegalTransitionError(Exception):
    """This cannot happen to an operation in that state: a bug."""

    def __init__(self, state: State, happened: Happened) -> None:
        self.state, self.happened = state, happened
        super().__init__(f"{happened.name} cannot happen to an operation that is {state.name}")


S, H = State, Happened
TRANSITIONS: dict[tuple[State, Happened], State] = {
    (S.WAITING, H.TURN_CAME): S.STARTING,
    (S.WAITING, H.EXPIRED): S.REFUSED,
    (S.WAITING, H.CANCELLED): S.REFUSED,
    (S.WAITING, H.NOT_TAKEN): S.REFUSED,
    (S.STARTING, H.WRITTEN): S.RUNNING,
    (S.STARTING, H.EXPIRED): S.REFUSED,
    (S.STARTING, H.NOT_TAKEN): S.REFUSED,
    (S.RUNNING, H.ANSWER_CAME): S.ANSWERED,
    (S.RUNNING, H.FOUND_ABSENT): S.REFUSED,
    (S.RUNNING, H.ANSWER_LOST): S.ASKING,
    (S.ASKING, H.ANSWER_CAME): S.ANSWERED,
    (S.ASKING, H.FOUND_ABSENT): S.REFUSED,
    (S.ASKING, H.GAVE_UP): S.UNKNOWN,
    (S.ANSWERED, H.TOLD): S.SETTLED,
    (S.REFUSED, H.TOLD): S.SETTLED,
    (S.UNKNOWN, H.TOLD): S.SETTLED,
}


def advance(state: State, happened: Happened) -> State:
    """The state after it. Raises `IllegalTransitionError`."""
    try:
        return TRANSITIONS[state, happened]
    except KeyError:
        raise IllegalTransitionError(state, happened) from None
